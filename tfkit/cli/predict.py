"""``tfkit predict``: asks a service, this machine's or the cloud's."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfkit.cli.inputs import InputOptions

if TYPE_CHECKING:
    from tfkit.arrays import Array
    from tfkit.client import Client
    from tfkit.inputs import InputOption
    from tfkit.tensors import Signature

_SHOWN_ROWS = 20
_LONGEST_TEXT = 60
_MOST_CLASSES = 1000
# What the table's other columns, and the spaces between them, take of the terminal's width.
_OTHER_COLUMNS = 30


def run(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="Where to post: http://HOST:PORT/api/predict/NAME", show_default=False)
    ],
    *,
    inputs: InputOptions = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, show_default=False, help="Rows to send of each input; by default all.")
    ] = None,
    signature: Annotated[
        str, typer.Option(show_default=False, help="The signature to run; by default the service's default one.")
    ] = "",
    fetch: Annotated[
        list[str] | None,
        typer.Option(metavar="OUTPUT", show_default=False, help="An output to ask for, any number of times; else all."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of random values.")] = 0,
    token_file: Annotated[
        Path | None,
        typer.Option(show_default=False, help="File with the token. Default: the variable TFKIT_TOKEN, else none."),
    ] = None,
    signed: Annotated[
        bool, typer.Option("--signed", help="Sign requests with the token, instead of sending it.")
    ] = False,
    compression: Annotated[
        str,
        typer.Option(
            show_default=False,
            help="How the service wants bodies compressed (EAS: rpc.decompressor): gzip, zlib, snappy, zstd, lz4.",
        ),
    ] = "",
    timeout: Annotated[float, typer.Option(help="Longest that one attempt may take, in seconds.")] = 5.0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.npz", show_default=False, help="Write the arrays to a file."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every value, as JSON.")] = False,
) -> None:
    """Ask a service for a prediction: of tfkit serve, or of Alibaba Cloud PAI-EAS.

    The service is asked first what it takes, so that 'x=[1, 2]' gets the right dtype.

    tfkit predict http://127.0.0.1:8500/api/predict/digits --input images=@digits_test.npy
    """
    from tfkit.cli.output import note, print_text
    from tfkit.client import Client
    from tfkit.client.results import outputs_json, save_npz
    from tfkit.eas.token import read_token
    from tfkit.inputs import parse_inputs
    from tfkit.warmup.files import check_target

    options = parse_inputs(inputs or ())
    if output is not None:
        check_target(output, force=force)
    token = read_token(token_file)
    with Client(url, token=token, signed=signed, timeout_s=timeout, compression=compression) as client:
        outputs = _ask(client, options, name=signature, fetch=fetch or (), batch_size=batch_size, seed=seed)
    if output is not None:
        save_npz(output, outputs, force=force)
        note(f"{output}: {', '.join(outputs) or 'no outputs'}")
    print_text(outputs_json(outputs)) if as_json else _print_outputs(outputs)


def _ask(
    client: Client,
    options: Sequence[InputOption],
    *,
    name: str,
    fetch: Sequence[str],
    batch_size: int | None,
    seed: int,
) -> dict[str, Array]:
    """Makes the inputs as the service describes them, and asks it.

    A whole sample request keeps its own signature and outputs, unless options name others.
    """
    from tfkit.errors import ServiceError
    from tfkit.inputs import given_request, make_inputs

    sample = given_request(options)
    if sample is not None:
        name, fetch = name or sample.signature_name, fetch or sample.output_filter
    found = client.find_structure()
    described = found if found is not None and name in ("", found.name) else None
    guessed = described is None and sample is None and any(option.dtype is None for option in options)
    takes = described or _implied(options, name, guessed=guessed)
    arrays = make_inputs(options, takes, batch_size=batch_size, seed=seed)
    try:
        return client.predict(arrays, signature=name, fetch=fetch)
    except ServiceError as error:
        if described is None and error.status == HTTPStatus.BAD_REQUEST:
            if not fetch and b"output_filter" in error.body:  # a frozen graph's
                error.hint = "Name each output that you want: --fetch OUTPUT"
            elif guessed:
                error.hint = _dtype_hint(options, takes, error.body.decode("utf-8", "replace"))
        raise


def _dtype_hint(options: Sequence[InputOption], sent: Signature, refusal: str) -> str:
    """How to fix a dtype that was guessed: of the input that a service names as it refuses a request, else of any."""
    from tfkit.tensors import DType

    example = "x:float32=[1, 2]"
    for option in options:
        named = re.search(rf"'{re.escape(option.name)}'(?:.*?expected (\w+))?", refusal) if option.name else None
        if named is None or option.dtype is not None:
            continue
        expected = DType.FLOAT
        with suppress(ValueError):
            expected = DType.parse(named[1] or "")
        if expected is not sent.input(option.name).dtype:
            example = f"{option.name}:{expected.short_name}={option.text.partition('=')[2]}"
            break
    return f"The dtypes sent are a guess: NAME:DTYPE=... fixes one, as {shlex.quote(_shortened(example))}."


def _implied(options: Sequence[InputOption], name: str, *, guessed: bool) -> Signature:
    """The signature that the inputs imply, where the service does not describe it."""
    from tfkit.cli.output import note
    from tfkit.inputs import signature_of

    implied = signature_of(options, name)
    taken = ", ".join(f"{spec.name} {spec.dtype.short_name}" for spec in implied.inputs)
    which = f"signature {name!r}" if name else "what it takes"
    advice = " (NAME:DTYPE=... fixes a dtype)" if guessed else ""
    note(f"note: the service does not describe {which}: sending {taken or 'no inputs'}{advice}")
    return implied


# --- the tables


def _print_outputs(outputs: Mapping[str, Array]) -> None:
    from tfkit.arrays import dtype_of
    from tfkit.cli.output import print_table, print_text

    for name in sorted(outputs):
        array = outputs[name]
        print_text(f"{name}  {dtype_of(array).short_name}{list(array.shape)}")
        scores = _are_scores(array)
        columns = ("row", "argmax", "values") if scores else ("row", "values")
        print_table(columns, list(_rows(array, scores=scores)))
        rows = len(array) if array.ndim else 1
        if rows > _SHOWN_ROWS:
            print_text(f"  ... {rows - _SHOWN_ROWS} more rows: --json prints all, --output writes them to a file")


def _rows(array: Array, *, scores: bool) -> Iterator[tuple[str, ...]]:
    width = shutil.get_terminal_size((80, 24)).columns - _OTHER_COLUMNS
    table = array.reshape(len(array), -1) if array.ndim and array.size else array.reshape(-1, 1)
    for index, row in enumerate(table[:_SHOWN_ROWS]):
        values = _row_text(row, width)
        best = int(row.argmax()) if scores else 0
        yield (str(index), f"{best} ({float(row[best]):.3g})", values) if scores else (str(index), values)


def _are_scores(array: Array) -> bool:
    """Whether each row looks like the scores of some classes, so that the highest one is what people look for."""
    from tfkit.arrays import dtype_of

    return array.ndim == 2 and 2 <= array.shape[1] <= _MOST_CLASSES and dtype_of(array).is_float


def _row_text(row: Array, width: int) -> str:
    """The values of a row, as many as fit."""
    shown: list[str] = []
    used = 0
    for value in row[:width].tolist():
        text = _value_text(value)
        used += len(text) + 2
        if shown and used > width - len(f"... {row.size} more"):
            break
        shown.append(text)
    left = row.size - len(shown)
    return ", ".join(shown) + (f", ... {left} more" if left else "")


def _value_text(value: Any) -> str:
    if isinstance(value, tuple):
        value = value[0]  # quantized
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    return _shortened(repr(value) if isinstance(value, str) else str(value))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 4]}...{text[-1]}"
