"""``tfkit runtime``: the TensorFlow of each of EAS's processors, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfkit.cli.output import note, print_json, print_table, print_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfkit.processors.catalogue import Processor
    from tfkit.processors.status import RuntimeStatus

group = typer.Typer(help="List, install and remove the TensorFlows that EAS's processors are.", no_args_is_help=True)


def _complete() -> list[str]:
    from tfkit.processors.catalogue import PROCESSORS

    return list(PROCESSORS)


_Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help="Processors; 'tensorflow_cpu_*' means all that fit.", autocompletion=_complete),
]
_All = Annotated[bool, typer.Option("--all", help="Every one of EAS's processors.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@group.command("list")
def list_(
    verify: Annotated[
        bool, typer.Option("--verify", help="Read what is installed and compare checksums, not only sizes.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Say of each processor, and of the installed TensorFlow, whether it is installed and can run here."""
    from tfkit.processors.libraries import runtimes_folder
    from tfkit.processors.status import list_runtimes

    statuses = list_runtimes(verify=verify)
    if as_json:
        print_json({"folder": str(runtimes_folder()), "runtimes": [status.as_dict() for status in statuses]})
        return
    columns = ("processor", "TensorFlow", "installed", "download", "runs here on")
    print_table(columns, [_row(status) for status in statuses])
    for status in statuses:
        for remark in filter(None, (status.damage, status.reason, status.advice)):
            print_text(f"{status.processor.name}: {remark}")
    if searched := dict.fromkeys(place for status in statuses if status.cuda.missing for place in status.cuda.searched):
        print_text(f"CUDA's libraries were looked for in {', '.join(map(str, searched))}.")


@group.command()
def install(
    names: _Names = None,
    everything: _All = False,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="PATH", help="A wheel or a folder of wheels, instead of downloading."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Install anew what is installed.")] = False,
    as_json: _Json = False,
) -> None:
    """Install processors: pip downloads the wheel, and the two libraries that matter are kept.

    Example: tfkit runtime install tensorflow_cpu_1.15
    """
    from tfkit.cli.progress import install_progress
    from tfkit.errors import UsageError
    from tfkit.processors.install import install_runtime
    from tfkit.processors.libraries import is_installed

    report: list[dict[str, Any]] = []
    selected = _selected(names, everything)
    if source is not None and source.is_file() and len(selected) > 1:
        raise UsageError(f"--from {source} is one wheel, and {len(selected)} processors are named: give their folder")
    try:
        for processor in selected:
            there = is_installed(processor) and not force
            with install_progress(processor.name) as progress:
                paths = install_runtime(processor, source=source, progress=progress, force=force)
            note(f"{processor.name} {'is already' if there else 'installed'} in {paths.c_api.parent}")
            report.append({"name": processor.name, "path": str(paths.c_api.parent), "already_installed": there})
    finally:
        if as_json:  # also what was installed before one failed
            print_json({"runtimes": report})


@group.command()
def remove(names: _Names = None, everything: _All = False, as_json: _Json = False) -> None:
    """Remove installed processors."""
    from tfkit.processors.install import remove_runtime

    report = []
    for processor in _selected(names, everything):
        removed = remove_runtime(processor)
        if removed or not everything:
            note(f"{processor.name} {'removed' if removed else 'is not installed'}")
        report.append({"name": processor.name, "removed": removed})
    if as_json:
        print_json({"runtimes": report})


@group.command()
def path(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A processor, or installed.", autocompletion=_complete)],
) -> None:
    """Print the folder of an installed processor's libraries; exit with 4 if it is not installed."""
    from tfkit.processors.libraries import find_library

    print_text(str(find_library(name).c_api.parent))


def _selected(names: Sequence[str] | None, everything: bool) -> tuple[Processor, ...]:
    from tfkit.errors import UsageError
    from tfkit.processors.catalogue import select_processors

    if bool(names) == everything:
        raise UsageError("name the processors, or give --all", hint="`tfkit runtime list` shows their names.")
    return select_processors(names or ("*",))


def _row(status: RuntimeStatus) -> tuple[str, ...]:
    processor, wheel = status.processor, status.processor.wheel
    return (
        processor.name,
        f"{processor.tensorflow or '-'} {processor.device}",
        "damaged" if status.damage else _megabytes(status.size_bytes) if status.installed else "no",
        _megabytes(wheel.size_bytes) if wheel else "-",
        ", ".join(status.runs_on) or "-",
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
