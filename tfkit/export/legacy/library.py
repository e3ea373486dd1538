"""Which library loads a model of Keras 2 or tf.keras: Keras 3 where it computes the same, else tf-keras.

Keras 3 took some names for other things: ``hard_sigmoid`` is another function, a GRU resets its state elsewhere unless
it is told, a Masking layer or an Embedding masks other layers; LeakyReLU calls its slope otherwise, and many layers are
gone. It would load most of such files without a word. So it gets those that consist of what is known to be the same;
tf-keras is the last Keras 2, kept running with new TensorFlows, and gets all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfkit.export.legacy.classes import (
    ACTIVATIONS_SAME_IN_KERAS_3,
    INITIALIZERS,
    MEANINGLESS_AS,
    MODELS,
    SAME_IN_KERAS_3,
    WITHOUT_MEANING,
)
from tfkit.export.legacy.config import Layer, walk

_PLAIN_DTYPES = (None, "float32")


def reason_for_legacy(config: Mapping[str, Any]) -> str:
    """Why a model needs the library that wrote it; empty if Keras 3 computes the same.

    Args:
        config: The configuration in the form of ``legacy.config``.
    """
    ends = (config["config"].get("input_layers"), config["config"].get("output_layers"))
    if any(isinstance(end, Mapping) for end in ends):
        return "inputs or outputs in a dictionary"
    for layer in walk(config):
        reason = _reason(layer)
        if reason:
            return f"layer {layer.name!r} {reason}"
    return ""


def as_keras_3(config: Mapping[str, Any], zeros: Any) -> dict[str, Any]:
    """The configuration as Keras 3 takes it, of a model that needs nothing else.

    Args:
        config: The configuration in the form of ``legacy.config``.
        zeros: What gives the variables their first values.
    """
    inner = dict(config["config"])
    inner.pop("build_input_shape", None)
    return {"class_name": config["class_name"], "config": inner | {
        "layers": [_layer_of_keras_3(each, zeros) for each in inner["layers"]],
        **{key: _as_lists(inner[key]) for key in ("input_layers", "output_layers") if key in inner},
    }}  # fmt: skip


def _reason(layer: Layer) -> str:
    """Why one layer needs the old library: what it is, in words that go on after its name."""
    name, config = layer.class_name, layer.config
    if name in MODELS:
        return "is a model"
    if name not in SAME_IN_KERAS_3:
        return f"is a {name}"
    activation = config.get("activation", "linear")
    if activation not in ACTIVATIONS_SAME_IN_KERAS_3:
        return f"has the activation {activation}" if isinstance(activation, str) else "has a layer as activation"
    if config.get("data_format") not in (None, "channels_last"):
        return f"is {config['data_format']}"
    if name != "InputLayer" and config.get("dtype") not in _PLAIN_DTYPES:
        return f"computes in {config['dtype']}"
    if "/" in layer.name:
        return "has a name that Keras 3 does not take"
    if isinstance(config.get("axis"), list | tuple) and len(config["axis"]) != 1:
        return f"has axis={list(config['axis'])}"
    if _has_arguments(layer.calls):
        return "is called with arguments"
    for key, value in config.items():
        known = key in SAME_IN_KERAS_3[name] or key in WITHOUT_MEANING or key.endswith("_initializer")
        if not known and (key not in MEANINGLESS_AS or value != MEANINGLESS_AS[key]):
            return f"has {key}={value!r}"
    return ""


def _has_arguments(calls: Any) -> bool:
    """Whether a layer is called with more than tensors somewhere in a graph."""
    if isinstance(calls, Mapping):
        return bool(calls)
    if isinstance(calls, list):
        return any(_has_arguments(each) for each in calls)
    return False


def _layer_of_keras_3(item: Mapping[str, Any], zeros: Any) -> dict[str, Any]:
    name, config = item["class_name"], item["config"]
    own = {key: value for key, value in config.items() if key in SAME_IN_KERAS_3[name]}
    if name == "InputLayer":
        own = {"batch_shape": tuple(own["batch_input_shape"]), "dtype": config.get("dtype") or "float32"}
    if isinstance(own.get("axis"), list | tuple):
        (own["axis"],) = own["axis"]
    if own.get("data_format", "") is None:
        del own["data_format"]
    own |= {f"{each}_initializer": zeros for each in INITIALIZERS.get(name, ())}
    return {**item, "class_name": name, "config": own | {"name": config["name"]}}


def _as_lists(end: Any) -> Any:
    """Inputs or outputs as a list, where a single one stands alone."""
    return [end] if end and isinstance(end[0], str) else end
