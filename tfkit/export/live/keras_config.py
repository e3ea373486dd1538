"""Finds in a Keras model's configuration what needs code that the file does not hold.

The format is that of ``keras/src/saving/serialization_lib.py``: an object is a dictionary with ``module``,
``class_name``, ``config`` and ``registered_name``; a function has the class name ``function`` and its own name as
configuration; Python code inside a file is a ``__lambda__``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

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


def find_custom_parts(config: Any) -> list[str]:
    """Describes every part of a configuration that is neither Keras's own nor registered in this process.

    >>> find_custom_parts({"module": "my.layers", "class_name": "Wave", "config": {"name": "wave_1"}})
    ["layer 'wave_1' of class Wave (module my.layers)"]
    """
    registered = _registered_names()
    found = (_describe(part, owner, registered) for part, owner in _serialized_parts(config))
    return list(dict.fromkeys(each for each in found if each))


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


def _describe(part: dict[str, Any], owner: str, registered: frozenset[str]) -> str:
    """What a custom part is and where; empty for one that Keras has itself."""
    name, module, inner = part["class_name"], part.get("module"), part["config"]
    place = f" in layer {owner!r}" if owner else ""
    if name == "__lambda__":
        return f"Python code (a lambda){place}"
    if name.startswith("__"):
        return ""
    if name == "function":
        own = inner in _ACTIVATIONS if module == "builtins" else _is_of_keras(module)
        known = own or {inner, part.get("registered_name")} & registered
        return "" if known else f"function {inner}{_from(module)}{place}"
    if "module" not in part or _is_of_keras(module) or {name, part.get("registered_name")} & registered:
        return ""
    if isinstance(inner, dict) and isinstance(inner.get("name"), str):
        return f"layer {owner!r} of class {name}{_from(module)}"
    return f"class {name}{_from(module)}{place}"


def _is_of_keras(module: object) -> bool:
    return isinstance(module, str) and (module == "keras" or module.startswith("keras."))


def _from(module: object) -> str:
    return f" (module {module})" if module not in (None, "", "builtins") else ""
