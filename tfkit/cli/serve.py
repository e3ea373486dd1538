"""``tfkit serve``: a model behind EAS's protocol, warm before it takes requests."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO

import typer

from tfkit.errors import EXIT_INTERRUPTED, TfkitError

if TYPE_CHECKING:
    from tfkit.serve.server import Ready


def _complete_processor() -> list[str]:
    from tfkit.processors.catalogue import INSTALLED, PROCESSORS

    return [*PROCESSORS, INSTALLED]


def run(
    ctx: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help="SavedModel's folder, frozen graph (.pb), archive of one, or its URL; a folder with a folder for each "
            "version of it, of which the highest is taken; or a service JSON, as eascmd deploys it."
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of the service, in its URL. Default: the model's name.")] = "",
    processor: Annotated[
        str,
        typer.Option(
            help="Which TensorFlow runs the model: a name of EAS (see tfkit runtime list), or installed.",
            autocompletion=_complete_processor,
        ),
    ] = "installed",
    install: Annotated[
        bool, typer.Option("--install", help="Install that TensorFlow first, if it is not here.")
    ] = False,
    model_entry: Annotated[
        str, typer.Option(metavar="PATH", help="The model's path inside the archive. Default: the only one.")
    ] = "",
    op_library: Annotated[
        list[Path] | None,
        typer.Option(help="Shared library of custom operations, loaded before the model. May be repeated."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for every one of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8500,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token that requests must carry. Default: the variable TFKIT_TOKEN, else that of the "
            "service JSON, else none."
        ),
    ] = None,
    warm_up: Annotated[
        list[str] | None,
        typer.Option(
            help="Warm-up file (see warmup-gen), its URL, or a folder of them (see --record), replayed first. May be "
            "repeated. Default: that of the service JSON, or in the model's assets.extra."
        ),
    ] = None,
    no_warm_up: Annotated[
        bool,
        typer.Option("--no-warm-up", help="Replay nothing, whatever the service JSON or the model's assets.extra has."),
    ] = False,
    warm_up_sends: Annotated[int, typer.Option(help="How often each warm-up file is replayed.")] = 5,
    tags: Annotated[str, typer.Option(help="Tag set of the SavedModel, separated by commas.")] = "serve",
    device: Annotated[
        str,
        typer.Option(
            help="auto, cpu, gpu or gpu:N. auto takes a GPU if there is one.",
            autocompletion=lambda: ["auto", "cpu", "gpu", "gpu:0"],
        ),
    ] = "auto",
    gpu_memory_fraction: Annotated[
        float, typer.Option(help="How much of a GPU's memory TensorFlow may take, up to 1. 0: no limit.")
    ] = 0.0,
    gpu_memory_growth: Annotated[
        bool, typer.Option(help="Take a GPU's memory as it is needed, or all of it at once.")
    ] = True,
    keepalive: Annotated[
        int, typer.Option(help="Longest a request may take, in ms; then 408. EAS: rpc.keepalive.")
    ] = 5000,
    worker_threads: Annotated[int, typer.Option(help="Requests computed at a time. EAS: rpc.worker_threads.")] = 5,
    max_queue_size: Annotated[
        int, typer.Option(help="Requests that may wait; then 450. EAS: rpc.max_queue_size.")
    ] = 64,
    rate_limit: Annotated[int, typer.Option(help="Requests a second; then 429. 0: no limit. EAS: rpc.rate_limit.")] = 0,
    body_limit: Annotated[int, typer.Option(help="Largest request body, in MiB; then 413.")] = 256,
    decompressor: Annotated[
        str,
        typer.Option(
            help="How request bodies are compressed: gzip, zlib, snappy, zstd, lz4. EAS: rpc.decompressor.",
            autocompletion=lambda: ["gzip", "zlib", "snappy", "zstd", "lz4"],
        ),
    ] = "",
    advertise: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="What discovery answers. Default: the address that was asked.")
    ] = "",
    intra_op_threads: Annotated[int, typer.Option(help="TensorFlow's threads inside an operation. 0: one a core.")] = 0,
    inter_op_threads: Annotated[
        int,
        typer.Option(
            help="TensorFlow's threads for independent operations. -1: each request on one thread. 0: one a core."
        ),
    ] = -1,
    grace: Annotated[
        float, typer.Option(help="Longest to wait for requests in flight when stopping, in seconds.")
    ] = 30,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep the requests that are answered 200 in this folder, one of each form (signature, outputs, dtypes "
            "and shapes), and how many there were. Bodies only, never headers; --warm-up replays the folder.",
        ),
    ] = None,
    record_rate: Annotated[
        float, typer.Option(help="Share of the requests that is looked at for that, 0 to 1, chosen by chance.")
    ] = 1.0,
    record_forms: Annotated[int, typer.Option(help="Forms to keep; requests of further ones are counted only.")] = 100,
    record_limit: Annotated[
        int, typer.Option(help="Most that the requests kept may have together, in MiB; one of them a quarter of it.")
    ] = 256,
    access_log: Annotated[bool, typer.Option("--access-log", help="Write a line to stderr for each request.")] = False,
    stop_on_eof: Annotated[bool, typer.Option("--stop-on-eof", hidden=True)] = False,
    dump_config: Annotated[
        bool,
        typer.Option("--dump-config", help="Print every setting and where it comes from as JSON; load nothing."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="When ready, write what is served to stdout as JSON.")
    ] = False,
) -> None:
    """Serve a model behind EAS's protocol, in TensorFlow's own C library.

    The service answers 503 until the model is loaded and warm, then prints one line to stderr. It stops on Ctrl-C or
    SIGTERM, when the requests in flight are answered. Options win over a service JSON.

    tfkit serve build/digits --token-file token.txt --warm-up warm_up_test.bin

    tfkit serve service.json --port 8500
    """
    # Before the imports, of which an interrupt would make an error; the server sets its own handlers.
    signal.signal(signal.SIGINT, lambda *_: os._exit(EXIT_INTERRUPTED))
    from tfkit.cli.output import note, print_json
    from tfkit.serve import log_to_stderr, plan_service, read_token, serve

    with _errors_told(by_json=stop_on_eof):
        given = _given(
            ctx, name=name, processor=processor, model_entry=model_entry, op_libraries=tuple(op_library or ()),
            host=host, port=port, advertise=advertise, token=read_token(token_file) if token_file else "",
            warm_up=warm_up or (), no_warm_up=no_warm_up, warm_up_sends=warm_up_sends,
            tags=tuple(tag for tag in tags.split(",") if tag), device=device,
            gpu_memory_fraction=gpu_memory_fraction, gpu_memory_growth=gpu_memory_growth,
            keepalive_ms=keepalive, worker_threads=worker_threads, max_queue_size=max_queue_size,
            rate_limit=rate_limit, body_limit_bytes=body_limit * 1024 * 1024, decompressor=decompressor,
            intra_op_threads=intra_op_threads, inter_op_threads=inter_op_threads, grace_s=grace,
            record=record, record_rate=record_rate, record_forms=record_forms,
            record_limit_bytes=record_limit * 1024 * 1024, access_log=access_log, stop_on_eof=stop_on_eof,
        )  # fmt: skip
        plan = plan_service(model, **given)
        plan.check()
        for line in plan.notes:
            note(f"note: {line}")
        if dump_config:
            print_json(plan.as_dict())
            return
        if install:
            _install(plan.settings.processor)
        log_to_stderr()
        with plan.fetched(lambda text: note(f"tfkit: {text}")) as settings:
            answers = _keep_stdout()
            raise typer.Exit(serve(settings, lambda ready: _announce(ready, answers if as_json else None)))


@contextmanager
def _errors_told(*, by_json: bool) -> Iterator[None]:
    """Tells an error on stdout as well, for ``serve_model``, which raises it anew."""
    from tfkit.cli.output import json_text

    stdout = os.dup(1)
    try:
        yield
    except TfkitError as error:
        if by_json:
            told = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
            os.write(stdout, f"{json_text(told)}\n".encode("utf-8", "backslashreplace"))
        raise
    finally:
        os.close(stdout)


def _given(ctx: typer.Context, **values: Any) -> dict[str, Any]:
    """The values of the options that stand on the command line, by the settings' names."""
    from tfkit.serve.settings import parameter_of

    sources = {name: ctx.get_parameter_source(parameter_of(name)) for name in values}
    return {name: values[name] for name, source in sources.items() if source and source.name == "COMMANDLINE"}


def _install(processor: str) -> None:
    """Installs a processor, unless it is here; interrupted, it leaves nothing behind."""
    from tfkit.cli.progress import install_progress
    from tfkit.processors.catalogue import INSTALLED
    from tfkit.processors.install import install_runtime

    if processor != INSTALLED:
        with _interruptible(), install_progress(processor) as progress:
            install_runtime(processor, progress=progress)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Has signals that end the process do it as Ctrl-C does elsewhere, so that what runs cleans up."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _keep_stdout() -> TextIO:
    """Stdout for our own use: what models print goes to stderr from now on."""
    # A path that is no UTF-8 stands in the JSON with escapes.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    os.dup2(2, 1)
    return answers


def _announce(ready: Ready, answers: TextIO | None) -> None:
    from tfkit.cli.output import json_text, note

    note(str(ready))
    if answers is not None:
        answers.write(json_text(ready.as_dict()) + "\n")
        answers.flush()
