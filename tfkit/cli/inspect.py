"""``tfkit inspect``: what a SavedModel takes and gives, without loading it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfkit.cli.tags import parse_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tfkit.savedmodel.inspection import ModelReport
    from tfkit.savedmodel.reader import MetaGraph
    from tfkit.tensors import Signature

_SIGNATURE_COLUMNS = ("", "name", "dtype", "shape", "tensor")


def run(
    path: Annotated[Path, typer.Argument(help="A SavedModel's folder, or its saved_model.pb or saved_model.pbtxt.")],
    signature: Annotated[
        str, typer.Option(help="Signature to show; by default serving_default, or else the first Predict signature.")
    ] = "",
    tags: Annotated[
        str | None,
        typer.Option(
            help="Tags of the graph to show, as serve,gpu ('' for none); by default serve, or the only graph."
        ),
    ] = None,
    show_all: Annotated[
        bool,
        typer.Option("--all", help="Show every graph and signature, who wrote them, operations, variables, assets."),
    ] = False,
    table: Annotated[bool, typer.Option("--table/--json", help="Print tables for people, or JSON.")] = False,
) -> None:
    """Show what a SavedModel takes and gives: the structure JSON that EAS answers.

    Nothing is loaded, so this is as quick on a model of 2 GB as on a small one.

    tfkit inspect build/digits

    tfkit inspect build/digits --all --table
    """
    from tfkit.cli.output import note, print_json, print_text
    from tfkit.eas.structure import structure_json
    from tfkit.errors import UsageError

    wanted = None if tags is None else parse_tags(tags)
    if show_all and signature:
        raise UsageError("--all shows every signature: leave --signature out")
    if show_all:
        from tfkit.savedmodel.inspection import inspect_model

        report = inspect_model(path, tags=wanted)
        _print_report(report) if table else print_json(report.as_dict())
        return
    from tfkit.savedmodel.selection import inspect_signature

    found = inspect_signature(path, name=signature, tags=wanted)
    _print_signature(found.signature) if table else print_text(structure_json(found.signature))
    for line in found.notes:
        note(f"note: {line}")


def _print_signature(signature: Signature) -> None:
    from tfkit.cli.output import print_table, print_text

    print_text(f"{signature.name} ({signature.method or 'no method'})")
    print_table(_SIGNATURE_COLUMNS, list(_signature_rows(signature)))


def _signature_rows(signature: Signature) -> Iterator[tuple[str, ...]]:
    for kind, specs in (("input", signature.inputs), ("output", signature.outputs)):
        for spec in specs:
            dtype = spec.dtype.short_name if spec.dtype else "none"
            yield kind, spec.name, dtype, _show_shape(spec.shape), spec.tensor


def _print_report(report: ModelReport) -> None:
    from tfkit.cli.output import print_table, print_text
    from tfkit.savedmodel.reader import show_tags

    files = [(str(report.file), report.file_bytes), ("whole folder", report.folder_bytes)]
    files += [(f"assets/{each.name}", each.size_bytes) for each in report.assets]
    files += [(f"assets.extra/{each.name}", each.size_bytes) for each in report.extra_assets]
    print_table(("file", "size"), [(name, _show_bytes(size)) for name, size in files])
    for metagraph in report.metagraphs:
        print_table(("graph", show_tags(metagraph.tags)), list(_graph_rows(metagraph)))
        for signature in metagraph.signatures.values():
            _print_signature(signature)
    variables = [
        (each.name, each.dtype.short_name, _show_shape(each.shape), _show_bytes(each.size_bytes))
        for each in report.variables
    ]
    print_text(f"variables: {len(variables)}, {_show_bytes(report.variables_bytes)}")
    if variables:
        print_table(("variable", "dtype", "shape", "size"), variables)


def _graph_rows(metagraph: MetaGraph) -> Iterator[tuple[str, str]]:
    yield "TensorFlow", f"{metagraph.tensorflow_version} ({metagraph.tensorflow_git_version})"
    if (graph := metagraph.graph) is not None:
        yield "GraphDef version", f"{graph.producer}, read by {graph.min_consumer} and newer"
        inside = f", {graph.function_nodes} of them in {graph.functions} functions" if graph.functions else ""
        yield "operations", f"{graph.ops}{inside}"
    yield "size", _show_bytes(metagraph.graph_bytes)


def _show_shape(shape: Iterable[int | None] | None) -> str:
    """A shape for people; the JSON cannot tell a scalar from an unknown rank."""
    if shape is None:
        return "unknown rank"
    return ", ".join("?" if dim is None else str(dim) for dim in shape) or "scalar"


def _show_bytes(count: int) -> str:
    size, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
