"""``tfkit bundle``: what is uploaded of a model, checked and run on its processor first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfkit.cli.processors import complete_processors, install_provers
from tfkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tfkit.bundle.report import BundleReport


def run(
    model: Annotated[
        Path,
        typer.Argument(
            help="A SavedModel's folder, a frozen graph's .pb file, or a folder with a model for each processor.",
            show_default=False,
        ),
    ],
    *,
    processor: Annotated[
        str,
        typer.Option(
            "--processor",
            "-p",
            metavar="NAME",
            help="EAS's processor.",
            autocompletion=complete_processors,
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to make.", show_default=False)],
    warm_up: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="The warm-up file (see warmup-gen); several with --layout tf-serving."),
    ] = None,
    no_warm_up: Annotated[
        bool, typer.Option("--no-warm-up", help="Bundle none: the first requests find a cold service.")
    ] = False,
    name: Annotated[str, typer.Option(help="The service's name.", show_default="the model's")] = "",
    layout: Annotated[
        str,
        typer.Option(
            help="eas: an archive and its service JSON. tf-serving: a folder for --model_base_path.",
            autocompletion=lambda: ["eas", "tf-serving"],
        ),
    ] = "eas",
    instance: Annotated[int | None, typer.Option(help="Instances of the service.", show_default="1")] = None,
    cpu: Annotated[float | None, typer.Option(help="Cores of an instance.", show_default="1")] = None,
    memory: Annotated[int | None, typer.Option(help="Memory of an instance, in MB.", show_default="EAS's own")] = None,
    gpu: Annotated[int | None, typer.Option(help="GPUs of an instance.", show_default="1 on a GPU processor")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any other key of the service JSON: rpc.keepalive=1000.",
            show_default=False,
        ),
    ] = None,
    base_url: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Where the files will be uploaded to, oss://BUCKET/PATH.", show_default="beside it"
        ),
    ] = "",
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the service's token, for the service JSON.", show_default="EAS makes one"),
    ] = None,
    model_version: Annotated[int, typer.Option(help="The version's number, with --layout tf-serving.")] = 1,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not run the model; the bundle says so.")] = False,
    install: Annotated[bool, typer.Option("--install", help="Install the processor if it is missing.")] = False,
    atol: Annotated[
        float | None, typer.Option(min=0, help="Largest absolute difference allowed.", show_default="the export's")
    ] = None,
    rtol: Annotated[
        float | None, typer.Option(min=0, help="Largest relative difference allowed.", show_default="the export's")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Longest that loading or one run may take, in seconds.")] = 120.0,
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle that is there already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was bundled as JSON.")] = False,
) -> None:
    """Bundle a model for its upload: archive, service JSON, warm-up file, checksums, and the proof that it runs.

    Nothing is written unless check says that the processor runs the model as it is, and its real TensorFlow gives the
    recorded outputs of the model's source. The same model gives the same bytes.

    tfkit bundle build/digits --processor tensorflow_cpu_2.7 --warm-up warm_up_test.bin --name digits --output bundle

    tfkit bundle build/digits -p tensorflow_cpu_1.15 --warm-up w.bin -o bundle --cpu 4 --set rpc.keepalive=1000
    """
    from tfkit.bundle.make import make_bundle
    from tfkit.cli.output import note, print_json
    from tfkit.eas.token import read_token

    if bool(warm_up) == no_warm_up:
        raise UsageError(
            "--warm-up and --no-warm-up exclude each other" if no_warm_up else "there is no warm-up file",
            hint=f"tfkit warmup-gen {model} --input NAME=@FILE --output warm_up_test.bin makes one; or --no-warm-up.",
        )
    resources = {"instance": instance, "cpu": _plain(cpu), "memory": memory, "gpu": gpu}
    given = {f"metadata.{key}": value for key, value in resources.items() if value is not None}
    if install:
        install_provers([processor])
    report = make_bundle(
        model,
        output,
        processor=processor,
        name=name,
        warm_up=warm_up or (),
        layout=layout,
        settings=given | _parsed(settings or ()),
        base_url=base_url,
        token=read_token(token_file) if token_file is not None else "",
        model_version=model_version,
        verify=not no_verify,
        atol=atol,
        rtol=rtol,
        timeout_s=timeout,
        force=force,
        progress=note,
    )
    print_json(report.as_dict()) if as_json else _print_report(report)
    for line in report.notes:
        note(f"note: {line}")


def _plain(cores: float | None) -> float | int | None:
    """Cores without a fraction that says nothing."""
    return int(cores) if cores is not None and cores.is_integer() else cores


def _parsed(settings: Sequence[str]) -> dict[str, Any]:
    """``--set`` options by key; a value that is no JSON is text.

    Raises:
        UsageError: One has no key, or a key comes twice, or a value is nested too deeply.
    """
    parsed: dict[str, Any] = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise UsageError(f"--set {text}: expected KEY=VALUE")
        if key in parsed:
            raise UsageError(f"--set {key} is given twice")
        try:
            parsed[key] = json.loads(value)
        except ValueError:
            parsed[key] = value
        except RecursionError:
            raise UsageError(f"--set {key}: the value is nested too deeply") from None
    return parsed


def _print_report(report: BundleReport) -> None:
    from tfkit.bundle.report import FILE_COLUMNS
    from tfkit.cli.output import print_table, print_text

    print_text(f"{report.folder}: {report.name} on {report.processor}")
    print_table(FILE_COLUMNS, list(report.rows()))
    print_text(report.proof)
