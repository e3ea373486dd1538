"""A frozen graph has no signature: its placeholders and likely outputs are told instead."""

import pytest

from tfkit import proto
from tfkit.errors import ModelError
from tfkit.savedmodel.frozen import read_frozen_graph
from tfkit.savedmodel.reader import read_signatures
from tfkit.tensors import DType, TensorSpec


def write_graph(tmp_path, *nodes):
    """A GraphDef of (name, operation, inputs)."""
    graph = proto.message("tensorflow.GraphDef")()
    for name, op, *inputs in nodes:
        graph.node.add(name=name, op=op, input=inputs)
    file = tmp_path / "graph.pb"
    file.write_bytes(graph.SerializeToString())
    return file


@pytest.mark.parametrize("name", ["frozen.pb", "frozen.pbtxt"])
def test_placeholders_and_outputs_of_a_real_graph(models, name):
    graph = read_frozen_graph(models / name)
    assert graph.placeholders == (
        TensorSpec("images", DType.FLOAT, (None, 784), "images:0"),
        TensorSpec("keep", DType.FLOAT, (), "keep:0"),
    )
    assert graph.outputs == (("scores:0", "Softmax"), ("version:0", "Identity"))
    assert graph.variables == 0


def test_the_error_lists_placeholders_and_outputs(models):
    with pytest.raises(ModelError) as raised:
        read_signatures(models / "frozen.pb")
    lines = raised.value.message.splitlines()
    assert lines[0].startswith(f"{models / 'frozen.pb'} is a frozen graph (")
    assert "it has no signature" in lines[0]
    assert "  images  float32[?, 784]" in lines
    assert lines.index("  scores:0  Softmax") < lines.index("  version:0  Identity")


def test_outputs_that_depend_on_an_input_come_first_then_typical_ones(tmp_path):
    file = write_graph(
        tmp_path,
        ("x", "Placeholder"),
        ("c", "Const"),
        ("loss", "Sum", "x"),
        ("probabilities", "Softmax", "x:0"),
        ("constant", "Identity", "c"),
        ("check", "Assert", "x"),
        ("init", "NoOp", "^probabilities"),
    )
    graph = read_frozen_graph(file)
    assert graph.outputs == (("probabilities:0", "Softmax"), ("loss:0", "Sum"), ("constant:0", "Identity"))


def test_a_placeholder_without_a_shape_has_an_unknown_rank(tmp_path):
    (placeholder,) = read_frozen_graph(write_graph(tmp_path, ("x", "Placeholder"))).placeholders
    assert (placeholder.dtype, placeholder.shape) == (DType.INVALID, None)


@pytest.mark.parametrize(("producer", "shape"), [(0, None), (21, None), (22, ())])
def test_an_empty_shape_is_an_unknown_one_up_to_version_21(tmp_path, producer, shape):
    graph = proto.message("tensorflow.GraphDef")()
    graph.versions.producer = producer
    for op in ("Placeholder", "PlaceholderWithDefault"):
        graph.node.add(name=op, op=op).attr["shape"].shape.SetInParent()
    (tmp_path / "graph.pb").write_bytes(graph.SerializeToString())
    plain, with_default = read_frozen_graph(tmp_path / "graph.pb").placeholders
    assert (plain.shape, with_default.shape) == (shape, ())


def test_a_graph_with_variables_is_not_called_frozen(tmp_path):
    file = write_graph(tmp_path, ("x", "Placeholder"), ("w", "VarHandleOp"), ("y", "Identity", "x"))
    with pytest.raises(ModelError, match="is a graph with 1 variables, without their values") as raised:
        read_signatures(file)
    assert "EAS serves it" not in raised.value.hint


def test_a_cycle_in_the_graph_ends(tmp_path):
    file = write_graph(tmp_path, ("x", "Placeholder"), ("a", "Merge", "x", "b"), ("b", "NextIteration", "a"))
    assert read_frozen_graph(file).outputs == ()


def test_long_lists_are_cut(tmp_path):
    nodes = [(f"x{at:03d}", "Placeholder") for at in range(50)]
    with pytest.raises(ModelError) as raised:
        read_signatures(write_graph(tmp_path, *nodes))
    assert "  and 30 more" in raised.value.message
    assert "  (none)" in raised.value.message


def test_a_cut_off_graph_is_refused_with_its_name(models, tmp_path):
    file = tmp_path / "graph.pb"
    file.write_bytes((models / "frozen.pb").read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"graph\.pb .* is no model, or a damaged one"):
        read_frozen_graph(file)
