"""Whether a node fits a TensorFlow, by its tables."""

from __future__ import annotations

from tfkit.graph.attributes import (
    bool_value,
    float_value,
    int_value,
    shape_value,
    shapes_value,
    text_value,
    type_value,
    types_value,
)
from tfkit.graph.nodes import Node
from tfkit.lower.target import Target
from tfkit.proto import message
from tfkit.tensors import DType

OLD, OLDER = Target("tensorflow_cpu_1.15"), Target("tensorflow_cpu_1.12")
FLOAT = type_value(DType.FLOAT)


def placeholder() -> Node:
    return Node("x", "Placeholder", attrs={"dtype": FLOAT})


def test_an_op_that_came_later_is_told_with_the_first_that_has_it() -> None:
    x = placeholder().out()
    node = Node("n", "SelectV2", (x, x, x), {"T": FLOAT})
    assert OLD.misfits(node) == []
    (misfit,) = OLDER.misfits(node)
    assert (misfit.kind, misfit.since) == ("op", "1.14")


def test_attributes_that_say_nothing_are_dropped() -> None:
    x = placeholder().out()
    attrs = {"T": FLOAT, "grad_a": bool_value(True), "transpose_b": bool_value(True), "_note": int_value(3)}
    node = Node("n", "MatMul", (x, x), attrs)
    assert OLD.misfits(node) == []
    OLD.fit(node)
    assert set(node.attrs) == {"T", "transpose_b", "_note"}


def test_an_attribute_that_says_something_is_not() -> None:
    x = placeholder().out()
    node = Node("n", "LeakyRelu", (x,), {"T": FLOAT, "alpha": float_value(0.1)})
    assert OLD.misfits(node) == []
    resize = Node("n", "ResizeBilinear", (x, x), {"T": FLOAT, "half_pixel_centers": bool_value(True)})
    (misfit,) = OLDER.misfits(resize)
    assert misfit.kind == "attribute"
    assert "half_pixel_centers" in misfit.text
    resize.attrs = {"T": FLOAT, "half_pixel_centers": bool_value(False)}
    assert OLDER.misfits(resize) == []


def test_what_is_done_with_indices_out_of_range_is_no_hint() -> None:
    x = placeholder().out()
    types = {"Tparams": FLOAT, "Tindices": type_value(DType.INT32)}
    for policy, problems in ((b"", 0), (b"ERROR", 0), (b"IGNORE", 1)):
        node = Node("n", "GatherNd", (x, x), {**types, "bad_indices_policy": text_value(policy)})
        assert len(OLD.misfits(node)) == problems, policy


def test_an_op_that_calls_functions_by_itself_is_not_taken() -> None:
    func = message("tensorflow.AttrValue")()
    func.func.name = "double"
    attrs = {
        "f": func, "Targuments": types_value([]), "output_types": types_value([DType.FLOAT]),
        "output_shapes": shapes_value([()]),
    }  # fmt: skip
    (misfit,) = OLD.misfits(Node("n", "MapDataset", (placeholder().out(),), attrs))
    assert "MapDataset calls the function 'double' by itself" in misfit.text


def test_an_op_without_any_kernel_is_not_taken() -> None:
    """But for one that TensorFlow writes with others before it runs a graph."""
    x = placeholder().out()
    old = Target("tensorflow_cpu_2.4")
    (misfit,) = old.misfits(Node("n", "SobolSample", (x, x, x), {"dtype": FLOAT}))
    assert misfit.kind == "kernel"
    attrs = {"T": FLOAT, "N": int_value(1), "shape": shape_value(())}
    assert old.misfits(Node("n", "AccumulateNV2", (x,), attrs)) == []


def test_values_inputs_and_kernels_are_compared() -> None:
    x = placeholder().out()
    (value,) = OLD.misfits(Node("n", "Conv2D", (x, x), {"T": FLOAT, "padding": text_value("EXPLICITLY")}))[:1]
    assert value.kind == "attribute"
    assert [each.kind for each in OLD.misfits(Node("n", "MatMul", (x,), {"T": FLOAT}))] == ["input"]
    half = Node("n", "AvgPool", (x,), {"T": type_value(DType.BFLOAT16), "padding": text_value("SAME")})
    assert OLD.misfits(half)


def test_a_dtype_that_came_later_is_told_whatever_holds_it() -> None:
    float8, known = DType.UINT64 + 2, type_value(DType.UINT64)
    x = placeholder().out()
    nodes = (
        Node("n", "Cast", (x,), {"SrcT": FLOAT, "DstT": type_value(float8)}),
        Node("n", "RestoreV2", (x, x, x), {"dtypes": types_value([DType.FLOAT, float8])}),
        Node("n", "Placeholder", (), {"dtype": type_value(float8 + 100)}),
    )
    for node in nodes:
        (misfit,) = OLD.misfits(node)
        assert misfit.kind == "dtype"
        assert misfit.text.startswith("TensorFlow 1.15 has no dtype float8_e4m3fn")
        assert all(misfit.kind != "dtype" for misfit in Target("installed").misfits(node))
    assert OLD.misfits(Node("n", "Placeholder", (), {"dtype": known})) == []
