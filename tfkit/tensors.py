"""What a model's inputs and outputs are: dtypes, tensor specs and signatures. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

Shape = tuple[int | None, ...]

PREDICT_METHOD = "tensorflow/serving/predict"
DEFAULT_SIGNATURE = "serving_default"
INIT_SIGNATURE = "__saved_model_init_op"
SERVE_TAG = "serve"


class DType(IntEnum):
    """TensorFlow's data types, by the numbers of its ``types.proto``; EAS uses the same ones up to 21."""

    INVALID = 0
    FLOAT = 1
    DOUBLE = 2
    INT32 = 3
    UINT8 = 4
    INT16 = 5
    INT8 = 6
    STRING = 7
    COMPLEX64 = 8
    INT64 = 9
    BOOL = 10
    QINT8 = 11
    QUINT8 = 12
    QINT32 = 13
    BFLOAT16 = 14
    QINT16 = 15
    QUINT16 = 16
    UINT16 = 17
    COMPLEX128 = 18
    HALF = 19
    RESOURCE = 20
    VARIANT = 21
    UINT32 = 22
    UINT64 = 23

    @property
    def proto_name(self) -> str:
        """The spelling of protobuf and of EAS's structure JSON: ``DT_FLOAT``."""
        return f"DT_{self.name}"

    @property
    def short_name(self) -> str:
        """The spelling of TensorFlow's Python and of numpy: ``float32``."""
        return _SHORT_NAMES.get(self, self.name.lower())

    @property
    def is_float(self) -> bool:
        """Whether its values are real numbers with a fraction."""
        return self in (DType.FLOAT, DType.DOUBLE, DType.HALF, DType.BFLOAT16)

    @classmethod
    def parse(cls, text: str) -> DType:
        """Reads ``DT_FLOAT``, ``FLOAT``, ``float`` or ``float32``.

        Raises:
            ValueError: No dtype has that name.
        """
        key = text.strip().lower().removeprefix("dt_")
        try:
            return _BY_NAME[key]
        except KeyError:
            raise ValueError(f"no dtype is called {text!r}; known: {', '.join(sorted(_BY_NAME))}") from None


_SHORT_NAMES = {DType.FLOAT: "float32", DType.DOUBLE: "float64", DType.HALF: "float16"}
_BY_NAME = {each.name.lower(): each for each in DType} | {each.short_name: each for each in DType}
_BY_NAME["str"] = DType.STRING


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a signature.

    Attributes:
        name: Its name in the signature (the alias that requests use).
        dtype: Its data type.
        shape: Its dimensions, ``None`` for unknown ones; ``None`` where even the rank is unknown.
        tensor: The tensor of the graph behind it, such as ``serving_default_images:0``.
    """

    name: str
    dtype: DType
    shape: Shape | None
    tensor: str = ""

    def __str__(self) -> str:
        dims = "..." if self.shape is None else ", ".join("?" if d is None else str(d) for d in self.shape)
        return f"{self.dtype.short_name}[{dims}]"

    def accepts_shape(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of ``shape`` fits the known dimensions."""
        if self.shape is None:
            return True
        if len(shape) != len(self.shape):
            return False
        for want, have in zip(self.shape, shape, strict=True):  # noqa: SIM110  # a generator costs more, on every request
            if want is not None and want != have:
                return False
        return True


@dataclass(frozen=True, slots=True)
class Signature:
    """A named entry point of a SavedModel; inputs and outputs are sorted by name."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    method: str = PREDICT_METHOD

    def input(self, name: str) -> TensorSpec:
        """The input called ``name``; raises ``SignatureError`` that offers the nearest names."""
        return _find(self.inputs, name, f"signature {self.name!r} has no input")

    def output(self, name: str) -> TensorSpec:
        """The output called ``name``; raises ``SignatureError`` that offers the nearest names."""
        return _find(self.outputs, name, f"signature {self.name!r} has no output")

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        from html import escape

        from tfkit.html import fragment, table

        rows = [("input", spec.name, str(spec)) for spec in self.inputs]
        rows += [("output", spec.name, str(spec)) for spec in self.outputs]
        return fragment((f"<h3>{escape(self.name)}</h3>", table(("", "name", "dtype and shape"), rows)))


def _find(specs: tuple[TensorSpec, ...], name: str, problem: str) -> TensorSpec:
    for spec in specs:
        if spec.name == name:
            return spec
    from tfkit.errors import SignatureError, nearest

    raise SignatureError(f"{problem} {name!r}", hint=nearest(name, (spec.name for spec in specs)))
