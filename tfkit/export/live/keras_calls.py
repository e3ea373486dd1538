"""How a Keras model is called: what it takes, from what Keras knows about the model or from samples."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tfkit.arrays import Array, dtype_of
from tfkit.errors import ModelError
from tfkit.export.live.frameworks import first_line
from tfkit.tensors import Shape

_SAMPLES_HINT = (
    "Call the model once on real data before exporting it, or say what it takes with samples: "
    "tfkit.export_model(model, FOLDER, inputs={'x': array})."
)


@dataclass(frozen=True, slots=True)
class InputShape:
    """What an input takes, in Keras's words."""

    dtype: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class CallPlan:
    """How a model is called.

    Attributes:
        names: Names of the inputs, in the order in which ``call`` takes tensors.
        aliases: Other names of each.
        specs: Dtype and shape of each.
        call: Calls the model in inference mode with a flat list of tensors.
        output_names: The layers that make the outputs, where Keras knows them.
        output_shapes: The outputs' shapes, where Keras knows them.
        notes: What was assumed.
        assumed_dtype: The dtype that all inputs are taken to have, where nothing says it.
    """

    names: tuple[str, ...]
    aliases: tuple[tuple[str, ...], ...]
    specs: tuple[InputShape, ...]
    call: Callable[[Sequence[Any]], Any]
    output_names: tuple[str, ...] = ()
    output_shapes: tuple[Shape, ...] = ()
    notes: tuple[str, ...] = ()
    assumed_dtype: str = ""


def plan_call(keras: Any, model: Any, samples: Mapping[str, Array]) -> CallPlan:
    """Finds out how to call a model.

    Raises:
        ModelError: It is not built, or nothing says what it takes.
    """
    if isinstance(model, keras.Sequential):
        if not model.layers:
            raise ModelError(f"model {model.name!r} is a Sequential without layers: there is nothing to export")
        if not model.built and len(samples) == 1:
            return _plan_on_sample(model, *samples.items())
        if not model.built:
            raise ModelError(f"model {model.name!r} is not built: what it takes is not known", hint=_SAMPLES_HINT)
        if getattr(model, "inputs", None):
            return _plan_sequential(model)
    elif hasattr(model, "output_names"):
        return _plan_functional(keras, model)
    return _plan_subclassed(keras, model, samples)


def _plan_on_sample(model: Any, sample: tuple[str, Array]) -> CallPlan:
    """A Sequential model that was never called: called on the sample it knows what it takes, but for the dtype."""
    name, array = sample
    try:
        model(array)
    except Exception as error:
        raise ModelError(f"model {model.name!r} fails on the samples that were given: {first_line(error)}") from error
    plan = _plan_sequential(model)
    (spec,) = plan.specs
    return replace(plan, names=(name,), specs=(InputShape(_sample_dtype(model, array), spec.shape),))


def _plan_functional(keras: Any, model: Any) -> CallPlan:
    structure = model.input
    leaves = keras.tree.flatten_with_path(structure)
    names, aliases = [], []
    for path, tensor in leaves:
        keys = [str(part) for part in path] if any(isinstance(part, str) for part in path) else []
        names.append("_".join(keys) or tensor.name)
        aliases.append((tensor.name, tensor._keras_history.operation.name))  # noqa: SLF001
    return CallPlan(
        names=tuple(names),
        aliases=tuple(aliases),
        specs=tuple(_spec(tensor) for _, tensor in leaves),
        call=lambda tensors: model(keras.tree.pack_sequence_as(structure, list(tensors)), training=False),
        output_names=tuple(model.output_names),
        output_shapes=tuple(tuple(tensor.shape) for tensor in keras.tree.flatten(model.output)),
        notes=_notes_on_inputs([tensor for _, tensor in leaves]),
    )


def _plan_sequential(model: Any) -> CallPlan:
    (tensor,) = model.inputs
    spec, notes = _spec(tensor), _notes_on_inputs([tensor])
    named = not tensor.name.startswith(("keras_tensor", "input_layer"))
    if spec.shape and spec.shape[0] is not None and not named and not _keeps_state(model):
        # Without an Input, Keras takes the batch size of the first call, which means nothing; its export ignores it.
        notes += (f"the batch size of {spec.shape[0]} that the model was built with is left open",)
        spec = InputShape(spec.dtype, (None, *spec.shape[1:]))
    shapes = tuple((None, *tensor.shape[1:]) for tensor in model.outputs)
    return CallPlan(
        names=(tensor.name,),
        aliases=((tensor.name, tensor._keras_history.operation.name),),  # noqa: SLF001
        specs=(spec,),
        call=lambda tensors: model(tensors[0], training=False),
        output_names=(model.layers[-1].name,) if model.layers and len(model.outputs) == 1 else (),
        output_shapes=shapes if spec.shape[:1] == (None,) else tuple(tuple(each.shape) for each in model.outputs),
        notes=notes,
    )


def _plan_subclassed(keras: Any, model: Any, samples: Mapping[str, Array]) -> CallPlan:
    """A model whose ``call`` says what it takes only when it is called.

    Keras remembers the shapes of the first call, but no dtypes; samples say both. Without samples, inputs are taken as
    floats, which the plan records: it is wrong for a model of whole numbers.
    """
    arguments = _tensor_arguments(model)
    if samples:
        return _plan_from_samples(model, samples, arguments)
    shapes = getattr(model, "_build_shapes_dict", None) or {}
    if not model.built or not shapes or not arguments:
        raise ModelError(f"model {model.name!r} does not say what it takes: it was never called", hint=_SAMPLES_HINT)
    structures = dict(zip(arguments, shapes.values(), strict=False))
    names, specs = [], []
    for argument, structure in structures.items():
        for path, shape in _shape_leaves(structure):
            names.append("_".join(path) if len(structures) == 1 and _is_key(path) else "_".join((argument, *path)))
            specs.append(InputShape(str(model.variable_dtype), (None, *shape[1:]) if shape else ()))
    skeletons = [_skeleton(structure) for structure in structures.values()]

    def call(tensors: Sequence[Any]) -> Any:
        return model(*keras.tree.pack_sequence_as(skeletons, list(tensors)), training=False)

    note = f"the model does not say its inputs' dtypes: taken as {model.variable_dtype} (samples in inputs= would say)"
    return CallPlan(
        tuple(names), ((),) * len(names), tuple(specs), call, notes=(note,), assumed_dtype=str(model.variable_dtype)
    )


def _plan_from_samples(model: Any, samples: Mapping[str, Array], arguments: Sequence[str]) -> CallPlan:
    names = tuple(samples)
    specs = tuple(
        InputShape(_sample_dtype(model, array), (None, *array.shape[1:]) if array.ndim else ())
        for array in samples.values()
    )
    fixed = [f"{name} {list(spec.shape[1:])}" for name, spec in zip(names, specs, strict=True) if len(spec.shape) > 1]
    note = (
        f"sizes beside the batch are the samples': {', '.join(fixed)}; "
        "for open ones, export a keras.Model that calls it on keras.Input((None, ...))"
    )

    def call(tensors: Sequence[Any]) -> Any:
        if set(names) <= set(arguments):
            return _call_by_name(model, names, tensors, arguments[0])
        return model(dict(zip(names, tensors, strict=True)), training=False)

    return CallPlan(names, ((),) * len(names), specs, call, notes=(note,) if fixed else ())


def _sample_dtype(model: Any, array: Array) -> str:
    """A sample's dtype; for floats the model's own, since numpy makes float64 of everything."""
    return str(model.variable_dtype) if array.dtype.kind == "f" else dtype_of(array).short_name


def _call_by_name(model: Any, names: Sequence[str], tensors: Sequence[Any], first: str) -> Any:
    given = dict(zip(names, tensors, strict=True))
    positional = [given.pop(first)] if first in given else []
    return model(*positional, **given, training=False)


def _tensor_arguments(model: Any) -> tuple[str, ...]:
    parameters = inspect.signature(model.call).parameters.values()
    return tuple(
        parameter.name
        for parameter in parameters
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name not in ("training", "mask")
    )


def _shape_leaves(structure: Any) -> list[tuple[tuple[str, ...], tuple[int | None, ...]]]:
    """The shapes in a structure of dictionaries and lists, with the keys that lead to them, in Keras's order."""
    if _is_shape(structure):
        return [((), tuple(structure))]
    items = sorted(structure.items()) if isinstance(structure, Mapping) else list(enumerate(structure))
    return [((str(key), *path), shape) for key, value in items for path, shape in _shape_leaves(value)]


def _skeleton(structure: Any) -> Any:
    """The same structure with a number for each shape."""
    if _is_shape(structure):
        return 0
    if isinstance(structure, Mapping):
        return {key: _skeleton(value) for key, value in structure.items()}
    return [_skeleton(value) for value in structure]


def _is_shape(structure: Any) -> bool:
    return isinstance(structure, list | tuple) and all(each is None or isinstance(each, int) for each in structure)


def _is_key(path: Sequence[str]) -> bool:
    return bool(path) and not path[0].isdecimal()


def _spec(tensor: Any) -> InputShape:
    return InputShape(str(tensor.dtype), tuple(tensor.shape))


def _keeps_state(model: Any) -> bool:
    return any(getattr(layer, "stateful", False) for layer in model._flatten_layers())  # noqa: SLF001


def _notes_on_inputs(tensors: Sequence[Any]) -> tuple[str, ...]:
    return tuple(
        f"input {tensor.name!r} is {kind} in the model: requests carry dense tensors, so that is what it takes now"
        for tensor in tensors
        for kind in ("sparse", "ragged")
        if getattr(tensor, kind, False)
    )
