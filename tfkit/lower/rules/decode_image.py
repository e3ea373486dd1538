"""Images of a kind that their first bytes tell."""

from __future__ import annotations

from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_WHITE = 255


@rule("DecodeImage", makes="DecodePng, which takes JPEG as well, or DecodeBmp", misfit="op")
def decode_image(edit: Edit) -> None:
    """``DecodePng`` has always looked at the bytes itself, but left BMP to another."""
    if edit.node.bool_attr("expand_animations", True):
        edit.refuse("whether an image has frames is not known (expand_animations=False says that it has none)")
    contents, channels = edit.input(0), edit.node.int_attr("channels")
    dtype = DType(edit.node.type_attr("dtype") or DType.UINT8)
    if dtype not in (DType.UINT8, DType.FLOAT):
        edit.refuse(f"images of {dtype.short_name} are decoded from PNG alone")
    start = edit.add("Substr", (contents, edit.const(0), edit.const(2)), T=DType.INT32)
    is_bmp = edit.add("Equal", (start, edit.const(b"BM", DType.STRING)), T=DType.STRING)
    switch = edit.add("Switch", (contents, is_bmp), T=DType.STRING).node
    other = edit.add("DecodePng", (switch.out(0),), channels=channels, dtype=DType.UINT8)
    bitmap = edit.add("DecodeBmp", (switch.out(1),), channels=channels)
    image = edit.add("Merge", (other, bitmap), T=DType.UINT8, N=2)
    if dtype is DType.FLOAT:
        scale = edit.const(1 / _WHITE, DType.FLOAT)
        image = edit.binary("Mul", edit.cast(image, DType.FLOAT), scale)
    edit.become_identity(image)
