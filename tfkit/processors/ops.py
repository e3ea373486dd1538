"""What a TensorFlow says of an op: its inputs, outputs and attributes, and the kernels it has for it.

Values of attributes are either ``AttrValue`` messages (``tfkit.proto``), as graphs hold them, or plain Python, as
``plain_value`` makes of them: dtypes are numbers then, so that ``DType.FLOAT`` is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from tfkit.tensors import DType

# XLA_CPU is a device that every session of TensorFlow 1.12 to 2.3 has: what has no kernel on the CPU is placed there,
# and compiled anew for each shape, or refused when it runs. So it is in PyPI's wheels; of EAS's builds nobody knows.
Device = Literal["cpu", "gpu", "xla_cpu"]
_DEVICES = get_args(Device)
Scalar = int | float | str
Constraint = tuple[str, frozenset[Scalar]]
Value = Scalar | tuple[Scalar, ...] | list[Any]

_REF = 100  # the offset of the reference types of TensorFlow 1 variables
# The dtypes of types.proto that have come since EAS took its numbers from there.
_NEWER_DTYPES = {
    24: "float8_e5m2",
    25: "float8_e4m3fn",
    26: "float8_e4m3fnuz",
    27: "float8_e4m3b11fnuz",
    28: "float8_e5m2fnuz",
    29: "int4",
    30: "uint4",
    31: "int2",
    32: "uint2",
    33: "float4_e2m1fn",
}
_DTYPES = {int(dtype): dtype.short_name for dtype in DType} | _NEWER_DTYPES
# The fields of AttrValue and of its ListValue, by what OpDef calls such an attribute.
_FIELDS = {
    "string": "s",
    "int": "i",
    "float": "f",
    "bool": "b",
    "type": "type",
    "shape": "shape",
    "tensor": "tensor",
    "func": "func",
}
_KINDS = {name: kind for kind, name in _FIELDS.items()}
_PLAIN = ("s", "i", "f", "b", "type")


@dataclass(frozen=True, slots=True)
class Argument:
    """An input or output of an op.

    Attributes:
        name: Its name.
        dtype: The number of its dtype; 0 where an attribute says it.
        type_attr: The attribute with its dtype.
        number_attr: The attribute that says how many tensors it stands for.
        type_list_attr: The attribute that lists the dtypes of the tensors it stands for.
        is_ref: Whether it is a reference to a TensorFlow 1 variable.
    """

    name: str
    dtype: int = 0
    type_attr: str = ""
    number_attr: str = ""
    type_list_attr: str = ""
    is_ref: bool = False


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of an op.

    Attributes:
        name: Its name.
        type: ``string``, ``int``, ``float``, ``bool``, ``type``, ``shape``, ``tensor``, ``func``, or a ``list(...)``.
        default: The ``AttrValue`` that a node has which does not give it; ``None``: every node must. Not to be changed.
        allowed: The strings or dtypes that it may be (or hold); empty: all.
        minimum: The least number, or the least length of a list; ``None``: any.
    """

    name: str
    type: str
    default: Any | None = field(default=None, hash=False)
    allowed: frozenset[Scalar] = frozenset()
    minimum: int | None = None

    @property
    def holds_dtypes(self) -> bool:
        """Whether its numbers are dtypes."""
        return self.type in ("type", "list(type)")

    def allows(self, value: Value) -> bool:
        """Whether a plain value is, or holds only, what is allowed."""
        if not self.allowed:
            return True
        return self.allowed.issuperset(value) if isinstance(value, tuple | list) else value in self.allowed

    def problem(self, value: Any) -> str:
        """Why a node may not have this ``AttrValue``; empty if it may."""
        if not _is_of_type(value, self.type):
            return f"{self.name}: expected {self.type}, came {value.WhichOneof('value') or 'nothing'}"
        plain = plain_value(value) if self.allowed or self.minimum is not None else None
        if plain is None:
            return ""
        size = len(plain) if isinstance(plain, tuple) else plain
        if self.minimum is not None and isinstance(size, int) and size < self.minimum:
            of_list = f" values, came {size}" if isinstance(plain, tuple) else f", came {size}"
            return f"{self.name}: expected {self.minimum} or more{of_list}"
        if not self.allows(plain):
            return f"{self.name}: expected {self.text(_sorted(self.allowed))}, came {self.text(plain)}"
        return ""

    def text(self, value: Value) -> str:
        """A plain value for people: dtypes by name."""
        if isinstance(value, tuple | list):
            return ", ".join(self.text(each) for each in value)
        return dtype_name(value) if self.holds_dtypes and isinstance(value, int) else str(value)


@dataclass(frozen=True, slots=True)
class Kernel:
    """What some kernels of an op are for: those that differ only in one attribute's values stand together.

    Attributes:
        device: Where it runs, or ``any``: TensorFlow's ``DEFAULT``, taken where a device has no kernel of its own.
        constraints: The attributes that decide, by name, and the values that each may have.
        host_memory: The inputs and outputs that lie in the host's memory whatever the device.
    """

    device: Device | Literal["any"]
    constraints: tuple[Constraint, ...] = ()
    host_memory: tuple[str, ...] = ()

    def fits(self, device: Device) -> bool:
        """Whether nodes on this device can run it."""
        return self.device in (device, "any")


@dataclass(frozen=True, slots=True)
class Op:
    """An op as one TensorFlow knows it.

    Attributes:
        name: Its name.
        inputs: In order.
        outputs: In order.
        attributes: By name, in order.
        kernels: Those that a node without the attribute ``_kernel`` can get.
        deciding: The attributes that the kernels' constraints are about.
        stateful: Whether two equal nodes may differ in what they do.
        deprecated: The version of GraphDef (its ``versions.producer``) from which the op is refused; ``None``: none.
        advice: What TensorFlow says to use instead of a deprecated op.
    """

    name: str
    inputs: tuple[Argument, ...] = ()
    outputs: tuple[Argument, ...] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=dict, hash=False)
    kernels: tuple[Kernel, ...] = ()
    deciding: tuple[str, ...] = ()
    stateful: bool = False
    deprecated: int | None = None
    advice: str = ""

    def types_of(self, attr: Mapping[str, Any]) -> dict[str, Value]:
        """What a node's ``NodeDef.attr`` says of the attributes that decide about kernels, for ``has_kernel``."""
        types: dict[str, Value] = {}
        for name in self.deciding:
            value = plain_value(attr[name]) if name in attr else None
            if value is not None:
                types[name] = value
        return types

    def has_kernel(self, device: Device, types: Mapping[str, Value]) -> bool:
        """Whether a node with these attributes (as plain values) finds a kernel; see ``OpTable.has_kernel``."""
        check_device(device)
        attributes = self.attributes
        for name, value in types.items():
            attribute = attributes.get(name)
            if isinstance(value, str) and attribute is not None and attribute.holds_dtypes:
                raise ValueError(f"{name}={value!r}: dtypes are numbers here, such as DType.FLOAT")
            if attribute is None or (attribute.allowed and not attribute.allows(value)):
                return False
        return any(kernel.fits(device) and not any(self._misfits(kernel, types)) for kernel in self.kernels)

    def kernel_problem(self, device: Device, types: Mapping[str, Value]) -> str:
        """Why a node with these attributes finds no kernel, for people; empty if it finds one."""
        if self.has_kernel(device, types):
            return ""
        for name, value in types.items():
            attribute = self.attributes.get(name)
            if attribute is None:
                return f"{self.name} has no attribute {name}"
            if not attribute.allows(value):
                allowed = attribute.text(_sorted(attribute.allowed))
                return f"{self.name} takes no {name}={attribute.text(value)}, only {allowed}"
        none = f"no {device.upper()} kernel of {self.name}"
        misfits = [list(self._misfits(kernel, types)) for kernel in self.kernels if kernel.fits(device)]
        if not misfits:
            return none
        fewest = min(map(len, misfits))
        ways = dict.fromkeys(self._text(each) for each in misfits if len(each) == fewest)
        given = ", ".join(f"{name}={self.attributes[name].text(value)}" for name, value in types.items())
        return f"{none} for {given or 'the default attributes'}, only for {'; or '.join(ways)}"

    def _misfits(self, kernel: Kernel, types: Mapping[str, Value]) -> Iterator[Constraint]:
        """The constraints of a kernel that a node does not meet."""
        for constraint in kernel.constraints:
            name, allowed = constraint
            value = types.get(name)
            if value is None:
                default = self.attributes[name].default
                value = None if default is None else plain_value(default)
                if value is None:
                    continue
            if not (allowed.issuperset(value) if isinstance(value, tuple | list) else value in allowed):
                yield constraint

    def _text(self, constraints: Iterable[Constraint]) -> str:
        return " with ".join(f"{name}={self.attributes[name].text(_sorted(allowed))}" for name, allowed in constraints)


def check_device(device: str) -> None:
    """Raises ``ValueError`` for what is no device of an op table."""
    if device not in _DEVICES:
        raise ValueError(f"device {device!r}: expected one of {', '.join(_DEVICES)}")


def plain_value(value: Any) -> Scalar | tuple[Scalar, ...] | None:
    """An ``AttrValue`` in plain Python: a number, a string, a dtype's number, or a tuple; ``None`` for what is larger.

    Bytes that are no UTF-8 keep them as ``surrogateescape`` does.
    """
    kind = value.WhichOneof("value")
    if kind == "type" or kind == "i" or kind == "b" or kind == "f":  # noqa: PLR1714  # asked for each node of a graph
        plain: Scalar = getattr(value, kind)
        return plain
    if kind == "s":
        return _text(value.s)
    if kind != "list":
        return None
    fields = value.list.ListFields()
    if not fields:
        return ()
    descriptor, values = fields[0]
    if descriptor.name not in _PLAIN:
        return None
    return tuple(map(_text, values)) if descriptor.name == "s" else tuple(values)


def dtype_name(number: int) -> str:
    """The name of a dtype by its number, newer ones than ``DType`` has and references included.

    >>> dtype_name(1), dtype_name(101), dtype_name(29)
    ('float32', 'float32_ref', 'int4')
    """
    if _REF < number < 2 * _REF:
        return f"{dtype_name(number - _REF)}_ref"
    return _DTYPES.get(number, f"dtype {number}")


def _is_of_type(value: Any, kind: str) -> bool:
    """Whether an ``AttrValue`` is what OpDef calls ``kind``; an empty list is a list of anything."""
    held = value.WhichOneof("value")
    if held != "list":
        return _KINDS.get(held) == kind
    fields = value.list.ListFields()
    return kind.startswith("list(") and (not fields or kind == f"list({_KINDS[fields[0][0].name]})")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _sorted(values: Iterable[Scalar]) -> list[Scalar]:
    """Numbers by size, texts by letter."""
    return sorted(values, key=lambda value: (isinstance(value, str), value))
