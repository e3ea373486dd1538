"""What the values of an input show: whether the graph takes them, and whether they look like those of samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from tfkit import proto
from tfkit.arrays import Array
from tfkit.graph.constants import MAX_VALUES
from tfkit.graph.values import Domain, Examples, IntRange, Vocabulary
from tfkit.tensors import DType
from tfkit.warmup.findings import Finding, error, note, warning

_COMPLEX = (DType.COMPLEX64, DType.COMPLEX128)
# Samples and warm-up that differ by this much do not differ by chance: pixels up to 255 beside those up to 1 do.
_SCALE = 20
_DIGITS = frozenset(b"%d" % number for number in range(10))
_PNG = b"\x89PNG"
# What TensorFlow's decoders of pictures take: https://www.tensorflow.org/api_docs/python/tf/io/decode_image
_PICTURES = (_PNG, b"\xff\xd8\xff", b"GIF8", b"BM")
_SHOWN = 40
_MOST_LOOKED_UP = 1000


class Span(NamedTuple):
    """From the smallest to the largest value."""

    low: float
    high: float


def span_of(array: Array) -> Span | None:
    """The finite values' span; ``None`` for what holds no floats, or none that are finite."""
    plain = _numbers(array)
    if plain is None or plain.dtype.kind != "f":
        return None
    finite = plain[np.isfinite(plain)]
    return Span(float(finite.min()), float(finite.max())) if finite.size else None


def check_values(dtype: DType, array: Array, domain: Domain | None, samples: Span | None) -> Iterator[Finding]:
    """What there is to say about the values of one input.

    Args:
        dtype: The input's dtype.
        array: The values, of that dtype.
        domain: What the graph takes, if it says.
        samples: The span of real samples' values, if there are any.
    """
    if not array.size:
        yield warning("no-values", f"shape {list(array.shape)}: there are no values", "Warm up with rows of values.")
        return
    if dtype.is_float or dtype in _COMPLEX:
        yield from _check_finite(array)
    if dtype is not DType.BOOL and array.size > 1:
        yield from _check_varied(dtype, array)
    if isinstance(domain, IntRange) and dtype not in _COMPLEX:
        yield from _check_range(array, domain)
    elif isinstance(domain, Vocabulary):
        yield from _check_keys(dtype, array, domain)
    elif isinstance(domain, Examples) and dtype is DType.STRING:
        yield from _check_examples(array)
    if samples is not None and dtype.is_float:
        yield from _check_scale(array, samples)


def _check_finite(array: Array) -> Iterator[Finding]:
    plain = array if array.dtype.kind == "c" else array.astype(np.float64)
    wrong = int(np.count_nonzero(~np.isfinite(plain)))
    if wrong:
        yield warning("not-finite", f"{wrong} of {array.size} values are NaN or infinite")


def _check_varied(dtype: DType, array: Array) -> Iterator[Finding]:
    flat = array.reshape(-1)
    if (flat != flat[0]).any():
        return
    empty = b"" if dtype is DType.STRING else np.zeros((), array.dtype)
    if flat[0] == empty:
        what = "texts are empty" if dtype is DType.STRING else "values are zero"
        yield note("all-zero", f"all {array.size} {what}", "Sparse or conditional parts of a model may stay cold.")
    else:
        yield note("constant", f"all {array.size} values are {_shown(flat[0])}")


def _check_range(array: Array, domain: IntRange) -> Iterator[Finding]:
    plain = _numbers(array)
    if plain is None:
        return
    wrong = plain[(plain < domain.low) | (plain >= domain.high)]
    if wrong.size:
        told = error if domain.closed and domain.sure else warning
        used = "them" if domain.sure else "some of the values"
        yield told(
            "out-of-range",
            f"{wrong.size} of {array.size} values, such as {_shown(wrong[0])}, are outside of {domain.low} to "
            f"{domain.high - 1}: the model uses {used} as indices{'' if domain.closed else ', and ignores others'}",
        )


def _check_keys(dtype: DType, array: Array, domain: Vocabulary) -> Iterator[Finding]:
    if len(domain.keys) >= MAX_VALUES:
        return  # there may be more than these
    values = _distinct(dtype, array)
    if not values:
        return
    if dtype is DType.STRING:
        unknown = [value for value in values if not _takes(domain, value)]
    else:
        keys = frozenset(domain.keys)
        unknown = [value for value in values if value not in keys]
    shown = ", ".join(_shown(key) for key in domain.keys[:5] if not _is_long(key))
    known = f": the model knows {shown}{', ...' if len(domain.keys) > 5 else ''}" if shown else ""
    if unknown and domain.closed:
        yield (error if domain.sure else warning)("unknown-key", f"the model takes no {_shown(unknown[0])}{known}")
    elif len(unknown) == len(values):
        yield note("unknown-key", f"no value is one that the model looks up, such as {_shown(unknown[0])}{known}")


def _check_examples(array: Array) -> Iterator[Finding]:
    for text in _distinct(DType.STRING, array):
        try:
            # Which an Example is as well: it is one without feature lists.
            proto.message("tensorflow.SequenceExample").FromString(text)
        except DecodeError:
            yield error(
                "no-example",
                f"the model parses serialized tf.train.Examples, and {_shown(text)} is none",
                "Give records of a TFRecord file, or random values.",
            )
            return


def _takes(domain: Vocabulary, text: bytes) -> bool:
    """Whether a model may take a text; in doubt it does, for it may split the text before it looks words up."""
    if set(domain.keys) == _DIGITS:  # what stands for all numbers
        try:
            float(text)
        except ValueError:
            return False
        return True
    if all(isinstance(key, bytes) and key.startswith(_PNG) for key in domain.keys):  # what stands for all pictures
        return text.startswith(_PICTURES)
    keys = {key.lower() for key in domain.keys if isinstance(key, bytes)}
    lowered = text.lower()
    return lowered in keys or any(key in lowered for key in keys if key)


def _check_scale(array: Array, samples: Span) -> Iterator[Finding]:
    found = span_of(array)
    if found is None:
        return
    here, there = max(map(abs, found)), max(map(abs, samples))
    if not here or not there or max(here, there) < _SCALE * min(here, there):
        return
    yield warning(
        "unscaled",
        f"values from {found.low:.4g} to {found.high:.4g}: the samples that the model was exported with have "
        f"{samples.low:.4g} to {samples.high:.4g}",
        "Prepare them as the samples were.",
    )


def _distinct(dtype: DType, array: Array) -> list[Any]:
    """Values that differ, of very many the first ones in their order: each is looked up."""
    if dtype is DType.STRING:
        return sorted(set(array.reshape(-1).tolist()))[:_MOST_LOOKED_UP]
    plain = _numbers(array)
    return [] if plain is None or plain.dtype.kind not in "iu" else np.unique(plain)[:_MOST_LOOKED_UP].tolist()


def _numbers(array: Array) -> Array | None:
    """The values as numbers that can be compared, flat; ``None`` for texts and complex numbers."""
    flat = array.reshape(-1)
    if flat.dtype.names:
        return flat.view(flat.dtype[0])
    if flat.dtype.kind in "biuf":
        return flat
    return flat.astype(np.float32) if flat.dtype.kind == "V" else None  # bfloat16


def _is_long(key: bytes | int) -> bool:
    return isinstance(key, bytes) and len(key) > _SHOWN


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        text = value[:_SHOWN].decode("utf-8", "backslashreplace")
        return repr(text) + ("..." if len(value) > _SHOWN else "")
    return str(value)
