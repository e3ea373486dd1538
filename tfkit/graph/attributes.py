"""Makes ``AttrValue`` messages, of which a node's attributes are."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from tfkit import proto
from tfkit.tensors import Shape


def int_value(value: int) -> Any:
    """An int."""
    return _message()(i=value)


def float_value(value: float) -> Any:
    """A float."""
    return _message()(f=value)


def bool_value(value: bool) -> Any:
    """A bool."""
    return _message()(b=value)


def text_value(value: str | bytes) -> Any:
    """A string; text as UTF-8."""
    return _message()(s=value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value)


def type_value(dtype: int) -> Any:
    """A dtype, by its number."""
    return _message()(type=dtype)


def types_value(dtypes: Iterable[int]) -> Any:
    """A list of dtypes."""
    value = _message()()
    value.list.type.extend(dtypes)
    value.list.SetInParent()
    return value


def ints_value(values: Iterable[int]) -> Any:
    """A list of ints."""
    value = _message()()
    value.list.i.extend(values)
    value.list.SetInParent()
    return value


def texts_value(values: Iterable[str | bytes]) -> Any:
    """A list of strings; text as UTF-8."""
    value = _message()()
    value.list.s.extend(each.encode("utf-8", "surrogateescape") if isinstance(each, str) else each for each in values)
    value.list.SetInParent()
    return value


def shape_value(shape: Shape | None) -> Any:
    """A shape; ``None`` stands for an unknown rank."""
    value = _message()()
    value.shape.SetInParent()
    if shape is None:
        value.shape.unknown_rank = True
    else:
        for size in shape:
            value.shape.dim.add(size=-1 if size is None else size)
    return value


def shapes_value(shapes: Iterable[Shape | None]) -> Any:
    """A list of shapes."""
    value = _message()()
    value.list.shape.extend([shape_value(shape).shape for shape in shapes])
    value.list.SetInParent()
    return value


def tensor_value(dtype: int, shape: Iterable[int], content: bytes) -> Any:
    """A tensor of numbers: its dtype, its sizes and its bytes, row-major and little-endian."""
    value = _message()()
    _fill(value.tensor, dtype, shape)
    value.tensor.tensor_content = content
    return value


def strings_value(shape: Iterable[int], strings: Iterable[bytes]) -> Any:
    """A tensor of strings."""
    value = _message()()
    _fill(value.tensor, _STRING, shape)
    value.tensor.string_val.extend(strings)
    return value


_STRING = 7


def _fill(tensor: Any, dtype: int, shape: Iterable[int]) -> None:
    tensor.dtype = dtype
    tensor.tensor_shape.SetInParent()
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)


@cache
def _message() -> Any:
    return proto.message("tensorflow.AttrValue")
