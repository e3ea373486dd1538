"""What tf2onnx calls instead of its own, for operations that it converts to something else than they are.

Measured with tf2onnx 1.17: it rounds divisions of whole numbers towards zero where TensorFlow rounds down, compares
whole numbers as floats, which have 24 bits, knows tables of texts and int64 alone, changes the case of letters that
TensorFlow leaves, and chooses by products and sums, which an infinity on the other side spoils.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from tfkit.arrays import Array
from tfkit.export.onnx.tables import Table

LABELS = "ai.onnx.ml"
# TensorProto.DataType
_FLOAT, _INT32, _INT64, _STRING, _FLOAT16, _DOUBLE = 1, 6, 7, 8, 10, 11
_FLOATS = frozenset((_FLOAT, _FLOAT16, _DOUBLE))
_WHOLE = frozenset((_INT32, _INT64))
# ONNX calls two of them otherwise.
_COMPARISONS = {"Less": "Less", "LessEqual": "LessOrEqual", "Greater": "Greater", "GreaterEqual": "GreaterOrEqual"}


def handlers(tables: Mapping[str, Table], registered: Mapping[str, Any]) -> dict[str, tuple[Any, list[Any]]]:
    """Handlers by operation, as tf2onnx takes them.

    Args:
        tables: The contents of the model's tables by their shared names.
        registered: tf2onnx's own handlers.
    """
    own = {
        "LookupTableFindV2": partial(_find, tables),
        "LookupTableSizeV2": partial(_count, tables),
        "HashTableV2": _leave_out,
        "FloorMod": partial(_floor_mod, registered["FloorMod"]),
        "FloorDiv": partial(_floor_div, registered["FloorDiv"]),
        **{op: partial(_compare, registered[op]) for op in _COMPARISONS},
        **{op: partial(_same, registered[op]) for op in ("Equal", "NotEqual")},
        **{op: partial(_change_case, registered[op]) for op in ("StringLower", "StringUpper")},
    }
    return {op: (handler, []) for op, handler in own.items()}


def _floor_mod(otherwise: Any, graph: Any, node: Any, name: str, args: Any) -> None:
    """Of whole numbers ``Mod``, which has the sign of the divisor as well."""
    del name, args
    if graph.get_dtype(node.input[0]) in _WHOLE:
        _divide(graph, node, lambda x, y: _whole(graph, "Mod", x, y))
    else:
        _hand_on(otherwise, graph, node)


def _floor_div(otherwise: Any, graph: Any, node: Any, name: str, args: Any) -> None:
    """Of whole numbers what is left after the rest is taken away, divided."""
    del name, args
    if graph.get_dtype(node.input[0]) in _WHOLE:
        _divide(graph, node, lambda x, y: _whole(graph, "Div", _whole(graph, "Sub", x, _whole(graph, "Mod", x, y)), y))
    else:
        _hand_on(otherwise, graph, node)


def _divide(graph: Any, node: Any, divide: Callable[[str, str], str]) -> None:
    """Puts an operation of int64 in the place of a node, as tf2onnx makes int64 of what counts a loop's turns."""
    (x, y), outputs, shapes, dtypes = node.input, node.output, node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    result = divide(_as_int64(graph, x), _as_int64(graph, y))
    graph.make_node(
        "Cast", [result], attr={"to": dtypes[0]}, outputs=outputs, shapes=shapes, dtypes=dtypes, skip_conversion=True
    )


def _whole(graph: Any, op: str, x: str, y: str) -> str:
    return str(graph.make_node(op, [x, y], dtypes=[_INT64], skip_conversion=True).output[0])


def _as_int64(graph: Any, tensor: str) -> str:
    return str(graph.make_node("Cast", [tensor], attr={"to": _INT64}, dtypes=[_INT64], skip_conversion=True).output[0])


def _compare(otherwise: Any, graph: Any, node: Any, name: str, args: Any) -> None:
    """Whole numbers as int64, floats as they are."""
    del name, args
    dtype = graph.get_dtype(node.input[0])
    if dtype in _WHOLE:
        graph.replace_inputs(node, [_as_int64(graph, tensor) for tensor in node.input])
    elif dtype not in _FLOATS:
        _hand_on(otherwise, graph, node)
        return
    node.type = _COMPARISONS[node.type]


def _same(otherwise: Any, graph: Any, node: Any, name: str, args: Any) -> None:
    """Of texts and a constant one what a ``LabelEncoder`` with only that says: older opsets compare no texts."""
    del name, args
    if graph.get_dtype(node.input[0]) != _STRING:
        _hand_on(otherwise, graph, node)
        return
    constant = next((at for at in (1, 0) if node.inputs[at].is_const()), None)
    if constant is None:
        raise ValueError(f"{node.name} compares texts that are computed")
    key = np.asarray(node.inputs[constant].get_tensor_value(as_list=False))
    if key.size != 1:
        raise ValueError(f"{node.name} compares texts with {key.size} others: only one can be converted")
    text = key.item()
    is_equal = node.type == "Equal"
    attributes = {
        "keys_strings": [text.encode() if isinstance(text, str) else text],
        "values_int64s": [int(is_equal)], "default_int64": int(not is_equal),
    }  # fmt: skip
    texts, outputs, shapes, dtypes = node.input[1 - constant], node.output, node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    found = graph.make_node(
        "LabelEncoder", [texts], domain=LABELS, attr=attributes, shapes=shapes, dtypes=[_INT64], skip_conversion=True
    )
    graph.make_node(
        "Cast",
        found.output,
        attr={"to": dtypes[0]},
        outputs=outputs,
        shapes=shapes,
        dtypes=dtypes,
        skip_conversion=True,
    )


def _change_case(otherwise: Any, graph: Any, node: Any, name: str, args: Any) -> None:
    """Of the letters of ASCII, which any machine's locale has; ONNX Runtime's own is en_US.UTF-8."""
    del name, args
    if node.get_attr_str("encoding"):
        raise ValueError("ONNX Runtime makes one letter of each, where Unicode has more")
    _hand_on(otherwise, graph, node)
    node.set_attr("locale", "C")


def _hand_on(registered: Any, graph: Any, node: Any) -> None:
    handler, arguments = registered
    handler(graph, node, **(arguments or {}))


def choose_without_arithmetic(graph: Any, nodes: list[Any]) -> list[Any]:
    """Makes tf2onnx write ``Where``, not products and sums, which infinities would spoil."""
    del graph
    for node in nodes:
        if node.type in ("Select", "SelectV2"):
            node.set_attr("handles_nan", True)
    return nodes


def _find(tables: Mapping[str, Table], graph: Any, node: Any, name: str, args: Any) -> None:
    """Looks up with a ``LabelEncoder``: int64 values at once, others by their places in a constant."""
    del name, args
    table = _table(tables, node)
    keys, default = node.input[1], node.inputs[2]
    if not default.is_const():
        raise ValueError(f"the default of {node.name} is computed: only a constant can be converted")
    missing = np.asarray(default.get_tensor_value(as_list=False))
    if missing.ndim or table.values.ndim != 1:
        raise ValueError(f"the values of {node.name}'s table are no single numbers or texts")
    outputs, shapes, dtypes = node.output, node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    attributes, keys = _key_attributes(table, graph, keys)
    direct = table.values.dtype == np.int64
    attributes["values_int64s"] = table.values.tolist() if direct else list(range(len(table.keys)))
    attributes["default_int64"] = int(missing) if direct else len(table.keys)
    encoder: dict[str, Any] = {"domain": LABELS, "attr": attributes, "skip_conversion": True}
    if direct:
        graph.make_node("LabelEncoder", [keys], outputs=outputs, shapes=shapes, dtypes=dtypes, **encoder)
        return
    places = graph.make_node("LabelEncoder", [keys], shapes=shapes, dtypes=[_INT64], **encoder).output[0]
    values = graph.make_const(f"{node.name}/values", _values(table, missing)).output[0]
    graph.make_node("Gather", [values, places], outputs=outputs, shapes=shapes, dtypes=dtypes, skip_conversion=True)


def _key_attributes(table: Table, graph: Any, keys: str) -> tuple[dict[str, Any], str]:
    """A ``LabelEncoder``'s keys, and the tensor that it is asked for."""
    if table.keys.dtype == object:
        return {"keys_strings": table.keys.tolist()}, keys
    if table.keys.dtype.kind not in "iu":
        raise ValueError(f"the keys of a table are {table.keys.dtype}s: ONNX looks up texts and whole numbers")
    if table.keys.dtype != np.int64:
        keys = graph.make_node("Cast", [keys], attr={"to": _INT64}, dtypes=[_INT64]).output[0]
    return {"keys_int64s": table.keys.tolist()}, keys


def _values(table: Table, missing: Array) -> Array:
    """A table's values, and at the end the one for what is not in it."""
    if table.values.dtype != object:
        return np.append(table.values, missing.astype(table.values.dtype))
    text = missing.item()
    texts = [*table.values.tolist(), text.encode() if isinstance(text, str) else text]
    return np.array([each.decode("utf-8", "surrogateescape") for each in texts], object)


def _count(tables: Mapping[str, Table], graph: Any, node: Any, name: str, args: Any) -> None:
    """How many keys a table has."""
    del name, args
    size = np.int64(len(_table(tables, node).keys))
    outputs = node.output
    graph.remove_node(node.name)
    graph.replace_all_inputs(outputs[0], graph.make_const(f"{node.name}/size", np.array(size)).output[0])


def _leave_out(graph: Any, node: Any, name: str, args: Any) -> None:
    """A table is known where it is asked."""


def _table(tables: Mapping[str, Table], node: Any) -> Table:
    handle = node.inputs[0]
    while handle.type == "Identity":
        handle = handle.inputs[0]
    name = handle.get_attr_value("shared_name") or b""
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
    if text not in tables:
        raise ValueError(f"{node.name} looks up in {handle.name} ({handle.type}), whose contents are not fixed")
    return tables[text]
