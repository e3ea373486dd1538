"""``tfkit record``: keep what a live service is asked, by standing in front of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    upstream: Annotated[
        str, typer.Option(metavar="URL", help="The service that answers: http://HOST[:PORT]/api/predict/NAME")
    ],
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the requests are kept; a folder of records is continued.")
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for every one of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8600,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the service's token, added for clients that send none. Default: none."),
    ] = None,
    decompressor: Annotated[
        str,
        typer.Option(
            help="How request bodies are compressed: gzip, zlib, snappy, zstd, lz4. EAS: rpc.decompressor.",
            autocompletion=lambda: ["gzip", "zlib", "snappy", "zstd", "lz4"],
        ),
    ] = "",
    rate: Annotated[float, typer.Option(help="Share of the requests that is looked at, 0 to 1, chosen by chance.")] = 1,
    forms: Annotated[int, typer.Option(help="Forms to keep; requests of further ones are counted only.")] = 100,
    limit: Annotated[
        int, typer.Option(help="Most that the requests kept may have together, in MiB; one of them a quarter of it.")
    ] = 256,
    timeout: Annotated[float, typer.Option(help="Longest that the service may take, in seconds; then 504.")] = 60,
    worker_threads: Annotated[int, typer.Option(help="Requests passed on at a time.")] = 64,
    max_queue_size: Annotated[int, typer.Option(help="Requests that may wait for that; then 450.")] = 256,
    body_limit: Annotated[int, typer.Option(help="Largest request body, in MiB; then 413.")] = 256,
    advertise: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="What discovery answers. Default: the address that was asked.")
    ] = "",
    grace: Annotated[
        float, typer.Option(help="Longest to wait for requests in flight when stopping, in seconds.")
    ] = 30,
    access_log: Annotated[bool, typer.Option("--access-log", help="Write a line to stderr for each request.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="When ready, write the proxy's URL and folder to stdout as JSON.")
    ] = False,
) -> None:
    """Record what a live service is asked: a proxy in front of any EAS service, the cloud's too.

    Requests are passed on as they come, answers come back as they are. Of the requests that were answered 200 one of
    each form (signature, outputs, dtypes and shapes) is kept, and how many there were: bodies only, never a header or
    a token. What is kept holds what your clients sent: treat it so. It stops on Ctrl-C or SIGTERM.

    Point clients to the proxy by the host and port alone. Service name, path and token stay what they were, for a
    signed request's signature covers the path: PredictClient("127.0.0.1:8600", "NAME"), or the custom URL
    http://127.0.0.1:8600/api/predict/NAME. Discovery (ENDPOINT_TYPE_DIRECT) answers the proxy's own address.

    tfkit record --upstream http://HOST/api/predict/digits --output records

    tfkit serve build/digits --warm-up records
    """
    from tfkit.cli.output import json_text, note, print_text
    from tfkit.serve import log_to_stderr, read_token
    from tfkit.serve.proxy import ProxyReady, ProxySettings, record_requests
    from tfkit.warmup.recording import RecordLimits

    settings = ProxySettings(
        upstream=upstream, output=output, limits=RecordLimits(forms=forms, size_bytes=limit * 1024 * 1024, rate=rate),
        host=host, port=port, token=read_token(token_file) if token_file else "", decompressor=decompressor,
        timeout_s=timeout, worker_threads=worker_threads, max_queue_size=max_queue_size,
        body_limit_bytes=body_limit * 1024 * 1024, advertise=advertise, grace_s=grace, access_log=access_log,
    )  # fmt: skip

    def announce(ready: ProxyReady) -> None:
        note(str(ready))
        if as_json:
            print_text(json_text(ready.as_dict()))

    log_to_stderr()
    raise typer.Exit(record_requests(settings, announce))
