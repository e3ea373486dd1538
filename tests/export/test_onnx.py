"""``export_onnx``: what ONNX Runtime gives is what the source gives, and what does not convert is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.export import onnx_models
from tfkit.errors import InputError, LoweringError, MissingError, ModelError, UsageError, VerdictError
from tfkit.export import export_onnx
from tfkit.export.onnx import target

SAMPLES = Path(__file__).parents[2] / "sample_models"
INT = np.int64


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


CALLS: dict[str, list[dict[str, Any]]] = {
    "recurrent": [{"x": floats(2, 4, 3)}, {"x": floats(5, 6, 3)}, {"x": floats(1, 1, 3)}],
    "chosen": [{"x": floats(2), "which": np.int32(at)} for at in (0, 1, 2, 7, -3)],
    "raw_loop": [{"start": np.int32(at), "x": np.float32(0.5)} for at in (7, 0, -4, 2)],
    "texts": [
        {"text": np.array(["a", "x", "grün"], object), "number": np.array([7, 8, -1], INT)},
        {"text": np.array(["b"], object), "number": np.array([2**40], INT)},
    ],
    "tails": [
        {"x": np.linspace(-9, 9, 41, dtype=np.float32), "wide": np.linspace(-9, 9, 41)},
        {"x": np.float32([0, 1e-7, -1e-7, 1e-3, 88, 20]), "wide": np.array([0, 1e-12, -27.5, 5, 0.999, 1])},
    ],
    "divided": [
        {"x": np.array([7, -7, 7, -7, 0, 2**40 + 1], INT), "y": np.array([3, 3, -3, -3, 5, 2**40], INT)},
        {"x": np.array([2**53 + 1], INT), "y": np.array([2**53], INT)},
    ],
    "segmented": [
        {"x": floats(4, 2), "ids": np.array([0, -1, 3, 3], np.int32)},
        {"x": floats(2, 2), "ids": np.array([4, 2], np.int32)},
    ],
    "coloured": [{"x": np.abs(floats(2, 3, 3, 3)) % 1}, {"x": np.zeros((1, 3, 3, 3), np.float32) + 0.5}],
    "signs": [{"x": np.float32([1, -1, 0.0, -0.0, np.inf, -np.inf])}, {"x": np.float32([3])}],
    "assorted": [
        {"x": np.float32([[0, 1, -2], [3, 2, 2]]), "y": np.float32([[0, 1.25, 5], [0, -1, 2]]), "k": np.int32([1, 9])},
        {"x": np.float32([[2, 0, 1]]), "y": np.float32([[2, 7, 0]]), "k": np.int32([0])},
    ],
    "resized": [
        {"x": floats(size, 6, 4, 2), "whole": np.arange(size * 24, dtype=np.uint8).reshape(size, 4, 3, 2) * 9}
        for size in (1, 2)
    ],
    "listed": [
        {"x": floats(3, 3), "numbers": np.int32([2, 0, 1])},
        {"x": floats(4, 3), "numbers": np.int32([3, 0, 2, 1])},
    ],
    "heard": [{"x": floats(2, 40)}, {"x": floats(1, 40)}],
    "cased": [{"x": np.array([["aB", "Äöß"]], object)}, {"x": np.array([["", "c"], ["D", "E"]], object)}],
    "kept_table": [{"x": np.array(["a", "x"], object)}, {"x": np.array(["b"], object)}],
    "counted": [{"x": np.float32([-3, -1, 0, 0.5, 1, 2, 9])}, {"x": np.float32([0.25, 1.75])}],
}


@pytest.mark.parametrize("name", CALLS)
def test_the_onnx_model_gives_what_the_function_gives(name: str, in_keras: Any, tmp_path: Path) -> None:
    function = getattr(onnx_models, name)
    options = {"verify": False} if name in ("signs", "counted", "assorted", "listed") else {}
    for expected, came in in_keras(onnx_models.convert, function, tmp_path, CALLS[name], **options):
        assert sorted(came) == sorted(expected)
        for key, array in expected.items():
            assert came[key].shape == array.shape, key
            if array.dtype.kind == "f":
                exact = 1e-9 if array.dtype == np.float64 else 3e-6
                near_zero = {"heard": 3e-6}.get(name, 3e-7 if "gamma" in key else exact * 1e-3)
                np.testing.assert_allclose(came[key], array, rtol=exact, atol=near_zero, err_msg=key)
            elif array.dtype.kind == "O":
                assert came[key].tolist() == np.char.decode(array.astype(bytes)).tolist(), key
            else:
                assert came[key].tolist() == array.tolist(), key


def test_a_keras_model_keeps_its_names_and_its_evidence(in_keras: Any, tmp_path: Path) -> None:
    output = tmp_path / "build" / "digits.onnx"
    renames = {"keras_tensor": "images", "dense_2": "scores"}
    report = in_keras(
        onnx_models.export, SAMPLES / "digits_mlp.keras", output, signature="predict_images", rename=renames
    )

    model = onnx.load(output)
    assert [port.name for port in model.graph.input] == ["images"]
    assert [port.name for port in model.graph.output] == ["scores"]
    assert model.opset_import[0].version == report["opset"] == 18
    assert report["verify"]["result"] == "passed"
    assert report["verify"]["batch_sizes"] == [1, 3]
    assert report["verify"]["outputs"][0]["max_abs_error"] < 1e-5
    (kept,) = [json.loads(each.value) for each in model.metadata_props if each.key == "tfkit.export"]
    assert kept["source"]["name"] == "digits_mlp.keras"
    assert kept["verify"] == report["verify"]
    assert len(report["evidence"]) == 4
    first = onnx.TensorProto.FromString((output.parent / report["evidence"][0]).read_bytes())
    assert (first.name, list(first.dims)) == ("images", [1, 784])
    written = json.loads((tmp_path / "build" / "digits.onnx.evidence" / "export.json").read_text())
    assert written["evidence"] == report["evidence"]
    assert sorted(each.name for each in output.parent.iterdir()) == ["digits.onnx", "digits.onnx.evidence"]


def test_layers_of_recurrent_networks_stay_layers(in_keras: Any, tmp_path: Path) -> None:
    """What tf2onnx knows as an LSTM becomes one: variables reach its loops as it expects them."""
    report = in_keras(onnx_models.export_lstm, tmp_path / "lstm.onnx")

    assert "LSTM" in {node.op_type for node in onnx.load(tmp_path / "lstm.onnx").graph.node}
    assert report["verify"]["result"] == "passed"


def test_an_output_is_not_called_as_an_input_is(in_keras: Any, tmp_path: Path) -> None:
    calls = [{"x": floats(2), "unused": floats(3)}, {"x": floats(4), "unused": floats(1)}]
    in_keras(onnx_models.save_only, onnx_models.echoing, tmp_path / "saved", calls)
    report = in_keras(onnx_models.export, tmp_path / "saved", tmp_path / "m.onnx")

    names = [port.name for port in onnx.load(tmp_path / "m.onnx").graph.output]
    assert sorted(names) == ["same", "size", "x_output"]
    assert [port.name for port in onnx.load(tmp_path / "m.onnx").graph.input] == ["unused", "x"]
    assert any("'x' is called 'x_output'" in note for note in report["notes"])


REFUSED = {
    "hashed": (np.array([1], INT), LoweringError, r"StringToHashBucketFast, node '\S+' \(and 1 more like it\)"),
    "counting": (np.float32(1), LoweringError, "variable .*AssignAddVariableOp"),
    "half": (np.float32([1]), LoweringError, "computes in bfloat16"),
    "spectrum": (np.zeros(8, np.float32), LoweringError, r"output 'y' is complex64\[5\], and ONNX has no arithmetic"),
    "learning_table": (np.array([1], INT), LoweringError, r"node '\S+' \(LookupTableInsertV2\) changes a table"),
    "crowded": (np.float32([1]), LoweringError, "StringUpper(?s:.*)and .*Zeta"),
    "changing_table": (np.array([1], INT), LoweringError, "can be changed while the model runs"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_onnx_does_not_have_is_named_and_nothing_is_written(name: str, in_keras: Any, tmp_path: Path) -> None:
    value, kind, message = REFUSED[name]
    in_keras(onnx_models.save_only, getattr(onnx_models, name), tmp_path / "saved", [{"x": value}])
    with pytest.raises(kind, match=message) as caught:
        in_keras(onnx_models.export, tmp_path / "saved", tmp_path / "out" / "m.onnx", verify=False)
    assert caught.value.exit_code == 3
    assert sorted(each.name for each in tmp_path.iterdir()) == ["saved"]


def test_a_difference_is_no_model(in_keras: Any, tmp_path: Path) -> None:
    with pytest.raises(VerdictError, match=r"in ONNX Runtime .*, output 'dense_2' differs from the source"):
        in_keras(onnx_models.export, SAMPLES / "digits_mlp.keras", tmp_path / "m.onnx", atol=0.0, rtol=0.0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("opset", [0, 13, 19, 99])
def test_other_opsets_are_refused_before_anything_is_read(opset: int, in_keras: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"opset {opset} cannot be written: tf2onnx writes opsets 14 to 18"):
        in_keras(onnx_models.export, tmp_path / "none.keras", tmp_path / "m.onnx", opset=opset)


@pytest.mark.parametrize("opset", [14, 16])
def test_older_opsets_are_written(opset: int, in_keras: Any, tmp_path: Path) -> None:
    report = in_keras(onnx_models.export, SAMPLES / "digits_cnn.keras", tmp_path / "m.onnx", opset=opset)
    assert onnx.load(tmp_path / "m.onnx").opset_import[0].version == report["opset"] == opset


def test_one_of_several_signatures_is_chosen(in_keras: Any, tmp_path: Path) -> None:
    in_keras(onnx_models.two_ways, tmp_path / "saved")
    with pytest.raises(UsageError, match="an ONNX model has one signature, and the model has 2: down, up"):
        in_keras(onnx_models.export, tmp_path / "saved", tmp_path / "m.onnx")
    report = in_keras(onnx_models.export, tmp_path / "saved", tmp_path / "m.onnx", signature="down")
    assert report["signature"]["signature_name"] == "down"


def test_only_onnx_models_are_replaced(in_keras: Any, tmp_path: Path) -> None:
    source, output = SAMPLES / "penguins.keras", tmp_path / "m.onnx"
    output.write_text("something else")
    with pytest.raises(InputError, match="exists and is no ONNX model: it is never replaced"):
        in_keras(onnx_models.export, source, output, force=True)
    assert output.read_text() == "something else"
    output.unlink()
    in_keras(onnx_models.export, source, output)
    before = output.read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        in_keras(onnx_models.export, source, output)
    assert output.read_bytes() == before
    in_keras(onnx_models.export, source, output, force=True, seed=1)
    with pytest.raises(InputError, match="is a folder: expected a file"):
        in_keras(onnx_models.export, source, tmp_path, force=True)
    with pytest.raises(ModelError):
        in_keras(onnx_models.export, tmp_path / "none.keras", output, force=True)
    assert output.is_file()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["m.onnx", "m.onnx.evidence"]


def test_foreign_evidence_is_kept(in_keras: Any, tmp_path: Path) -> None:
    (tmp_path / "m.onnx.evidence").mkdir()
    with pytest.raises(InputError, match=r"something that an export writes beside it"):
        in_keras(onnx_models.export, SAMPLES / "penguins.keras", tmp_path / "m.onnx")


def test_what_is_not_installed_is_told_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "find_spec", lambda _: None)
    with pytest.raises(MissingError, match="not installed: tf2onnx, onnx, onnxruntime") as caught:
        export_onnx(tmp_path / "none.keras", tmp_path / "m.onnx")
    assert "'.[onnx]'" in caught.value.hint
    monkeypatch.setattr(target, "find_spec", lambda name: None if name == "onnxruntime" else object())
    with pytest.raises(MissingError) as caught:
        export_onnx(tmp_path / "none.keras", tmp_path / "m.onnx")
    assert "--no-verify" in caught.value.hint
    with pytest.raises(ModelError):
        export_onnx(tmp_path / "none.keras", tmp_path / "m.onnx", verify=False)


def test_ports_are_what_the_signature_says(in_keras: Any, tmp_path: Path) -> None:
    """Also where tf2onnx knows less of the shapes; open sizes have names that do not depend on what ran before."""
    calls = [{"x": floats(size, 6, 4, 2), "whole": np.zeros((size, 4, 3, 2), np.uint8)} for size in (1, 2)]
    in_keras(onnx_models.save_only, onnx_models.resized, tmp_path / "saved", calls)
    in_keras(onnx_models.export, tmp_path / "saved", tmp_path / "m.onnx", verify=False)
    graph = onnx.load(tmp_path / "m.onnx").graph
    shapes = {
        port.name: [size.dim_param or size.dim_value for size in port.type.tensor_type.shape.dim]
        for port in (*graph.input, *graph.output)
    }
    assert shapes["whole"] == ["whole_0", 4, 3, 2]
    assert shapes["area"] == ["area_0", 3, 5, 2]


def test_large_weights_lie_beside_the_model(in_keras: Any, tmp_path: Path) -> None:
    names, ends = in_keras(onnx_models.save_twice, tmp_path)
    assert names == ["m.onnx", "m.onnx.data"]
    assert ends == [4095.0, 4096.0]
