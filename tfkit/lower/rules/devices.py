"""What looks at where and whether it runs, and checks numbers on the way."""

from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType


@rule("DeviceIndex", makes="a constant")
def device_index(edit: Edit) -> None:
    """Says which of some devices it is on: the target's."""
    names = [each.decode() for each in edit.node.attrs["device_names"].list.s]
    device = "GPU" if edit.target.gpu else "CPU"
    index = names.index(device) if device in names else len(names)
    edit.become_identity(edit.const(index))


@rule("CheckNumericsV2", makes="CheckNumerics")
def check_numerics(edit: Edit) -> None:
    """The older op tells infinities of different signs not apart."""
    edit.become("CheckNumerics", edit.node.inputs, T=edit.dtype(edit.input(0)), message=edit.node.text_attr("message"))


@rule("ToBool", makes="NotEqual of 0, or of the size and 0")
def to_bool(edit: Edit) -> None:
    """A scalar is true unless it is 0 or empty; anything else is if it has elements."""
    value = edit.input(0)
    if edit.rank(value, "the condition"):
        dtype, value = DType.INT32, edit.size(value)
    else:
        dtype = edit.dtype(value)
    zero = edit.add("ZerosLike", (value,), T=dtype)
    edit.become("NotEqual", (value, zero), T=dtype)
