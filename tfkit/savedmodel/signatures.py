"""Signatures as SavedModels hold them: SignatureDef, TensorInfo, TensorShapeProto.

Field numbers are those of TensorFlow's ``meta_graph.proto``, ``tensor_shape.proto`` and ``types.proto``.
"""

from __future__ import annotations

from tfkit.errors import SignatureError
from tfkit.savedmodel.lazy import ContentError, Message
from tfkit.tensors import DType, Shape, Signature, TensorSpec

# SignatureDef
_INPUTS, _OUTPUTS, _METHOD_NAME = 1, 2, 3
# TensorInfo; the first, fourth and fifth are a oneof.
_NAME, _DTYPE, _TENSOR_SHAPE, _COO_SPARSE, _COMPOSITE_TENSOR = 1, 2, 3, 4, 5
# TensorShapeProto
_DIM, _UNKNOWN_RANK = 2, 3
# Reference types of TensorFlow 1 variables (DT_FLOAT_REF) are the value type plus 100.
_REF_OFFSET = 100
_UNKNOWN_DIM = -1


def parse_signature(name: str, message: Message) -> Signature:
    """The signature in a SignatureDef.

    Raises:
        ContentError: A shape is impossible.
    """
    return Signature(
        name,
        inputs=_parse_specs(name, "input", message, _INPUTS),
        outputs=_parse_specs(name, "output", message, _OUTPUTS),
        method=message.text(_METHOD_NAME),
    )


def _parse_specs(signature: str, kind: str, message: Message, number: int) -> tuple[TensorSpec, ...]:
    specs = {}
    for alias, info in message.entries(number):
        try:
            shape = parse_shape(info.child(_TENSOR_SHAPE))
        except ContentError as error:
            raise ContentError(f"{kind} {alias!r} of signature {signature!r} has {error}") from None
        specs[alias] = TensorSpec(alias, parse_dtype(info.integer(_DTYPE)), shape, _parse_tensor(info))
    return tuple(specs[alias] for alias in sorted(specs))


def parse_dtype(number: int) -> DType:
    """The dtype of that number in ``types.proto``, references as their value type; ``INVALID`` for ones EAS has not."""
    number &= 0xFFFF_FFFF
    base = number - _REF_OFFSET if number > _REF_OFFSET else number
    return DType(base) if base in DType._value2member_map_ else DType.INVALID


def parse_shape(message: Message) -> Shape | None:
    """The shape in a TensorShapeProto; an absent one is a scalar's, as TensorFlow has it.

    Raises:
        ContentError: A dimension is below -1.
    """
    if message.integer(_UNKNOWN_RANK):
        return None
    dims = [dim.integer(1) for dim in message.children(_DIM)]
    if any(dim < _UNKNOWN_DIM for dim in dims):
        raise ContentError(f"the impossible shape {dims}")
    return tuple(None if dim == _UNKNOWN_DIM else dim for dim in dims)


def _parse_tensor(info: Message) -> str:
    """The tensor's name, or the kind and the parts of one that is held in several: ``coo_sparse(a:0, b:0, c:0)``."""
    encoding = max(
        (field for field in info.fields() if field.number in (_NAME, _COO_SPARSE, _COMPOSITE_TENSOR)),
        key=lambda field: field.start,
        default=None,
    )
    if encoding is None or encoding.number == _NAME:
        return info.text(_NAME)
    if encoding.number == _COO_SPARSE:
        parts = info.child(_COO_SPARSE)
        return f"coo_sparse({', '.join(parts.text(number) for number in (1, 2, 3))})"
    components = info.child(_COMPOSITE_TENSOR).children(2)
    return f"composite({', '.join(component.text(_NAME) for component in components)})"


def is_composite(spec: TensorSpec) -> bool:
    """Whether an input or output is no single tensor but a sparse or other composite one."""
    return spec.tensor.endswith(")")


def check_dense(signature: Signature) -> None:
    """Checks that every input and output is a single tensor, as EAS's messages can carry.

    Raises:
        SignatureError: One is sparse or composite; the message names it and its parts.
    """
    for kind, specs in (("input", signature.inputs), ("output", signature.outputs)):
        for spec in specs:
            if is_composite(spec):
                raise SignatureError(
                    f"{kind} {spec.name!r} of signature {signature.name!r} is {spec.tensor}: expected one dense tensor",
                    hint="Export a signature that takes the parts as inputs of their own and joins them.",
                )
