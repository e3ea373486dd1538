"""Wires the commands, turns exceptions into messages and exit codes."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from importlib import import_module

import typer

from tfkit.errors import EXIT_BUG, EXIT_INTERRUPTED, EXIT_MISSING, TfkitError

# Command, module that defines it as `run`, or several of them as `group`; the order is the one of `tfkit --help`.
COMMANDS = {
    "export": "tfkit.cli.export",
    "inspect": "tfkit.cli.inspect",
    "check": "tfkit.cli.check",
    "verify": "tfkit.cli.verify",
    "warmup-gen": "tfkit.cli.warmup_gen",
    "warmup-convert": "tfkit.cli.warmup_convert",
    "warmup-lint": "tfkit.cli.warmup_lint",
    "warmup-prove": "tfkit.cli.warmup_prove",
    "serve": "tfkit.cli.serve",
    "record": "tfkit.cli.record",
    "predict": "tfkit.cli.predict",
    "bundle": "tfkit.cli.bundle",
    "bundle-check": "tfkit.cli.bundle_check",
    "run": "tfkit.cli.run",
    "runtime": "tfkit.cli.runtime",
    "proto": "tfkit.cli.proto",
    "doctor": "tfkit.cli.doctor",
}

HELP = """
From any TensorFlow model to a warm, proven EAS service, on one laptop.

export a model, inspect it, check and verify it for EAS's processors.

warmup-gen makes its warm-up file; lint, prove and convert that.

serve it, ask it with predict, record what it is asked.

bundle it for its upload. run does all of this from a recipe.
"""


def build_app(only: str | None = None) -> typer.Typer:
    """The Typer application with every command, or with just one so that nothing else is imported."""
    app = typer.Typer(
        name="tfkit",
        help=HELP,
        no_args_is_help=True,
        add_completion=only is None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name, module in COMMANDS.items():
        if only in (None, name):
            command = import_module(module)
            if hasattr(command, "group"):
                app.add_typer(command.group, name=name)
            else:
                app.command(name)(command.run)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        from tfkit import __version__

        typer.echo(f"tfkit {__version__}")
        raise typer.Exit


def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """From any TensorFlow model to a warm, proven EAS service, on one laptop."""


def main() -> None:
    """Entry point of the ``tfkit`` command."""
    _open_missing_streams()
    argv = sys.argv[1:]
    only = argv[0] if argv and argv[0] in COMMANDS and "_TFKIT_COMPLETE" not in os.environ else None
    sys.exit(guard(lambda: build_app(only)(standalone_mode=True)))


def guard(action: Callable[[], object]) -> int:
    """Runs ``action``; an error of tfkit becomes its message on stderr and its exit code, without a traceback.

    With ``TFKIT_DEBUG=1`` the traceback is shown as well. Bugs keep theirs always.
    """
    try:
        action()
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(bool(exit_.code))
    except KeyboardInterrupt:
        sys.stderr.write("\ntfkit: interrupted\n")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`tfkit inspect | head`): not an error.
        _discard_stdout()
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            _print_traceback()
            return _tell_bug()
        sys.stderr.write(f"tfkit: error: cannot write the output: {error.strerror}\n")
        _discard_stdout()
        return EXIT_MISSING
    except TfkitError as error:
        from tfkit.cli.output import note

        if os.environ.get("TFKIT_DEBUG") == "1":
            _print_traceback()
        note(f"tfkit: error: {error}")
        return error.exit_code
    except Exception:  # noqa: BLE001  # the last resort: whatever it is, it is a bug
        _print_traceback()
        return _tell_bug()
    return 0


def _open_missing_streams() -> None:
    """Opens /dev/null for each of stdin, stdout and stderr that is closed: a socket must not take its number."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _discard_stdout() -> None:
    """Nothing more can be written, and the interpreter must not try when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell_bug() -> int:
    sys.stderr.write("tfkit: this is a bug in tfkit: please report it with the lines above\n")
    return EXIT_BUG


def _print_traceback() -> None:
    import traceback

    traceback.print_exc()
