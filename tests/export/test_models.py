"""Live Keras models of many kinds: exported, loaded again in three ways, and compared at other batch sizes."""

import numpy as np
import pytest

from tests.export.models import CASES, call, export, export_file, load_and_call, load_and_call_in_graph
from tfkit.arrays import Array
from tfkit.graph.domains import input_domains
from tfkit.inputs import make_inputs, random_for_missing


def draw(report, batch_size: int) -> dict[str, Array]:
    """Other inputs than those that the export drew."""
    return make_inputs(
        random_for_missing((), report.signature),
        report.signature,
        batch_size=batch_size,
        seed=100 + batch_size,
        domains=input_domains(report.path, report.signature),
        unknown_dim=9,
    )


def assert_same(have: dict[str, Array], want: dict[str, Array]) -> None:
    assert have.keys() == want.keys()
    for name, array in want.items():
        assert have[name].shape == array.shape
        assert have[name].dtype == array.dtype
        if array.dtype == object or array.dtype.kind in "iub":
            assert have[name].tolist() == array.tolist()
        else:
            tolerance = 1e-5 if array.dtype.itemsize > 2 else 3e-2
            np.testing.assert_allclose(
                have[name].astype(np.float64), array.astype(np.float64), rtol=tolerance, atol=tolerance
            )


@pytest.mark.parametrize("name", CASES)
def test_export_has_the_models_signature_and_answers(name, in_keras, runtime, tmp_path):
    case = CASES[name]
    report = in_keras(export, name, tmp_path / "model")
    assert {spec.name: str(spec) for spec in report.signature.inputs} == case.inputs
    assert {spec.name: str(spec) for spec in report.signature.outputs} == case.outputs
    assert {check.name for check in report.check.outputs} == set(case.outputs)

    signature = report.signature.name
    in_c_library = runtime.load(report.path)
    for batch_size in (2, 5):
        arrays = draw(report, batch_size)
        expected = in_keras(call, name, arrays)
        assert_same(in_c_library.predict(arrays, signature=signature), expected)
        assert_same(in_keras(load_and_call, report.path, signature, arrays), expected)
    assert_same(in_keras(load_and_call_in_graph, report.path, signature, arrays), expected)
    in_c_library.close()


@pytest.mark.parametrize(
    "name",
    [
        "names_left_to_keras",
        "nested",
        "sequential_built_by_a_call",
        "fixed_batch_size",
        "several_outputs_of_one_layer",
        "text_vectorization",
        "vocabulary_file_and_back",
        "bfloat16",
    ],
)
def test_a_file_gives_the_signature_of_the_live_model(name, in_keras, tmp_path):
    report = in_keras(export_file, name, tmp_path)
    assert {spec.name: str(spec) for spec in report.signature.inputs} == CASES[name].inputs
    assert {spec.name: str(spec) for spec in report.signature.outputs} == CASES[name].outputs
    assert report.source.name == "model.keras"
