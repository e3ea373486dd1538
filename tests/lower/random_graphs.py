"""Random SavedModels: functions that call functions, branches, cases, loops, and a variable that they all change.

Every function takes ``x`` (float32[3]), ``k`` (int32) and a variable's handle, and returns an ``x`` and a ``k``. What
changes or reads the variable runs in one order, as TensorFlow's automatic control dependencies have it, so that a
result tells whether a rewrite kept that order.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np

from tfkit import proto

FLOAT, INT32, BOOL, RESOURCE = 1, 3, 10, 20
STATE = ([FLOAT, INT32, RESOURCE], [FLOAT, INT32])
_GRAPH_VERSION = 27
_VARIABLE = {"container": b"", "shared_name": b"total"}


def write_random_model(folder: Path, seed: int, depth: int = 3) -> None:
    """Writes one into an empty folder; the same seed gives the same model."""
    model = proto.message("tensorflow.SavedModel")(saved_model_schema_version=1)
    metagraph = model.meta_graphs.add()
    metagraph.meta_info_def.tags.append("serve")
    graph = metagraph.graph_def
    graph.versions.producer = _GRAPH_VERSION
    library = _Library(graph.library, random.Random(seed))
    top = library.function(depth)
    for name, dtype, shape in (("x", FLOAT, (3,)), ("k", INT32, ())):
        node = add(graph.node, name, "Placeholder", [], dtype=dtype)
        node.attr["shape"].shape.SetInParent()
        for size in shape:
            node.attr["shape"].shape.dim.add(size=size)
    handle = add(graph.node, "total", "VarHandleOp", [], dtype=FLOAT)
    handle.attr["shape"].shape.SetInParent()
    for key, value in _VARIABLE.items():
        handle.attr[key].s = value
    constant(graph.node, "zero", np.float32(0))
    add(graph.node, "init", "AssignVariableOp", ["total", "zero"], dtype=FLOAT)
    call(add(graph.node, "call", "StatefulPartitionedCall", ["x", "k", "total"]), STATE, f=top)
    add(graph.node, "after", "ReadVariableOp", ["total", "^call"], dtype=FLOAT)
    metagraph.collection_def["saved_model_main_op"].node_list.value.append("init")
    signature = metagraph.signature_def["serving_default"]
    signature.method_name = "tensorflow/serving/predict"
    for place, key, tensor, dtype, shape in (
        (signature.inputs, "x", "x:0", FLOAT, (3,)),
        (signature.inputs, "k", "k:0", INT32, ()),
        (signature.outputs, "y", "call:0", FLOAT, (3,)),
        (signature.outputs, "count", "call:1", INT32, ()),
        (signature.outputs, "total", "after:0", FLOAT, ()),
    ):
        place[key].name, place[key].dtype = tensor, dtype
        place[key].tensor_shape.SetInParent()
        for size in shape:
            place[key].tensor_shape.dim.add(size=size)
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())


def add(nodes: Any, name: str, op: str, inputs: list[str], **types: int) -> Any:
    """Adds a node; its attributes are dtypes."""
    node = nodes.add(name=name, op=op, input=inputs)
    for key, dtype in types.items():
        node.attr[key].type = dtype
    return node


def constant(nodes: Any, name: str, value: Any) -> Any:
    """Adds a constant of float32 or int32."""
    array = np.asarray(value)
    dtype = FLOAT if array.dtype == np.float32 else INT32
    node = add(nodes, name, "Const", [], dtype=dtype)
    tensor = node.attr["value"].tensor
    tensor.dtype, tensor.tensor_content = dtype, array.tobytes()
    tensor.tensor_shape.SetInParent()
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    return node


def call(node: Any, types: tuple[list[int], list[int]], **functions: str) -> None:
    """Gives a node that calls functions what it needs."""
    for key, dtypes in zip(("Tin", "Tout"), types, strict=True):
        node.attr[key].list.type.extend(dtypes)
    for key, name in functions.items():
        node.attr[key].func.name = name


def _end(function: Any, node: str) -> None:
    """Makes a function wait for a node before it returns."""
    function.signature.control_output.append(node)
    function.control_ret[node] = node


class _Library:
    def __init__(self, message: Any, chance: random.Random) -> None:
        self._message = message
        self._chance = chance

    def _start(self, kind: str, outputs: list[int]) -> tuple[Any, str]:
        function = self._message.function.add()
        function.signature.name = f"{kind}_{len(self._message.function)}"
        for name, dtype in (("x", FLOAT), ("k", INT32), ("total", RESOURCE)):
            function.signature.input_arg.add(name=name, type=dtype)
        for at, dtype in enumerate(outputs):
            function.signature.output_arg.add(name=f"out{at}", type=dtype)
        function.signature.is_stateful = True
        return function, function.signature.name

    def function(self, depth: int) -> str:
        """A function of a few statements; returns its name."""
        statements = [self._chance.choice(_PLAIN) for _ in range(self._chance.randint(1, 3))]
        statements += [self._chance.choice(_CALLING) for _ in range(self._chance.randint(1, 2))] if depth else []
        self._chance.shuffle(statements)
        callees = [self._callees(kind, depth - 1) if kind in _CALLING else {} for kind in statements]
        function, name = self._start("function", [FLOAT, INT32])
        body = _Body(function, self._chance)
        for kind, functions in zip(statements, callees, strict=True):
            getattr(body, kind)(functions)
        body.finish()
        return name

    def _callees(self, kind: str, depth: int) -> dict[str, Any]:
        if kind == "calls":
            return {"f": self.function(depth)}
        if kind == "branches":
            return {"then_branch": self.function(depth), "else_branch": self.function(depth)}
        if kind == "chooses":
            return {"branches": [self.function(depth) for _ in range(self._chance.randint(1, 4))]}
        return {"body": self._loop_body(self.function(depth)), "cond": self._loop_condition()}

    def _loop_body(self, inner: str) -> str:
        """One turn: the inner function on x, and one more in k."""
        function, name = self._start("body", [FLOAT, INT32, RESOURCE])
        nodes = function.node_def
        call(add(nodes, "inner", "StatefulPartitionedCall", ["x", "k", "total"]), STATE, f=inner)
        constant(nodes, "one", np.int32(1))
        add(nodes, "more", "Add", ["k", "one:output:0"], T=INT32)
        function.ret.update({"out0": "inner:output:0", "out1": "more:z:0", "out2": "total"})
        _end(function, "inner")
        return name

    def _loop_condition(self) -> str:
        function, name = self._start("condition", [BOOL])
        constant(function.node_def, "most", np.int32(self._chance.randint(0, 4)))
        add(function.node_def, "less", "Less", ["k", "most:output:0"], T=INT32)
        function.ret["out0"] = "less:z:0"
        return name


class _Body:
    """Writes a function's statements; each may change x, k and the variable."""

    def __init__(self, function: Any, chance: random.Random) -> None:
        self._function, self._chance = function, chance
        self._x, self._k = "x", "k"
        self._last: list[str] = []
        self._count = 0

    def _add(self, op: str, inputs: list[str], *, stateful: bool = False, **types: int) -> Any:
        self._count += 1
        node = add(
            self._function.node_def, f"n{self._count}", op, [*inputs, *(self._last if stateful else ())], **types
        )
        if stateful:
            self._last = [f"^{node.name}"]
        return node

    def _const(self, value: Any) -> str:
        self._count += 1
        return f"{constant(self._function.node_def, f'n{self._count}', value).name}:output:0"

    def squashes(self, _: dict) -> None:
        self._x = f"{self._add('Tanh', [self._x], T=FLOAT).name}:y:0"

    def scales(self, _: dict) -> None:
        factor = self._const(np.float32([0.5, -1.25, 2]))
        self._x = f"{self._add('Mul', [self._x, factor], T=FLOAT).name}:z:0"

    def counts(self, _: dict) -> None:
        self._k = f"{self._add('Add', [self._k, self._const(np.int32(self._chance.randint(-2, 2)))], T=INT32).name}:z:0"

    def notes(self, _: dict) -> None:
        """total = total * 0.5 + sum(x): the order shows."""
        old = f"{self._add('ReadVariableOp', ['total'], stateful=True, dtype=FLOAT).name}:value:0"
        half = f"{self._add('Mul', [old, self._const(np.float32(0.5))], T=FLOAT).name}:z:0"
        new = f"{self._add('Add', [half, self._sum()], T=FLOAT).name}:z:0"
        self._add("AssignVariableOp", ["total", new], stateful=True, dtype=FLOAT)

    def recalls(self, _: dict) -> None:
        total = f"{self._add('ReadVariableOp', ['total'], stateful=True, dtype=FLOAT).name}:value:0"
        self._x = f"{self._add('Add', [self._x, total], T=FLOAT).name}:z:0"

    def calls(self, functions: dict) -> None:
        node = self._add("StatefulPartitionedCall", self._state(), stateful=True)
        call(node, STATE, **functions)
        self._take(node)

    def branches(self, functions: dict) -> None:
        positive = self._add("Greater", [self._sum(), self._const(np.float32(0.1))], T=FLOAT)
        node = self._add("If", [f"{positive.name}:z:0", *self._state()], stateful=True, Tcond=BOOL)
        call(node, STATE, **functions)
        self._take(node)

    def chooses(self, functions: dict) -> None:
        node = self._add("Case", [self._k, *self._state()], stateful=True)
        call(node, STATE)
        for name in functions["branches"]:
            node.attr["branches"].list.func.add(name=name)
        self._take(node)

    def loops(self, functions: dict) -> None:
        node = self._add("While", self._state(), stateful=True)
        node.attr["T"].list.type.extend(STATE[0])
        for key, name in functions.items():
            node.attr[key].func.name = name
        self._take(node)

    def finish(self) -> None:
        function = self._function
        function.ret.update({"out0": self._x, "out1": self._k})
        for name in self._last:
            _end(function, name[1:])

    def _state(self) -> list[str]:
        return [self._x, self._k, "total"]

    def _take(self, node: Any) -> None:
        self._x, self._k = f"{node.name}:output:0", f"{node.name}:output:1"
        self.squashes({})  # nothing grows without bounds

    def _sum(self) -> str:
        node = self._add("Sum", [self._x, self._const(np.int32([0]))], T=FLOAT, Tidx=INT32)
        return f"{node.name}:output:0"


_PLAIN = ("squashes", "scales", "counts", "notes", "recalls")
_CALLING = ("calls", "branches", "chooses", "loops")
