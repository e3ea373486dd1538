"""What values each input of a signature may take, read off what the graph does with it.

An input that ends as an index into a table must stay inside it; one that is looked up should be a key, or for once
none; one that is parsed must be what the parser reads. An input of which the graph says nothing, or which it makes
harmless (clipping, hashing, buckets), has no domain.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from tfkit.graph.flow import Flow, Frame, Place
from tfkit.graph.parsing import PARSERS, parsed
from tfkit.graph.tables import looked_up
from tfkit.graph.values import Domain, Examples, IntRange, Vocabulary, combine, combine_values
from tfkit.graph.view import Tensor, open_graph
from tfkit.savedmodel.signatures import is_composite
from tfkit.tensors import SERVE_TAG, DType, Signature

__all__ = ["Domain", "Examples", "IntRange", "Vocabulary", "input_domains", "taken_as_integers"]

_Bound = Callable[[Flow, Place], IntRange | Vocabulary | None]
_INTEGERS = frozenset({
    *(DType.INT8, DType.INT16, DType.INT32, DType.INT64),
    *(DType.UINT8, DType.UINT16, DType.UINT32, DType.UINT64),
})  # fmt: skip
# What other indices count for nothing in: no row of their own, no count.
_INDIFFERENT = frozenset({"OneHot", "Bincount", "DenseBincount", "RaggedBincount", "SparseBincount"})
_DIGITS = Vocabulary(tuple(b"%d" % number for number in range(10)), closed=True)


def input_domains(
    export_dir: str | Path, signature: Signature, tags: Collection[str] | None = (SERVE_TAG,)
) -> dict[str, Domain]:
    """Reads off a SavedModel's graph what values the inputs of a signature may take.

    Args:
        export_dir: The SavedModel's folder.
        signature: One of its signatures.
        tags: The metagraph's tags.

    Returns:
        A domain by the name of the input; inputs of which the graph says nothing are absent.

    Raises:
        ModelError: The SavedModel is damaged, or a vocabulary file is missing.
        MissingError: A file may not be read.
    """
    found: dict[str, Domain] = {}
    with open_graph(export_dir, tags) as graph:
        flow = Flow(graph)
        for spec in signature.inputs:
            if is_composite(spec):
                continue
            domain: Domain | None = None
            for use in flow.uses(flow.main, Tensor.parse(spec.tensor)):
                bound = _parsed(flow, use) or _bound(flow, use)
                domain = domain if bound is None else combine(domain, bound)
            if domain is not None:
                found[spec.name] = domain
    return found


def taken_as_integers(
    export_dir: str | Path, signature: Signature, tags: Collection[str] | None = (SERVE_TAG,)
) -> tuple[str, ...]:
    """The inputs of a signature that the graph casts to whole numbers, as an embedding does with its indices.

    Args:
        export_dir: The SavedModel's folder.
        signature: One of its signatures.
        tags: The metagraph's tags.

    Raises:
        ModelError: The SavedModel is damaged.
        MissingError: A file may not be read.
    """
    with open_graph(export_dir, tags) as graph:
        flow = Flow(graph)
        return tuple(
            spec.name
            for spec in signature.inputs
            if not is_composite(spec)
            and any(
                use.node.op == "Cast" and use.node.dtype("DstT") in _INTEGERS
                for use in flow.uses(flow.main, Tensor.parse(spec.tensor))
            )
        )


def _parsed(flow: Flow, use: Place) -> Examples | None:
    """The messages that a parser takes, each feature of them inside what the graph does with it in turn."""
    return parsed(flow, use, partial(_feature_domain, flow)) if use.node.op in PARSERS and use.port == 0 else None


def _feature_domain(flow: Flow, frame: Frame, tensor: Tensor) -> IntRange | Vocabulary | None:
    domain: IntRange | Vocabulary | None = None
    for use in flow.uses(frame, tensor):
        bound = _bound(flow, use)
        domain = domain if bound is None else combine_values(domain, bound)
    return domain


def _bound(flow: Flow, use: Place) -> IntRange | Vocabulary | None:
    bound = _BOUNDS.get((use.node.op, use.port))
    found = None if bound is None else bound(flow, use)
    return found if found is None or use.whole else replace(found, sure=False)


def _below(high: int | None, *, closed: bool = True) -> IntRange | None:
    return IntRange(0, high, closed) if high is not None and high > 0 else None


def _table_rows(flow: Flow, use: Place) -> IntRange | None:
    """Below the size of a table that is gathered from, along the axis that is gathered along."""
    shape = flow.shape(use.frame, use.operand(0))
    axis = next(iter(flow.integers(use.frame, use.operand(2))), 0)
    if use.node.op == "ResourceGather":
        axis = use.node.integer("batch_dims")
    return _below(shape[axis]) if shape is not None and -len(shape) <= axis < len(shape) else None


def _every_dimension(flow: Flow, use: Place) -> IntRange | None:
    """Below the smallest dimension, where an index has several coordinates."""
    shape = flow.shape(use.frame, use.operand(0)) or ()
    return _below_all([size for size in shape if size is not None])


def _every_size(operand: int, flow: Flow, use: Place) -> IntRange | None:
    return _below_all(flow.integers(use.frame, use.operand(operand)))


def _below_all(sizes: Collection[int]) -> IntRange | None:
    """Below the smallest size; a coordinate of another dimension may be larger."""
    found = _below(min(sizes, default=None))
    return found if found is None else replace(found, sure=len(set(sizes)) == 1)


def _count(operand: int, flow: Flow, use: Place) -> IntRange | None:
    """Below a number that the node is given, such as the depth of ``OneHot``."""
    return _below(flow.most(use.frame, use.operand(operand)), closed=use.node.op not in _INDIFFERENT)


def _digits(_: Flow, __: Place) -> Vocabulary:
    return _DIGITS


def _pictures(_: Flow, __: Place) -> Vocabulary:
    return Vocabulary(_png_files(), closed=True)


@cache
def _png_files() -> tuple[bytes, ...]:
    """Small pictures of one colour each, 32 by 32: decoders of JPEG, PNG and pictures in general all read PNG.

    Format: https://www.w3.org/TR/png/
    """

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0))
    return tuple(
        b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress((b"\0" + colour * 32) * 32)) + chunk(b"IEND", b"")
        for colour in (b"\xf0\x20\x20", b"\x20\xc0\x40", b"\x30\x30\xd0", b"\x90\x90\x90")
    )


# By the op that uses a value and at which of its inputs: https://www.tensorflow.org/api_docs/python/tf/raw_ops
_BOUNDS: dict[tuple[str, int], _Bound] = {
    **{(op, 1): _table_rows for op in ("Gather", "GatherV2", "ResourceGather")},
    **{(op, 1): _table_rows for op in ("SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN")},
    **{(op, 1): _every_dimension for op in ("GatherNd", "ResourceGatherNd")},
    ("OneHot", 0): partial(_count, 1),
    ("Bincount", 0): partial(_count, 1),
    ("DenseBincount", 0): partial(_count, 1),
    ("RaggedBincount", 1): partial(_count, 2),
    ("SparseBincount", 1): partial(_count, 3),
    **{(f"UnsortedSegment{kind}", 1): partial(_count, 2) for kind in ("Sum", "Prod", "Max", "Min")},
    ("ScatterNd", 0): partial(_every_size, 2),
    ("SparseToDense", 0): partial(_every_size, 1),
    ("LookupTableFind", 1): looked_up,
    ("LookupTableFindV2", 1): looked_up,
    ("StringToNumber", 0): _digits,
    **{(op, 0): _pictures for op in ("DecodeImage", "DecodeJpeg", "DecodePng", "DecodeAndCropJpeg")},
}
