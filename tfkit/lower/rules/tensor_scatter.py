"""Tensors with some of their rows changed."""

from __future__ import annotations

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType


@rule("TensorScatterAdd", makes="Add of ScatterNd", misfit="op")
@rule("TensorScatterSub", makes="Sub of ScatterNd", misfit="op")
def add_rows(edit: Edit) -> None:
    """What is scattered is zero elsewhere."""
    tensor, indices, updates = edit.node.inputs
    dtype, index_dtype = edit.dtype(tensor), edit.dtype(indices)
    shape = edit.shape_tensor(tensor, index_dtype)
    scattered = edit.add("ScatterNd", (indices, updates, shape), T=dtype, Tindices=index_dtype)
    edit.become("Add" if edit.node.op == "TensorScatterAdd" else "Sub", (tensor, scattered), T=dtype)


@rule("TensorScatterUpdate", makes="UnsortedSegmentMax, Gather, Select", misfit="op")
def update_rows(edit: Edit) -> None:
    """Finds the last update for each row; where there is one it is taken."""
    rows = _Rows(edit)
    chosen = edit.gather(rows.updates, edit.binary("Maximum", rows.last_update, edit.const(0)))
    rows.become(chosen)


@rule("TensorScatterMax", makes="UnsortedSegmentMax, Maximum, Select", misfit="op")
@rule("TensorScatterMin", makes="UnsortedSegmentMin, Minimum, Select", misfit="op")
def extreme_rows(edit: Edit) -> None:
    """Finds the extreme of each row's updates; where there are some it is compared with the row."""
    rows = _Rows(edit)
    extreme = "Max" if edit.node.op == "TensorScatterMax" else "Min"
    of_updates = rows.segments(f"UnsortedSegment{extreme}", rows.updates)
    rows.become(edit.binary(f"{extreme}imum", rows.tensor, of_updates))


class _Rows:
    """What is changed: parts of a tensor that its first indices choose, as rows.

    Attributes:
        tensor: All parts.
        updates: What is put there, a row for each.
        last_update: For each part, the last of the updates for it; negative where there is none.
    """

    def __init__(self, edit: Edit) -> None:
        self._edit = edit
        tensor, indices, updates = edit.node.inputs
        shape = edit.shape(indices)
        depth = shape[-1] if shape else None
        if depth is None:
            edit.refuse("how many axes its indices choose from is not known")
        self._shape = edit.shape_tensor(tensor)
        outer, inner = edit.part(self._shape, 0, depth), edit.part(self._shape, depth, None)
        if depth == 0:
            edit.refuse("its indices choose from no axes")
        steps = edit.add(
            "Cumprod", (outer, edit.const(0)), exclusive=True, reverse=True, T=DType.INT32, Tidx=DType.INT32
        )
        flat = edit.reshape(edit.cast(indices, DType.INT32), [-1, depth])
        self._part = edit.reduce("Sum", edit.binary("Mul", flat, steps), [1])
        self._count = edit.reduce("Prod", outer, [0])
        self.tensor = edit.reshape(tensor, edit.concat([edit.reshape(self._count, [1]), inner]))
        number = edit.shape_tensor(self._part)
        self.updates = edit.reshape(updates, edit.concat([number, inner]))
        self.last_update = self.segments("UnsortedSegmentMax", edit.range_of(edit.reshape(number, [])))

    def segments(self, op: str, values: Tensor) -> Tensor:
        """For each part, what an operation makes of the values for it."""
        return self._edit.add(
            op,
            (values, self._part, self._count),
            T=self._edit.dtype(values),
            Tindices=DType.INT32,
            Tnumsegments=DType.INT32,
        )

    def become(self, changed: Tensor) -> None:
        """Lets the node give the changed rows where there are updates, and the others as they were."""
        edit = self._edit
        is_changed = edit.binary("GreaterEqual", self.last_update, edit.const(0))
        rows = edit.add("Select", (is_changed, changed, self.tensor), T=edit.dtype(changed))
        edit.become("Reshape", (rows, self._shape), T=edit.dtype(changed), Tshape=DType.INT32)
