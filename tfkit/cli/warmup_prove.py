"""``tfkit warmup-prove``: first requests, cold and warm, of the real service on each processor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfkit.cli.processors import ProcessorOptions
from tfkit.cli.tags import parse_tags

if TYPE_CHECKING:
    from tfkit.prove.report import ProcessorProof, WarmupProof


def run(
    model: Annotated[Path, typer.Argument(help="A SavedModel's folder, or a frozen graph's .pb file.")],
    *,
    warm_up: Annotated[
        list[Path],
        typer.Option(metavar="FILE", show_default=False, help="A warm-up file, or a folder of them. May be repeated."),
    ],
    requests: Annotated[
        list[Path] | None,
        typer.Option(
            "--request",
            metavar="FILE",
            show_default="the warm-up's own requests",
            help="A request as production sends it, or a folder of recorded ones. May be repeated.",
        ),
    ] = None,
    processors: ProcessorOptions = None,
    runs: Annotated[int, typer.Option(min=1, help="Services to start without the warm-up, and as many with it.")] = 3,
    rounds: Annotated[int, typer.Option(min=6, help="How often each request is sent to a service.")] = 20,
    sends: Annotated[
        int, typer.Option("--warm-up-sends", min=1, help="How often a service replays each warm-up file.")
    ] = 5,
    keepalive: Annotated[
        int, typer.Option(min=1, help="The service's time limit in ms, to judge first requests by. EAS: rpc.keepalive.")
    ] = 5000,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu or gpu.")] = "auto",
    tags: Annotated[str, typer.Option(help="Tag set of the SavedModel, separated by commas.")] = "serve",
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report as a page, too.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the page if it is there already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure the first requests of a service without its warm-up and with it.

    Each service is started anew, in a process of its own. A warm-up request warms up the requests of its own form:
    the same signature, outputs, dtypes and shapes. Exits with 1 if production's requests are of another form, or the
    first one is slow in spite of the warm-up, or the model does not run; where nothing can be measured for another
    reason, with that one's code.

    tfkit warmup-prove build/digits --warm-up warm_up_test.bin

    tfkit warmup-prove build/digits --warm-up warm_up_test.bin --request recorded/ --processor tensorflow_cpu_1.15
    """
    from tfkit.cli.output import note, print_json, write_page
    from tfkit.errors import MissingError
    from tfkit.processors.catalogue import INSTALLED
    from tfkit.prove.warm_up import prove_warmup
    from tfkit.warmup.files import check_target

    if html is not None:
        check_target(html, force=force)
    proof = prove_warmup(
        model,
        warm_up,
        requests=requests or (),
        processors=processors or (INSTALLED,),
        runs=runs,
        rounds=rounds,
        sends=sends,
        keepalive_ms=keepalive,
        device=device,
        tags=parse_tags(tags),
        progress=note,
    )
    if len(proof.warm_up) > 1:
        note(f"note: {len(proof.warm_up)} warm-up files: an EAS service replays one, TensorFlow Serving any number")
    if html is not None:
        from tfkit.prove.page import render_page

        write_page(render_page(proof), html, force=force)
    print_json(proof.as_dict()) if as_json else _print_proof(proof)
    if not proof.measured:
        raise MissingError("no processor that was asked for is installed", hint=proof.processors[0].hint)
    if not proof.passed:
        raise typer.Exit(proof.exit_code)


def _print_proof(proof: WarmupProof) -> None:
    from tfkit.cli.output import print_table, print_text

    columns = ("processor", "request", "result", "cold ms", "warm ms", "later ms")
    if rows := [cells for each in proof.processors for cells in _cells(each)]:
        print_table(columns, rows)
    for each in proof.processors:
        for request in each.requests:
            if request.differences:
                print_text(f"{request.name} asks for {'; '.join(request.differences)}")
            elif request.covered_by != request.name:
                print_text(f"{request.name} is covered by {request.covered_by}")
        if each.problem:
            problem = each.problem if each.missing else f"{each.processor}: {each.problem}"
            print_text("\n  ".join((problem, *each.hint.splitlines())))
    for name in proof.too_late():
        print_text(f"{name}: without warm-up the first request outruns {proof.keepalive_ms} ms, and is answered 408")
    print_text(f"{'passed' if proof.passed else 'FAILED'}: {proof.verdict}")


def _cells(proof: ProcessorProof) -> list[tuple[str, ...]]:
    return [
        (
            proof.processor,
            each.name,
            each.result,
            *(f"{value:.1f}" for value in (each.cold_first_ms, each.warm_first_ms, each.later_ms)),
        )
        for each in proof.requests
    ]
