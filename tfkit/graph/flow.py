"""Where a value goes and where it comes from, through function calls, branches and loops.

Going forward, a value is followed through operations that hand it on (moving, casting, joining, splitting) to those
that use it; going back, through calls and identities to the operation that made it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tfkit.graph.constants import integers, texts
from tfkit.graph.view import ANY_OUTPUT, GraphView, Node, Scope, Tensor
from tfkit.savedmodel.signatures import parse_shape
from tfkit.tensors import Shape

# More than a real model needs; a graph made to be endless is left at that.
_MAX_STEPS = 200_000
_MAX_CALLS_DEEP = 64
_MAX_STEPS_BACK = 256


def _at(*positions: int) -> Callable[[int, int], bool]:
    return lambda position, _: position in positions


# Operations that hand a value on, and whether they do so with the input at a position, of how many there are.
CARRIERS: dict[str, Callable[[int, int], bool]] = {
    # Moving and reshaping.
    **dict.fromkeys(
        ("Identity", "Snapshot", "StopGradient", "PreventGradient", "CheckNumerics", "EnsureShape"), _at(0)
    ),
    **dict.fromkeys(("PlaceholderWithDefault", "Cast", "Reshape", "ExpandDims", "Squeeze", "Transpose"), _at(0)),
    **dict.fromkeys(("Slice", "StridedSlice", "Tile", "BroadcastTo", "Reverse", "ReverseV2"), _at(0)),
    **dict.fromkeys(("Pad", "PadV2", "MirrorPad"), _at(0)),
    # Picking out of, and joining.
    **dict.fromkeys(("SplitV", "Unpack", "Gather", "GatherV2", "GatherNd", "Unique", "UniqueV2"), _at(0)),
    **dict.fromkeys(("Split", "SparseFillEmptyRows", "RaggedTensorToTensor", "ScatterNd"), _at(1)),
    "SparseToDense": _at(2),
    "RaggedTensorToSparse": lambda position, count: position == count - 1,
    "ConcatV2": lambda position, count: position < count - 1,
    **dict.fromkeys(("Concat", "Select", "SelectV2"), lambda position, _: position > 0),
    **dict.fromkeys(("Pack", "ParallelConcat", "Merge", "RefMerge"), lambda _, __: True),
    # What map_fn takes apart, row by row.
    **dict.fromkeys(("TensorListFromTensor", "TensorListGetItem"), _at(0)),
    **dict.fromkeys(("TensorArrayScatterV3", "TensorArrayReadV3"), _at(2)),
    # TensorFlow 1's control flow.
    **dict.fromkeys(("Enter", "RefEnter", "Exit", "RefExit", "NextIteration", "RefNextIteration"), _at(0)),
    **dict.fromkeys(("Switch", "RefSwitch"), _at(0)),
    # Text that is cleaned or cut still holds the words that it was made of.
    **dict.fromkeys(("StringLower", "StringUpper", "StringStrip", "RegexReplace", "StaticRegexReplace"), _at(0)),
    **dict.fromkeys(("StringSplit", "StringSplitV2", "UnicodeTranscode", "StringNGrams"), _at(0)),
    **dict.fromkeys(("UnicodeDecode", "UnicodeDecodeWithOffsets", "UnicodeEncode"), _at(0)),
}
# Where only one of several outputs is the value: its name in functions, its index in the main graph.
_VALUE_OUTPUTS = {
    "Unique": ("y", 0),
    "UniqueV2": ("y", 0),
    "Merge": ("output", 0),
    "RefMerge": ("output", 0),
    "StringSplit": ("values", 1),
    "StringSplitV2": ("values", 1),
    "StringNGrams": ("ngrams", 0),
    "UnicodeDecode": ("char_values", 1),
    "UnicodeDecodeWithOffsets": ("char_values", 1),
    "SparseFillEmptyRows": ("output_values", 1),
    "RaggedTensorToSparse": ("sparse_values", 1),
}
# Carriers, and calls, that hand on some of the values, or hand them on sometimes.
_PICKERS = frozenset({
    *("Slice", "StridedSlice", "Split", "SplitV", "Unpack", "Gather", "GatherV2", "GatherNd"),
    *("Select", "SelectV2", "Switch", "RefSwitch", "Merge", "RefMerge"),
    *("If", "StatelessIf", "Case", "StatelessCase", "StringSplit", "StringSplitV2", "StringNGrams"),
})  # fmt: skip
_SAME_GOING_BACK = {
    *("Identity", "Snapshot", "StopGradient", "PreventGradient", "EnsureShape", "PlaceholderWithDefault"),
    *("Enter", "RefEnter", "Exit", "RefExit", "Switch", "RefSwitch", "Merge", "RefMerge"),
}
_WHILE = frozenset(("While", "StatelessWhile"))
_VARIABLES = frozenset(("VarHandleOp", "VariableV2", "Variable", "Placeholder", "PlaceholderV2"))


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A function as one call runs it, or the main graph; each call has one frame."""

    scope: Scope
    call: Node | None = None
    caller: Frame | None = None
    first_input: int = 0
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A node in a frame, and one of its ports: the input that takes a value, or the output that gives it.

    Attributes:
        frame: The frame.
        node: The node.
        port: The port.
        whole: Whether all of the value comes there, and always; not what a slice or a condition picks of it.
    """

    frame: Frame
    node: Node
    port: int
    whole: bool = True

    def operand(self, position: int) -> Tensor | None:
        """What the node takes at another input."""
        return self.node.inputs[position] if 0 <= position < len(self.node.inputs) else None


class Flow:
    """Follows values through a graph."""

    def __init__(self, graph: GraphView) -> None:
        self.graph = graph
        self.main = Frame(graph.main)
        self._frames: dict[tuple[Frame, str, str], Frame] = {}

    def uses(self, frame: Frame, tensor: Tensor) -> Iterator[Place]:
        """Every input that takes a tensor, or what carriers make of it, in whatever function."""
        pending = [(frame, tensor, True)]
        seen: set[tuple[Frame, Tensor]] = set()
        while pending and len(seen) < _MAX_STEPS:
            frame, tensor, whole = pending.pop()
            if (frame, tensor) in seen:
                continue
            seen.add((frame, tensor))
            for node, position in frame.scope.consumers.get(tensor.node, ()):
                if tensor.covers(node.inputs[position]):
                    yield Place(frame, node, position, whole)
                    onward = whole and not _picks(frame, node, position)
                    pending.extend((*place, onward) for place in self._onward(frame, node, position))
            pending.extend((*place, whole) for place in self._returned(frame, tensor))

    def source(self, frame: Frame, tensor: Tensor | None) -> Place | None:
        """The node that made a tensor, and at which of its outputs."""
        for _ in range(_MAX_STEPS_BACK):
            if tensor is None:
                return None
            if tensor.node in frame.scope.arguments:
                if frame.caller is None or frame.call is None:
                    return None
                position = frame.scope.arguments.index(tensor.node) + frame.first_input
                tensor = frame.call.inputs[position] if position < len(frame.call.inputs) else None
                frame = frame.caller
                continue
            node = frame.scope.nodes.get(tensor.node)
            if node is None:
                return None
            if node.op in _SAME_GOING_BACK and node.inputs:
                tensor = node.inputs[0]
            elif node.op in _WHILE:  # what a loop is given to read is what it hands on
                tensor = node.inputs[tensor.index] if tensor.index < len(node.inputs) else None
            elif body := next(self._called(frame, node), None):
                frame, tensor = body, dict(enumerate(body.scope.returns.values())).get(tensor.index)
            else:
                return Place(frame, node, tensor.index)
        return None

    def shape(self, frame: Frame, tensor: Tensor | None) -> Shape | None:
        """The shape of a constant, of a variable (or of its handle or value), or what TensorFlow noted."""
        for _ in range(_MAX_STEPS_BACK):
            made = self.source(frame, tensor)
            if made is None:
                return None
            if made.node.op not in ("ReadVariableOp", "Cast"):
                return self._made_shape(made)
            frame, tensor = made.frame, made.operand(0)
        return None

    def integers(self, frame: Frame, tensor: Tensor | None) -> tuple[int, ...]:
        """The whole numbers in a constant; none where it is no constant."""
        made = self.source(frame, tensor)
        if made is not None and made.node.op == "Cast":
            made = self.source(made.frame, made.operand(0))
        if made is None or made.node.op != "Const":
            return ()
        held = made.node.tensor()
        return () if held is None else integers(held)

    def texts(self, frame: Frame, tensor: Tensor | None) -> tuple[bytes, ...]:
        """The texts in a constant; none where it is no constant."""
        made = self.source(frame, tensor)
        held = made.node.tensor() if made is not None and made.node.op == "Const" else None
        return () if held is None else texts(held)

    def most(self, frame: Frame, tensor: Tensor | None) -> int | None:
        """The largest value that a number in the graph can have, as far as constants say."""
        made = self.source(frame, tensor)
        if made is not None and made.node.op == "Minimum":
            limits = [self.integers(made.frame, made.operand(position)) for position in (0, 1)]
            return min((max(each) for each in limits if each), default=None)
        return max(self.integers(frame, tensor), default=None)

    def reaches(self, use: Place, op: str) -> bool:
        """Whether anything that a node makes ends, in the same function, in an operation of that kind."""
        pending, seen = [use.node.name], set()
        while pending:
            name = pending.pop()
            if name in seen:
                continue
            seen.add(name)
            for node, _ in use.frame.scope.consumers.get(name, ()):
                if node.op == op:
                    return True
                pending.append(node.name)
        return False

    def _made_shape(self, made: Place) -> Shape | None:
        node = made.node
        if node.op == "Const":
            held = node.tensor()
            return None if held is None else parse_shape(held.child(2))
        if node.op in _VARIABLES:
            return node.shape()
        # Of an operation with one output; more of them are not told apart by their number in functions.
        return node.output_shape(made.port)

    def _onward(self, frame: Frame, node: Node, position: int) -> Iterator[tuple[Frame, Tensor]]:
        """Where the value is next: what a carrier makes of it, or the argument of a function."""
        carries = CARRIERS.get(node.op)
        if node.op == "IdentityN":
            yield frame, _output(frame, node, "output", position)
        elif carries is not None:
            if carries(position, len(node.inputs)):
                single = _VALUE_OUTPUTS.get(node.op)
                yield frame, _one_output(frame, node, *single) if single else Tensor(node.name, index=ANY_OUTPUT)
        else:
            for body in self._called(frame, node):
                argument = position - body.first_input
                if 0 <= argument < len(body.scope.arguments):
                    yield body, Tensor(body.scope.arguments[argument])

    def _returned(self, frame: Frame, tensor: Tensor) -> Iterator[tuple[Frame, Tensor]]:
        """What a call hands out of a value that its function returns."""
        if frame.caller is None or frame.call is None:
            return
        direct = frame.call.op == frame.scope.name
        for index, (name, returned) in enumerate(frame.scope.returns.items()):
            if not tensor.covers(returned):
                continue
            if direct:
                yield frame.caller, _one_output(frame.caller, frame.call, name, index)
            else:
                yield frame.caller, _output(frame.caller, frame.call, "output", index)
            if frame.call.op in _WHILE and index < len(frame.scope.arguments):
                yield frame, Tensor(frame.scope.arguments[index])  # the next round

    def _called(self, frame: Frame, node: Node) -> Iterator[Frame]:
        """The frames of the functions that a node calls."""
        first_input = 0
        if node.op in ("PartitionedCall", "StatefulPartitionedCall"):
            names: tuple[str, ...] = (node.function("f"),)
        elif node.op in ("If", "StatelessIf"):
            names, first_input = (node.function("then_branch"), node.function("else_branch")), 1
        elif node.op in ("Case", "StatelessCase"):
            names, first_input = node.functions("branches"), 1
        elif node.op in _WHILE:
            names = (node.function("body"), node.function("cond"))
        else:
            names = (node.op,)  # TensorFlow 1 calls a function by using its name as an op
        for name in names:
            body = self._enter(frame, node, name, first_input)
            if body is not None:
                yield body

    def _enter(self, frame: Frame, node: Node, name: str, first_input: int) -> Frame | None:
        key = (frame, node.name, name)
        if key not in self._frames:
            scope = self.graph.function(name)
            if scope is None or frame.depth >= _MAX_CALLS_DEEP:
                return None
            self._frames[key] = Frame(scope, node, frame, first_input, frame.depth + 1)
        return self._frames[key]


def _picks(frame: Frame, node: Node, position: int) -> bool:
    """Whether a node hands on some of the values that it takes.

    Keras chooses between ``x`` and ``x + n``, which counts from the end: that is all of ``x``.
    """
    if node.op in ("Select", "SelectV2") and position > 0:
        other = frame.scope.nodes.get(node.inputs[3 - position].node)
        return other is None or other.op not in ("Add", "AddV2") or node.inputs[position] not in other.inputs
    return node.op in _PICKERS


def _output(frame: Frame, node: Node, name: str, index: int) -> Tensor:
    """An output of an op whose outputs are one list."""
    return Tensor(node.name, name if frame.scope.name else "", index)


def _one_output(frame: Frame, node: Node, name: str, index: int) -> Tensor:
    """An output of an op whose outputs have names of their own."""
    return Tensor(node.name, name, 0) if frame.scope.name else Tensor(node.name, "", index)
