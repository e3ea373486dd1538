"""Whether every weight of a file found its place in a model, and every place of the model a weight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfkit.arrays import Array
from tfkit.errors import ModelError

_SHOWN = 10


@dataclass(slots=True)
class Landing:
    """What did not find its place.

    Attributes:
        only_in_file: Weights of the file that the model has no place for.
        only_in_model: Weights of the model that the file has nothing for.
        misfits: Weights that are in both and differ.
    """

    only_in_file: list[str] = field(default_factory=list)
    only_in_model: list[str] = field(default_factory=list)
    misfits: list[str] = field(default_factory=list)

    def check(self, path: Path, hint: str = "") -> None:
        """Fails unless everything found its place.

        Raises:
            ModelError: Something did not; all of it is named, of much the first.
        """
        parts = [
            *_told("only in the file", self.only_in_file),
            *_told("only in the model", self.only_in_model),
            *_told("not the same in both", self.misfits),
        ]
        if parts:
            raise ModelError(
                f"the weights of {path} do not fit the model: " + "; ".join(parts),
                hint=hint or "Build the model exactly as the one whose weights were saved.",
            )


def shown(name: str, shape: Sequence[int | None]) -> str:
    """A weight for a message.

    >>> shown("dense/kernel", (4, 3))
    'dense/kernel [4, 3]'
    """
    return f"{name} [{', '.join('?' if each is None else str(each) for each in shape)}]"


def layer_weights(layer: Any) -> list[Any]:
    """A layer's variables in the order of Keras's files: those that were trained first."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def variable_name(variable: Any) -> str:
    """What a variable of Keras 3, of tf-keras or of TensorFlow is called."""
    return str(getattr(variable, "path", None) or variable.name).removesuffix(":0")


def assign(variable: Any, value: Array) -> None:
    """Gives a variable a value of its shape, in its own dtype."""
    dtype = variable.dtype
    variable.assign(value.astype(getattr(dtype, "as_numpy_dtype", dtype)))


def _told(what: str, names: Iterable[str]) -> list[str]:
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{what}: {', '.join(names[:_SHOWN])}{more}"] if names else []
