"""Small SavedModels written byte by byte: what TensorFlow itself would never write is in them, or is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tfkit import proto
from tfkit.graph.attributes import float_value, int_value, tensor_value, type_value, types_value
from tfkit.tensors import DType

FLOAT, INT8, INT32 = type_value(DType.FLOAT), type_value(DType.INT8), type_value(DType.INT32)


class Crafted:
    """A model: ``x: float32[?]`` or ``float32[?, n]``, and what ``y`` is computed of."""

    def __init__(self, columns: int | None = None, *, producer: int = 27) -> None:
        self.saved = proto.message("tensorflow.SavedModel")(saved_model_schema_version=1)
        self.metagraph = self.saved.meta_graphs.add()
        self.metagraph.meta_info_def.tags.append("serve")
        self.metagraph.meta_info_def.tensorflow_version = "2.21.0"
        self.graph = self.metagraph.graph_def
        self.graph.versions.producer = producer
        self._columns = columns
        self.node("x", "Placeholder", dtype=FLOAT)

    def node(self, name: str, op: str, inputs: Iterable[str] = (), **attrs: Any) -> str:
        """Adds a node to the main graph."""
        return _add(self.graph.node, name, op, inputs, attrs)

    def constant(self, name: str, values: Any) -> str:
        """Adds a constant of floats, or of int32."""
        array = np.asarray(values)
        dtype = DType.FLOAT if array.dtype.kind == "f" else DType.INT32
        data = array.astype("<f4" if dtype is DType.FLOAT else "<i4").tobytes()
        return self.node(name, "Const", dtype=type_value(dtype), value=tensor_value(dtype, array.shape, data))

    def call(self, name: str, function: str, inputs: Iterable[str] = ("x",), op: str = "PartitionedCall") -> str:
        """Adds a call of a function from float to float."""
        return _call(self.graph.node, name, function, inputs, op)

    def function(self, name: str) -> Function:
        """Adds a function that negates ``a``, and gives ``n:y:0`` as ``b``."""
        return Function(self.graph.library.function.add(), name)

    def signature(self, name: str = "serving_default", **outputs: str) -> None:
        """Adds a signature from ``x`` to some tensors."""
        signature = self.metagraph.signature_def[name]
        signature.method_name = "tensorflow/serving/predict"
        for infos, tensors in ((signature.inputs, {"x": "x"}), (signature.outputs, outputs)):
            for key, tensor in tensors.items():
                infos[key].name = tensor if ":" in tensor else f"{tensor}:0"
                infos[key].dtype = int(DType.FLOAT)
                infos[key].tensor_shape.dim.add(size=-1)
                if self._columns is not None:
                    infos[key].tensor_shape.dim.add(size=self._columns)

    def write(self, folder: Path) -> Path:
        """Writes it; returns the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "saved_model.pb").write_bytes(self.saved.SerializeToString())
        return folder


class Function:
    """A function of a model, from ``a`` to ``b``, both float."""

    def __init__(self, message: Any, name: str) -> None:
        self._message = message
        message.signature.name = name
        message.signature.input_arg.add(name="a", type=int(DType.FLOAT))
        message.signature.output_arg.add(name="b", type=int(DType.FLOAT))
        self.node("n", "Neg", ["a"], T=FLOAT)
        self.gives("n:y:0")

    def node(self, name: str, op: str, inputs: Iterable[str] = (), **attrs: Any) -> str:
        """Adds a node to it."""
        return _add(self._message.node_def, name, op, inputs, attrs)

    def call(self, name: str, function: str, inputs: Iterable[str] = ("a",)) -> str:
        """Adds a call of another function."""
        return _call(self._message.node_def, name, function, inputs, "PartitionedCall")

    def gives(self, tensor: str) -> None:
        """Chooses its result."""
        self._message.ret["b"] = tensor

    def mark(self, **attrs: Any) -> None:
        """Gives its first node more attributes."""
        for name, value in attrs.items():
            self._message.node_def[0].attr[name].CopyFrom(value)


def plain() -> tuple[Crafted, Function]:
    """A model that calls a function, which negates."""
    model = Crafted()
    function = model.function("f")
    model.call("call", "f")
    model.node("y", "Identity", ["call"], T=FLOAT)
    model.signature(y="y")
    return model, function


def _add(holder: Any, name: str, op: str, inputs: Iterable[str], attrs: dict[str, Any]) -> str:
    node = holder.add(name=name, op=op)
    node.input.extend(inputs)
    for key, value in attrs.items():
        node.attr[key].CopyFrom(value)
    return name


def _call(holder: Any, name: str, function: str, inputs: Iterable[str], op: str) -> str:
    _add(holder, name, op, inputs, {"Tin": types_value([DType.FLOAT]), "Tout": types_value([DType.FLOAT])})
    holder[-1].attr["f"].func.name = function
    return name


def _branch(holder: Any, condition: str, given: str) -> None:
    attrs = {"Tcond": INT32, "Tin": types_value([DType.FLOAT]), "Tout": types_value([DType.FLOAT])}
    _add(holder, "branch", "If", [condition, given], attrs)
    holder[-1].attr["then_branch"].func.name = "then"
    holder[-1].attr["else_branch"].func.name = "else"


# --- models that some TensorFlows load and others do not, or that only look as if they could not


def _unused_function(model: Crafted, function: Function) -> None:
    """Nothing calls it: nobody minds an operation that does not exist."""
    model.function("unused").node("z", "NoSuchOp")


def _unused_function_attribute(model: Crafted, function: Function) -> None:
    model.function("unused").mark(nope=int_value(1))


def _attribute_in_function(model: Crafted, function: Function) -> None:
    function.mark(config=int_value(1))


def _attribute_on_a_dead_node_of_a_function(model: Crafted, function: Function) -> None:
    function.node("dead", "Neg", ["a"], T=FLOAT, nope=int_value(1))


def _attribute_on_a_dead_node(model: Crafted, function: Function) -> None:
    model.node("dead", "Neg", ["x"], T=FLOAT, nope=int_value(1))


def _op_on_a_dead_node(model: Crafted, function: Function) -> None:
    model.node("dead", "NoSuchOp")


def _kernel_on_a_dead_node(model: Crafted, function: Function) -> None:
    model.node("p", "Placeholder", dtype=type_value(DType.COMPLEX64))
    model.node("dead", "Softmax", ["p"], T=type_value(DType.COMPLEX64))


def _kernel_in_a_function(model: Crafted, function: Function) -> None:
    """Neg of int8 came with 2.x."""
    function.node("down", "Cast", ["a"], SrcT=FLOAT, DstT=INT8)
    function.node("neg", "Neg", ["down:y:0"], T=INT8)
    function.gives(f"{function.node('up', 'Cast', ['neg:y:0'], SrcT=INT8, DstT=FLOAT)}:y:0")


def _kernel_on_a_dead_node_of_a_function(model: Crafted, function: Function) -> None:
    function.node("down", "Cast", ["a"], SrcT=FLOAT, DstT=INT8)
    function.node("neg", "Neg", ["down:y:0"], T=INT8)


def _op_in_a_function_that_a_dead_node_calls(model: Crafted, function: Function) -> None:
    model.function("unused").node("z", "NoSuchOp")
    model.call("dead", "unused")


def _attribute_in_a_function_that_a_dead_node_calls(model: Crafted, function: Function) -> None:
    model.function("unused").mark(nope=int_value(1))
    model.call("dead", "unused")


def _op_on_a_dead_node_of_a_function(model: Crafted, function: Function) -> None:
    function.node("dead", "NoSuchOp")


def _op_in_a_nested_function(model: Crafted, function: Function) -> None:
    model.function("inner").node("z", "NoSuchOp")
    function.gives(f"{function.call('nested', 'inner')}:output:0")


def _op_in_a_branch(model: Crafted, function: Function) -> None:
    model.function("then")
    model.function("else").node("z", "NoSuchOp")
    function.node("size", "Size", ["a"], T=FLOAT, out_type=INT32)
    _branch(function._message.node_def, "size:output:0", "a")
    function.gives("branch:output:0")


def _op_in_a_branch_of_a_dead_node(model: Crafted, function: Function) -> None:
    model.function("then")
    model.function("else").node("z", "NoSuchOp")
    model.node("size", "Size", ["x"], T=FLOAT, out_type=INT32)
    _branch(model.graph.node, "size", "x")


def _newer_op(model: Crafted, function: Function) -> None:
    """LeakyRelu came with 1.13."""
    function.node("leaky", "LeakyRelu", ["a"], T=FLOAT, alpha=float_value(0.1))
    function.gives("leaky:activations:0")


def _missing_attribute(model: Crafted, function: Function) -> None:
    function.node("dead", "Neg", ["a"])


def _too_many_inputs(model: Crafted, function: Function) -> None:
    function.node("dead", "Neg", ["a", "a"], T=FLOAT)


def _retired_op(model: Crafted, function: Function) -> None:
    model.node("dead", "BatchMatrixDiag", ["x"], T=FLOAT)


def _retired_op_in_a_function(model: Crafted, function: Function) -> None:
    function.node("diagonal", "BatchMatrixDiag", ["a"], T=FLOAT)
    function.gives("diagonal:output:0")


def _newer_reader(model: Crafted, function: Function) -> None:
    """The oldest TensorFlows are told to keep away."""
    model.graph.versions.min_consumer = 100


def _newer_writer(model: Crafted, function: Function) -> None:
    model.graph.versions.producer = 5000


def _called_by_name(model: Crafted, function: Function) -> None:
    model.node("direct", "f", ["x"])


def _notes(model: Crafted, function: Function) -> None:
    """Attributes that begin with an underscore are anybody's."""
    function.mark(_note=int_value(1))


def _as_it_is(model: Crafted, function: Function) -> None:
    """Nothing is wrong."""


Change = Callable[[Crafted, Function], None]
CHANGES: dict[str, Change] = {
    change.__name__[1:]: change
    for change in (
        _as_it_is,
        _unused_function,
        _unused_function_attribute,
        _attribute_in_function,
        _attribute_on_a_dead_node_of_a_function,
        _attribute_on_a_dead_node,
        _op_on_a_dead_node,
        _kernel_on_a_dead_node,
        _kernel_in_a_function,
        _kernel_on_a_dead_node_of_a_function,
        _op_in_a_function_that_a_dead_node_calls,
        _attribute_in_a_function_that_a_dead_node_calls,
        _op_on_a_dead_node_of_a_function,
        _op_in_a_nested_function,
        _op_in_a_branch,
        _op_in_a_branch_of_a_dead_node,
        _newer_op,
        _missing_attribute,
        _too_many_inputs,
        _retired_op,
        _retired_op_in_a_function,
        _newer_reader,
        _newer_writer,
        _called_by_name,
        _notes,
    )
}
# What 2.7 takes although the check says that it does not: it logs attributes that it does not know, and the check
# cannot know what one that no TensorFlow has would mean.
ONLY_LOGGED = frozenset(("attribute_in_function", "attribute_on_a_dead_node"))
