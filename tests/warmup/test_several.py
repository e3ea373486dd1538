"""Several warm-up files at once: batch sizes, signatures and sets of outputs; and those made from records."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tfkit import proto
from tfkit.eas.messages import PredictRequest, encode_request
from tfkit.errors import InputError, SignatureError, UsageError
from tfkit.warmup.files import read_warmup
from tfkit.warmup.folder import read_folder, write_folder
from tfkit.warmup.generate import make_warmup
from tfkit.warmup.records import warmup_from_records


@pytest.fixture
def output(tmp_path):
    return tmp_path / "warm_up"


def names(folder):
    return sorted(each.name for each in folder.iterdir())


class TestSeveral:
    def test_each_batch_size_has_its_file_and_the_manifest_says_which(self, model, output):
        report = make_warmup(model, output, batch_size=[1, 8, 8])
        assert names(output) == ["manifest.json", "serving_default-batch1.bin", "serving_default-batch8.bin"]
        assert read_warmup(output / "serving_default-batch8.bin").inputs["images"].shape == (8, 4)
        first, second = read_folder(output)
        assert [each.file for each in (first, second)] == [file.path.name for file in report.files]
        assert [each.sha256 for each in (first, second)] == [file.sha256 for file in report.files]
        assert json.loads((output / "manifest.json").read_text())["requests"][1]["inputs"][0]["shape"] == [8]

    def test_signatures_outputs_and_batch_sizes_are_combined(self, model, output):
        make_warmup(
            model,
            output,
            batch_size=[1, 2],
            signature=["serving_default", "predict_images"],
            fetch=["images"],
            fetch_sets=[["word", "ids"], []],
        )
        asked = {(each.signature_name, each.output_filter) for each in map(read_warmup, output.glob("*.bin"))}
        assert len(list(output.glob("*.bin"))) == 12
        assert asked == {
            (signature, outputs)
            for signature in ("serving_default", "predict_images")
            for outputs in (("images",), ("word", "ids"), ())
        }
        assert {"predict_images-word+ids-batch2.bin", "serving_default-all-batch1.bin"}.issubset(names(output))

    def test_all_stands_for_every_signature(self, model, output):
        make_warmup(model, output, signature="all")
        assert names(output) == ["manifest.json", "predict_images.bin", "serving_default.bin"]

    def test_one_of_each_is_a_file_as_ever(self, model, output):
        report = make_warmup(model, output, batch_size=[2], signature=["predict_images"], fetch_sets=[["ids"]])
        assert output.is_file()
        assert [each["output_filter"] for each in report.as_dict()["files"]] == [["ids"]]

    def test_an_option_for_one_signature_is_none_of_the_other_s_business(self, model, output):
        saved = proto.message("tensorflow.SavedModel").FromString((model / "saved_model.pb").read_bytes())
        del saved.meta_graphs[0].signature_def["predict_images"].inputs["ids"]
        (model / "saved_model.pb").write_bytes(saved.SerializeToString())
        make_warmup(model, output, inputs=["ids=[2]", "images=zeros"], signature="all", batch_size=1)
        held = {each.signature_name: each.inputs for each in map(read_warmup, output.glob("*.bin"))}
        assert held["serving_default"]["ids"].tolist() == [2]
        assert "ids" not in held["predict_images"]
        with pytest.raises(SignatureError, match="no input 'id'"):
            make_warmup(model, output, inputs=["id=[2]"], signature="all", force=True)

    def test_a_form_that_comes_twice_is_written_once(self, model, output):
        saved = proto.message("tensorflow.SavedModel").FromString((model / "saved_model.pb").read_bytes())
        for each in saved.meta_graphs[0].signature_def["serving_default"].inputs.values():
            each.tensor_shape.dim[0].size = 3
        (model / "saved_model.pb").write_bytes(saved.SerializeToString())
        report = make_warmup(model, output, batch_size=[1, 2])
        assert len(report.files) == len(read_folder(output)) == 1
        assert names(output) == ["manifest.json", "serving_default.bin"]

    def test_names_of_signatures_are_made_fit_for_files(self, model, output):
        saved = proto.message("tensorflow.SavedModel").FromString((model / "saved_model.pb").read_bytes())
        signatures = saved.meta_graphs[0].signature_def
        for name in ("../up", "..:up", "." * 300):
            signatures[name].CopyFrom(signatures["serving_default"])
        (model / "saved_model.pb").write_bytes(saved.SerializeToString())
        make_warmup(model, output, signature="all")
        assert len(read_folder(output)) == 5
        assert names(output.parent) == ["model", "warm_up"]
        assert all("/" not in name and not name.startswith(".") for name in names(output))

    def test_folders_above_the_output_are_made(self, model, output):
        make_warmup(model, output / "a" / "b.bin")
        make_warmup(model, output / "c" / "d", batch_size=[1, 2])
        assert names(output) == ["a", "c"]
        warmup_from_records(model, output / "c" / "d", output / "e" / "f")
        assert len(read_folder(output / "e" / "f")) == 2

    def test_what_does_not_fit_leaves_nothing(self, model, output):
        with pytest.raises(SignatureError):
            make_warmup(model, output / "a" / "b", batch_size=[1, 2], inputs=["images=[1]"])
        with pytest.raises(UsageError, match="rows 'last'"):
            make_warmup(model, output, rows="last")
        assert names(output.parent) == ["model"]

    def test_files_are_replaced_only_by_force(self, model, output):
        make_warmup(model, output, batch_size=[1, 2])
        with pytest.raises(UsageError, match="--force"):
            make_warmup(model, output, batch_size=[1, 2], seed=1)
        before = read_folder(output)
        make_warmup(model, output, batch_size=[1, 2], seed=1, force=True)
        assert read_folder(output) != before

    def test_what_an_earlier_writing_left_goes_and_nothing_else(self, model, output):
        make_warmup(model, output, batch_size=[1, 2, 3, 4])
        (output / "notes.txt").write_text("mine")
        (output / "serving_default-batch2.bin").write_bytes(b"mine as well")
        make_warmup(model, output, batch_size=[4, 5], force=True)
        batches = [f"serving_default-batch{size}.bin" for size in (2, 4, 5)]
        assert names(output) == ["manifest.json", "notes.txt", *batches]
        assert [each.file for each in read_folder(output)] == batches[1:]

    @pytest.mark.parametrize("force", [False, True])
    @pytest.mark.parametrize("content", ['{"tfkit": "1", "processors": []}', "[]", "no JSON"])
    def test_a_manifest_of_something_else_is_never_replaced(self, model, output, content, force):
        output.mkdir()
        (output / "manifest.json").write_text(content)
        with pytest.raises(InputError, match="is no manifest of requests: it is never replaced"):
            make_warmup(model, output, batch_size=[1, 2], force=force)
        assert names(output) == ["manifest.json"]
        assert (output / "manifest.json").read_text() == content

    def test_of_a_sample_request_other_outputs_and_all_can_be_asked_for(self, model, output, tmp_path):
        (tmp_path / "sample.bin").write_bytes(request(2, "predict_images", ["ids"]))
        make_warmup(model, output, inputs=[f"@{tmp_path}/sample.bin"], fetch_sets=[["word"], []])
        held = list(map(read_warmup, sorted(output.glob("*.bin"))))
        assert {(each.signature_name, each.output_filter) for each in held} == {
            ("predict_images", ("word",)),
            ("predict_images", ()),
        }
        assert {len(each.inputs["ids"]) for each in held} == {2}

    def test_random_rows_come_from_all_of_the_file(self, model, tmp_path):
        np.save(tmp_path / "x.npy", np.arange(4000).reshape(1000, 4))
        make_warmup(model, tmp_path / "w.bin", inputs=f"images=@{tmp_path}/x.npy", batch_size=20, rows="random")
        assert read_warmup(tmp_path / "w.bin").inputs["images"].max() > 2000


def request(rows, signature="", outputs=(), dtype=np.float32):
    """A serialized request of so many rows."""
    word = np.empty(rows, object)
    word[:] = b"w"
    inputs = {"images": np.ones((rows, 4), dtype), "ids": np.arange(rows), "word": word}
    return encode_request(PredictRequest(inputs, signature, tuple(outputs)))


class TestRecords:
    @pytest.fixture
    def records(self, tmp_path):
        """Recorded requests: two are alike to the model, and one does not fit it."""
        files = {
            "a.bin": request(1),
            "b.bin": request(1, "serving_default", ["word_out", "ids_out", "images_out"]),
            "c.bin": request(2),
            "d.bin": request(3, "predict_images"),
            "e.bin": request(1, dtype=np.float64),
        }
        counts = {"a.bin": 3, "b.bin": 4, "c.bin": 5, "d.bin": 1, "e.bin": 100}
        write_folder(tmp_path / "records", files, requests=counts, force=False)
        return tmp_path / "records"

    @pytest.fixture
    def model(self, model):
        """The model with outputs that are not called like its inputs."""
        saved = proto.message("tensorflow.SavedModel").FromString((model / "saved_model.pb").read_bytes())
        for signature in saved.meta_graphs[0].signature_def.values():
            for name in list(signature.outputs):
                signature.outputs[f"{name}_out"].CopyFrom(signature.outputs[name])
                del signature.outputs[name]
        (model / "saved_model.pb").write_bytes(saved.SerializeToString())
        return model

    def test_the_most_frequent_forms_become_warm_up_files(self, model, records, output):
        report = warmup_from_records(model, records, output, most=2)
        assert [(each.file, each.requests) for each in read_folder(output)] == [("b.bin", 7), ("c.bin", 5)]
        assert (output / "b.bin").read_bytes() == (records / "b.bin").read_bytes()
        assert [file.path for file in report.files] == [output / "b.bin", output / "c.bin"]
        (skipped,) = report.skipped
        assert "e.bin: input 'images' has dtype float64: expected float32" in skipped

    @pytest.mark.parametrize(("most", "file"), [(2, ""), (1, "a.bin")])
    def test_records_are_not_written_over(self, model, records, most, file):
        before = {each: each.read_bytes() for each in records.iterdir()}
        with pytest.raises(UsageError, match="is where the records are"):
            warmup_from_records(model, records, records / file, most=most, force=True)
        assert {each: each.read_bytes() for each in records.iterdir()} == before

    def test_of_one_form_a_file_is_written(self, model, records, output):
        warmup_from_records(model, records, output, most=1)
        assert output.read_bytes() == (records / "b.bin").read_bytes()

    def test_records_that_the_model_would_refuse_are_left_out(self, model, records, output):
        sample = PredictRequest({"images": np.ones((3, 4), np.float32), "ids": np.arange(3) + 1}, "predict_images")
        word = np.array([b"w"] * 3, object)
        (records / "d.bin").write_bytes(encode_request(replace(sample, inputs=sample.inputs | {"word": word})))
        report = warmup_from_records(model, records, output)
        assert any("d.bin: input 'ids': 1 of 3 values, such as 3, are outside" in each for each in report.skipped)

    def test_records_that_do_not_fit_are_an_input_error(self, model, records, output):
        for name in ("a.bin", "b.bin", "c.bin", "d.bin"):
            (records / name).write_bytes((records / "e.bin").read_bytes())
        with pytest.raises(InputError, match="no request that fits"):
            warmup_from_records(model, records, output)
        assert not output.exists()

    def test_a_folder_without_a_manifest_is_an_input_error(self, model, output, tmp_path):
        with pytest.raises(InputError, match="no folder of requests"):
            warmup_from_records(model, tmp_path, output)
        for name in ("../a.bin", "a\0.bin", "\ud800.bin"):
            (tmp_path / "manifest.json").write_text(json.dumps({"requests": [{"file": name}]}))
            with pytest.raises(InputError, match="expected the name of a file beside it"):
                warmup_from_records(model, tmp_path, output)
        with pytest.raises(UsageError, match="expected 1 or more"):
            warmup_from_records(model, tmp_path, output, most=0)
