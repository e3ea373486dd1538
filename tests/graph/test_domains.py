"""What a graph says about its inputs, on models that TensorFlow and Keras made, and that the domain is right there."""

import tracemalloc

import numpy as np
import pytest

from tests.runtimes import installed_runtime
from tfkit.errors import ModelError
from tfkit.export import export_model
from tfkit.graph.domains import Examples, IntRange, Vocabulary, input_domains, taken_as_integers
from tfkit.graph.values import Feature, combine
from tfkit.inputs import make_inputs, parse_inputs, random_for_missing
from tfkit.runtime import Runtime
from tfkit.savedmodel.reader import find_signature, read_signatures
from tfkit.tensors import DType, Signature, TensorSpec

COLOURS = (b"red", b"green", b"blue")
ID = Feature("id", DType.INT64, (), IntRange(0, 20))
SMALL_ID = Feature("id", DType.INT64, (), IntRange(0, 3))
TAGS = Feature("tags", DType.STRING, None)
FIXED = (Feature("size", DType.FLOAT, (2, 3)), Feature("word", DType.STRING, (1,)))
LISTS = (Feature("ids", DType.INT64, None), Feature("at", DType.FLOAT, (2,)))
EXAMPLES = {
    "example": Examples((
        Feature("ids", DType.INT64, None, IntRange(0, 20)),
        Feature("weights", DType.FLOAT, None),
        Feature("id", DType.INT64, (), IntRange(0, 5)),
        Feature("rows", DType.FLOAT, (None, 2)),
        *FIXED,
        Feature("ragged", DType.INT64, None, IntRange(0, 7)),
    )),
    "example_one": Examples((ID, *FIXED)),
    "examples_mapped": Examples((ID, *FIXED)),
    "sequence": Examples((TAGS, ID), LISTS),
    "sequence_one": Examples((TAGS, ID), LISTS),
    "example_1": Examples((TAGS, SMALL_ID, Feature("rows", DType.FLOAT, (None, 2)))),
    "one_example_1": Examples((TAGS, SMALL_ID)),
}  # fmt: skip
EXPECTED = {
    "embedding_int32": IntRange(0, 50),
    "embedding_int64": IntRange(0, 51),
    "embedding_float": IntRange(0, 52),
    "string_lookup": Vocabulary(COLOURS),
    "string_lookup_closed": Vocabulary(COLOURS, closed=True),
    "string_lookup_buckets": Vocabulary(COLOURS),
    "string_lookup_file": Vocabulary(COLOURS),
    "integer_lookup": Vocabulary((10, 20, 30)),
    "text_vectorization": Vocabulary(COLOURS),
    "text_ngrams": Vocabulary(COLOURS),
    "text_characters": Vocabulary(COLOURS),
    "category_one_hot": IntRange(0, 7),
    "category_multi_hot": IntRange(0, 7),
    "hashing": None,
    "discretization": None,
    "branches": IntRange(0, 20),
    "loop": IntRange(0, 20),
    "cases": IntRange(0, 20),
    "moved": IntRange(0, 20),
    "columns": IntRange(0, 2),
    "constant_table": IntRange(0, 33),
    "coordinates": IntRange(0, 2),
    "segments": IntRange(0, 6),
    "modulo": None,
    "clipped": None,
    "digits": Vocabulary(tuple(b"%d" % each for each in range(10)), closed=True),
    "narrowest": IntRange(0, 9),
    "partitioned": IntRange(0, 21),
    "reference_variable": IntRange(0, 22),
    "table_file": Vocabulary(COLOURS),
    "table_without_buckets": Vocabulary(COLOURS, closed=True),
    **EXAMPLES,
}


def domains_of(folder):
    return input_domains(folder, find_signature(read_signatures(folder)))


@pytest.mark.parametrize(("name", "closed"), [("embedding_int32", True), ("category_one_hot", False)])
def test_an_index_that_counts_for_nothing_is_no_error(graph_models, name, closed):
    assert domains_of(graph_models / name)["x"].closed == closed


@pytest.mark.parametrize(
    ("name", "sure"),
    [
        ("embedding_int32", True),
        ("loop", True),
        ("moved", False),  # by slices and conditions, among others
        ("branches", False),
        ("columns", True),
        ("coordinates", False),
    ],
)
def test_it_is_sure_that_a_value_is_an_index_where_no_other_may_be_picked(graph_models, name, sure):
    assert domains_of(graph_models / name)["x"].sure == sure


@pytest.mark.parametrize("name", EXPECTED)
def test_the_domain_of_an_input_is_read_off_the_graph(graph_models, name):
    assert domains_of(graph_models / name).get("x") == EXPECTED[name]


@pytest.mark.parametrize(("name", "expected"), [("embedding_float", ("x",)), ("discretization", ()), ("modulo", ())])
def test_floats_that_end_as_whole_numbers_are_told(graph_models, name, expected):
    folder = graph_models / name
    assert taken_as_integers(folder, find_signature(read_signatures(folder))) == expected


def test_every_input_has_a_domain_of_its_own(graph_models):
    assert domains_of(graph_models / "three_inputs") == {"ids": IntRange(0, 12), "word": Vocabulary(COLOURS)}


@pytest.mark.parametrize("name", ["picture", "pictures", "example_pictures"])
def test_a_picture_is_bytes_of_one(graph_models, name):
    domain = domains_of(graph_models / name)["x"]
    keys = domain.features[0].domain.keys if isinstance(domain, Examples) else domain.keys
    assert len(set(keys)) > 1
    assert all(key.startswith(b"\x89PNG") for key in keys)


def test_random_inputs_inside_their_domains_run_in_the_real_runtime(graph_models):
    """No model refuses them, at two batch sizes and with several seeds."""
    with Runtime(device="cpu") as runtime:
        for name in [*EXPECTED, "three_inputs", "picture", "pictures", "example_pictures"]:
            signature = find_signature(read_signatures(graph_models / name))
            domains = input_domains(graph_models / name, signature)
            model = runtime.load(graph_models / name)
            options = random_for_missing((), signature)
            for batch_size, seed in ((1, 0), (5, 1), (5, 2)):
                inputs = make_inputs(options, signature, batch_size=batch_size, seed=seed, domains=domains)
                outputs = model.predict(inputs)
                assert all(isinstance(each, np.ndarray) for each in outputs.values()), name
            if name in EXAMPLES:
                zeros = make_inputs(parse_inputs(["x=zeros"]), signature, batch_size=2, domains=domains)
                assert model.predict(zeros), name
            model.close()


@pytest.mark.network
@pytest.mark.parametrize(
    ("processor", "name"),
    [("tensorflow_cpu_1.12", "example_1"), ("tensorflow_cpu_1.15", "example"), ("tensorflow_cpu_2.7", "sequence_one")],
)
def test_old_tensorflows_parse_the_messages(graph_models, tmp_path, processor, name):
    """Nothing is given: what is compared is made up."""
    installed_runtime(processor)
    report = export_model(graph_models / name, tmp_path / "model", processor=processor)
    assert report.evidence
    assert not any("not compared" in note for note in report.notes)


def test_a_missing_vocabulary_file_is_a_model_error(graph_models, tmp_path):
    (tmp_path / "saved_model.pb").write_bytes((graph_models / "string_lookup_file" / "saved_model.pb").read_bytes())
    with pytest.raises(ModelError, match=r"vocabulary .*words\.txt"):
        domains_of(tmp_path)


def test_the_text_form_says_the_same(graph_models, tmp_path):
    from google.protobuf import text_format

    from tfkit import proto

    data = (graph_models / "string_lookup" / "saved_model.pb").read_bytes()
    model = proto.message("tensorflow.SavedModel").FromString(data)
    (tmp_path / "saved_model.pbtxt").write_text(text_format.MessageToString(model))
    assert domains_of(tmp_path) == {"x": Vocabulary(COLOURS)}


def test_a_large_table_is_not_read(saved_model):
    """Its shape bounds the input; its 64 MB stay on disk."""

    def fill(metagraph):
        nodes = metagraph.graph_def.node
        nodes.add(name="x", op="Placeholder")
        table = nodes.add(name="table", op="Const").attr["value"].tensor
        table.dtype = 1
        for size in (4, 1 << 22):
            table.tensor_shape.dim.add(size=size)
        table.tensor_content = bytes(1 << 26)
        nodes.add(name="axis", op="Const").attr["value"].tensor.dtype = 3
        nodes.add(name="y", op="GatherV2", input=["table", "x", "axis"])

    folder = saved_model(fill)
    signature = Signature("s", (TensorSpec("x", DType.INT32, (None,), "x:0"),), ())
    tracemalloc.start()
    try:
        assert input_domains(folder, signature) == {"x": IntRange(0, 4)}
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_graph_without_an_end_is_left_at_that(saved_model):
    """A function that calls itself, and a loop of nodes."""

    def fill(metagraph):
        nodes = metagraph.graph_def.node
        nodes.add(name="x", op="Placeholder")
        nodes.add(name="a", op="Merge", input=["x", "b"])
        nodes.add(name="b", op="NextIteration", input=["a"])
        nodes.add(name="call", op="PartitionedCall", input=["a"]).attr["f"].func.name = "again"
        nodes.add(name="y", op="GatherV2", input=["call", "x", "b"])
        function = metagraph.graph_def.library.function.add()
        function.signature.name = "again"
        function.signature.input_arg.add(name="v")
        function.signature.output_arg.add(name="w")
        inner = function.node_def.add(name="inner", op="PartitionedCall", input=["v"])
        inner.attr["f"].func.name = "again"
        function.ret["w"] = "inner:output:0"

    signature = Signature("s", (TensorSpec("x", DType.INT32, (None,), "x:0"),), ())
    assert input_domains(saved_model(fill), signature) == {}


@pytest.mark.parametrize(
    "op",
    [
        *("GatherV2", "OneHot", "DenseBincount", "LookupTableFindV2", "ResourceGather", "GatherNd"),
        *("ParseExample", "ParseExampleV2", "ParseSingleExample", "ParseSequenceExampleV2"),
    ],
)
def test_nodes_that_lack_inputs_and_attributes_say_nothing(saved_model, op):
    def fill(metagraph):
        nodes = metagraph.graph_def.node
        nodes.add(name="x", op="Placeholder")
        nodes.add(name="first", op=op, input=["x"])
        nodes.add(name="second", op=op, input=["nowhere:7", "x:0", "^x"])
        nodes.add(name="third", op=op, input=["x", "x", "x", "x"])

    signature = Signature("s", (TensorSpec("x", DType.INT32, (None,), "x:0"),), ())
    assert input_domains(saved_model(fill), signature) == {}


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (None, IntRange(0, 5), IntRange(0, 5)),
        (IntRange(0, 9), IntRange(2, 20), IntRange(2, 9)),
        (IntRange(0, 2), IntRange(5, 9), IntRange(0, 2)),
        (IntRange(0, 25), Vocabulary((10, 20, 30)), Vocabulary((10, 20), closed=True)),
        (Vocabulary((b"a", b"b")), Vocabulary((b"b", b"c")), Vocabulary((b"b",))),
        (Vocabulary((b"a",)), Vocabulary((b"c",), closed=True), Vocabulary((b"a",), closed=True)),
        (Vocabulary((b"a",)), Examples((TAGS,)), Examples((TAGS,))),
        (Examples((ID,)), Vocabulary((b"a",)), Examples((ID,))),
        (Examples((ID,)), Examples((TAGS,), (ID,)), Examples((ID, TAGS), (ID,))),
        (
            Examples((Feature("a", DType.INT64, None), Feature("b", DType.INT64, (2,), IntRange(0, 9)))),
            Examples(
                (Feature("b", DType.INT64, None, IntRange(0, 5)), Feature("a", DType.INT64, (1,), IntRange(0, 3)))
            ),
            Examples(
                (Feature("a", DType.INT64, (1,), IntRange(0, 3)), Feature("b", DType.INT64, (2,), IntRange(0, 5)))
            ),
        ),
    ],
)
def test_two_uses_leave_what_both_take(first, second, both):
    assert combine(first, second) == both
