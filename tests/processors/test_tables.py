"""The op and kernel tables, and what they say against what the real libraries do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from tests.runtimes import CPU_PROCESSORS, installed_runtime
from tfkit import proto
from tfkit.arrays import NUMPY_DTYPES
from tfkit.errors import TensorFlowError, UsageError
from tfkit.processors.catalogue import INSTALLED, PROCESSORS, all_processors
from tfkit.processors.ops import Attribute, Kernel, Op, dtype_name, plain_value
from tfkit.processors.tables import FILE, first_with, op_table
from tfkit.runtime import Runtime
from tfkit.runtime.make_tables import read_lists
from tfkit.tensors import DType

AttrValue = proto.message("tensorflow.AttrValue")


# What the tables are


def test_every_processor_has_a_table() -> None:
    for processor in all_processors():
        table = op_table(processor.name)
        assert table.tensorflow == processor.tensorflow
        assert table.gpu == (processor.device == "gpu")
        assert len(list(table)) > 1000


def test_an_unknown_processor_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="there is no table of processor 'tensorflow_cpu_1"):
        op_table("tensorflow_cpu_1.51")


def test_all_tables_together_stay_under_a_megabyte() -> None:
    assert len(resources.files("tfkit.processors").joinpath(FILE).read_bytes()) < 1_000_000


def test_only_the_library_that_does_not_load_without_cuda_is_derived() -> None:
    derived = {name: op_table(name).derived_from for name in (*PROCESSORS, INSTALLED) if op_table(name).derived}
    assert derived == {"tensorflow_gpu_1.12": "tensorflow_gpu_1.14"}


def test_a_derived_table_has_its_own_ops_and_no_kernel_beyond_them() -> None:
    derived, own, other = map(op_table, ("tensorflow_gpu_1.12", "tensorflow_cpu_1.12", "tensorflow_gpu_1.14"))
    assert list(derived) == list(own)
    assert derived.has_kernel("MatMul", "gpu", {"T": DType.FLOAT})
    half = {"T": DType.HALF}  # DivNoNan takes it from 1.14
    assert other.has_kernel("DivNoNan", "gpu", half)
    assert not derived.has_kernel("DivNoNan", "gpu", half)


def test_tables_are_read_without_numpy_and_tensorflow() -> None:
    code = (
        "import sys; from tfkit.processors.tables import op_table; op_table('installed').has_kernel('MatMul');"
        "assert not {'numpy', 'tensorflow', 'rich'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Ops and attributes


@pytest.mark.parametrize("processor", [*PROCESSORS, INSTALLED])
def test_matmul_is_everywhere(processor: str) -> None:
    table = op_table(processor)
    assert table.has_kernel("MatMul", "cpu", {"T": DType.FLOAT})
    assert table.has_kernel("MatMul", "gpu", {"T": DType.FLOAT}) == table.gpu
    assert not table.has_kernel("MatMul", "cpu", {"T": DType.STRING})


def test_an_op_says_what_it_takes_and_gives() -> None:
    op = op_table("tensorflow_cpu_1.12").op("ConcatV2")
    assert op is not None
    assert [(each.name, each.type_attr, each.number_attr) for each in op.inputs] == [
        ("values", "T", "N"),
        ("axis", "Tidx", ""),
    ]
    assert [each.name for each in op.outputs] == ["output"]
    assert list(op.attributes) == ["N", "T", "Tidx"]
    assert op.attributes["N"].minimum == 2
    assert op.attributes["Tidx"].allowed == {DType.INT32, DType.INT64}
    assert plain_value(op.attributes["Tidx"].default) == DType.INT32
    assert op.attributes["N"].default is None
    assert not op.stateful
    assert op.deprecated is None


def test_fixed_dtypes_references_and_lists_are_told() -> None:
    table = op_table("tensorflow_cpu_2.7")
    find, assign, call = (table.op(name) for name in ("LookupTableFindV2", "Assign", "PartitionedCall"))
    assert find is not None and assign is not None and call is not None  # noqa: PT018
    assert find.inputs[0].dtype == DType.RESOURCE
    assert assign.inputs[0].is_ref
    assert call.inputs[0].type_list_attr == "Tin"
    assert find.stateful  # any op with a resource is
    assert assign.attributes["T"].allowed == frozenset()


def test_what_is_unknown_is_none_and_has_no_kernels() -> None:
    table = op_table("tensorflow_cpu_1.12")
    assert table.op("NoSuchOp") is None
    assert not table.knows("NoSuchOp")
    assert table.kernels("NoSuchOp") == ()
    assert not table.has_kernel("NoSuchOp")
    assert table.kernel_problem("NoSuchOp") == "TensorFlow 1.12 does not know the op NoSuchOp"


@pytest.mark.parametrize(
    ("op", "attribute", "since"),
    [
        ("MatMul", None, "1.12"),
        ("MatMul", "grad_a", "2.21"),
        ("SelectV2", None, "1.14"),
        ("BatchMatMulV2", None, "1.14"),
        ("Einsum", None, "1.15"),
        ("Conv2D", "explicit_paddings", "1.14"),
        ("VarHandleOp", "allowed_devices", "2.3"),
        ("VarHandleOp", "debug_name", "2.21"),
        ("DisableCopyOnRead", None, "2.21"),
        ("NoSuchOp", None, None),
        ("MatMul", "no_such_attribute", None),
    ],
)
def test_since_when_an_op_or_attribute_is_known(op: str, attribute: str | None, since: str | None) -> None:
    assert first_with(op, attribute) == since


def test_since_when_there_is_a_kernel() -> None:
    assert first_with("AvgPool", types={"T": DType.FLOAT}) == "1.12"
    assert first_with("Less", types={"T": DType.BFLOAT16}) == "1.15"
    assert first_with("AvgPool", types={"T": DType.INT32}) is None
    assert first_with("TRTEngineOp", device="gpu") == "1.15"


def test_deprecated_ops_say_from_which_graph_version() -> None:
    op = op_table("tensorflow_cpu_1.15").op("BatchMatrixInverse")
    assert op is not None
    assert op.deprecated == 13
    assert "MatrixInverse" in op.advice


# Values


@pytest.mark.parametrize(
    ("op", "attribute", "value", "problem"),
    [
        ("MatMul", "T", AttrValue(type=DType.FLOAT), ""),
        ("MatMul", "T", AttrValue(i=1), "T: expected type, came i"),
        ("MatMul", "T", AttrValue(), "T: expected type, came nothing"),
        ("Conv2D", "padding", AttrValue(s=b"SAME"), ""),
        ("Conv2D", "padding", AttrValue(s=b"EXPLICIT"), "padding: expected SAME, VALID, came EXPLICIT"),
        ("Conv2D", "strides", AttrValue(list={"i": [1, 2, 2, 1]}), ""),
        ("Conv2D", "strides", AttrValue(list={"s": [b"1"]}), "strides: expected list(int), came list"),
        ("ConcatV2", "N", AttrValue(i=1), "N: expected 2 or more, came 1"),
        ("AvgPool", "ksize", AttrValue(list={"i": [2]}), "ksize: expected 4 or more values, came 1"),
        ("ArgMax", "output_type", AttrValue(type=DType.BOOL), "output_type: expected int32, int64, came bool"),
        ("Placeholder", "shape", AttrValue(shape={"unknown_rank": True}), ""),
        ("ParseExample", "Tdense", AttrValue(list={}), ""),
        ("ParseExample", "Tdense", AttrValue(list={"type": [1, 3]}), "Tdense: expected float32, string, int64, came"),
    ],
)
def test_values_that_an_op_does_not_allow_are_named(op: str, attribute: str, value: object, problem: str) -> None:
    found = op_table("tensorflow_cpu_1.12").op(op)
    assert found is not None
    said = found.attributes[attribute].problem(value)
    assert said.startswith(problem) if problem else said == ""


def test_a_default_compares_with_the_value_of_a_node() -> None:
    found = op_table(INSTALLED).op("Conv2D")
    assert found is not None
    assert found.attributes["dilations"].default == AttrValue(list={"i": [1, 1, 1, 1]})
    assert found.attributes["dilations"].default != AttrValue(list={"i": [1, 2, 2, 1]})
    assert found.attributes["T"].default is None


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (AttrValue(type=DType.HALF), DType.HALF),
        (AttrValue(s=b"NHWC"), "NHWC"),
        (AttrValue(s=b"\xff"), "\udcff"),
        (AttrValue(b=True), True),
        (AttrValue(f=0.5), 0.5),
        (AttrValue(list={"type": [1, 9]}), (1, 9)),
        (AttrValue(list={"s": [b"a"]}), ("a",)),
        (AttrValue(list={}), ()),
        (AttrValue(list={"shape": [{}]}), None),
        (AttrValue(tensor={}), None),
        (AttrValue(), None),
    ],
)
def test_small_values_become_plain_python(value: object, plain: object) -> None:
    assert plain_value(value) == plain


def test_dtypes_have_names_even_those_that_came_later() -> None:
    assert [dtype_name(dtype) for dtype in DType] == [dtype.short_name for dtype in DType]
    assert [dtype_name(number) for number in (107, 24, 999)] == ["string_ref", "float8_e5m2", "dtype 999"]


# Kernels


def test_a_kernel_that_is_missing_is_told_with_what_there_is() -> None:
    table = op_table("tensorflow_cpu_1.12")
    assert table.kernel_problem("AvgPool", types={"T": DType.FLOAT}) == ""
    assert (
        table.kernel_problem("AvgPool", types={"T": DType.BFLOAT16})
        == "TensorFlow 1.12: no CPU kernel of AvgPool for T=bfloat16, only for T=float32, float64, float16"
    )
    assert table.kernel_problem("AvgPool", types={"T": DType.INT32}).startswith(
        "TensorFlow 1.12: AvgPool takes no T=int32, only float32"
    )
    assert table.kernel_problem("SparseSegmentMean", types={"Tsegmentids": DType.INT64}) == (
        "TensorFlow 1.12: SparseSegmentMean has no attribute Tsegmentids"
    )
    assert table.kernel_problem("MatMul", "gpu") == "tensorflow_cpu_1.12 has no GPU"
    assert op_table(INSTALLED).kernel_problem("NcclAllReduce").endswith("no CPU kernel of NcclAllReduce")


def test_kernels_depend_on_other_attributes_than_dtypes_too() -> None:
    """Since 2.3 DepthToSpace has kernels for one data format only on the CPU, for two on the GPU."""
    types = {"T": DType.FLOAT, "data_format": "NCHW"}
    table = op_table("tensorflow_gpu_2.7")
    assert table.has_kernel("DepthToSpace", "gpu", types)
    assert table.kernel_problem("DepthToSpace", "cpu", types).endswith("only for data_format=NHWC")
    assert table.has_kernel("DepthToSpace", "cpu", {"T": DType.FLOAT}), "NHWC is the default"


def test_a_node_says_itself_what_decides_about_its_kernel() -> None:
    op = op_table(INSTALLED).op("DepthToSpace")
    assert op is not None
    assert sorted(op.deciding) == ["T", "data_format"]
    node = proto.message("tensorflow.NodeDef")(name="d", op="DepthToSpace")
    node.attr["T"].type = DType.HALF
    node.attr["block_size"].i = 2
    assert op.types_of(node.attr) == {"T": DType.HALF}
    assert sorted(node.attr) == ["T", "block_size"], "looking does not change the node"


def test_each_dtype_of_a_list_must_fit() -> None:
    kernels = (Kernel("cpu", (("T", frozenset({1, 2})),)),)
    op = Op("Some", attributes={"T": Attribute("T", "list(type)")}, kernels=kernels)
    assert op.has_kernel("cpu", {"T": (DType.FLOAT, DType.DOUBLE)})
    assert op.has_kernel("cpu", {"T": []})
    assert op.has_kernel("cpu", {}), "what is not known does not exclude"
    assert (
        op.kernel_problem("cpu", {"T": (1, 3)})
        == "no CPU kernel of Some for T=float32, int32, only for T=float32, float64"
    )


def test_a_default_kernel_serves_every_device_that_there_is() -> None:
    kernel = Kernel("any")
    assert kernel.fits("cpu")
    assert kernel.fits("gpu")
    assert any(each.device == "any" for each in op_table("tensorflow_cpu_2.7").kernels("Identity"))
    assert not op_table("tensorflow_cpu_2.7").has_kernel("Identity", "gpu")


def test_gpu_kernels_say_what_stays_in_the_hosts_memory() -> None:
    table = op_table("tensorflow_gpu_1.15")
    assert {kernel.host_memory for kernel in table.kernels("Reshape") if kernel.device == "gpu"} >= {("shape",)}


# Against the real libraries


ONE_INPUT = (
    "Abs", "Digamma", "Erf", "Erfinv", "Floor", "Invert", "IsNan", "Lgamma", "Neg", "Relu", "Rint", "Round", "Sigmoid",
    "Sign", "Softplus", "Square",
)  # fmt: skip
TWO_INPUTS = (
    "Add", "AddV2", "BitwiseAnd", "DivNoNan", "FloorMod", "Less", "LessEqual", "Maximum", "Mul", "Pow", "Sub",
)  # fmt: skip
FED = [dtype for dtype, held in NUMPY_DTYPES.items() if held.names is None and dtype is not DType.STRING]


def graph_of(path: Path, cases: list[tuple[str, DType]]) -> Path:
    """A frozen graph with a node for each op and dtype, named after both."""
    graph = proto.message("tensorflow.GraphDef")()
    for dtype in dict.fromkeys(dtype for _, dtype in cases):
        graph.node.add(name=dtype.short_name, op="Placeholder").attr["dtype"].type = dtype
    for op, dtype in cases:
        inputs = [dtype.short_name] * (2 if op in TWO_INPUTS else 1)
        graph.node.add(name=f"{op}_{dtype.short_name}", op=op, input=inputs).attr["T"].type = dtype
    graph.versions.producer = 27
    path.write_bytes(graph.SerializeToString())
    return path


def cases_of(processor: str) -> Iterator[tuple[str, DType]]:
    """The ops and dtypes that a processor's ops allow, of those that are fed here."""
    table = op_table(processor)
    for name in (*ONE_INPUT, *TWO_INPUTS):
        op = table.op(name)
        if op is not None:
            yield from ((name, dtype) for dtype in FED if op.attributes["T"].allows(dtype))


def answers(runtime: Runtime, path: Path, cases: list[tuple[str, DType]]) -> None:
    """Runs each node of a graph of these cases; raises what TensorFlow does."""
    model = runtime.load(graph_of(path, cases))
    for op, dtype in cases:
        output = f"{op}_{dtype.short_name}"
        fed = {dtype.short_name: np.ones(2, NUMPY_DTYPES[dtype])}
        assert model.predict(fed, fetch=[output])[output].shape == (2,)


@pytest.fixture(
    scope="module", params=[*(pytest.param(each, marks=pytest.mark.network) for each in CPU_PROCESSORS), INSTALLED]
)
def runtime(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    processor: str = request.param
    if processor != INSTALLED:
        installed_runtime(processor)
    with Runtime(processor, device="cpu") as runtime:
        yield runtime


def test_what_has_a_kernel_runs(runtime: Runtime, tmp_path: Path) -> None:
    table = op_table(runtime.options.processor)
    cases = [(op, dtype) for op, dtype in cases_of(table.processor) if table.has_kernel(op, types={"T": dtype})]
    assert len(cases) > 100
    answers(runtime, tmp_path / "graph.pb", cases)


def test_what_has_no_kernel_fails_unless_xla_takes_it(runtime: Runtime, tmp_path: Path) -> None:
    table = op_table(runtime.options.processor)
    cases = [(op, dtype) for op, dtype in cases_of(table.processor) if not table.has_kernel(op, types={"T": dtype})]
    taken = [(op, dtype) for op, dtype in cases if table.has_kernel(op, "xla_cpu", {"T": dtype})]
    assert cases
    assert bool(taken) == (table.minor in ("1.12", "1.14", "1.15", "2.3"))
    for case in cases:
        refusal = ""
        try:
            answers(runtime, tmp_path / f"{case}.pb", [case])
        except TensorFlowError as error:
            refusal = error.message
        # XLA can refuse too, but with other words: complex Round, for one.
        assert ("No OpKernel was registered" in refusal) == (case not in taken) or "Multiple OpKernel" in refusal, case


def test_dtypes_that_an_op_does_not_allow_are_refused(runtime: Runtime, tmp_path: Path) -> None:
    table = op_table(runtime.options.processor)
    for case in (("Sigmoid", DType.BOOL), ("Invert", DType.FLOAT), ("Softplus", DType.INT32)):
        assert case not in cases_of(table.processor)
        with pytest.raises(TensorFlowError, match="not in the list of allowed values"):
            answers(runtime, tmp_path / "graph.pb", [case])


def test_a_table_is_what_its_library_says(runtime: Runtime) -> None:
    table = op_table(runtime.options.processor)
    assert runtime.version == table.tensorflow
    said = read_lists(table.processor, runtime.version, table.gpu, runtime.op_list(), runtime.kernel_list())
    assert sorted(said.ops) == list(table), "run `make tables`"
    assert all(set(table.kernels(name)) == set(said.kernels.get(name, ())) for name in said.ops)


def test_ops_can_be_told_apart_in_sets_and_dictionaries() -> None:
    table = op_table("tensorflow_cpu_1.15")
    assert len({table.op("MatMul"), table.op("Conv2D"), table.op("MatMul")}) == 2


@pytest.mark.parametrize("wrong", [{"device": "GPU"}, {"types": {"T": "float32"}}])
def test_devices_and_dtypes_that_are_none_are_refused(wrong: dict) -> None:
    """Rather than answered with no."""
    for ask in (op_table("tensorflow_cpu_1.15").has_kernel, op_table("tensorflow_cpu_1.15").kernel_problem, first_with):
        with pytest.raises(ValueError, match=r"'GPU'|'float32'"):
            ask("MatMul", **wrong)
