"""SavedModels are read as TensorFlow reads them, and any bytes give a value or a ModelError."""

import json
import subprocess
import sys

import pytest
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tfkit import proto
from tfkit.errors import ModelError, SignatureError
from tfkit.proto.wire import write_varint
from tfkit.savedmodel.reader import find_metagraph, find_signature, read_metagraphs, read_signatures
from tfkit.tensors import DType, Signature, TensorSpec

MODELS = ["two", "default", "one", "constant"]


def as_oracle(metagraph):
    """A metagraph in the form of build_models.describe."""

    def specs(found):
        return {
            each.name: [each.tensor, each.dtype, None if each.shape is None else list(each.shape)] for each in found
        }

    return {
        "tags": list(metagraph.tags),
        "tensorflow_version": metagraph.tensorflow_version,
        "tensorflow_git_version": metagraph.tensorflow_git_version,
        "producer": metagraph.graph.producer,
        "ops": metagraph.graph.ops,
        "functions": metagraph.graph.functions,
        "graph_bytes": metagraph.graph_bytes,
        "restore_op": metagraph.restore_op,
        "assets": [[each.filename, each.tensor] for each in metagraph.assets],
        "signatures": {
            name: {"method": each.method, "inputs": specs(each.inputs), "outputs": specs(each.outputs)}
            for name, each in metagraph.signatures.items()
        },
    }


@pytest.mark.parametrize("name", MODELS)
def test_metagraphs_are_what_tensorflow_says(models, oracle, name):
    assert [as_oracle(each) for each in read_metagraphs(models / name, graph=True)] == oracle["models"][name]


def test_the_file_itself_may_be_named(models):
    assert read_signatures(models / "two" / "saved_model.pb") == read_signatures(models / "two")


def test_the_text_form_reads_as_the_binary_one(models):
    binary, text = (read_metagraphs(models / name, graph=True) for name in ("two", "two_text"))
    # tfkit's own messages leave out fields, so that the graph's size may differ.
    assert [each.signatures for each in text] == [each.signatures for each in binary]
    assert [each.graph for each in text] == [each.graph for each in binary]
    assert [each.assets for each in text] == [each.assets for each in binary]


def test_signatures_and_tensors_are_in_the_order_of_names(models):
    signatures = read_signatures(models / "two")
    assert list(signatures) == sorted(signatures)
    assert [each.name for each in signatures["any_rank"].inputs] == ["n", "x"]


def test_operations_are_counted_only_when_asked(models):
    assert read_metagraphs(models / "two")[0].graph is None


def test_a_graph_is_chosen_by_exactly_its_tags_in_any_order(models):
    assert list(read_signatures(models / "one", ["gpu", "serve"])) == ["predict"]
    assert len(read_signatures(models / "one", ["serve"])) == 4
    assert read_signatures(models / "one", []) == {}


def test_unknown_tags_are_answered_with_the_tag_sets_there_are(models):
    with pytest.raises(ModelError, match="no graph with the tags train") as raised:
        read_signatures(models / "one", ["train"])
    assert raised.value.hint == "Its tag sets: serve; gpu,serve; (none)."


def test_without_tags_it_is_serve_or_the_only_graph(models):
    metagraphs = read_metagraphs(models / "one")
    assert find_metagraph(metagraphs, None, "one").tags == ("serve",)
    assert find_metagraph(metagraphs[1:2], None, "one").tags == ("gpu", "serve")
    with pytest.raises(ModelError, match="tags serve"):
        find_metagraph(metagraphs[1:], None, "one")


def test_a_signature_is_found_by_name_or_by_default(models):
    signatures = read_signatures(models / "two")
    assert find_signature(signatures, "look_up").name == "look_up"
    assert find_signature(signatures).name == "any_rank"
    assert find_signature(signatures, "").name == "any_rank"
    with pytest.raises(SignatureError, match="no signature 'lookup'") as raised:
        find_signature(signatures, "lookup")
    assert "Did you mean 'look_up'?" in raised.value.hint


# What a file may hold beside what TensorFlow writes.


def write_model(folder, *metagraphs):
    folder.mkdir(exist_ok=True)
    saved = proto.message("tensorflow.SavedModel")(saved_model_schema_version=1)
    saved.meta_graphs.extend(metagraphs)
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    return folder


def make_metagraph(**inputs):
    metagraph = proto.message("tensorflow.MetaGraphDef")()
    metagraph.meta_info_def.tags.append("serve")
    signature = metagraph.signature_def["f"]
    signature.method_name = "tensorflow/serving/predict"
    for name, info in inputs.items():
        signature.inputs[name].CopyFrom(info)
    return metagraph


def tensor_info(**fields):
    return proto.message("tensorflow.TensorInfo")(**fields)


def read_input(tmp_path, info):
    return read_signatures(write_model(tmp_path / "model", make_metagraph(x=info)))["f"].input("x")


def test_a_missing_shape_is_a_scalar_as_in_tensorflow(tmp_path):
    assert read_input(tmp_path, tensor_info(name="x:0", dtype=1)).shape == ()


def test_reference_types_are_their_value_type(tmp_path):
    assert read_input(tmp_path, tensor_info(name="x:0", dtype=101)).dtype is DType.FLOAT


def test_dtypes_that_eas_has_not_are_read_as_invalid(tmp_path):
    assert read_input(tmp_path, tensor_info(name="x:0", dtype=25)).dtype is DType.INVALID


def test_an_impossible_shape_names_signature_and_input(tmp_path):
    info = tensor_info(name="x:0", dtype=1)
    info.tensor_shape.dim.add(size=-5)
    with pytest.raises(
        ModelError, match=r"saved_model\.pb .* input 'x' of signature 'f' has the impossible shape \[-5\]"
    ):
        read_input(tmp_path, info)


def test_a_metagraph_in_pieces_is_read_as_their_merge(tmp_path):
    """Protobuf says that concatenated messages are merged; some tools write SavedModels so."""
    first, second = (
        make_metagraph(x=tensor_info(name="x:0", dtype=1)),
        make_metagraph(y=tensor_info(name="y:0", dtype=3)),
    )
    second.signature_def["g"].CopyFrom(second.signature_def["f"])
    pieces = first.SerializeToString() + second.SerializeToString()
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"\x08\x01\x12" + write_varint(len(pieces)) + pieces)
    metagraph = read_metagraphs(folder)[0]
    assert metagraph.tags == ("serve", "serve")
    assert [each.name for each in metagraph.signatures["f"].inputs] == ["y"]
    assert list(metagraph.signatures) == ["f", "g"]


def test_a_composite_tensor_shows_its_parts(tmp_path):
    message = tensor_info(dtype=1).SerializeToString()
    component = tensor_info(name="ragged/values:0").SerializeToString()
    composite = b"\x12" + bytes([len(component)]) + component
    info = tensor_info()
    info.MergeFromString(message + b"\x2a" + bytes([len(composite)]) + composite)
    assert read_input(tmp_path, info).tensor == "composite(ragged/values:0)"


def test_a_model_without_graphs_is_refused(tmp_path):
    with pytest.raises(ModelError, match="holds no graph"):
        read_metagraphs(write_model(tmp_path / "model"))


# Damage: any bytes give what protobuf itself would give, or a ModelError.


def expected_signatures(data):
    """The signatures as protobuf's own parser reads them; None where it kept damaged map entries as unknown fields."""
    saved = proto.message("tensorflow.SavedModel").FromString(data)
    if any(has_unknown(metagraph, {5}) for metagraph in saved.meta_graphs):
        return None
    if any(has_unknown(each, {1, 2}) for metagraph in saved.meta_graphs for each in metagraph.signature_def.values()):
        return None
    return [
        {name: expected_signature(name, each) for name, each in metagraph.signature_def.items()}
        for metagraph in saved.meta_graphs
    ]


def has_unknown(message, numbers):
    return any(field.field_number in numbers for field in UnknownFieldSet(message))


def expected_signature(name, message):
    def specs(infos):
        return tuple(expected_spec(alias, infos[alias]) for alias in sorted(infos))

    return Signature(name, specs(message.inputs), specs(message.outputs), message.method_name)


def expected_spec(alias, info):
    number = info.dtype % 100 if info.dtype > 100 else info.dtype
    dims = tuple(None if dim.size == -1 else dim.size for dim in info.tensor_shape.dim)
    parts = info.coo_sparse
    tensor = info.name
    if info.WhichOneof("encoding") == "coo_sparse":
        tensor = f"coo_sparse({parts.values_tensor_name}, {parts.indices_tensor_name}, {parts.dense_shape_tensor_name})"
    shape = None if info.tensor_shape.unknown_rank else dims
    return TensorSpec(alias, DType(number) if 0 <= number <= 23 else DType.INVALID, shape, tensor)


def read_damaged(file, data):
    """The metagraphs, or None after an error that names the file."""
    file.write_bytes(data)
    try:
        return read_metagraphs(file, graph=True)
    except ModelError as error:
        named = str(file) in error.message
    assert named
    return None


def check_damaged(folder, data):
    metagraphs = read_damaged(folder / "saved_model.pb", data)
    try:
        expected = expected_signatures(data)
    except DecodeError:
        return  # protobuf refuses damage in parts that are skipped here
    if metagraphs is not None and expected is not None:
        assert [dict(each.signatures) for each in metagraphs] == expected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


@pytest.mark.parametrize("name", ["one", "constant"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_cut_off_model_gives_a_value_or_an_error(models, folder, name, data):
    whole = (models / name / "saved_model.pb").read_bytes()
    check_damaged(folder, whole[: data.draw(st.integers(0, len(whole)))])


@pytest.mark.parametrize("name", ["one", "constant"])
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_bytes_give_a_value_or_an_error(models, folder, name, data):
    changed = bytearray((models / name / "saved_model.pb").read_bytes())
    # Signatures lie near the end of each graph.
    places = st.integers(0, len(changed) - 1) | st.integers(max(len(changed) - 600, 0), len(changed) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=8)):
        changed[place] = data.draw(st.integers(0, 255))
    check_damaged(folder, bytes(changed))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
@example(b"\x08\x01")
@example(b"\x12\x00")
def test_any_bytes_give_a_value_or_an_error(folder, data):
    check_damaged(folder, data)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_text_gives_a_value_or_an_error(models, folder, data):
    saved = proto.message("tensorflow.SavedModel").FromString((models / "constant" / "saved_model.pb").read_bytes())
    text = bytearray(str(saved).encode())
    for place in data.draw(st.lists(st.integers(0, len(text) - 1), min_size=1, max_size=4)):
        text[place] = data.draw(st.integers(0, 255))
    read_damaged(folder / "saved_model.pbtxt", bytes(text))


# Size: a model of 2 GB is read as quickly as a small one.

READ = """
import json, resource, sys, time
from tfkit.savedmodel.reader import read_metagraphs
started = time.perf_counter()
metagraph = read_metagraphs(sys.argv[1], graph=True)[0]
print(json.dumps({
    "seconds": time.perf_counter() - started,
    "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "ops": metagraph.graph.ops, "graph_bytes": metagraph.graph_bytes, "signatures": list(metagraph.signatures),
}))
"""


def write_large_model(folder, content_bytes):
    """A SavedModel whose one Const holds so many zeros; on disk they are a hole."""
    node = proto.message("tensorflow.NodeDef")(name="c", op="Const").SerializeToString()
    key = b"\x0a\x05value"
    metagraph = make_metagraph(x=tensor_info(name="x:0", dtype=1)).SerializeToString()
    # From the inside out: the number of the field that holds all so far, and what stands before and after it.
    # TensorProto.tensor_content, AttrValue.tensor, the value and the entry of NodeDef.attr, GraphDef.node,
    # MetaGraphDef.graph_def, SavedModel.meta_graphs
    wraps = [(4, b"", b""), (8, b"", b""), (2, key, b""), (5, node, b""), (1, b"", b""), (2, b"", metagraph)]
    wraps.append((2, b"\x08\x01", b""))
    head = tail = b""
    for number, before, after in wraps:
        size = len(head) + content_bytes + len(tail)
        head = before + write_varint(number << 3 | 2) + write_varint(size) + head
        tail += after
    folder.mkdir()
    with (folder / "saved_model.pb").open("wb") as file:
        file.write(head)
        file.seek(content_bytes, 1)
        file.write(tail)
    return folder


def read_in_child(folder):
    done = subprocess.run([sys.executable, "-c", READ, folder], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def test_what_is_written_by_hand_is_a_model(tmp_path):
    data = (write_large_model(tmp_path / "model", 1000) / "saved_model.pb").read_bytes()
    (metagraph,) = proto.message("tensorflow.SavedModel").FromString(data).meta_graphs
    assert metagraph.graph_def.node[0].attr["value"].tensor.tensor_content == bytes(1000)


def test_a_model_of_two_gigabytes_is_read_at_once_and_in_little_memory(tmp_path):
    content_bytes = 2**31 - 10_000
    small = read_in_child(write_large_model(tmp_path / "small", 1000))
    large = read_in_child(write_large_model(tmp_path / "large", content_bytes))
    assert large["graph_bytes"] > content_bytes
    assert (large["ops"], large["signatures"]) == (1, ["f"])
    assert large["peak_bytes"] < small["peak_bytes"] + 16e6
    assert large["seconds"] < small["seconds"] + 1
