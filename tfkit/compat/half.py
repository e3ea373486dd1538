"""Whether a model computes in a half type, which its outputs' own types do not say."""

from __future__ import annotations

from tfkit.compat.written import WrittenModel
from tfkit.tensors import DType

# What Keras's mixed precision computes in half; a Cast alone computes nothing.
_COMPUTES = frozenset(
    (
        "MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum", "Conv2D", "Conv3D", "BiasAdd", "AddV2",
        "Add", "Mul", "DepthwiseConv2dNative", "Relu", "Tanh", "Sigmoid", "Softmax", "Mean", "Sum",
    )
)  # fmt: skip
_HALVES = (DType.BFLOAT16, DType.HALF)  # the coarser first


def half_dtype(model: WrittenModel) -> DType | None:
    """The coarsest half type that something is computed in; ``None`` if nothing is."""
    found = {
        node.attrs["T"].type
        for body in (model.main, *model.functions.values())
        for node in body.nodes.values()
        if node.op in _COMPUTES and "T" in node.attrs
    }
    return next((dtype for dtype in _HALVES if int(dtype) in found), None)
