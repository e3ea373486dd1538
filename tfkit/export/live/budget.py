"""How much memory a model from a file may make variables of: what the file has weights for, and some more.

A configuration of a few bytes may ask for layers of any size; without this they would be made before anything finds out
that the file has no weights for them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfkit.errors import ModelError
from tfkit.export.live.frameworks import Frameworks

# Beside its weights a model has states of recurrent layers, and it may compute in a wider type than was saved.
_FLOOR_BYTES = 64 << 20
_WIDEST = 2


@dataclass(slots=True)
class Budget:
    """What is left for variables.

    Attributes:
        path: The model's file, for messages.
        weights_bytes: What its weights take.
        left: What is left.
    """

    path: Path
    weights_bytes: int
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.weights_bytes * _WIDEST + _FLOOR_BYTES

    def spend(self, shape: Sequence[int | None], item_bytes: int) -> None:
        """Takes a variable off.

        Raises:
            ModelError: There are not so many weights in the file.
        """
        size = item_bytes
        for dimension in shape:
            size *= dimension or 1
        self.left -= size
        if self.left < 0:
            raise ModelError(
                f"{self.path}: its configuration asks for a weight of shape {list(shape)}, and all weights in it "
                f"have {self.weights_bytes} bytes: Keras writes no such file"
            )

    @contextmanager
    def kept(self, frameworks: Frameworks) -> Iterator[None]:
        """Refuses variables beyond the budget, before they are made, in the block."""
        tf = frameworks.tf

        def create(make: Callable[..., Any], **arguments: Any) -> Any:
            shape, dtype = arguments.get("shape"), arguments.get("dtype")
            if shape is None:
                shape = _wanted_shape(frameworks, arguments.get("initial_value"))
            known = tf.TensorShape(shape)
            if known.rank is not None:
                self.spend(known.as_list(), tf.dtypes.as_dtype(dtype or "float32").size)
            return make(**arguments)

        with tf.variable_creator_scope(create):
            yield


def _wanted_shape(frameworks: Frameworks, initial_value: Any) -> Any:
    """The shape of a variable of Keras 3, which gives TensorFlow nothing but a function that makes the first value."""
    if not inspect.isfunction(initial_value):
        return getattr(initial_value, "shape", None)
    owner = inspect.getclosurevars(initial_value).nonlocals.get("self")
    return owner.shape if isinstance(owner, frameworks.keras.Variable) else None
