"""Writes a model as a SavedModel with its signatures and nothing beside them."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit.errors import ModelError, TensorFlowError, TfkitError
from tfkit.export.live.frameworks import Frameworks, first_line, quiet_logs
from tfkit.export.live.model import LiveModel, ModelOutput
from tfkit.export.names import Port, graph_names, is_graph_name, is_scope_name, rename_ports, scope_name
from tfkit.tensors import Shape

# Sizes to try for open dimensions are multiples of this: as many halvings as possible must suit them.
_STEP = 64
_FILE = "saved_model.pb"
# Made by TensorFlow from the file before it was tidied, and optional: better none than one of another file.
_FINGERPRINT = "fingerprint.pb"
# TensorFlow tells of them only in its messages.
_SYSTEM_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS)


class TracedModel:
    """A live model as a TensorFlow function with its final names, ready to be written.

    Args:
        frameworks: The imported Keras and TensorFlow.
        model: The model.
        renames: New names by old ones.

    Attributes:
        input_names: Final names by the model's own, in the order of the model's inputs.
        output_ports: The model's own outputs.
        output_names: Final names by the model's own, for outputs.

    Raises:
        ModelError: The model cannot be made a graph.
        SignatureError: A rename does not fit its names.
    """

    def __init__(self, frameworks: Frameworks, model: LiveModel, renames: Mapping[str, str]) -> None:
        self._frameworks = frameworks
        self._model = model
        self._renames = renames
        self.input_names = rename_ports("input", model.input_ports, renames)
        self.output_ports: tuple[Port, ...] = ()
        self.output_names: dict[str, str] = {}
        self._function = self._trace()

    @property
    def names(self) -> Mapping[str, str]:
        """Final names by the model's own, of inputs and outputs."""
        return self.input_names | self.output_names

    @property
    def variables(self) -> Sequence[Any]:
        """The variables that the function uses."""
        return list(self._function.variables)

    @property
    def function(self) -> Any:
        """The function, under names that TensorFlow takes."""
        return self._function

    @contextmanager
    def state_kept(self) -> Iterator[None]:
        """Puts back what calls of the model change in the block: random seeds, states of recurrent layers."""
        variables = [variable for variable in self._function.variables if not variable.trainable]
        values = [variable.numpy() for variable in variables]
        try:
            yield
        finally:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def _trace(self) -> Any:
        """The function, under names that TensorFlow takes, so that the graph's tensors are called after them."""
        tf = self._frameworks.tf
        arguments = list(graph_names(list(self.input_names.values())).values())

        def run(**tensors: Any) -> dict[str, Any]:
            outputs = self._model.call([tensors[name] for name in arguments])
            ports = [output.port for output in outputs]
            self.output_ports = tuple(ports)
            self.output_names = rename_ports("output", ports, self._renames)
            names = graph_names(list(self.output_names.values())).values()
            shaped = zip(names, outputs, self._known_shapes(outputs), strict=True)
            return {name: _shaped(tf, output, shape) for name, output, shape in shaped}

        specs = {
            argument: tf.TensorSpec(spec.shape, tf.dtypes.as_dtype(int(spec.dtype)), name=argument)
            for argument, spec in zip(arguments, self._model.input_specs, strict=True)
        }
        try:
            with quiet_logs(), self._model.graph_scopes():
                return tf.function(run, autograph=False).get_concrete_function(**specs)
        except TfkitError:
            raise
        except Exception as error:
            raise ModelError(
                f"model {self._model.name!r} cannot be made a graph: {first_line(error)}",
                hint="Its call must work under tf.function; TFKIT_DEBUG=1 shows where it fails.",
            ) from error

    def _known_shapes(self, outputs: Sequence[ModelOutput]) -> list[Shape | None]:
        """The outputs' shapes as Keras knows them, without the sizes that follow from what a request chooses.

        Some of Keras's layers state such a size as if it were fixed: that of the keys in attention scores as that of
        the queries. Where TensorFlow cannot tell, the model is traced for another size of its open dimensions.
        """
        tf = self._frameworks.tf
        known = [output.shape for output in outputs]
        is_open = any(spec.shape is not None and None in spec.shape[1:] for spec in self._model.input_specs)
        unsure = [
            shape is not None and not _says(tf.convert_to_tensor(output.tensor).shape, shape)
            for output, shape in zip(outputs, known, strict=True)
        ]
        if not (is_open and any(unsure)):
            return known
        tried = self._shapes_for(_size_beside(known))
        return [
            shape if shape is None or not is_unsure else _agreed(shape, other)
            for shape, is_unsure, other in zip(known, unsure, tried or [None] * len(known), strict=True)
        ]

    def _shapes_for(self, size: int) -> list[Any] | None:
        """The outputs' shapes for a size of all open dimensions but the batch; ``None`` if the model cannot take it."""
        tf = self._frameworks.tf
        specs = [
            tf.TensorSpec(
                spec.shape and [*spec.shape[:1], *(size if each is None else each for each in spec.shape[1:])],
                tf.dtypes.as_dtype(int(spec.dtype)),
            )
            for spec in self._model.input_specs
        ]

        def run(*tensors: Any) -> list[Any]:
            return [tf.convert_to_tensor(output.tensor) for output in self._model.call(tensors)]

        try:
            with tf.init_scope():
                traced = tf.function(run, autograph=False).get_concrete_function(*specs)
        except Exception:  # noqa: BLE001  # a size that does not suit the model raises anything, and is no error
            return None
        return [each.shape for each in traced.structured_outputs]

    def tables(self) -> list[Any]:
        """The lookup tables that the function uses: TensorFlow saves them only where something holds them."""
        tf = self._frameworks.tf
        used = {id(handle) for handle in self._function.captured_inputs}
        held = tf.train.TrackableView(self._model.trackable).descendants()
        return [
            each
            for each in held
            if isinstance(each, tf.saved_model.experimental.TrackableResource) and id(each.resource_handle) in used
        ]


def write_signatures(frameworks: Frameworks, model_name: str, traced: Mapping[str, TracedModel], folder: Path) -> None:
    """Writes a SavedModel into an empty folder.

    Args:
        frameworks: The imported Keras and TensorFlow.
        model_name: What the model is called, for messages.
        traced: By signature: models that share what they hold.
        folder: The folder.

    Raises:
        ModelError: TensorFlow cannot save what the model holds.
        OSError: There is no space left, or no permission.
    """
    tf = frameworks.tf
    names = graph_names(list(traced))
    root = tf.Module()
    root.model_variables = _distinct(variable for each in traced.values() for variable in each.variables)
    root.model_tables = _distinct(table for each in traced.values() for table in each.tables())
    functions = {names[signature]: each.function for signature, each in traced.items()}
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    try:
        with quiet_logs(), _graph_names_of(root.model_variables):
            tf.saved_model.save(root, str(folder), signatures=functions, options=options)
    except tf.errors.OpError as error:
        raise _describe_save_error(error, model_name) from error
    except (ValueError, TypeError, AssertionError, KeyError) as error:
        raise ModelError(f"TensorFlow cannot save model {model_name!r}: {first_line(error)}") from error
    _tidy(folder, [_Names.of(names[signature], signature, each) for signature, each in traced.items()])


def _distinct(things: Iterable[Any]) -> list[Any]:
    return list({id(each): each for each in things}.values())


@contextmanager
def _graph_names_of(variables: Sequence[Any]) -> Iterator[None]:
    """Lets variables be saved whose names, made of their layers', no graph takes: they have others in the block.

    TensorFlow calls nodes after them and has no other way to choose; what finds them again are their numbers.
    """
    renamed = {}
    for variable in variables:
        name = variable._handle_name  # noqa: SLF001
        if not is_scope_name(name.removesuffix(":0")):
            renamed[id(variable)] = (variable, name)
            variable._handle_name = f"{scope_name(name.removesuffix(':0'))}:0"  # noqa: SLF001
    try:
        yield
    finally:
        for variable, name in renamed.values():
            variable._handle_name = name  # noqa: SLF001


def _size_beside(shapes: Sequence[Shape | None]) -> int:
    """A size for open dimensions that none of the shapes has, so that one that follows it shows."""
    taken = {size for shape in shapes for size in shape or ()}
    return next(size for size in itertools.count(_STEP, _STEP) if size not in taken)


def _says(shape: Any, known: Shape) -> bool:
    """Whether TensorFlow knows all of a shape that Keras does."""
    return shape.rank == len(known) and all(
        size is None or own is not None for own, size in zip(shape.as_list(), known, strict=True)
    )


def _agreed(shape: Shape, tried: Any) -> Shape:
    """A shape without the sizes that another trace denies; without all but the batch where there is none."""
    if tried is None:
        return (*shape[:1], *(None for _ in shape[1:]))
    if tried.rank != len(shape):
        return shape
    return tuple(
        None if other is not None and other != size else size
        for size, other in zip(shape, tried.as_list(), strict=True)
    )


def _shaped(tf: Any, output: ModelOutput, shape: Shape | None) -> Any:
    """The output with a shape that is known of it: TensorFlow forgets it in loops and reshapes."""
    tensor = tf.convert_to_tensor(output.tensor)
    if shape is not None and tensor.shape.is_compatible_with(shape):
        tensor.set_shape(shape)
    return tensor


def _describe_save_error(error: Any, name: str) -> Exception:
    """TensorFlow's error as the system's own where it is one, else as TensorFlow's."""
    message = first_line(error)
    for number in _SYSTEM_ERRORS:
        if os.strerror(number) in message:
            return OSError(number, os.strerror(number))
    return TensorFlowError(f"TensorFlow cannot save model {name!r}: {message}", code=error.error_code)


@dataclass(frozen=True, slots=True)
class _Names:
    """What a signature, its inputs and its outputs are called in the file, and what they are to be called."""

    old: str
    new: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]

    @classmethod
    def of(cls, old: str, new: str, traced: TracedModel) -> _Names:
        inputs = graph_names(list(traced.input_names.values()))
        outputs = graph_names(list(traced.output_names.values()))
        return cls(
            old, new, {safe: name for name, safe in inputs.items()}, {safe: name for name, safe in outputs.items()}
        )


def _tidy(folder: Path, signatures: Sequence[_Names]) -> None:
    """Takes out the signature that TensorFlow adds, and gives names that its graphs cannot have.

    Tables are initialised through the collection ``saved_model_main_op``, which TensorFlow writes as well and which
    every loader since 1.x reads; older ones fail on the signature.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    path = folder / _FILE
    saved_model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    (meta_graph,) = saved_model.meta_graphs
    written = {name: meta_graph.signature_def[name] for name in meta_graph.signature_def}
    named = {each.new: _renamed(written[each.old], each) for each in signatures}
    meta_graph.signature_def.clear()
    for name, signature in named.items():
        meta_graph.signature_def[name].CopyFrom(signature)
    for names in signatures:
        _rename_objects(meta_graph.object_graph_def, names)
    path.write_bytes(saved_model.SerializeToString(deterministic=True))
    (folder / _FINGERPRINT).unlink(missing_ok=True)


def _renamed(old: Any, names: _Names) -> Any:
    new = type(old)(method_name=old.method_name)
    for name, info in old.inputs.items():
        new.inputs[names.inputs[name]].CopyFrom(info)
    for name, info in old.outputs.items():
        new.outputs[names.outputs[name]].CopyFrom(info)
    return new


def _rename_objects(graph: Any, names: _Names) -> None:
    """The same names where ``tf.saved_model.load(...).signatures`` looks for them."""
    # Python's keywords and `self` can be no argument of a function that TensorFlow makes; as keys they work.
    arguments = {old: new for old, new in names.inputs.items() if not (new.isidentifier() and not is_graph_name(new))}
    signature_maps = [node for node in graph.nodes if node.user_object.identifier == "signature_map"]
    for node in signature_maps:
        for child in node.children:
            if child.local_name != names.old:
                continue
            child.local_name = names.new
            function = graph.nodes[child.node_id].bare_concrete_function
            function.argument_keywords[:] = [names.inputs[name] for name in function.argument_keywords]
            _rename_structure(function.function_spec.fullargspec, arguments)
            concrete = graph.concrete_functions[function.concrete_function_name]
            _rename_structure(concrete.canonicalized_input_signature, arguments)
            _rename_structure(concrete.output_signature, names.outputs)


def _rename_structure(value: Any, names: Mapping[str, str]) -> None:
    """Renames the keys of dictionaries, the specs under them, and texts, in a ``StructuredValue``."""
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        value.string_value = names.get(value.string_value, value.string_value)
    elif kind in ("list_value", "tuple_value"):
        for each in getattr(value, kind).values:
            _rename_structure(each, names)
    elif kind == "named_tuple_value":
        for each in value.named_tuple_value.values:
            _rename_structure(each.value, names)
    elif kind == "dict_value":
        renamed = {}
        for key, each in value.dict_value.fields.items():
            copy = type(each)()
            copy.CopyFrom(each)
            _rename_structure(copy, names)
            if copy.WhichOneof("kind") == "tensor_spec_value":
                copy.tensor_spec_value.name = names.get(key, key)
            renamed[names.get(key, key)] = copy
        value.dict_value.fields.clear()
        for key, each in renamed.items():
            value.dict_value.fields[key].CopyFrom(each)
