"""TensorFlow's functions as live models: a ``tf.function``, a ``ConcreteFunction``, and those of a ``tf.Module``.

Inputs are called as in TensorFlow's own signatures: after the argument (``x``), after the argument and its keys
(``more_a`` of ``more={"a": ...}``), or as a ``tf.TensorSpec`` with a name says. Outputs are called after their keys,
else ``output_0`` and so on.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from tfkit.arrays import NUMPY_DTYPES, Array, dtype_of
from tfkit.errors import ModelError, SignatureError, UsageError, nearest
from tfkit.export.live.frameworks import Frameworks, first_line, quiet_logs
from tfkit.export.live.model import ModelOutput, as_array, check_dense
from tfkit.export.names import Port, unique_names
from tfkit.tensors import DEFAULT_SIGNATURE, DType, Shape, TensorSpec

_CALL = "__call__"
_SIGNATURE_HINT = (
    "Say what it takes: @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32)]), or with samples: "
    "tfkit.export_model(model, FOLDER, inputs={'x': array})."
)


class FunctionModel:
    """A function of TensorFlow with known inputs.

    Args:
        frameworks: The imported Keras and TensorFlow.
        function: The ``tf.function`` or ``ConcreteFunction``.
        name: What it is called, for messages.
        holder: The object that it belongs to, if any.
        samples: Arrays by argument: they say what a function without ``input_signature`` takes.

    Raises:
        ModelError: What it takes is not known, cannot be traced, or cannot be served.
    """

    def __init__(
        self,
        frameworks: Frameworks,
        function: Any,
        name: str,
        *,
        holder: Any = None,
        samples: Mapping[str, Array] | None = None,
    ) -> None:
        self._frameworks = frameworks
        self._function = function
        self.trackable = holder if holder is not None else _holder(frameworks.tf, function)
        self.name = name
        self.notes: tuple[str, ...] = ()
        self.assumed_dtype = ""
        concrete = _concrete(frameworks, function, name, samples or {})
        self._parameters = tuple(concrete.function_type.parameters)
        self._arguments, self._keywords = concrete.structured_input_signature
        leaves = [
            (path, leaf)
            for path, leaf in frameworks.keras.tree.flatten_with_path((self._arguments, self._keywords))
            if self._is_spec(leaf)
        ]
        if not leaves:
            raise ModelError(f"{name} takes no tensor: there would be nothing to ask it")
        names = unique_names(spec.name or "_".join(map(str, path)) for path, spec in leaves)
        self.input_ports = tuple(Port(own, self._aliases(path)) for own, (path, _) in zip(names, leaves, strict=True))
        self.input_specs = tuple(_read_spec(spec, own) for own, (_, spec) in zip(names, leaves, strict=True))

    def call(self, tensors: Sequence[Any]) -> tuple[ModelOutput, ...]:
        """Calls the function; tensors are in the order of ``input_specs``.

        Raises:
            ModelError: It gives no tensor, or one that is not dense.
        """
        tree = self._frameworks.keras.tree
        positional, named = self._bind(iter(tensors))
        result = self._function(*positional, **named)
        leaves = [(path, leaf) for path, leaf in tree.flatten_with_path(result) if leaf is not None]
        if not leaves:
            raise ModelError(f"{self.name} returns no tensor: there would be nothing to answer")
        names = unique_names(
            "_".join(map(str, path)) if any(isinstance(part, str) for part in path) else f"output_{index}"
            for index, (path, _) in enumerate(leaves)
        )
        for name, (_, leaf) in zip(names, leaves, strict=True):
            check_dense(self._frameworks.tf, name, leaf)
        return tuple(
            ModelOutput(Port(name, (f"output_{index}",)), leaf, None)
            for index, (name, (_, leaf)) in enumerate(zip(names, leaves, strict=True))
        )

    def predict(self, arrays: Sequence[Array]) -> dict[str, Array]:
        """Calls the function on arrays in the order of ``input_specs``; outputs by their own names."""
        tf = self._frameworks.tf
        with quiet_logs():
            outputs = self.call([tf.convert_to_tensor(array) for array in arrays])
        return {output.port.name: as_array(tf.convert_to_tensor(output.tensor)) for output in outputs}

    def graph_scopes(self) -> AbstractContextManager[None]:
        """Functions open no scopes by names that graphs do not take."""
        return nullcontext()

    def _bind(self, tensors: Iterator[Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call. Those that take no tensor are left to their defaults, as in the signature."""
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for index, structure in enumerate(self._arguments):
            if not self._has_spec(structure):
                continue
            value = self._fill(structure, tensors)
            if len(positional) == index:
                positional.append(value)
            else:
                named[self._parameters[index]] = value
        for key in sorted(self._keywords):  # the order in which trees are flattened
            if self._has_spec(self._keywords[key]):
                named[key] = self._fill(self._keywords[key], tensors)
        return positional, named

    def _fill(self, structure: Any, tensors: Iterator[Any]) -> Any:
        tree = self._frameworks.keras.tree
        return tree.map_structure(lambda leaf: next(tensors) if self._is_spec(leaf) else leaf, structure)

    def _has_spec(self, structure: Any) -> bool:
        return any(map(self._is_spec, self._frameworks.keras.tree.flatten(structure)))

    def _is_spec(self, leaf: Any) -> bool:
        tf = self._frameworks.tf
        if isinstance(leaf, tf.TypeSpec) and not isinstance(leaf, tf.TensorSpec):
            raise ModelError(f"{self.name} takes a {leaf.value_type.__name__}: requests carry dense tensors only")
        return isinstance(leaf, tf.TensorSpec)

    def _aliases(self, path: tuple[Any, ...]) -> tuple[str, ...]:
        """The argument's name, where a tensor is the whole argument."""
        if len(path) != 2:
            return ()
        return (self._parameters[path[1]],) if path[0] == 0 else (str(path[1]),)


def is_function(frameworks: Frameworks, thing: Any) -> bool:
    """Whether something is a ``tf.function`` or a ``ConcreteFunction``."""
    types = frameworks.tf.types.experimental
    return isinstance(thing, types.PolymorphicFunction | types.ConcreteFunction)


def function_name(function: Any) -> str:
    """What a function is called in messages and reports."""
    name = getattr(function, "__name__", "") or type(function).__name__
    return "a tf.function" if name == "<lambda>" else str(name)


def module_models(
    frameworks: Frameworks, module: Any, signature: str | None, samples: Mapping[str, Array]
) -> dict[str, FunctionModel]:
    """The functions of a ``tf.Module`` that become signatures, by the signature's name.

    Its only function becomes ``signature``. Of several, ``__call__`` becomes the default signature and others keep
    their names; ``signature`` chooses one.

    Raises:
        ModelError: Nothing says what any of them takes.
        SignatureError: There is no function of that name.
    """
    name = type(module).__name__
    functions = dict(_functions(frameworks, module))
    ready = {
        key: function for key, function in functions.items() if getattr(function, "input_signature", True) is not None
    }
    if not ready and samples and callable(module):
        call = functions.get(_CALL) or frameworks.tf.function(module.__call__)
        ready = {_CALL: call}
    if not ready:
        known = ", ".join(functions) or "none"
        raise ModelError(
            f"module {name} has no function that says what it takes; its tf.functions: {known}", hint=_SIGNATURE_HINT
        )
    if len(ready) == 1:
        ((key, function),) = ready.items()
        model = FunctionModel(frameworks, function, f"{name}.{key}", holder=module, samples=samples)
        return {signature or DEFAULT_SIGNATURE: model}
    named = {DEFAULT_SIGNATURE if key == _CALL else key: function for key, function in ready.items()}
    if signature is not None:
        if signature not in named:
            raise SignatureError(f"module {name} has no function {signature!r}", hint=nearest(signature, named))
        named = {signature: named[signature]}
    return {key: FunctionModel(frameworks, function, f"{name}.{key}", holder=module) for key, function in named.items()}


def sample_spec(frameworks: Frameworks, name: str, array: Array) -> Any:
    """What an argument takes of which a sample is known: any number of such."""
    shape = (None, *array.shape[1:]) if array.ndim else ()
    return frameworks.tf.TensorSpec(shape, int(dtype_of(array)), name)


def _functions(frameworks: Frameworks, module: Any) -> Iterator[tuple[str, Any]]:
    """The functions among a module's attributes, ``__call__`` first; properties are not evaluated."""
    names = [each for each in dir(module) if not each.startswith("_")]
    for name in (_CALL, *names):
        if is_function(frameworks, inspect.getattr_static(module, name, None)):
            yield name, getattr(module, name)


def _concrete(frameworks: Frameworks, function: Any, name: str, samples: Mapping[str, Array]) -> Any:
    tf = frameworks.tf
    if isinstance(function, tf.types.experimental.ConcreteFunction):
        return function
    given: dict[str, Any] = {}
    if function.input_signature is None:
        if not samples:
            raise ModelError(f"{name} does not say what it takes: it has no input_signature", hint=_SIGNATURE_HINT)
        given = {argument: sample_spec(frameworks, argument, array) for argument, array in samples.items()}
    try:
        with quiet_logs():
            return function.get_concrete_function(**given)
    except Exception as error:
        raise ModelError(
            f"{name} cannot be made a graph: {first_line(error)}", hint="TFKIT_DEBUG=1 shows where it fails."
        ) from error


def _read_spec(spec: Any, name: str) -> TensorSpec:
    try:
        dtype = DType(spec.dtype.as_datatype_enum)
    except ValueError:
        dtype = DType.INVALID
    if dtype not in NUMPY_DTYPES:
        raise ModelError(f"input {name!r} has dtype {spec.dtype.name}, which no request can hold")
    if spec.shape.rank is None:
        raise UsageError(
            f"input {name!r} has no number of dimensions: a service has to know it",
            hint="Write the shape with None for sizes that are open: tf.TensorSpec((None, 4), tf.float32).",
        )
    shape: Shape = tuple(spec.shape)
    return TensorSpec(name, dtype, shape)


def _holder(tf: Any, function: Any) -> Any:
    """Holds what a function's code refers to and TensorFlow can save, such as lookup tables."""
    holder = tf.Module()
    code = getattr(function, "python_function", None)
    values: list[Any] = []
    while code is not None:  # the outer one of a method refers to its object
        values += [cell.cell_contents for cell in getattr(code, "__closure__", None) or ()]
        inner = getattr(code, "__wrapped__", None)
        if inner is None and inspect.isfunction(code):
            values += inspect.getclosurevars(code).globals.values()
        code = inner
    values = [each() if isinstance(each, weakref.ref) else each for each in values]
    holder.held = [each for each in values if isinstance(each, tf.__internal__.tracking.Trackable)]
    return holder
