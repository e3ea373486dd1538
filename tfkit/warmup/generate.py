"""Makes warm-up files: a request that fits a signature, written, read back and described."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfkit.arrays import Array, check_array
from tfkit.eas.messages import PredictRequest, decode_request, encode_request
from tfkit.errors import SignatureError, UsageError
from tfkit.graph.domains import Domain, input_domains
from tfkit.inputs import (
    InputOption,
    given_request,
    given_rows,
    make_inputs,
    options_from,
    parse_inputs,
    random_for_missing,
)
from tfkit.inputs.options import RandomSource
from tfkit.savedmodel.files import find_model_file
from tfkit.savedmodel.frozen import frozen_signature, is_frozen_graph
from tfkit.savedmodel.reader import find_signature, read_signatures
from tfkit.savedmodel.signatures import check_dense
from tfkit.tensors import SERVE_TAG, DType, Signature
from tfkit.warmup.files import check_target, write_warmup

_SHOWN_VALUES = 5


@dataclass(frozen=True, slots=True)
class InputSummary:
    """What a request holds for one input.

    Attributes:
        name: The input.
        dtype: Its data type.
        shape: The shape of the array.
        first: The first values, as JSON can show them.
        low: The smallest value; ``None`` for texts, complex numbers, empty arrays, and where it is not finite.
        high: The largest value; likewise.
        made_up: Nothing was given for it: the values are random.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    first: tuple[Any, ...]
    low: float | None
    high: float | None
    made_up: bool


@dataclass(frozen=True, slots=True)
class WarmupReport:
    """A warm-up file as it was read back.

    Attributes:
        path: The file.
        signature_name: The signature that the request names; empty for the model's default one.
        output_filter: The outputs that it asks for; empty for all.
        inputs: What it holds for each input.
        size_bytes: Its size.
        sha256: Its checksum.
    """

    path: Path
    signature_name: str
    output_filter: tuple[str, ...]
    inputs: tuple[InputSummary, ...]
    size_bytes: int
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {
            "path": str(self.path),
            "signature_name": self.signature_name,
            "output_filter": list(self.output_filter),
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "inputs": [
                {
                    "name": each.name,
                    "dtype": each.dtype.proto_name,
                    "shape": list(each.shape),
                    "first": list(each.first),
                    "low": each.low,
                    "high": each.high,
                    "made_up": each.made_up,
                }
                for each in self.inputs
            ],
        }


def generate_warmup(
    model: str | Path,
    output: str | Path,
    *,
    inputs: Sequence[str] | Mapping[str, Any] = (),
    batch_size: int | None = None,
    signature: str | None = None,
    fetch: Sequence[str] = (),
    seed: int = 0,
    unknown_dim: int = 1,
    tags: Collection[str] | None = (SERVE_TAG,),
    force: bool = False,
) -> WarmupReport:
    """Writes a warm-up file for a SavedModel, or for a frozen graph, whose outputs have to be named in ``fetch``.

    A warm-up request must be like production's in signature, outputs and shapes, or TensorFlow initialises once more on
    the first real one. The request therefore names its signature; a whole sample request keeps its own signature and
    outputs, even where it leaves the signature to the service.

    Args:
        model: The SavedModel's folder, or the frozen graph's file.
        output: The file to write, by convention ``warm_up_test.bin``.
        inputs: What to put in: ``--input`` options, or values by name. An input that is left out is random, inside what
            the graph allows.
        batch_size: Rows of each input. By default as many as literals, values and whole requests have, else 1.
        signature: The signature; by default the sample request's, else the model's default one.
        fetch: The outputs to ask for; by default the sample request's, else all.
        seed: Seed of random values.
        unknown_dim: Size of unknown dimensions, but for the first, of values that are made up.
        tags: The metagraph's tags.
        force: Replace a file that is there already.

    Returns:
        What the file holds, as it was read back.

    Raises:
        SignatureError: An input, an output or the signature is unknown, or a value does not fit.
        ModelError: There is no SavedModel at ``model``, or a damaged one.
        InputError: A sample file is missing or damaged.
        UsageError: Options do not make sense, or ``output`` exists already.
        MissingError: The file cannot be written.
    """
    output = Path(output)
    check_target(output, force=force)
    options = options_from(inputs) if isinstance(inputs, Mapping) else parse_inputs(inputs)
    sample = given_request(options)
    frozen = is_frozen_graph(find_model_file(model))
    if frozen:
        chosen = _frozen_signature(model, options, sample, signature, fetch)
    else:
        name = signature or (sample.signature_name if sample is not None else "")
        chosen = find_signature(read_signatures(model, tags), name)
    check_dense(chosen)
    made_up = random_for_missing(options, chosen)
    options = (*options, *made_up)
    arrays = make_inputs(
        options,
        chosen,
        batch_size=batch_size if batch_size is not None else given_rows(options, chosen) or 1,
        seed=seed,
        unknown_dim=unknown_dim,
        domains={} if frozen else _domains(options, model, chosen, tags),
    )
    outputs = _outputs(fetch, sample, chosen)
    name = sample.signature_name if sample is not None and not signature else chosen.name
    data = encode_request(PredictRequest(arrays, name, outputs))
    report = _describe(output, data, chosen, {option.name for option in made_up})
    write_warmup(output, data, force=force)
    return report


def _frozen_signature(
    model: str | Path,
    options: Sequence[InputOption],
    sample: PredictRequest | None,
    signature: str | None,
    fetch: Sequence[str],
) -> Signature:
    """What a request to a frozen graph takes, by what it asks for; inputs are called as they are given."""
    if signature:
        raise SignatureError(
            f"{model} is a frozen graph, which has no signature {signature!r}", hint="Name its outputs, with --fetch."
        )
    given = {option.name for option in options}
    if sample is None:
        return frozen_signature(model, fetch, given)
    return frozen_signature(model, fetch or sample.output_filter, given | set(sample.inputs))


def _domains(
    options: Sequence[InputOption], model: str | Path, signature: Signature, tags: Collection[str] | None
) -> dict[str, Domain]:
    """What inputs may take; the graph is read only where a value is to be drawn from it."""
    drawn = any(isinstance(option.source, RandomSource) and option.source.low is None for option in options)
    return input_domains(model, signature, tags) if drawn else {}


def _outputs(fetch: Sequence[str], sample: PredictRequest | None, signature: Signature) -> tuple[str, ...]:
    names = tuple(fetch) or (sample.output_filter if sample is not None else ())
    for position, name in enumerate(names):
        signature.output(name)
        if name in names[:position]:
            raise UsageError(f"output {name!r} is asked for twice: name each output once")
    return names


def _describe(path: Path, data: bytes, signature: Signature, made_up: Collection[str]) -> WarmupReport:
    """Reads the request back as a service will, and checks it once more against the signature."""
    request = decode_request(data)
    for name, array in request.inputs.items():
        check_array(signature.input(name), array)
    return WarmupReport(
        path=path,
        signature_name=request.signature_name,
        output_filter=request.output_filter,
        inputs=tuple(
            _summary(name, array, signature.input(name).dtype, made_up=name in made_up)
            for name, array in request.inputs.items()
        ),
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _summary(name: str, array: Array, dtype: DType, *, made_up: bool) -> InputSummary:
    plain = array[array.dtype.names[0]] if array.dtype.names else array
    first = tuple(_shown(value) for value in plain.reshape(-1)[:_SHOWN_VALUES].tolist())
    low = high = None
    if plain.size and dtype not in (DType.STRING, DType.COMPLEX64, DType.COMPLEX128):
        low, high = _number(np.min(plain)), _number(np.max(plain))
    return InputSummary(name, dtype, array.shape, first, low, high, made_up)


def _shown(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)) else str(value)


def _number(value: Any) -> float | None:
    number = value.item()
    return number if math.isfinite(number) else None
