"""What the parsers of ``tf.train.Example`` and ``SequenceExample`` read: features by name, dtype and shape.

Source: https://www.tensorflow.org/api_docs/python/tf/raw_ops, of the ops below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import repeat

from tfkit.graph.flow import Flow, Frame, Place
from tfkit.graph.values import Examples, Feature, IntRange, Vocabulary
from tfkit.graph.view import Node, Tensor
from tfkit.tensors import DType, Shape

_LISTED = "feature_list"


class _Keys(Enum):
    """Where an op takes the names of features from."""

    ATTRIBUTES = auto()  # a list of names for each kind of feature
    INPUTS = auto()  # a tensor for each feature
    VECTORS = auto()  # a tensor for each kind of feature


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of features of a parser: dense, sparse or ragged ones, of the message or of its feature lists.

    Attributes:
        keys: The attribute of their names.
        types: The attribute of their dtypes.
        shapes: The attribute of their shapes; empty where they have any number of values.
        values: The output of their values.
        before: How many outputs each feature has before that of its values.
        outputs: How many outputs each feature has.
    """

    keys: str
    types: str
    shapes: str
    values: str
    before: int
    outputs: int


@dataclass(frozen=True, slots=True)
class _Parser:
    """An op.

    Attributes:
        keys: Where it takes names from.
        first: From inputs, the first of them.
        kinds: What it parses, in the order of its inputs and outputs.
    """

    keys: _Keys
    first: int
    kinds: tuple[_Kind, ...]


def _kinds(prefix: str = "") -> tuple[_Kind, _Kind, _Kind]:
    """Sparse, dense and ragged ones, in the order in which every parser takes and gives them."""
    dense_types = f"{prefix}dense_types" if prefix.startswith(_LISTED) else f"T{prefix}dense"
    more = 1 if prefix.startswith(_LISTED) else 0  # lengths, outer splits
    return (
        _Kind(f"{prefix}sparse_keys", f"{prefix}sparse_types", "", f"{prefix}sparse_values", 1, 3),
        _Kind(f"{prefix}dense_keys", dense_types, f"{prefix}dense_shapes", f"{prefix}dense_values", 0, 1 + more),
        _Kind(f"{prefix}ragged_keys", f"{prefix}ragged_value_types", "", f"{prefix}ragged_values", 0, 2 + more),
    )


_PLAIN, _CONTEXT, _LISTS = _kinds(), _kinds("context_"), _kinds(f"{_LISTED}_")
PARSERS = {
    "ParseExample": _Parser(_Keys.INPUTS, 2, _PLAIN[:2]),
    "ParseExampleV2": _Parser(_Keys.VECTORS, 2, _PLAIN),
    "ParseSingleExample": _Parser(_Keys.ATTRIBUTES, 0, _PLAIN[:2]),
    "ParseSequenceExample": _Parser(_Keys.ATTRIBUTES, 0, (*_CONTEXT[:2], *_LISTS[:2])),
    "ParseSequenceExampleV2": _Parser(_Keys.VECTORS, 2, (*_CONTEXT, *_LISTS)),
    "ParseSingleSequenceExample": _Parser(_Keys.INPUTS, 2, (*_CONTEXT[:2], *_LISTS[:2])),
}
_Bound = Callable[[Frame, Tensor], IntRange | Vocabulary | None]


def parsed(flow: Flow, use: Place, bound: _Bound) -> Examples | None:
    """The messages that a parser takes.

    Args:
        flow: The graph.
        use: The parser, one of ``PARSERS``.
        bound: Says what values one of its outputs may take.

    Returns:
        Their features; ``None`` where the graph does not say what the names of any are.
    """
    features: list[Feature] = []
    lists: list[Feature] = []
    for kind, held in _features(flow, use, bound):
        (lists if kind.keys.startswith(_LISTED) else features).append(held)
    return Examples(tuple(features), tuple(lists)) if features or lists else None


def _features(flow: Flow, use: Place, bound: _Bound) -> Iterator[tuple[_Kind, Feature]]:
    parser = PARSERS[use.node.op]
    first_input, first_output = parser.first, 0
    for kind in parser.kinds:
        types = use.node.dtypes(kind.types)
        taken = len(types) if parser.keys is _Keys.INPUTS else 1
        inputs = range(first_input, first_input + taken)
        names = use.node.texts(kind.keys) if parser.keys is _Keys.ATTRIBUTES else _names(flow, use, inputs)
        for at, (name, number, shape) in enumerate(zip(names, types, _shapes(use.node, kind), strict=False)):
            if number in (DType.FLOAT, DType.INT64, DType.STRING):  # there are no others
                in_main = Tensor(use.node.name, index=first_output + kind.before * len(types) + at)
                values = Tensor(use.node.name, kind.values, at) if use.frame.scope.name else in_main
                yield kind, Feature(name, DType(number), shape, bound(use.frame, values))
        first_input += taken
        first_output += kind.outputs * len(types)


def _names(flow: Flow, use: Place, inputs: Iterable[int]) -> Iterator[str]:
    for position in inputs:
        for name in flow.texts(use.frame, use.operand(position)):
            yield name.decode(errors="replace")


def _shapes(node: Node, kind: _Kind) -> Iterable[Shape | None]:
    """A shape for each feature; ``None`` for a feature of any number of values."""
    return node.shapes(kind.shapes) if kind.shapes else repeat(None)
