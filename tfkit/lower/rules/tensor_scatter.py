"""Tensors with some of their rows changed."""

from __future__ import annotations

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_MOST_AXES = 5  # that GatherNd of TensorFlow 1.12 looks up
_WITH_NAN = (DType.HALF, DType.BFLOAT16, DType.FLOAT, DType.DOUBLE)


@rule("TensorScatterAdd", makes="Add of ScatterNd", misfit="op")
@rule("TensorScatterSub", makes="Sub of ScatterNd", misfit="op")
def add_rows(edit: Edit) -> None:
    """What is scattered is zero elsewhere."""
    tensor, indices, updates = edit.node.inputs
    dtype, index_dtype = edit.dtype(tensor), edit.dtype(indices)
    shape = edit.shape_tensor(tensor, index_dtype)
    scattered = edit.add("ScatterNd", (indices, updates, shape), T=dtype, Tindices=index_dtype)
    edit.become("Add" if edit.node.op == "TensorScatterAdd" else "Sub", (tensor, scattered), T=dtype)


_OWN_UPDATE_OF_STRINGS = (1, 15)  # 1.14 has a kernel for strings, which says that it does not support them


def _needs_other_update(edit: Edit) -> bool:
    is_of_strings = edit.dtype(edit.input(0)) is DType.STRING
    return not edit.target.has("TensorScatterUpdate") or (
        is_of_strings and edit.target.version < _OWN_UPDATE_OF_STRINGS
    )


@rule("TensorScatterUpdate", makes="GatherNd, UnsortedSegmentMax, Gather", wanted=_needs_other_update)
def update_rows(edit: Edit) -> None:
    """Finds the last update for each row; where there is one it is taken."""
    rows = _Rows(edit)
    numbers = edit.range_of(edit.gather(edit.shape_tensor(rows.updates), 0))
    last = rows.segments("UnsortedSegmentMax", numbers)
    is_changed = edit.binary("GreaterEqual", last, edit.const(0))
    update = edit.binary("Add", last, rows.count)
    source = edit.add("Select", (is_changed, update, edit.range_of(rows.count)), T=DType.INT32)
    rows.become(edit.gather(edit.concat([rows.tensor, rows.updates]), source))


@rule("TensorScatterMax", makes="GatherNd, UnsortedSegmentMax, Select", misfit="op")
@rule("TensorScatterMin", makes="GatherNd, UnsortedSegmentMin, Select", misfit="op")
def extreme_rows(edit: Edit) -> None:
    """Finds the extreme of each row's updates, and takes what goes beyond the row: no NaN does, and none is replaced.

    Right but for minus infinity in the tensor with the least finite number as the update, which is taken for none.
    """
    rows, dtype = _Rows(edit), edit.dtype(edit.input(0))
    is_max = edit.node.op == "TensorScatterMax"
    op, beyond = ("UnsortedSegmentMax", "Greater") if is_max else ("UnsortedSegmentMin", "Less")
    updates = rows.updates
    if dtype in _WITH_NAN:
        least = edit.const(float("-inf" if is_max else "inf"), dtype)
        updates = edit.select(edit.add("IsNan", (updates,), T=dtype), least, updates)
    extreme = rows.segments(op, updates)
    without_any = (edit.const([], dtype), edit.const([]), edit.const(1))
    nothing = edit.add(op, without_any, T=dtype, Tindices=DType.INT32, Tnumsegments=DType.INT32)
    is_taken = edit.add(
        "LogicalAnd", (edit.binary(beyond, extreme, rows.tensor), edit.binary(beyond, extreme, nothing))
    )
    rows.become(edit.add("Select", (is_taken, extreme, rows.tensor), T=dtype))


class _Rows:
    """What is changed: parts of a tensor that its first indices choose, as rows.

    Attributes:
        tensor: All parts.
        count: How many they are.
        updates: What is put there, a row for each.
    """

    def __init__(self, edit: Edit) -> None:
        self._edit = edit
        tensor, indices, updates = edit.node.inputs
        shape = edit.shape(indices)
        depth = shape[-1] if shape else None
        if depth is None:
            edit.refuse("how many axes its indices choose from is not known")
        if not 0 < depth <= _MOST_AXES:
            edit.refuse(f"its indices choose from {depth} axes, and only 1 to {_MOST_AXES} can be written otherwise")
        self._shape = edit.shape_tensor(tensor)
        outer, inner = edit.part(self._shape, 0, depth), edit.part(self._shape, depth, None)
        self.count = edit.reduce("Prod", outer, [0])
        # The number of each part, looked up: as the op itself this fails where there is no such part.
        numbers = edit.reshape(edit.range_of(self.count), outer)
        part = edit.add("GatherNd", (numbers, indices), Tparams=DType.INT32, Tindices=edit.dtype(indices))
        self._part = edit.reshape(part, [-1])
        self.tensor = edit.reshape(tensor, edit.concat([edit.reshape(self.count, [1]), inner]))
        number = edit.shape_tensor(self._part)
        self.updates = edit.reshape(updates, edit.concat([number, inner]))

    def segments(self, op: str, values: Tensor) -> Tensor:
        """For each part, what an operation makes of the values for it."""
        return self._edit.add(
            op,
            (values, self._part, self.count),
            T=self._edit.dtype(values),
            Tindices=DType.INT32,
            Tnumsegments=DType.INT32,
        )

    def become(self, rows: Tensor) -> None:
        """Lets the node give these rows."""
        dtype = self._edit.dtype(rows)
        self._edit.become("Reshape", (rows, self._shape), T=dtype, Tshape=DType.INT32)
