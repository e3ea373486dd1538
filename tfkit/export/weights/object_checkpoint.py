"""Puts the variables of a TensorFlow 2 checkpoint into a live model, and makes sure that all of them land.

Such a checkpoint holds, beside the values, the graph of the Python objects that were saved (TensorFlow's
``trackable_object_graph.proto``): which attribute of which object each variable was. A model of Keras 2 says besides
``layer_with_weights-N``, its layers in order. Both are looked up in the live model here, since the objects of Keras 3
have other attributes than those of Keras 2, which TensorFlow's own restoring compares.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tfkit.errors import ModelError
from tfkit.export.live.frameworks import Frameworks, first_line
from tfkit.export.live.objects import describe, live_kind
from tfkit.export.weights.landing import Landing, assign, shown, variable_name

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE = "VARIABLE_VALUE"
_LAYER = re.compile(r"layer_with_weights-(\d+)")
# What optimizers of TensorFlow 2 hold, of one kind or the other.
_OF_OPTIMIZERS = frozenset({"iter", "_iterations", "learning_rate", "_learning_rate"})
_SAVE_COUNTER = "save_counter"
# What Keras 2 calls a variable, and Keras 3 otherwise.
_OTHER_NAMES = {"depthwise_kernel": "kernel", "mean": "adapt_mean", "variance": "adapt_variance"}


@dataclass(slots=True)
class _Node:
    """An object that was saved.

    Attributes:
        children: Other objects by the attributes that held them.
        key: Of its value; empty for an object that is no variable.
        full_name: What the variable was called.
        state: Keys of what else it holds, such as a table's.
        is_optimizer: Whether it is an optimizer.
    """

    children: dict[str, int]
    key: str
    full_name: str
    state: tuple[str, ...]
    is_optimizer: bool


@dataclass(slots=True)
class _Matching:
    """A part of the checkpoint, compared with the model.

    Attributes:
        root: The number of the object that stands for the model.
        name: The attribute of the checkpoint that held it; empty for the checkpoint itself.
        bound: The live objects, by number.
        landing: What did not find its place.
    """

    root: int
    name: str
    bound: dict[int, Any]
    landing: Landing = field(default_factory=Landing)

    @property
    def is_complete(self) -> bool:
        """Whether every variable found its place."""
        return not (self.landing.only_in_file or self.landing.only_in_model or self.landing.misfits)


def load_objects(frameworks: Frameworks, model: Any, reader: Any, prefix: str) -> tuple[str, ...]:
    """Loads the variables of an object-based checkpoint.

    Args:
        frameworks: The imported Keras and TensorFlow.
        model: A model of Keras 3 or tf-keras, or a ``tf.Module``.
        reader: What TensorFlow reads the checkpoint with.
        prefix: The checkpoint, for messages.

    Returns:
        What the user should know.

    Raises:
        ModelError: The variables do not fit the model.
    """
    checkpoint = _Checkpoint(frameworks, reader, prefix)
    if live_kind(frameworks, model) == "tf.function":
        raise ModelError(
            f"a tf.function has no attributes, by which the variables of {prefix} could be found",
            hint="Let the code give the tf.Module or Keras model that holds the variables.",
        )
    variables = model_variables(frameworks, model)
    matchings = [checkpoint.match(root, name, model, variables) for root, name in checkpoint.roots()]
    complete = [each for each in matchings if each.is_complete]
    if len(complete) > 1:
        names = ", ".join(each.name or "the checkpoint itself" for each in complete)
        raise ModelError(
            f"{prefix} holds {len(complete)} objects that fit the model: {names}",
            hint="Let the code give a tf.Module with the same attributes as what was saved, whose __call__ uses one.",
        )
    best = complete[0] if complete else max(matchings, key=lambda each: len(each.bound))
    best.landing.check(Path(prefix))
    checkpoint.load(best)
    return checkpoint.notes(best)


def model_variables(frameworks: Frameworks, model: Any) -> list[Any]:
    """The variables that a model needs values for; random seeds of Keras are none."""
    if live_kind(frameworks, model) == "tf.Module":
        return list(model.variables)
    return list(model.weights)


class _Checkpoint:
    def __init__(self, frameworks: Frameworks, reader: Any, prefix: str) -> None:
        self._frameworks = frameworks
        self._reader = reader
        self._prefix = prefix
        self._nodes = _read_nodes(frameworks, reader, prefix)
        self._shapes: Mapping[str, Sequence[int]] = reader.get_variable_to_shape_map()

    def roots(self) -> list[tuple[int, str]]:
        """The objects that may stand for the model: the saved one, and each that it holds."""
        found = {0: ""}
        for name, number in self._nodes[0].children.items():
            if self._is_part(name, number) and self._nodes[number].children:
                found.setdefault(number, name)
        return list(found.items())

    def match(self, root: int, name: str, model: Any, variables: Sequence[Any]) -> _Matching:
        """Compares a part of the checkpoint with the model."""
        matching = _Matching(root, name, self._bind(root, model))
        landing = matching.landing
        for number in self._below(root):
            node, thing = self._nodes[number], matching.bound.get(number)
            landing.only_in_file += [f"{self._short(key)} (no variable)" for key in node.state]
            if not node.key:
                continue
            saved = tuple(self._shapes.get(node.key, ()))
            if thing is None:
                landing.only_in_file.append(shown(self._short(node.key), saved))
            elif not self._is_variable(thing):
                landing.misfits.append(f"{self._short(node.key)} is {describe(thing)} in the model")
            elif tuple(thing.shape) != saved:
                own = shown(variable_name(thing), thing.shape)
                landing.misfits.append(f"{shown(self._short(node.key), saved)} in the file, {own} in the model")
        held = {self._identity(thing) for thing in matching.bound.values() if self._is_variable(thing)}
        landing.only_in_model += [
            shown(variable_name(each), each.shape) for each in variables if self._identity(each) not in held
        ]
        return matching

    def load(self, matching: _Matching) -> None:
        """Gives the live variables their values."""
        for number, thing in matching.bound.items():
            key = self._nodes[number].key
            if key and self._is_variable(thing):
                assign(thing, read_tensor(self._frameworks, self._reader, self._prefix, key))
        for thing in matching.bound.values():
            if hasattr(thing, "finalize_state"):
                thing.finalize_state()

    def notes(self, matching: _Matching) -> tuple[str, ...]:
        """What was taken of the checkpoint and what was not, where that is not plain."""
        if not matching.name:
            return ()
        inside = set(self._below(matching.root))
        left = [self._nodes[each].key for each in self._below(0) if self._nodes[each].key and each not in inside]
        names = ", ".join(self._short(key) for key in left[:5]) + (" ..." if len(left) > 5 else "")
        return (f"of the checkpoint {matching.name!r} was taken; left out: {names}",) if left else ()

    def _bind(self, root: int, model: Any) -> dict[int, Any]:
        """The live object for each saved one, as far as attributes lead."""
        bound = {root: model}
        pending = deque([root])
        while pending:
            number = pending.popleft()
            children = self._nodes[number].children
            resolver = _Resolver(self._frameworks, bound[number], self._layer_names(children))
            for name, child in children.items():
                if child in bound or not self._is_part(name, child):
                    continue
                thing = resolver.find(name)
                if thing is not None:
                    bound[child] = thing
                    pending.append(child)
        return bound

    def _layer_names(self, children: Mapping[str, int]) -> dict[int, str]:
        """What the layers in ``layer_with_weights-N`` were called, by their number, as far as their variables tell."""
        found = {}
        for name, number in children.items():
            layer = _LAYER.fullmatch(name)
            if layer is not None:
                full = next((self._nodes[each].full_name for each in self._below(number) if self._nodes[each].key), "")
                found[int(layer[1])] = full.partition("/")[0]
        return found

    def _below(self, root: int) -> Iterator[int]:
        """The numbers of an object and of all that it holds, without optimizers."""
        seen = {root}
        pending = deque([root])
        while pending:
            number = pending.popleft()
            yield number
            for name, child in self._nodes[number].children.items():
                if child not in seen and self._is_part(name, child):
                    seen.add(child)
                    pending.append(child)

    def _is_part(self, name: str, number: int) -> bool:
        return name != _SAVE_COUNTER and not self._nodes[number].is_optimizer

    def _is_variable(self, thing: Any) -> bool:
        return isinstance(thing, self._frameworks.tf.Variable | self._frameworks.keras.Variable)

    def _identity(self, variable: Any) -> int:
        """The same for a variable of Keras and for TensorFlow's inside it."""
        return id(variable.value if isinstance(variable, self._frameworks.keras.Variable) else variable)

    @staticmethod
    def _short(key: str) -> str:
        return key.removesuffix(f"/.ATTRIBUTES/{_VALUE}")


class _Resolver:
    """Finds what an object held under the names of a checkpoint.

    Args:
        frameworks: The imported Keras and TensorFlow.
        thing: The live object.
        layer_names: What its layers with weights were called, by their number.
    """

    def __init__(self, frameworks: Frameworks, thing: Any, layer_names: Mapping[int, str]) -> None:
        self._frameworks = frameworks
        self._thing = thing
        self._layer_names = layer_names

    def find(self, name: str) -> Any:
        """What was held under a name; ``None`` if there is nothing."""
        thing = self._thing
        layer = _LAYER.fullmatch(name)
        if layer is not None and hasattr(thing, "layers"):
            return self._layers.get(int(layer[1]))
        if isinstance(thing, list | tuple):
            return thing[int(name)] if name.isdecimal() and int(name) < len(thing) else None
        if isinstance(thing, Mapping):
            return thing.get(name)
        held = self._children.get(name)
        if held is not None:
            return held
        for each in (name, _OTHER_NAMES.get(name, name)):
            try:
                held = getattr(thing, each, None)
            except Exception:  # noqa: BLE001  # a property that fails holds no variable
                held = None
            if held is not None and (hasattr(held, "weights") or not callable(held)):
                return held
        return None

    @cached_property
    def _children(self) -> Mapping[str, Any]:
        """What TensorFlow itself would save of it."""
        view = self._frameworks.tf.train.TrackableView
        try:
            return dict(view.children(self._thing))
        except (AttributeError, TypeError, ValueError):  # it is nothing that TensorFlow saves
            return {}

    @cached_property
    def _layers(self) -> dict[int, Any]:
        """The layers with weights by their number in the checkpoint.

        By their names, where all names are known: the order of a graph's layers may be another one today. Models inside
        the model do not tell their names.
        """
        layers = [layer for layer in self._thing.layers if layer.weights]
        plain = {layer.name: layer for layer in layers if not hasattr(layer, "layers")}
        named = {number: plain[name] for number, name in self._layer_names.items() if name in plain}
        if len(named) < len(plain) or len(layers) != len(self._layer_names):
            return dict(enumerate(layers))
        nested = [layer for layer in layers if layer.name not in plain]
        others = sorted(number for number in self._layer_names if number not in named)
        return named | dict(zip(others, nested, strict=True))


def read_tensor(frameworks: Frameworks, reader: Any, prefix: str, key: str) -> Any:
    """A value of a checkpoint.

    Raises:
        ModelError: It is damaged.
    """
    try:
        return reader.get_tensor(key)
    except (frameworks.tf.errors.OpError, RuntimeError, ValueError, MemoryError) as error:
        raise ModelError(
            f"{prefix} is damaged: {key} cannot be read: {first_line(error)}",
            hint="Was it copied completely? Copy the index and all data files again.",
        ) from error


def _read_nodes(frameworks: Frameworks, reader: Any, prefix: str) -> list[_Node]:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import trackable_object_graph_pb2

    content = read_tensor(frameworks, reader, prefix, OBJECT_GRAPH)
    try:
        graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(content)
    except (DecodeError, TypeError) as error:
        raise ModelError(f"{prefix} is damaged: its graph of objects cannot be read ({error})") from None
    slots = {slot.slot_variable_node_id for node in graph.nodes for slot in node.slot_variables}
    nodes = []
    for node in graph.nodes:
        children = {child.local_name: child.node_id for child in node.children if child.node_id not in slots}
        values = [each for each in node.attributes if each.name == _VALUE]
        nodes.append(
            _Node(
                children,
                values[0].checkpoint_key if values else "",
                values[0].full_name if values else "",
                tuple(each.checkpoint_key for each in node.attributes if each.name != _VALUE),
                bool(node.slot_variables) or len(_OF_OPTIMIZERS & set(children)) > 1,
            )
        )
    if not nodes or any(not 0 <= child < len(nodes) for node in nodes for child in node.children.values()):
        raise ModelError(f"{prefix} is damaged: its graph of objects has holes")
    return nodes
