"""Reads the configuration of a model of Keras 2 or tf.keras, of any version, and puts it into one form.

The JSON of those versions (``keras/engine/topology.py`` of Keras 2.0, ``tf_keras/src/engine/functional.py`` now) names
classes and holds their arguments. What comes out has named Sequential models with an input layer, no regularizers or
constraints and zeros to begin with (weights are there already), no CuDNN layers, defaults of the time written out, and
no module names: what it names is looked up among Keras's own classes only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit import proto
from tfkit.errors import ModelError
from tfkit.export.legacy.classes import ACTIVATIONS, LAYERS, MODELS, may_call, may_run
from tfkit.export.live.keras_config import CustomPart, list_parts

_DROPPED_ENDINGS = ("_regularizer", "_constraint")
_INITIALIZER = "_initializer"
_MODULE_KEYS = frozenset({"module", "registered_name", "build_config", "shared_object_id"})
_DROPPED = _MODULE_KEYS | {"unit_forget_bias"}
_ACTIVATION_KEYS = frozenset({"activation", "recurrent_activation"})
_CUDNN = {"CuDNNLSTM": "LSTM", "CuDNNGRU": "GRU"}
_GRU = frozenset({"GRU", "GRUCell", "GRUV1", "GRUCellV1"})
_FUNCTION_LAYERS = frozenset({"TFOpLambda", "SlicingOpLambda"})
_CUSTOM_HINT = (
    "A file does not hold such classes and functions. Give the Python file that defines them, written for tf-keras, "
    "which is run: --custom-objects FILE.py."
)
# The arguments of the function with which multi_gpu_model cuts a batch into slices.
_OF_SLICES = frozenset({"i", "parts"})
_SLICES_HINT = (
    "It looks like a model of multi_gpu_model, which calls another one on slices of the batch: export that one. In the "
    "Python that saved it: load_model(FILE).layers[-2].save('single.h5')."
)
_CODE_HINT = (
    "Such code can do anything that a program can, and runs in the Python that saved it alone. Write it again as a "
    "function that is called as its layer, in a file for --custom-objects FILE.py; or run it with --allow-code, if you "
    "trust the file's author."
)


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer somewhere in a model.

    Attributes:
        class_name: Its class.
        name: Its name.
        config: Its arguments.
        calls: How it is called in the model, where it is one of a graph's.
        depth: How many models it is in.
    """

    class_name: str
    name: str
    config: Mapping[str, Any]
    calls: Any = None
    depth: int = 1


def read_config(
    path: Path, config: Any, names: Sequence[str], *, custom_objects: bool = False, allow_code: bool = False
) -> tuple[dict[str, Any], tuple[CustomPart, ...]]:
    """A model's configuration in one form, and what in it needs code of its author.

    Args:
        path: The file, for messages.
        config: What its JSON holds.
        names: The layers that the file lists, for models that do not name them themselves.
        custom_objects: The user gives classes and functions that the file does not hold. Without ``allow_code`` that
            is where the functions of Lambda layers are then, by the layers' names.
        allow_code: Code that the file holds is run.

    Raises:
        ModelError: It is no model's, or needs code that the file does not hold.
    """
    reader = _Reader(path, custom_objects=custom_objects, allow_code=allow_code)
    try:
        found = reader.read_model(config, list(names))
    except RecursionError:
        raise ModelError(f"{path}: its configuration is nested too deeply: Keras writes no such file") from None
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise ModelError(
            f"{path} is damaged: its configuration is none of a model ({type(error).__name__}: {error})",
            hint="Was it saved with model.save?",
        ) from None
    parts = tuple(dict.fromkeys(reader.parts))
    refused = [part for part in parts if not (allow_code if part.is_code else custom_objects)]
    if refused:
        hints = dict.fromkeys(_CODE_HINT if part.is_code else _CUSTOM_HINT for part in refused)
        if reader.slices_batches:
            hints = {_SLICES_HINT: None}
        raise ModelError(f"{path} needs code of its author: {list_parts(refused)}", hint="\n".join(hints))
    return found, parts


def walk(config: Mapping[str, Any], depth: int = 1) -> Iterator[Layer]:
    """Every layer of a model in that form, also those in models in it and in wrappers."""
    for each in config["config"]["layers"]:
        yield from _walk_layer(each, depth)


def inputs_of(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The input layers of a model in that form, in the order of its inputs."""
    layers = config["config"]["layers"]
    if config["class_name"] == "Sequential":
        return [each for each in layers[:1] if each["class_name"] == "InputLayer"]
    by_name = {each["name"]: each for each in layers}
    return [by_name[name] for name in _tensor_layers(config["config"]["input_layers"]) if name in by_name]


def _walk_layer(item: Mapping[str, Any], depth: int) -> Iterator[Layer]:
    config = item["config"]
    yield Layer(item["class_name"], str(config.get("name", "")), config, item.get("inbound_nodes"), depth)
    if item["class_name"] in MODELS:
        yield from walk(item, depth + 1)
        return
    for value in config.values():
        for each in value if isinstance(value, list | tuple) else [value]:
            if isinstance(each, Mapping) and "class_name" in each and isinstance(each.get("config"), Mapping):
                yield from _walk_layer(each, depth)


def _tensor_layers(structure: Any) -> list[str]:
    """The names in a structure of ``[layer, node, tensor]``, in TensorFlow's order: dictionaries by their keys."""
    if isinstance(structure, Mapping):
        return [name for key in sorted(structure) for name in _tensor_layers(structure[key])]
    if structure and isinstance(structure[0], str):
        return [structure[0]]
    return [name for each in structure for name in _tensor_layers(each)]


class _Reader:
    """Reads one configuration.

    Attributes:
        parts: What in it needs code of its author.
        slices_batches: It is called on slices of a batch, as on several cards.
    """

    def __init__(self, path: Path, *, custom_objects: bool, allow_code: bool) -> None:
        self.slices_batches = False
        self._path = path
        self._functions_given = custom_objects and not allow_code
        self.parts: list[CustomPart] = []

    def read_model(self, item: Any, names: list[str]) -> dict[str, Any]:
        """The outermost model."""
        if not isinstance(item, dict) or not isinstance(item.get("class_name"), str) or "config" not in item:
            raise ModelError(f"{self._path} is damaged: its configuration names no model")
        name = item["class_name"]
        if name not in MODELS:
            raise ModelError(
                f"{self._path} holds a model of class {name.split('>')[-1]}, which builds itself: its file does not "
                "say what of",
                hint="Export the live model in Python, or save its weights and give --model FILE.py:NAME.",
            )
        found = self._model(item, names)
        layers = found["config"]["layers"]
        shape = found["config"].get("build_input_shape")
        if name == "Sequential" and layers and layers[0]["class_name"] != "InputLayer" and shape:
            layers.insert(0, _input_layer(layers[0], shape, None))
        return found

    def _model(self, item: Mapping[str, Any], names: Sequence[str] = ()) -> dict[str, Any]:
        if item["class_name"] == "Sequential":
            return {"class_name": "Sequential", "config": self._sequential(item["config"], names)}
        config = item["config"]
        layers = [self._graph_layer(each) for each in config["layers"]]
        ends = {key: config[key] for key in ("input_layers", "output_layers")}
        known = {layer["name"] for layer in layers}
        for end in ends.values():
            missing = [name for name in _tensor_layers(end) if name not in known]
            if missing:
                raise ModelError(f"{self._path}: layer {missing[0]!r} is an input or output, and is not there")
        return {"class_name": "Functional", "config": {"name": config["name"], "layers": layers, **ends}}

    def _graph_layer(self, item: Mapping[str, Any]) -> dict[str, Any]:
        layer = self._object(item, str(item["name"]))
        layer["config"].setdefault("name", item["name"])
        return layer | {"name": item["name"], "inbound_nodes": self._value(item["inbound_nodes"], str(item["name"]))}

    def _sequential(self, config: Any, names: Sequence[str]) -> dict[str, Any]:
        """A list of layers, which is all that there was before Keras 2.2.3, or a dictionary with it."""
        if isinstance(config, list):
            config = {"name": "sequential_1", "layers": config}
        own = list(config["layers"])
        layers = [self._object(each, "") for each in own]
        named = [layer for layer in layers if layer["class_name"] != "InputLayer"]
        if len(named) == len(names):
            for layer, name in zip(named, names, strict=True):
                layer["config"].setdefault("name", name)
        for number, layer in enumerate(layers):
            layer["config"].setdefault("name", f"{layer['class_name'].lower()}_{number}")
        if layers and layers[0]["class_name"] != "InputLayer":
            shape, dtype = _first_shape(own[0])
            if shape is not None:
                layers.insert(0, _input_layer(layers[0], shape, dtype))
        found = {"name": config.get("name", "sequential_1"), "layers": layers}
        build_shape = self._value(config.get("build_input_shape"), "")
        return found | ({"build_input_shape": build_shape} if build_shape else {})

    def _object(self, item: Mapping[str, Any], owner: str) -> dict[str, Any]:
        """A layer, or a cell of one."""
        name, config = item["class_name"], item["config"]
        if name == "Sequential" and isinstance(config, list):
            return {"class_name": name, "config": self._sequential(config, ())}
        owner = str(config.get("name", owner))
        if name in MODELS:
            return self._model(item)
        self._check_class(name, config, owner)
        if name == "Lambda":
            return self._lambda(config, owner)
        if name not in LAYERS:  # the user's own: what its arguments mean is not known here
            return {"class_name": name, "config": _without_modules(config)}
        return _as_it_was(name, {
            key: self._argument(key, value, owner)
            for key, value in config.items()
            if key not in _DROPPED and not key.endswith(_DROPPED_ENDINGS)
            and (key != "batch_input_shape" or name == "InputLayer")
        })  # fmt: skip

    def _check_class(self, name: str, config: Mapping[str, Any], owner: str) -> None:
        place = f"layer {owner!r}"
        if name in _FUNCTION_LAYERS and not may_call(config.get("function")):
            raise ModelError(f"{self._path}: {place} calls tf.{config.get('function')}, which does more than compute")
        if name == "TensorFlowOpLayer" and not may_run(_operation(config["node_def"])):
            raise ModelError(
                f"{self._path}: {place} is a {_operation(config['node_def'])}, which does more than compute"
            )
        if name not in LAYERS and name != "Lambda":
            own = name.rpartition(">")[2]
            self.parts.append(CustomPart(f"{place} of class {own}", tuple(dict.fromkeys((name, own)))))
        for key in ("vocabulary", "idf_weights"):
            if isinstance(config.get(key), str):
                raise ModelError(f"{self._path}: {place} reads its {key} from another file, {config[key]!r}")

    def _lambda(self, config: Mapping[str, Any], owner: str) -> dict[str, Any]:
        """A layer that calls a function: one that the file names, or holds as Python's bytecode."""
        shapes = () if self._functions_given else ("output_shape", "output_shape_type")
        kept = ("name", "trainable", "arguments", *shapes)
        plain = {"output_shape": None, "output_shape_type": "raw"}
        plain |= {key: value for key, value in config.items() if key in kept}
        self.slices_batches |= set(config.get("arguments") or ()) == _OF_SLICES
        function = config["function"]
        if config.get("function_type") == "function" or self._functions_given:
            name = function if isinstance(function, str) and config.get("function_type") == "function" else owner
            self.parts.append(CustomPart(f"function {name} of layer {owner!r}", (name,)))
            # tf-keras puts the function itself there, by its name; "raw" lets it stay.
            return {"class_name": "Lambda", "config": plain | {"function": name, "function_type": "raw"}}
        self.parts.append(CustomPart(f"Python code (a Lambda) in layer {owner!r}"))
        return {"class_name": "Lambda", "config": plain | {"function": function, "function_type": "lambda"}}

    def _argument(self, key: str, value: Any, owner: str) -> Any:
        if key in _ACTIVATION_KEYS:
            return self._activation(value, owner)
        if key == "dtype":
            return _policy_name(value)
        if key.endswith(_INITIALIZER):
            return "zeros"
        return self._value(value, owner)

    def _activation(self, value: Any, owner: str) -> Any:
        if isinstance(value, Mapping) and value.get("class_name") == "function":
            value = value["config"]
        if isinstance(value, Mapping):
            return self._value(value, owner)
        name = "linear" if value is None else str(value).rpartition(">")[2]
        if name == "softmax_v2":
            return "softmax"
        if name not in ACTIVATIONS and name != "relu6":
            self.parts.append(CustomPart(f"function {name} in layer {owner!r}", (name,)))
        return name

    def _value(self, value: Any, owner: str) -> Any:
        """An argument, with what JSON lacks as it was."""
        if isinstance(value, list):
            return [self._value(each, owner) for each in value]
        if not isinstance(value, Mapping):
            return value
        name = value.get("class_name")
        if name == "__ellipsis__":
            return ...
        if name in ("__tuple__", "TensorShape"):
            return tuple(self._value(each, owner) for each in value["items"])
        if name == "function" and isinstance(value.get("config"), str):
            return self._activation(value, owner)
        if isinstance(name, str):
            if "config" not in value:
                raise ModelError(
                    f"{self._path}: layer {owner!r} has an argument of class {name}: expected plain values"
                )
            return self._object(value, owner)
        return {key: self._value(each, owner) for key, each in value.items() if key not in _DROPPED}


def _without_modules(value: Any) -> Any:
    """The same without the names of modules, so that nothing is imported for it."""
    if isinstance(value, Mapping):
        return {key: _without_modules(each) for key, each in value.items() if key not in _MODULE_KEYS}
    return [_without_modules(each) for each in value] if isinstance(value, list) else value


def _as_it_was(name: str, config: dict[str, Any]) -> dict[str, Any]:
    """A layer of today that computes what the old one did."""
    if name in _CUDNN:
        config |= {"activation": "tanh", "recurrent_activation": "sigmoid"}
        config |= {"reset_after": True} if name == "CuDNNGRU" else {}
        name = _CUDNN[name]
    elif name in _GRU:
        config.setdefault("reset_after", False)  # the only way there was before Keras 2.1.5
    elif name == "InputLayer":
        config |= {key: False for key in ("sparse", "ragged") if key in config}  # requests carry dense tensors
    elif name == "Activation" and config.get("activation") == "relu6":  # a function of Keras's own MobileNet
        name, config = "ReLU", {key: value for key, value in config.items() if key != "activation"} | {"max_value": 6.0}
    return {"class_name": name, "config": config}


def _input_layer(first: Mapping[str, Any], shape: Any, dtype: Any) -> dict[str, Any]:
    """The input layer that Keras puts before the first one of a Sequential model."""
    config = {"batch_input_shape": list(shape), "dtype": dtype or "float32", "name": f"{first['config']['name']}_input"}
    return {"class_name": "InputLayer", "config": config}


def _first_shape(item: Any) -> tuple[Any, Any]:
    """The shape and dtype that the first layer of a Sequential model takes; of a model that of its own first layer."""
    while item["class_name"] in MODELS:
        config = item["config"]
        item = (config if isinstance(config, list) else config["layers"])[0]
    shape = item["config"].get("batch_input_shape")
    return (shape["items"] if isinstance(shape, Mapping) else shape), _policy_name(item["config"].get("dtype"))


def _policy_name(value: Any) -> Any:
    """A dtype, or the name of what decides on dtypes; what only says "as the inputs are" is left to Keras."""
    if isinstance(value, Mapping):
        inner = value.get("config")
        value = inner.get("name") if isinstance(inner, Mapping) else None
    return None if not isinstance(value, str) or value.startswith(("infer", "_infer")) else value


def _operation(node: Any) -> str:
    """The operation of a TensorFlowOpLayer: its node as JSON, or as the text that its bytes were made."""
    if isinstance(node, str):
        if not node.lstrip().startswith("{"):
            return str(proto.message("tensorflow.NodeDef").FromString(node.encode("utf-8")).op)
        node = json.loads(node)
    return str(node["op"])
