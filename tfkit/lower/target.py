"""What a TensorFlow takes: whether a node fits it as it is, and if not, why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfkit.graph.nodes import Node
from tfkit.lower.flat import count_of
from tfkit.processors.catalogue import INSTALLED
from tfkit.processors.ops import Device, Op, dtype_name, plain_value
from tfkit.processors.tables import first_with, op_table
from tfkit.tensors import DType

# The version of GraphDef that each TensorFlow writes (TF_GRAPH_DEF_VERSION in its core/public/version.h).
_GRAPH_VERSIONS = {"1.12": 27, "1.14": 38, "1.15": 134, "2.3": 440, "2.4": 561, "2.7": 898, "2.21": 2474}
# Up to here the types.proto of TensorFlow 1.12 to 2.7 goes; what came later (float8, int4) they cannot even name.
_NEWEST_DTYPE, _LAST_WITH_IT = int(DType.UINT64), (2, 7)
_REF = 100  # what types.proto adds to a dtype for references to variables
# What to do about a misfit of that kind.
DTYPE_ADVICE = (
    "No processor of EAS has the dtype: keep those values in float16 or float32. "
    "Of a Keras model that was quantized to it, export the one before."
)
# Attributes that say nothing about what is computed: who shares a handle, what gradients would need, hints.
_HINTS = frozenset(
    (
        "debug_name", "allowed_devices", "grad_a", "grad_b", "grad_x", "grad_y", "sparse_gradient",
        "use_inter_op_parallelism", "validate_shape", "parallel_iterations", "layout",
        "batch_dims_hint",
    )
)  # fmt: skip


# What is done with an index that is out of range; these are what every TensorFlow does.
_OUT_OF_RANGE, _AS_EVER = "bad_indices_policy", (b"", b"DEFAULT", b"ERROR")
# TensorFlow writes these with others before it runs a graph; any other op without kernels does not run.
_DONE_BY_PASSES = frozenset(("AccumulateNV2",))


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a node does not fit.

    Attributes:
        kind: ``op``, ``attribute``, ``input``, ``kernel`` (for dtypes that the op does not take as well), or ``dtype``:
            nothing in that TensorFlow takes it.
        text: What is wrong, for people.
        since: The first TensorFlow that takes it; ``None`` if that is not known.
    """

    kind: str
    text: str
    since: str | None = None


class Target:
    """A processor's TensorFlow, as its tables describe it.

    Attributes:
        processor: The processor's name.
        minor: Its TensorFlow: ``1.15``.
        version: The same to compare: ``(1, 15)``.
        gpu: Whether it computes on a GPU.
        graph_version: The version of ``GraphDef`` that it writes.
    """

    def __init__(self, processor: str) -> None:
        self.processor = processor
        self._table = op_table(processor)
        self._newest = op_table(INSTALLED)
        self.minor = self._table.minor
        major, minor = map(int, self.minor.split("."))
        self.version = (major, minor)
        self.gpu = self._table.gpu
        self.graph_version = _GRAPH_VERSIONS[self.minor]
        self._added: dict[str, list[tuple[str, Any]]] = {}
        self._kernels: dict[tuple[Any, ...], list[Misfit]] = {}

    @property
    def tensorflow(self) -> str:
        """The TensorFlow by its full number: ``1.15.0``."""
        return f"{self.minor}.0"

    def op(self, name: str) -> Op | None:
        """An op as the target knows it."""
        return self._table.op(name)

    def has(self, op: str, attribute: str | None = None) -> bool:
        """Whether the target knows an op, and an attribute of it."""
        return self._table.knows(op, attribute)

    def has_kernel(self, op: str, types: Mapping[str, Any]) -> bool:
        """Whether the target computes an op for these dtypes, on its device or on the CPU."""
        return any(self._table.has_kernel(op, device, types) for device in self._devices)

    @property
    def _devices(self) -> tuple[Device, ...]:
        return ("gpu", "cpu") if self.gpu else ("cpu",)

    def misfits(self, node: Node) -> list[Misfit]:
        """Why the target does not take a node; empty if it does.

        What can be dropped or written out without a change of meaning does not count: ``fit`` does that.
        """
        if (unknown := self.dtype_misfit(node.attrs)) is not None:
            return [unknown[0]]
        op = self._table.op(node.op)
        if op is None:
            return [Misfit("op", f"TensorFlow {self.minor} has no op {node.op}", self._since(node.op))]
        found = list(self._attribute_misfits(node, op))
        if not found:
            found.extend(self._input_misfits(node, op))
        if not found and node.op not in _DONE_BY_PASSES:
            found.extend(self._kernel_misfits(node, op))
        return found

    def dtype_misfit(self, attrs: Mapping[str, Any]) -> tuple[Misfit, str] | None:
        """The first dtype that the target does not know, among a node's attributes, and the attribute that holds it."""
        if self.version > _LAST_WITH_IT:
            return None
        for name, value in attrs.items():
            for number in _dtypes(value):
                if number % _REF > _NEWEST_DTYPE:
                    return Misfit("dtype", f"TensorFlow {self.minor} has no dtype {dtype_name(number)}"), name
        return None

    def _attribute_misfits(self, node: Node, op: Op) -> Iterator[Misfit]:
        known = op.attributes
        for name, value in node.attrs.items():
            if name[0] == "_":
                continue
            attribute = known.get(name)
            if attribute is None:
                if not self.may_drop(node.op, name, value):
                    since = self._since(node.op, name)
                    yield Misfit("attribute", f"{node.op} has no attribute {name} in TensorFlow {self.minor}", since)
            elif attribute.type == "type" and value.type in attribute.allowed:
                continue  # nearly every attribute that can be wrong
            elif attribute.type in ("func", "list(func)") and (called := _functions(value)):
                text = f"{node.op} calls the function {called[0]!r} by itself: it cannot be inlined, and is not lowered"
                yield Misfit("op", text)
            elif (attribute.allowed or attribute.minimum is not None) and (problem := attribute.problem(value)):
                kind = "kernel" if attribute.holds_dtypes else "attribute"
                yield Misfit(kind, f"{node.op} of TensorFlow {self.minor}: {problem}")
        for name in self._missing(node, op):
            if name not in dict(self._defaults(node.op, op)):
                yield Misfit("attribute", f"{node.op} of TensorFlow {self.minor} needs an attribute {name}")

    def _missing(self, node: Node, op: Op) -> Iterator[str]:
        for name, attribute in op.attributes.items():
            if attribute.default is None and name not in node.attrs:
                yield name

    def _input_misfits(self, node: Node, op: Op) -> Iterator[Misfit]:
        wanted = sum(count_of(argument, node.attrs) for argument in op.inputs)
        if wanted != len(node.inputs):
            yield Misfit(
                "input", f"{node.op} takes {wanted} inputs in TensorFlow {self.minor}, this one has {len(node.inputs)}"
            )

    def _kernel_misfits(self, node: Node, op: Op) -> list[Misfit]:
        types = op.types_of(node.attrs)
        key = (node.op, *types.items())
        if key not in self._kernels:  # nodes are many, their kinds few
            self._kernels[key] = self._find_kernel_misfits(node.op, types)
        return self._kernels[key]

    def _find_kernel_misfits(self, op: str, types: Mapping[str, Any]) -> list[Misfit]:
        if self.has_kernel(op, types):
            return []
        problem = self._table.kernel_problem(op, "cpu", types)
        return [Misfit("kernel", problem, self._since(op, types=types))]

    def _since(self, op: str, attribute: str | None = None, types: Mapping[str, Any] | None = None) -> str | None:
        """The first TensorFlow that takes it, if it is a newer one: the tables of the oldest say too little."""
        since = first_with(op, attribute, types=types or {})
        return since if since is not None and tuple(map(int, since.split("."))) > self.version else None

    def may_drop(self, op: str, name: str, value: Any) -> bool:
        """Whether an attribute that the target does not know says nothing that it does not do."""
        if name in _HINTS:
            return True
        if name == _OUT_OF_RANGE:
            return value.s in _AS_EVER
        newest = self._newest.op(op)
        attribute = newest.attributes.get(name) if newest is not None else None
        return attribute is not None and attribute.default is not None and _same(attribute.default, value)

    def _defaults(self, name: str, op: Op) -> list[tuple[str, Any]]:
        """What a node that leaves it out means by it, where the target would take that for something else."""
        if name not in self._added:
            newest = self._newest.op(name)
            self._added[name] = [
                (each, attribute.default)
                for each, attribute in (newest.attributes.items() if newest is not None else ())
                if attribute.default is not None
                and each in op.attributes
                and (op.attributes[each].default is None or not _same(op.attributes[each].default, attribute.default))
            ]
        return self._added[name]

    def fit(self, node: Node) -> None:
        """Writes a node that has no misfits as the target wants it: drops what it does not know, adds what it needs."""
        op = self._table.op(node.op)
        if op is None:
            return
        attrs = node.attrs
        if not all(name in op.attributes or name[0] == "_" for name in attrs):
            # Notes stay, for the rules; they are not written.
            kept = {name: value for name, value in attrs.items() if name in op.attributes or name[0] == "_"}
            node.attrs = attrs = kept
        for name, default in self._defaults(node.op, op):
            if name not in attrs:
                node.attrs = attrs = {**attrs, name: default}


def first_allowing(op: Op, attribute: str, value: Any) -> str | None:
    """The first TensorFlow that computes an op with a value of an attribute that the given one does not allow."""
    plain = plain_value(value)
    if plain is None or not op.attributes[attribute].allowed:
        return None
    return first_with(op.name, types={attribute: plain})


def _dtypes(value: Any) -> Sequence[int]:
    """The dtypes that an attribute holds."""
    kind = value.WhichOneof("value")
    if kind == "type":
        return (value.type,)
    if kind == "tensor":
        return (value.tensor.dtype,)
    return value.list.type if kind == "list" else ()


def _functions(value: Any) -> list[str]:
    """The functions that an attribute names."""
    named = [value.func] if value.WhichOneof("value") == "func" else value.list.func
    return [each.name for each in named if each.name]


def _same(one: Any, other: Any) -> bool:
    """Whether two attributes are the same; of an empty list nobody knows what it is a list of."""
    if one.WhichOneof("value") == other.WhichOneof("value") == "list":
        return bool(one.list == other.list)
    return bool(one == other)
