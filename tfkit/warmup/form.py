"""The form of a request: what TensorFlow prepares itself for when it sees one for the first time.

A warm-up request warms up the requests of its own form: the same signature, the same outputs asked for, and inputs of
the same dtypes and shapes. Values do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from tfkit.arrays import dtype_of
from tfkit.eas.messages import PredictRequest
from tfkit.tensors import DType, Signature


@dataclass(frozen=True, slots=True, order=True)
class InputForm:
    """Name, dtype and shape of one input."""

    name: str
    dtype: DType
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype.short_name}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class RequestForm:
    """The form of a request; two of one form compare equal.

    Attributes:
        signature_name: The signature that it names; empty for the model's default one.
        fetches: The outputs that it asks for, in alphabetical order; empty for all.
        inputs: Its inputs, in alphabetical order.
    """

    signature_name: str
    fetches: tuple[str, ...]
    inputs: tuple[InputForm, ...]

    @classmethod
    def of(cls, request: PredictRequest) -> Self:
        """The form of a request as it came, defaults not filled in."""
        inputs = (InputForm(name, dtype_of(array), array.shape) for name, array in request.inputs.items())
        return cls(request.signature_name, tuple(sorted(set(request.output_filter))), tuple(sorted(inputs)))

    def within(self, signature: Signature) -> Self:
        """The form with nothing left to defaults, for a model whose signature it means.

        Args:
            signature: The signature that the model answers the request with.
        """
        fetches = self.fetches or tuple(sorted(spec.name for spec in signature.outputs))
        return replace(self, signature_name=signature.name, fetches=fetches)

    def differences(self, other: RequestForm) -> tuple[str, ...]:
        """In what another form differs, in words: what this one has, then the other; nothing if they are the same."""
        found = []
        if self.signature_name != other.signature_name:
            found.append(f"signature {self.signature_name or '(default)'}, not {other.signature_name or '(default)'}")
        others = {each.name: each for each in other.inputs}
        pairs = [(each, others.pop(each.name, None)) for each in self.inputs]
        found += [f"input {each}, not {there or 'there'}" for each, there in pairs if each != there]
        found += [f"no input {each}" for each in others.values()]
        if self.fetches != other.fetches:
            found.append(f"outputs {', '.join(self.fetches) or 'all'}, not {', '.join(other.fetches) or 'all'}")
        return tuple(found)

    def __str__(self) -> str:
        inputs = ", ".join(map(str, self.inputs)) or "no inputs"
        return f"{self.signature_name or '(default)'}: {inputs} -> {', '.join(self.fetches) or 'all outputs'}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "signature_name": self.signature_name,
            "output_filter": list(self.fetches),
            "inputs": [
                {"name": each.name, "dtype": each.dtype.proto_name, "shape": list(each.shape)} for each in self.inputs
            ],
        }
