"""Finds in a Keras model's configuration what needs code that the file does not hold.

The format is that of ``keras/src/saving/serialization_lib.py``: an object is a dictionary with ``module``,
``class_name``, ``config`` and ``registered_name``; a function has the class name ``function`` and its own name as
configuration; Python code inside a file is a ``__lambda__``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit.errors import UsageError

# What `load_model(compile=False)` leaves out.
_UNUSED_KEYS = frozenset({"compile_config"})
# Keras writes functions of its own and of others with the module "builtins"; its own are these, from
# keras/src/activations/__init__.py. (Losses and metrics are left out with the compile configuration.)
_ACTIVATIONS = frozenset({
    "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish",
    "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu",
    "sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid",
    "sparsemax", "squareplus", "swish", "tanh", "tanh_shrink", "threshold",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class CustomPart:
    """A part of a model that its file only names.

    Attributes:
        text: What it is and where, for messages.
        names: What Keras looks it up by: the name it was registered under and its own; none for code in the file.
    """

    text: str
    names: tuple[str, ...] = ()

    @property
    def is_code(self) -> bool:
        """Whether the file holds Python's code for it: a lambda."""
        return not self.names


def find_custom_parts(config: Any, known: frozenset[str] | None = None) -> list[CustomPart]:
    """Every part of a configuration that is neither Keras's own nor registered in this process.

    Args:
        config: The configuration.
        known: Keras's own classes, where a configuration calls them by their names alone, as in HDF5.

    >>> find_custom_parts({"module": "my.layers", "class_name": "Wave", "config": {"name": "wave_1"}})
    [CustomPart(text="layer 'wave_1' of class Wave (module my.layers)", names=('Wave',))]
    """
    registered = _registered_names()
    found = (_custom(part, owner, registered, known) for part, owner in _serialized_parts(config))
    return list(dict.fromkeys(each for each in found if each is not None))


def list_parts(parts: Sequence[CustomPart]) -> str:
    """The parts for a message; of many the first."""
    return "; ".join(each.text for each in parts[:5]) + (f"; and {len(parts) - 5} more" if len(parts) > 5 else "")


def check_allow_code(path: Path, parts: Sequence[CustomPart], *, allow_code: bool) -> None:
    """Refuses the permission to run a file's code where the file holds none: the user takes it for another file.

    Raises:
        UsageError: It does.
    """
    if allow_code and not any(part.is_code for part in parts):
        raise UsageError(f"--allow-code means nothing for {path}: it holds no Python code")


def _registered_names() -> frozenset[str]:
    keras = sys.modules.get("keras")
    if keras is None:
        return frozenset()
    return frozenset(keras.saving.get_custom_objects())


def _serialized_parts(config: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Every serialized object, with the name of the layer or model that it belongs to; outer ones first."""
    pending: list[tuple[Any, str]] = [(config, "")]
    while pending:
        item, owner = pending.pop()
        if isinstance(item, list):
            pending.extend((each, owner) for each in reversed(item))
        elif isinstance(item, dict):
            inner = item.get("config")
            if isinstance(item.get("class_name"), str) and "config" in item:
                if isinstance(inner, dict) and isinstance(inner.get("name"), str):
                    owner = inner["name"]
                yield item, owner
            pending.extend((value, owner) for key, value in reversed(item.items()) if key not in _UNUSED_KEYS)


def _custom(
    part: dict[str, Any], owner: str, registered: frozenset[str], known: frozenset[str] | None
) -> CustomPart | None:
    """The custom part that a serialized object is; ``None`` for one that Keras has itself."""
    name, module, inner = part["class_name"], part.get("module"), part["config"]
    place = f" in layer {owner!r}" if owner else ""
    if name == "__lambda__":
        return CustomPart(f"Python code (a lambda){place}")
    if name.startswith("__"):
        return None
    own = inner if name == "function" else name
    names = tuple(dict.fromkeys(each for each in (part.get("registered_name"), own) if isinstance(each, str)))
    if set(names) & registered:
        return None
    if name == "function":
        is_own = inner in _ACTIVATIONS if module == "builtins" else _is_of_keras(module)
        return None if is_own else CustomPart(f"function {inner}{_from(module)}{place}", names or (str(inner),))
    if "module" not in part and (known is None or name in known):
        return None
    if _is_of_keras(module):
        return None
    if isinstance(inner, dict) and isinstance(inner.get("name"), str):
        return CustomPart(f"layer {owner!r} of class {name}{_from(module)}", names)
    return CustomPart(f"class {name}{_from(module)}{place}", names)


def _is_of_keras(module: object) -> bool:
    return isinstance(module, str) and (module == "keras" or module.startswith("keras."))


def _from(module: object) -> str:
    return f" (module {module})" if module not in (None, "", "builtins") else ""
