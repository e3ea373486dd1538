"""A SavedModel's functions are inlined, what nobody needs is gone, and what is left has names to be found by."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lower.random_graphs import write_random_model
from tests.old_tensorflow.recorded import FIXTURES
from tfkit import proto
from tfkit.errors import ModelError, SignatureError
from tfkit.graph.functions import CALLS, CASES, IFS, WHILES
from tfkit.lower.flat import read_flat

CALLING = CALLS | IFS | WHILES | CASES


@pytest.mark.parametrize("fixture", FIXTURES, ids=str)
def test_nothing_calls_a_function_any_more(fixture) -> None:
    model = read_flat(fixture.model)
    assert not [node for node in model.graph.nodes.values() if node.op in CALLING]
    assert set(model.assets.values()) == {"words.txt"}
    assert model.restore is not None
    assert model.init


def test_only_what_a_signature_needs_is_kept() -> None:
    every, one = read_flat(FIXTURES[-1].model), read_flat(FIXTURES[-1].model, signatures=["join"])
    assert list(one.signatures) == ["join"]
    ops = {node.op for node in one.graph.nodes.values()}
    assert "StringJoin" in ops
    assert "Conv2D" not in ops
    assert "Conv2D" in {node.op for node in every.graph.nodes.values()}
    with pytest.raises(SignatureError, match="jion"):
        read_flat(FIXTURES[-1].model, signatures=["jion"])


def test_a_copy_can_be_changed_by_itself(tmp_path: Path) -> None:
    write_random_model(tmp_path, 3)
    model = read_flat(tmp_path)
    copy = model.copy()
    assert list(copy.graph.nodes) == list(model.graph.nodes)
    for node in copy.graph.nodes.values():
        node.op, node.inputs, node.controls = "NoOp", [], []
    assert "Placeholder" in {node.op for node in model.graph.nodes.values()}
    assert not {id(tensor.node) for node in model.graph.nodes.values() for tensor in node.inputs} & set(
        map(id, copy.graph.nodes.values())
    )


def test_a_function_that_calls_itself_is_refused(tmp_path: Path) -> None:
    write_random_model(tmp_path, 3)
    file = tmp_path / "saved_model.pb"
    saved = proto.message("tensorflow.SavedModel").FromString(file.read_bytes())
    graph = saved.meta_graphs[0].graph_def
    top = next(node for node in graph.node if node.name == "call").attr["f"].func.name
    function = next(each for each in graph.library.function if each.signature.name == top)
    again = function.node_def.add(name="again", op="StatefulPartitionedCall", input=["x", "k", "total"])
    again.attr["f"].func.name = top
    file.write_bytes(saved.SerializeToString())
    with pytest.raises(ModelError, match=f"{top}.*calls itself"):
        read_flat(tmp_path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda graph: graph.library.function.pop(), "does not have"),
        (lambda graph: graph.node[0].input.append("nowhere:1"), "nowhere"),
        (lambda graph: graph.library.function[0].node_def[0].input.append("^gone"), "gone"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage, words: str) -> None:
    write_random_model(tmp_path, 5)
    file = tmp_path / "saved_model.pb"
    saved = proto.message("tensorflow.SavedModel").FromString(file.read_bytes())
    damage(saved.meta_graphs[0].graph_def)
    file.write_bytes(saved.SerializeToString())
    with pytest.raises(ModelError, match=words):
        read_flat(tmp_path)
