"""A SavedModel's signatures are kept, picked, renamed and merged, whatever tag set they stand under."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.old_tensorflow.recorded import FIXTURES, Fixture
from tests.runtimes import installed_runtime
from tfkit import proto
from tfkit.errors import ModelError, SignatureError
from tfkit.export import export_model
from tfkit.runtime import Runtime
from tfkit.savedmodel.reader import read_metagraphs, read_signatures

pytestmark = pytest.mark.network
OLDEST, NEWEST = FIXTURES[0], FIXTURES[-1]
PROCESSOR = "tensorflow_cpu_2.4"


def retagged(fixture: Fixture, folder: Path, *tags: str) -> Path:
    """A copy of a fixture's model with another tag set."""
    shutil.copytree(fixture.model, folder)
    file = folder / "saved_model.pb"
    message = proto.message("tensorflow.SavedModel").FromString(file.read_bytes())
    message.meta_graphs[0].meta_info_def.tags[:] = tags
    file.write_bytes(message.SerializeToString())
    return folder


@pytest.mark.parametrize("fixture", [OLDEST, NEWEST], ids=str)
def test_one_is_picked_and_renamed(fixture: Fixture, tmp_path: Path) -> None:
    installed_runtime(PROCESSOR)
    report = export_model(
        fixture.model, tmp_path / "out", processor=PROCESSOR, signature="classify", merge=["serving_default"],
        rename={"features": "flowers", "serving_default:scores": "probabilities"},
    )  # fmt: skip
    assert list(read_signatures(tmp_path / "out")) == ["classify"]
    assert [spec.name for spec in report.signature.inputs] == ["flowers"]
    assert [spec.name for spec in report.signature.outputs] == ["best", "probabilities"]
    case = fixture.first("serving_default")
    with Runtime(PROCESSOR, device="cpu") as runtime:
        came = runtime.load(tmp_path / "out").predict({"flowers": case.inputs["features"]}, signature="classify")
    np.testing.assert_allclose(came["probabilities"], case.outputs["scores"], rtol=1e-5)


@pytest.mark.parametrize("merge", [["branch", "echo_DT_FLOAT"], ["echo_DT_FLOAT", "branch"]])
@pytest.mark.parametrize("fixture", [OLDEST, NEWEST], ids=str)
def test_several_become_one_and_share_inputs(fixture: Fixture, merge: list[str], tmp_path: Path) -> None:
    """Both take a vector called x, one of them any x: it is fed once."""
    installed_runtime(PROCESSOR)
    export_model(
        fixture.model, tmp_path / "out", processor=PROCESSOR, signature="both", merge=merge,
        rename={"branch:y": "chosen", "echo_DT_FLOAT:y": "same"},
    )  # fmt: skip
    (signature,) = read_signatures(tmp_path / "out").values()
    assert list(map(str, signature.inputs)) == ["bool[]", "float32[?]"]
    x = np.array([1.5, -2.0], np.float32)
    with Runtime(PROCESSOR, device="cpu") as runtime:
        model = runtime.load(tmp_path / "out")
        came = model.predict({"flag": np.array(True), "x": x}, signature="both")
    with Runtime(fixture.processor, device="cpu") as runtime:
        own = runtime.load(fixture.model).predict({"flag": np.array(True), "x": x}, signature="branch")
    assert came["same"].tolist() == x.tolist()
    assert came["chosen"].tolist() == own["y"].tolist()


def test_what_cannot_be_one_is_said(tmp_path: Path) -> None:
    model, out = OLDEST.model, tmp_path / "out"
    with pytest.raises(SignatureError, match="two outputs of branch and echo_DT_FLOAT would be called 'y'"):
        export_model(model, out, merge=["branch", "echo_DT_FLOAT"])
    with pytest.raises(SignatureError, match=r"input .x. is .* they cannot be one"):
        export_model(model, out, merge=["echo_DT_INT32", "echo_DT_FLOAT"], rename={"echo_DT_INT32:y": "z"})
    with pytest.raises(SignatureError, match="no signature 'brunch'"):
        export_model(model, out, merge=["brunch"])
    with pytest.raises(SignatureError, match="no input or output 'scroes'"):
        export_model(model, out, signature="serving_default", rename={"scroes": "x"})
    assert not out.exists()


@pytest.mark.parametrize("tags", [(), ("train", "gpu")], ids=str)
def test_the_only_tag_set_is_taken_and_the_export_is_one_to_serve(tags: tuple[str, ...], tmp_path: Path) -> None:
    model = retagged(NEWEST, tmp_path / "model", *tags)
    with pytest.raises(ModelError, match="no graph with the tags serve"):
        export_model(model, tmp_path / "out", tags=("serve",))
    for given in (None, tags):
        export_model(model, tmp_path / "out", tags=given, signature="serving_default", force=True)
        assert [each.tags for each in read_metagraphs(tmp_path / "out")] == [("serve",)]


def test_a_text_file_is_a_source(tmp_path: Path) -> None:
    from google.protobuf import text_format

    model = retagged(OLDEST, tmp_path / "model", "serve")
    file = model / "saved_model.pb"
    message = proto.message("tensorflow.SavedModel").FromString(file.read_bytes())
    file.with_name("saved_model.pbtxt").write_text(text_format.MessageToString(message))
    file.unlink()
    report = export_model(model, tmp_path / "out", signature="serving_default")
    assert report.check.outputs
    assert (tmp_path / "out" / "saved_model.pb").is_file()
