"""Brings the options in ``docs/commands/*.md`` up to date with the commands: ``python docs/options.py``.

Each page is written by hand but for what stands between its two markers, which is what ``tfkit COMMAND --help`` says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from tfkit.cli.app import COMMANDS, build_app

FOLDER = Path(__file__).parent / "commands"
BEGIN, END = "<!-- options: written by docs/options.py -->", "<!-- end of options -->"


def page_of(name: str) -> str:
    """The page as it should be: its own text, and the options of today."""
    path = FOLDER / f"{name}.md"
    text = path.read_text(encoding="utf-8") if path.exists() else f"# tfkit {name}\n\n{BEGIN}\n{END}\n"
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{path} has no place for the options: expected the lines\n{BEGIN}\n{END}")
    return f"{before}{BEGIN}\n{options_of(name)}{END}{after}"


def options_of(name: str) -> str:
    """What ``--help`` says, as Markdown."""
    group: Any = get_command(build_app())
    return "\n".join(_command(f"tfkit {name}", group.commands[name]))


def _command(called: str, command: Any) -> Iterator[str]:
    subcommands = getattr(command, "commands", None)
    if subcommands is not None:
        yield f"\n{_paragraphs(command.help)}\n"
        for name, each in subcommands.items():
            yield f"## {called} {name}"
            yield from _command(f"{called} {name}", each)
        return
    parameters = [each for each in command.params if not getattr(each, "hidden", False)]
    arguments = [each for each in parameters if each.param_type_name == "argument"]
    words = [_word(each) for each in arguments]
    yield f"\n    {' '.join((called, *words, '[OPTIONS]'))}\n"
    yield f"{_paragraphs(command.help)}\n"
    yield "| | |\n|---|---|"
    for each in parameters:
        yield f"| {_names(each)} | {_cell(each.help or '')}{_default(each)} |"
    yield ""


def _word(argument: Any) -> str:
    word = (argument.metavar or argument.name).strip("[]{}").upper().removesuffix("...")
    word = f"{word}..." if argument.nargs == -1 else word
    return word if argument.required else f"[{word}]"


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{_word(parameter)}`"
    names = ", ".join(f"`{name}`" for name in parameter.opts)
    if parameter.secondary_opts:
        names += " / " + ", ".join(f"`{name}`" for name in parameter.secondary_opts)
    return names if parameter.is_flag else f"{names} `{parameter.metavar or _kind(parameter)}`"


def _kind(parameter: Any) -> str:
    """What an option takes, for one that does not say."""
    annotation = str(parameter.type_descriptor.annotation)
    return next((kind for kind in ("int", "float", "Path") if kind in annotation), "text").upper()


def _default(parameter: Any) -> str:
    if parameter.required:
        return " Required."
    shown = getattr(parameter, "show_default", False)
    value = shown if isinstance(shown, str) else parameter.default if shown else None
    return f" Default: {_cell(str(value))}." if value not in (None, False, "", (), []) and not callable(value) else ""


def _paragraphs(text: str | None) -> str:
    paragraphs = (" ".join(each.split()) for each in (text or "").split("\n\n"))
    return "\n\n".join(f"    {each}" if each.startswith("tfkit ") else each for each in paragraphs)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Writes every page; prints those that changed."""
    FOLDER.mkdir(exist_ok=True)
    for name in COMMANDS:
        path, text = FOLDER / f"{name}.md", page_of(name)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
