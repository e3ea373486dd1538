"""What a rule rewrites a node with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import Any, NoReturn

import numpy as np

from tfkit.arrays import NUMPY_DTYPES, Array
from tfkit.graph import attributes
from tfkit.graph.control_flow import Body, Builder, Ran, choose, loop
from tfkit.graph.nodes import Graph, Node, Tensor
from tfkit.lower.facts import SHAPES, Facts
from tfkit.lower.target import Target
from tfkit.tensors import DType, Shape

_PARALLEL_ITERATIONS = 10

Turn = Callable[["Edit", Sequence[Tensor]], Sequence[Tensor]]


class Refusal(Exception):  # noqa: N818  # no failure: a rule says that a node is beyond it
    """A rule cannot rewrite a node; says why."""


class Edit:
    """One node that has to change, and the means to do it.

    New nodes are computed where the node is: in its branch, its loop.

    Attributes:
        node: The node. It keeps its name, and what takes its outputs takes them still.
        target: The TensorFlow that it is for.
        added: The nodes that were added.
        pivot: What new nodes without inputs hang on; see ``Node.pivot``.
    """

    def __init__(self, graph: Graph, node: Node, target: Target, facts: Facts) -> None:
        self.node = node
        self.target = target
        self.added: list[Node] = []
        self._graph = graph
        self._facts = facts
        self.pivot = node.pivot
        self._anchor: Node | None = None

    # --- what is known

    def input(self, position: int) -> Tensor:
        """One of the node's inputs."""
        return self.node.inputs[position]

    def dtype(self, tensor: Tensor) -> DType:
        """The dtype of a tensor."""
        return DType(self._facts.dtype(tensor))

    def shape(self, tensor: Tensor) -> Shape | None:
        """What is known of a tensor's shape; ``None`` if not even its rank is."""
        return self._facts.shape(tensor)

    def rank(self, tensor: Tensor, what: str) -> int:
        """The rank of a tensor; refuses the node if it is not known.

        Args:
            tensor: The tensor.
            what: What it is, for the refusal: ``the images``.
        """
        shape = self.shape(tensor)
        if shape is None:
            self.refuse(f"the rank of {what} is not known")
        return len(shape)

    def value(self, tensor: Tensor) -> Array | None:
        """The values of a constant; ``None`` if the tensor is none."""
        return self._facts.value(tensor)

    def constant(self, tensor: Tensor, what: str) -> Array:
        """The values of a tensor that has to be a constant; refuses the node if it is none."""
        value = self.value(tensor)
        if value is None:
            self.refuse(f"{what} is computed, not a constant")
        return value

    def refuse(self, why: str) -> NoReturn:
        """Gives up on the node, for a reason."""
        raise Refusal(why)

    # --- what is made

    def add(self, op: str, inputs: Sequence[Tensor] = (), **attrs: Any) -> Tensor:
        """Adds a node; returns its first output, of which ``tensor.node.out(1)`` gives the next.

        Args:
            op: What it does.
            inputs: What it is fed with.
            **attrs: Its attributes, as plain values: a ``DType``, a number, a string, a bool, a list of these, or an
                ``AttrValue``.
        """
        node = Node(
            f"{self.node.name}/{op}",
            op,
            inputs,
            {name: attr_value(value) for name, value in attrs.items()},
            origin=self.node.origin,
            pivot=self.pivot,
        )
        if not node.inputs:
            self._hang(node)
        self.added.append(self._graph.add(node))
        return node.out()

    def const(self, value: Any, dtype: DType = DType.INT32) -> Tensor:
        """Adds a constant."""
        if dtype is DType.STRING:
            array = np.asarray(value, dtype=object)
            strings = (text.encode() if isinstance(text, str) else text for text in array.reshape(-1))
            tensor = attributes.strings_value(array.shape, strings)
        else:
            array = np.asarray(value, NUMPY_DTYPES[dtype])
            tensor = attributes.tensor_value(dtype, array.shape, np.ascontiguousarray(array).tobytes())
        return self.add("Const", dtype=dtype, value=tensor)

    def note(self, tensor: Tensor, shape: Shape | None) -> Tensor:
        """Makes known what shape the first output of a new node has; returns the tensor."""
        tensor.node.attrs = {**tensor.node.attrs, SHAPES: attributes.shapes_value((shape,))}
        return tensor

    def become(self, op: str, inputs: Iterable[Tensor], **attrs: Any) -> None:
        """Makes the node another one, with as many outputs or more; its control inputs stay."""
        noted = {SHAPES: self.node.attrs[SHAPES]} if SHAPES in self.node.attrs else {}
        self.node.op = op
        self.node.inputs = list(inputs)
        self.node.attrs = noted | {name: attr_value(value) for name, value in attrs.items()}
        self.node.require_pivot()

    def become_identity(self, tensor: Tensor) -> None:
        """Makes the node hand on a tensor."""
        self.become("Identity", (tensor,), T=self.dtype(tensor))

    def become_each(self, tensors: Sequence[Tensor]) -> None:
        """Makes the node's outputs hand on as many tensors."""
        self.become("IdentityN", tensors, T=[self.dtype(tensor) for tensor in tensors])

    def hand_over(self, tensors: Sequence[Tensor]) -> None:
        """Lets whatever takes the node's outputs, but for what was added, take as many other tensors instead.

        For a node of which a side may be dead: ``become_each`` would let all outputs be dead then.
        """
        added = set(self.added)
        for node in self._graph.nodes.values():
            if node not in added:
                node.inputs = [tensors[each.output] if each.node is self.node else each for each in node.inputs]

    def with_attrs(self, **attrs: Any) -> None:
        """Gives the node other values of some attributes; ``None`` takes one away."""
        changed = {name: attr_value(value) for name, value in attrs.items() if value is not None}
        kept = {name: value for name, value in self.node.attrs.items() if name not in attrs}
        self.node.attrs = {**kept, **changed}

    def choose(
        self, taken: Tensor, tensors: Sequence[Tensor], dtypes: Sequence[DType], then: Turn, otherwise: Turn
    ) -> list[Tensor]:
        """Adds a branch, and returns what the side that runs gives.

        Args:
            taken: Whether ``then`` runs; a bool scalar.
            tensors: What both sides are given.
            dtypes: The dtypes of what both give.
            then: Given an ``Edit`` that adds to the side and these tensors as they are there, returns what it gives.
            otherwise: The same for the other side.
        """

        def body(side: Turn) -> Body:
            return lambda given, pivot: Ran(list(side(self._inside(pivot), given)), [])

        builder = Builder(self._graph, self.node, self._prefix("branch/switch"), self.pivot)
        types = [self.dtype(tensor) for tensor in tensors]
        return choose(builder, taken, tensors, types, dtypes, body(then), body(otherwise)).returns

    def loop(self, changing: Sequence[Tensor], constant: Sequence[Tensor], goes_on: Turn, turn: Turn) -> list[Tensor]:
        """Adds a loop, and returns what its last turn gives.

        Args:
            changing: What goes into the first turn.
            constant: What else every turn is given.
            goes_on: Given an ``Edit`` that adds to the loop and all of these tensors as they are there, returns whether
                there is a further turn, as the only tensor.
            turn: Given the same, returns what the next turn is given for ``changing``.
        """

        def body(part: Turn) -> Body:
            return lambda tensors, pivot: Ran(list(part(self._inside(pivot), tensors)), [])

        values = [*changing, *constant]
        ran = loop(
            Builder(self._graph, self.node, self._prefix("loop/enter0"), self.pivot),
            values,
            [self.dtype(tensor) for tensor in values],
            [at >= len(changing) for at in range(len(values))],
            body(goes_on),
            lambda tensors, pivot: Ran([*turn(self._inside(pivot), tensors), *tensors[len(changing) :]], []),
            controls=(),
            parallel_iterations=_PARALLEL_ITERATIONS,
        )
        return ran.returns[: len(changing)]

    def _prefix(self, first: str) -> str:
        """What the names of the nodes of a branch or a loop begin with, of which the first is called like this."""
        kind, _, name = first.partition("/")
        prefix = f"{self.node.name}/{kind}"
        while f"{prefix}/{name}" in self._graph.nodes:
            prefix += "_"
        return prefix

    def _inside(self, pivot: Node) -> Edit:
        """The same, adding where a loop's pivot is."""
        inside = copy(self)
        inside.pivot = pivot
        return inside

    def _hang(self, node: Node) -> None:
        """Makes a node without inputs run where the edited node does."""
        if self.pivot is not None:
            node.controls = [self.pivot]
        elif self._facts.has_frames and self.node.inputs:
            # A graph of TensorFlow 1: which branch or loop this is in, its inputs know. Of them some may be `Switch`es,
            # whose control dependents run whichever side is taken.
            if self._anchor is None:
                first = self.node.inputs[0]
                attrs = {"T": attributes.type_value(self._facts.dtype(first))}
                self._anchor = self._graph.add(Node(f"{self.node.name}/anchor", "Identity", (first,), attrs))
                self.added.append(self._anchor)
            node.controls = [self._anchor]

    # --- shorthands

    def shape_tensor(self, tensor: Tensor, out_type: DType = DType.INT32) -> Tensor:
        """A tensor's shape, as it is when the model runs."""
        return self.add("Shape", (tensor,), T=self.dtype(tensor), out_type=out_type)

    def cast(self, tensor: Tensor, dtype: DType) -> Tensor:
        """The same values in another dtype; the tensor itself if it has that one."""
        if self.dtype(tensor) == dtype:
            return tensor
        return self.add("Cast", (tensor,), SrcT=self.dtype(tensor), DstT=dtype)

    def binary(self, op: str, a: Tensor, b: Tensor) -> Tensor:
        """An operation on two tensors of one dtype: ``Add``, ``Mul``, ``Less``, ..."""
        return self.add(op, (a, b), T=self.dtype(a))

    def reshape(self, tensor: Tensor, shape: Tensor | Sequence[int]) -> Tensor:
        """A tensor in another shape."""
        sizes = shape if isinstance(shape, Tensor) else self.const(list(shape))
        return self.add("Reshape", (tensor, sizes), T=self.dtype(tensor), Tshape=self.dtype(sizes))

    def expand_dims(self, tensor: Tensor, axis: int) -> Tensor:
        """A tensor with one more axis."""
        return self.add("ExpandDims", (tensor, self.const(axis)), T=self.dtype(tensor), Tdim=DType.INT32)

    def gather(self, tensor: Tensor, indices: Tensor | Sequence[int] | int, axis: int = 0) -> Tensor:
        """Slices of a tensor by their indices."""
        which = indices if isinstance(indices, Tensor) else self.const(indices)
        return self.add(
            "GatherV2",
            (tensor, which, self.const(axis)),
            Tparams=self.dtype(tensor),
            Tindices=self.dtype(which),
            Taxis=DType.INT32,
        )

    def concat(self, tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
        """Tensors one after the other."""
        if len(tensors) == 1:
            return tensors[0]
        dtype = self.dtype(tensors[0])
        return self.add("ConcatV2", (*tensors, self.const(axis)), N=len(tensors), T=dtype, Tidx=DType.INT32)

    def reduce(self, op: str, tensor: Tensor, axes: Sequence[int], *, keep_dims: bool = False) -> Tensor:
        """``Sum``, ``Max``, ``Prod``, ... over some axes."""
        return self.add(
            op, (tensor, self.const(list(axes))), T=self.dtype(tensor), Tidx=DType.INT32, keep_dims=keep_dims
        )

    def range_of(self, size: Tensor) -> Tensor:
        """The numbers from 0 up to a scalar, in its dtype."""
        dtype = self.dtype(size)
        return self.add("Range", (self.const(0, dtype), size, self.const(1, dtype)), Tidx=dtype)

    def transpose(self, tensor: Tensor, order: Sequence[int]) -> Tensor:
        """A tensor with its axes in another order; the tensor itself if that is the order they are in."""
        if list(order) == list(range(len(order))):
            return tensor
        turned = self.add("Transpose", (tensor, self.const(list(order))), T=self.dtype(tensor), Tperm=DType.INT32)
        shape = self.shape(tensor)
        return turned if shape is None else self.note(turned, tuple(shape[axis] for axis in order))

    def part(self, vector: Tensor, begin: int | None, end: int | None) -> Tensor:
        """``vector[begin:end]``."""
        return self.add(
            "StridedSlice",
            (vector, self.const([begin or 0]), self.const([end or 0]), self.const([1])),
            T=self.dtype(vector),
            Index=DType.INT32,
            begin_mask=int(begin is None),
            end_mask=int(end is None),
            ellipsis_mask=0,
            new_axis_mask=0,
            shrink_axis_mask=0,
        )

    def size(self, tensor: Tensor, out_type: DType = DType.INT32) -> Tensor:
        """How many elements a tensor has, as it is when the model runs."""
        return self.add("Size", (tensor,), T=self.dtype(tensor), out_type=out_type)

    def pack(self, tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
        """Tensors of one shape beside each other, along an axis of their own."""
        return self.add("Pack", tensors, N=len(tensors), T=self.dtype(tensors[0]), axis=axis)

    def select(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """``a`` where a condition holds, ``b`` elsewhere; the three are broadcast."""
        return self.add("SelectV2", (condition, a, b), T=self.dtype(a))

    def broadcast_to(self, tensor: Tensor, shape: Tensor) -> Tensor:
        """A tensor repeated until it has a shape."""
        return self.add("BroadcastTo", (tensor, shape), T=self.dtype(tensor), Tidx=self.dtype(shape))


def attr_value(value: Any) -> Any:  # one a kind
    """The ``AttrValue`` of a plain value."""
    if isinstance(value, DType):
        return attributes.type_value(value)
    if isinstance(value, bool):
        return attributes.bool_value(value)
    if isinstance(value, int):
        return attributes.int_value(value)
    if isinstance(value, float):
        return attributes.float_value(value)
    if isinstance(value, str | bytes):
        return attributes.text_value(value)
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], DType):
            return attributes.types_value(value)
        if value and isinstance(value[0], str | bytes):
            return attributes.texts_value(value)
        return attributes.ints_value(value)
    return value
