"""One signature is read with notes on what its structure JSON cannot say."""

import pytest

from tfkit.errors import ModelError, SignatureError
from tfkit.savedmodel.selection import inspect_signature
from tfkit.savedmodel.signatures import check_dense


def test_a_plain_model_needs_no_notes(models):
    report = inspect_signature(models / "default")
    assert report.signature.name == "serving_default"
    assert report.notes == ()


def test_unknown_ranks_are_noted_and_scalars_are_not(models):
    notes = inspect_signature(models / "two", name="any_rank").notes
    assert notes == ("input 'x': rank unknown", "output 'y': rank unknown")


def test_a_choice_among_several_is_noted(models):
    notes = inspect_signature(models / "two").notes
    assert notes[-1] == "this is 'any_rank'; --signature shows another: look_up, predict_images"


def test_a_signature_that_no_request_can_run_is_noted(models):
    (note,) = inspect_signature(models / "one", name="classify").notes
    assert note == "signature 'classify' is no Predict signature (method tensorflow/serving/classify)"


def test_a_sparse_input_is_noted_and_refused_only_where_it_is_used(models):
    report = inspect_signature(models / "one", name="sparse")
    assert report.notes[0].startswith("input 's' is coo_sparse(sparse/values:0, sparse/indices:0, sparse/")
    with pytest.raises(SignatureError, match=r"input 's' of signature 'sparse' is coo_sparse\(.*expected one dense"):
        check_dense(report.signature)
    check_dense(inspect_signature(models / "one", name="predict").signature)


def test_tensorflows_own_entry_points_are_nobodys_to_ask_for(models):
    with pytest.raises(SignatureError, match="no signature '__saved_model_init_op'") as caught:
        inspect_signature(models / "two", name="__saved_model_init_op")
    assert "__saved_model" not in caught.value.hint


def test_a_graph_that_is_not_for_serving_is_noted(models, tmp_path):
    import shutil

    from tfkit import proto

    saved = proto.message("tensorflow.SavedModel").FromString((models / "one" / "saved_model.pb").read_bytes())
    del saved.meta_graphs[2], saved.meta_graphs[0]
    shutil.copytree(models / "one", tmp_path / "gpu")
    (tmp_path / "gpu" / "saved_model.pb").write_bytes(saved.SerializeToString())
    assert inspect_signature(tmp_path / "gpu").notes == ("the only graph has the tags gpu,serve, not serve",)
    assert inspect_signature(tmp_path / "gpu", tags=["serve", "gpu"]).notes == ()
    with pytest.raises(ModelError, match="no graph with the tags serve"):
        inspect_signature(tmp_path / "gpu", tags=["serve"])
