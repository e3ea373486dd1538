"""``tfkit export``: a model becomes a SavedModel for a processor, run there and compared with its source."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from tfkit.cli import onnx
from tfkit.cli.output import note, print_json, print_table, print_text, stdout_for_results
from tfkit.cli.processors import complete_processors, install_provers
from tfkit.cli.tags import parse_tags
from tfkit.errors import EXIT_INTERRUPTED, EXIT_VERDICT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfkit.export import EverywhereReport, ExportReport

    _Report = ExportReport | EverywhereReport

_ALL, _INSTALLED = "all", "installed"


def run(
    *,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="A .keras or .h5 file, a checkpoint, a frozen graph (.pb), a SavedModel's folder, or, with --model, "
            "weights.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="PATH", help="The folder to write; of an ONNX model the file.", show_default=False
        ),
    ],
    written: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", help="What to write: savedmodel, or onnx for other runtimes."),
    ] = "savedmodel",
    opset: Annotated[int | None, typer.Option(metavar="N", help="The ONNX opset to write.", show_default="18")] = None,
    processors: Annotated[
        list[str] | None,
        typer.Option(
            "--processor",
            "-p",
            metavar="NAME",
            help="What it shall run on: a name of EAS (see tfkit runtime list) or installed. Of several, of a pattern "
            "such as 'tensorflow_cpu_*', and of all, each gets a folder in DIR.",
            show_default="installed",
            autocompletion=complete_processors,
        ),
    ] = None,
    install: Annotated[
        bool, typer.Option("--install", help="Install the TensorFlow that it is proved in first, if it is not here.")
    ] = False,
    signature: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The signature's name; of a SavedModel the one to keep.",
            show_default="serving_default; of a SavedModel all",
        ),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="Another name for an input or output; may be given several times."),
    ] = None,
    tags: Annotated[
        str | None,
        typer.Option(
            metavar="TAGS",
            help="Tag set of a SavedModel, separated by commas.",
            show_default="serve, or else the only one",
        ),
    ] = None,
    merge: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A SavedModel's signature to take as --signature; several are made one, if repeated."
        ),
    ] = None,
    freeze: Annotated[
        bool, typer.Option("--freeze", help="Make constants of the variables, so that the graph is all there is.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a SavedModel, or an ONNX model, that is there.")
    ] = False,
    no_verify: Annotated[
        bool,
        typer.Option("--no-verify", help="Do not run and compare: for models that sample at random. It is recorded."),
    ] = False,
    atol: Annotated[
        float | None,
        typer.Option(min=0, help="Largest absolute difference allowed.", show_default="by dtype and size"),
    ] = None,
    rtol: Annotated[
        float | None, typer.Option(min=0, help="Largest relative difference allowed.", show_default="by dtype")
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="NAME=VALUE",
            help="What to compare on: @FILE.npy, random, random:LO:HI, zeros or JSON, by the signature's names.",
            show_default="random",
        ),
    ] = None,
    input_tensors: Annotated[
        list[str] | None,
        typer.Option(
            "--input-tensor",
            metavar="NAME=TENSOR",
            help="A tensor of a checkpoint's or a frozen graph that is an input: images=model/Placeholder:0.",
            show_default="the placeholders that the outputs need",
        ),
    ] = None,
    output_tensors: Annotated[
        list[str] | None,
        typer.Option(
            "--output-tensor", metavar="NAME=TENSOR", help="The same for an output.", show_default="what looks like one"
        ),
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PLACEHOLDER=VALUE", help="A value for good: is_training=false."),
    ] = None,
    input_shapes: Annotated[
        list[str] | None,
        typer.Option(
            "--input-shape",
            metavar="[NAME=]SIZES",
            help="What an old Keras file does not say of an input, without the batch: 224,224,3, or ?,3 for a size "
            "that stays open.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of random inputs.")] = 0,
    architecture: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="FILE.py:NAME",
            help="Builds the model that weights belong to: your own code, which is run, or Keras's FILE.json.",
            show_default=False,
        ),
    ] = "",
    custom_objects: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.py", help="Defines the classes and functions that the model's file needs; it is run."
        ),
    ] = None,
    allow_code: Annotated[
        bool,
        typer.Option("--allow-code", help="Run Python code inside the model's file: only if you trust its author."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Export a model as a SavedModel that runs on a processor, run it there, and compare it with the source.

    Example: tfkit export model.keras --output build/model --signature predict_images --rename keras_tensor=images

    Example: tfkit export model.keras --format onnx --output build/model.onnx
    """
    onnx.check_format(
        written, output, opset, {"--processor": processors is not None, "--install": install, "--freeze": freeze}
    )
    prepare_process()
    from tfkit.export.names import parse_renames
    from tfkit.export.shapes import parse_input_shapes
    from tfkit.export.tensor_options import parse_fixed, parse_tensors

    options: dict[str, Any] = {
        "signature": signature,
        "tags": None if tags is None else parse_tags(tags),
        "merge": merge or (),
        "rename": parse_renames(rename or []),
        "freeze": freeze,
        "force": force,
        "verify": not no_verify,
        "atol": atol,
        "rtol": rtol,
        "inputs": inputs or [],
        "input_tensors": parse_tensors("--input-tensor", input_tensors or []),
        "output_tensors": parse_tensors("--output-tensor", output_tensors or []),
        "fixed": parse_fixed(fixed or []),
        "seed": seed,
        "input_shapes": parse_input_shapes(input_shapes or []),
        "architecture": architecture,
        "custom_objects": custom_objects,
        "allow_code": allow_code,
    }
    processors = processors or ["installed"]
    try:
        if install and not no_verify:
            from tfkit.processors.catalogue import select_processors

            install_provers(each.name for each in select_processors(processors))
        if written == "onnx":
            with stdout_for_results():  # the user's own code may print, and so may what converts
                made = onnx.export(source, output, opset, options)
            onnx.tell(made, as_json=as_json)
            return
        report = _export(source, output, processors, options)
    except KeyboardInterrupt:
        note("tfkit: interrupted")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    _tell(report, as_json=as_json)


def _export(source: Path, output: Path, processors: Sequence[str], options: dict[str, Any]) -> _Report:
    from tfkit.export import export_everywhere, export_model

    with stdout_for_results():  # the user's own code may print
        if _is_one(processors):
            return export_model(source, output, processor=processors[0], **options)
        return export_everywhere(
            source,
            output,
            processors=processors,
            progress=lambda name: note(f"making it for {name}"),
            **options,
        )


def _is_one(processors: Sequence[str]) -> bool:
    return len(processors) == 1 and processors[0] != _ALL and not set(processors[0]) & set("*?[")


def _tell(report: _Report, *, as_json: bool) -> None:
    from tfkit.export import ExportReport

    for each in report.notes:
        note(f"note: {each}")
    if as_json:
        print_json(report.as_dict())
    if isinstance(report, ExportReport):
        if not as_json:
            _print_report(report)
        return
    if not as_json:
        _print_exports(report)
    if report.failed:
        raise typer.Exit(EXIT_VERDICT)


def prepare_process(*, cards: bool = False) -> None:
    """Makes signals that end it clean up as Ctrl-C does, and TensorFlow silent.

    Args:
        cards: Whether TensorFlow may see GPUs: where runtimes that this process starts are to use them. It then leaves
            them the memory that it does not need itself.
    """

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP", "SIGQUIT"):  # not every platform has them all
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # `nohup` ignores one
            signal.signal(number, interrupt)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if cards:
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def _print_report(report: ExportReport) -> None:
    from tfkit.export.report import ROW_COLUMNS

    for each in report.signatures:
        print_text(f"{report.path}: signature {each.signature.name}")
        print_table(ROW_COLUMNS, list(each.rows()))
    check = report.check
    if check.skipped:
        print_text(f"not verified ({check.skipped})")
    else:
        sizes = _describe_sizes(check.batch_sizes)
        print_text(f"verified against {report.source.name} at {sizes} in TensorFlow {check.tensorflow}")
    if report.lowering is not None and check.processor not in ("", report.lowering.processor):
        print_text(f"proved in {check.processor}: {report.lowering.processor} itself was not run")
    print_text(f"{report.size_bytes / 1e6:.2f} MB in {report.elapsed_s:.1f} s")


def _print_exports(report: EverywhereReport) -> None:
    from tfkit.export.everywhere import ROW_COLUMNS

    print_text(f"{report.path}: {len(report.exports) - len(report.failed)} of {len(report.exports)} processors")
    print_table(ROW_COLUMNS, [each.row() for each in report.exports])
    for made in (each.report for each in report.exports if each.report is not None):
        if made.lowering is not None and made.check.processor not in ("", made.lowering.processor):
            print_text(f"{made.lowering.processor} was proved in {made.check.processor}, and not run itself")
    print_text(f"{report.size_bytes / 1e6:.2f} MB in {report.elapsed_s:.1f} s, and {report.path}/manifest.json")
    for each in report.failed:
        note(f"{each.processor}: {each.problem}")


def _describe_sizes(sizes: tuple[int, ...]) -> str:
    """The batch sizes of the comparison; they differ where a request chooses its own.

    >>> _describe_sizes((4, 4))
    'its fixed batch size 4, twice'
    """
    if len(sizes) == 1:
        return f"batch size {sizes[0]}"
    if len(set(sizes)) > 1:
        return f"batch sizes {' and '.join(map(str, sizes))}"
    return f"its fixed batch size {sizes[0]}, {'twice' if len(sizes) == 2 else f'{len(sizes)} times'}"
