"""The view of a graph: references, functions, attributes, damage."""

import pytest

from tfkit.errors import ModelError
from tfkit.graph.view import ANY_OUTPUT, GraphView, Tensor, open_graph


@pytest.mark.parametrize(
    ("text", "tensor"),
    [
        ("node", Tensor("node", "", 0)),
        ("node:2", Tensor("node", "", 2)),
        ("scope/node:output:1", Tensor("scope/node", "output", 1)),
    ],
)
def test_references_of_graphs_and_of_functions_are_read(text, tensor):
    assert Tensor.parse(text) == tensor


def test_any_output_covers_every_output_of_its_node():
    assert Tensor("a", index=ANY_OUTPUT).covers(Tensor("a", "y", 3))
    assert not Tensor("a", index=ANY_OUTPUT).covers(Tensor("b"))
    assert not Tensor("a", "y", 0).covers(Tensor("a", "y", 1))


def test_nodes_functions_and_consumers_are_found(saved_model):
    def fill(metagraph):
        graph = metagraph.graph_def
        graph.node.add(name="x", op="Placeholder")
        graph.node.add(name="y", op="Neg", input=["x:0", "^z"])
        graph.node.add(name="z", op="NoOp")
        function = graph.library.function.add()
        function.signature.name = "f"
        for name in ("a", "b"):
            function.signature.input_arg.add(name=name)
        for name in ("second", "first"):
            function.signature.output_arg.add(name=name)
        function.node_def.add(name="n", op="Add", input=["a", "b"])
        function.ret["first"] = "a"
        function.ret["second"] = "n:z:0"

    with open_graph(saved_model(fill)) as graph:
        assert graph.main.nodes["y"].inputs == (Tensor("x"),)
        assert [(node.name, position) for node, position in graph.main.consumers["x"]] == [("y", 0)]
        scope = graph.function("f")
        assert scope.arguments == ("a", "b")
        assert list(scope.returns.items()) == [("second", Tensor("n", "z", 0)), ("first", Tensor("a"))]
        assert graph.function("f") is scope
        assert graph.function("g") is None


def test_attributes_are_read_when_asked_for(saved_model):
    def fill(metagraph):
        node = metagraph.graph_def.node.add(name="x", op="Op")
        node.attr["i"].i = -3
        node.attr["s"].s = b"text"
        for size in (-1, 4):
            node.attr["shape"].shape.dim.add(size=size)
        node.attr["unknown"].shape.unknown_rank = True
        node.attr["_output_shapes"].list.shape.add().dim.add(size=7)
        node.attr["f"].func.name = "g"
        for name in ("g", "h"):
            node.attr["branches"].list.func.add(name=name)

    with open_graph(saved_model(fill)) as graph:
        node = graph.main.nodes["x"]
        assert (node.integer("i"), node.integer("none", 5), node.text("s"), node.text("none")) == (-3, 5, "text", "")
        assert (node.shape(), node.shape("unknown"), node.shape("none")) == ((None, 4), None, None)
        assert (node.output_shape(0), node.output_shape(1)) == ((7,), None)
        assert (node.function("f"), node.function("none")) == ("g", "")
        assert (node.functions("branches"), node.functions("none")) == (("g", "h"), ())
        assert node.tensor() is None


def test_damage_is_a_model_error_that_names_the_file(saved_model):
    def fill(metagraph):
        for index in range(50):
            metagraph.graph_def.node.add(name=f"node{index}", op="Placeholder")

    folder = saved_model(fill)
    file = folder / "saved_model.pb"
    file.write_bytes(file.read_bytes().replace(b"node7", b"\xff\xfe\xff\xfe\xff"))
    with pytest.raises(ModelError, match=r"saved_model\.pb"), open_graph(folder):
        pass


def test_an_impossible_shape_is_a_model_error(saved_model):
    def fill(metagraph):
        metagraph.graph_def.node.add(name="x", op="VarHandleOp").attr["shape"].shape.dim.add(size=-7)

    with pytest.raises(ModelError, match="impossible shape"), open_graph(saved_model(fill)) as graph:
        graph.main.nodes["x"].shape()


def test_another_tag_set_is_a_model_error(saved_model):
    with pytest.raises(ModelError, match="gpu"), open_graph(saved_model(lambda _: None), ("serve", "gpu")):
        pass


def test_assets_of_both_generations_are_known_by_their_node(graph_models):
    for name, node in (("string_lookup_file", "asset_path_initializer"), ("table_file", "asset_path")):
        with open_graph(graph_models / name) as graph:
            assert isinstance(graph, GraphView)
            assert graph.assets[node].read_bytes() == b"red\ngreen\nblue\n"
