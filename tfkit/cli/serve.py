"""``tfkit serve``: a model behind EAS's protocol, warm before it takes requests."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from tfkit.errors import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from tfkit.serve.server import Ready


def run(
    model: Annotated[Path, typer.Argument(help="Folder of the SavedModel.")],
    name: Annotated[str, typer.Option(help="Name of the service, in its URL. Default: the folder's name.")] = "",
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for every one of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8500,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token that requests must carry. Default: the variable TFKIT_TOKEN, else none."
        ),
    ] = None,
    warm_up: Annotated[
        list[Path] | None, typer.Option(help="Warm-up file (see warmup-gen), replayed first. May be repeated.")
    ] = None,
    warm_up_sends: Annotated[int, typer.Option(help="How often each warm-up file is replayed.")] = 5,
    tags: Annotated[str, typer.Option(help="Tag set of the SavedModel, separated by commas.")] = "serve",
    device: Annotated[
        str,
        typer.Option(
            help="auto, cpu, gpu or gpu:N. auto takes a GPU if there is one.",
            autocompletion=lambda: ["auto", "cpu", "gpu", "gpu:0"],
        ),
    ] = "auto",
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
    access_log: Annotated[bool, typer.Option("--access-log", help="Write a line to stderr for each request.")] = False,
    stop_on_eof: Annotated[bool, typer.Option("--stop-on-eof", hidden=True)] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="When ready, write what is served to stdout as JSON.")
    ] = False,
) -> None:
    """Serve a SavedModel behind EAS's protocol, in TensorFlow's own C library.

    The service answers 503 until the model is loaded and warm, then prints one line to stderr. It stops on Ctrl-C or
    SIGTERM, when the requests in flight are answered.

    tfkit serve build/digits --token-file token.txt --warm-up warm_up_test.bin
    """
    # Before the imports, of which an interrupt would make an error; the server sets its own handlers.
    signal.signal(signal.SIGINT, lambda *_: os._exit(EXIT_INTERRUPTED))
    from tfkit.serve import ServeSettings, log_to_stderr, read_token, serve

    settings = ServeSettings(
        model=model,
        name=name or _name_of(model),
        host=host,
        port=port,
        token=read_token(token_file),
        warm_up=tuple(warm_up or ()),
        warm_up_sends=warm_up_sends,
        tags=tuple(tag for tag in tags.split(",") if tag),
        device=device,
        keepalive_ms=keepalive,
        worker_threads=worker_threads,
        max_queue_size=max_queue_size,
        rate_limit=rate_limit,
        body_limit_bytes=body_limit * 1024 * 1024,
        decompressor=decompressor,
        advertise=advertise,
        intra_op_threads=intra_op_threads,
        inter_op_threads=inter_op_threads,
        grace_s=grace,
        access_log=access_log,
        stop_on_eof=stop_on_eof,
    )
    log_to_stderr()
    answers = _keep_stdout()
    raise typer.Exit(serve(settings, lambda ready: _announce(ready, answers if as_json else None)))


def _name_of(model: Path) -> str:
    """The name of the folder, if a service can be called that."""
    from tfkit.errors import UsageError
    from tfkit.serve import is_service_name

    name = model.resolve().name
    if not is_service_name(name):
        raise UsageError(f"the folder's name {name!r} cannot be the service's", hint="Give it one: --name NAME.")
    return name


def _keep_stdout() -> TextIO:
    """Stdout for our own use: what models print goes to stderr from now on."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _announce(ready: Ready, answers: TextIO | None) -> None:
    from tfkit.cli.output import json_text, note

    note(str(ready))
    if answers is not None:
        answers.write(json_text(ready.as_dict()) + "\n")
        answers.flush()
