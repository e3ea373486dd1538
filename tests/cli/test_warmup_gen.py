"""``tfkit warmup-gen`` as a person and as a program use it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tfkit import proto

FROZEN = Path(__file__).parents[1] / "old_tensorflow" / "fixtures" / "tf_1.15" / "frozen.pb"


@pytest.fixture
def model(tmp_path):
    """A SavedModel that hands on ``images``, ``float32[?, 4]``, as ``scores``."""
    saved = proto.message("tensorflow.SavedModel")(saved_model_schema_version=1)
    metagraph = saved.meta_graphs.add()
    metagraph.meta_info_def.tags.append("serve")
    metagraph.graph_def.node.add(name="images", op="Placeholder").attr["dtype"].type = 1
    signature = metagraph.signature_def["predict_images"]
    signature.method_name = "tensorflow/serving/predict"
    for place, name in ((signature.inputs, "images"), (signature.outputs, "scores")):
        place[name].name = "images:0"
        place[name].dtype = 1
        for size in (-1, 4):
            place[name].tensor_shape.dim.add(size=size)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").write_bytes(saved.SerializeToString())
    return tmp_path / "model"


@pytest.fixture
def warmup_gen(model):
    """Runs ``tfkit warmup-gen MODEL`` beside the model."""

    def run(*options):
        command = [sys.executable, "-m", "tfkit.cli", "warmup-gen", str(model), *options]
        return subprocess.run(command, cwd=model.parent, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_the_table_shows_what_the_file_holds(warmup_gen, model):
    done = warmup_gen("--input", "images=[1, 2, 3, 4]", "--fetch", "scores")
    assert done.returncode == 0, done.stderr
    for words in ("images", "float32", "1, 4", "1 to 4", "1, 2, 3, 4", "predict_images", "scores", "warm_up_test.bin"):
        assert words in done.stdout, words
    assert done.stderr == ""
    assert (model.parent / "warm_up_test.bin").stat().st_size > 0


def test_values_that_may_not_warm_up_get_a_note(warmup_gen):
    done = warmup_gen("--input", "images=[NaN, 1, 2, 3]")
    assert done.returncode == 0, done.stderr
    assert "note: input 'images': 1 of 4 values are NaN or infinite" in done.stderr


def test_what_a_terminal_would_obey_is_escaped(warmup_gen, model):
    saved = proto.message("tensorflow.SavedModel").FromString((model / "saved_model.pb").read_bytes())
    saved.meta_graphs[0].signature_def["predict_images"].inputs["images"].dtype = 7
    (model / "saved_model.pb").write_bytes(saved.SerializeToString())
    value = 'images=["\\u001b[31mred", "two\\nlines", "c", "d"]'
    done = warmup_gen("--input", value)
    assert done.returncode == 0, done.stderr
    assert r"\u001b[31mred, two\u000alines, c, d" in done.stdout
    assert json.loads(warmup_gen("--input", value, "--force", "--json").stdout)["files"][0]["inputs"][0]["first"] == [
        "\x1b[31mred",
        "two\nlines",
        "c",
        "d",
    ]
    done = warmup_gen("--input", "\x1b[31mred=zeros", "--force")
    assert "\x1b" not in done.stderr


def test_json_has_a_fixed_form_and_notes_go_to_stderr(warmup_gen):
    done = warmup_gen("--json", "--batch-size", "2", "--seed", "5", "--output", "w.bin")
    report = json.loads(done.stdout)
    assert "nothing was given for input 'images'" in done.stderr
    assert set(report) == {"path", "files", "skipped"}
    (file,) = report["files"]
    assert report["path"] == file["path"] == "w.bin"
    assert set(file) == {"path", "signature_name", "output_filter", "size_bytes", "sha256", "warnings", "inputs"}
    (held,) = file["inputs"]
    assert set(held) == {"name", "dtype", "shape", "first", "low", "high", "made_up"}
    assert (held["dtype"], held["shape"], held["made_up"]) == ("DT_FLOAT", [2, 4], True)
    assert 0 <= held["low"] < held["high"] <= 1


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--input", "images"), 2, "expected NAME=@FILE"),
        (("--input", "image=zeros"), 3, "Did you mean 'images'?"),
        (("--input", "images=@none.npy"), 3, "none.npy does not exist"),
        (("--batch-size", "0"), 2, "than or equal to 1"),
        (("--output", "model"), 3, "it is a folder"),
        (("--output", "w" * 300), 3, "too long"),
        (("--tags", "serve,gpu"), 3, "gpu"),
        (("--input", "images=rand"), 2, "Did you mean random?"),
        (("--input", "@none.csv"), 3, "none.csv does not exist"),
        (("--rows", "last"), 2, "expected first or random"),
        (("--fetch-set", "scores,"), 2, "names no output between its commas"),
        (("--fetch-set", "scores", "--fetch-set", "score"), 3, "Did you mean 'scores'?"),
        (("--most", "3"), 2, "--most is for --from-records"),
        (("--from-records", ".", "--batch-size", "2"), 2, "takes requests as they are"),
        (("--from-records", "none"), 3, "no folder of requests"),
    ],
)
def test_bad_options_end_with_a_message_and_a_code(warmup_gen, model, options, code, words):
    done = warmup_gen(*options)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(each.name for each in model.parent.iterdir()) == ["model"]


def test_several_requests_make_a_folder_and_a_table_of_its_files(warmup_gen, model):
    (model.parent / "rows.csv").write_text("a,b,c,d\n1,2,3,4\n5,6,7,8\n")
    options = ("--input", "@rows.csv", "--batch-size", "1", "--batch-size", "2")
    done = warmup_gen(*options, "--fetch-set", "scores", "--fetch-set", "*")
    assert done.returncode == 0, done.stderr
    for words in ("predict_images-scores-batch1.bin", "float32[2, 4]", "all", "warm_up, 4 warm-up files"):
        assert words in done.stdout, words
    assert done.stderr == ""
    assert len(list((model.parent / "warm_up").iterdir())) == 5
    done = warmup_gen(*options, "--rows", "random", "--json", "--output", "other")
    report = json.loads(done.stdout)
    assert report["path"] == "other"
    assert [each["inputs"][0]["shape"] for each in report["files"]] == [[1, 4], [2, 4]]


def test_records_become_warm_up_files_in_one_command(warmup_gen, model):
    warmup_gen("--batch-size", "1", "--batch-size", "2", "--output", "records")
    (model.parent / "records" / "predict_images-batch2.bin").write_bytes(
        (model.parent / "records" / "predict_images-batch2.bin").read_bytes().replace(b"images", b"image_")
    )
    done = warmup_gen("--from-records", "records")
    assert done.returncode == 0, done.stderr
    assert "warm_up, 1 warm-up file and manifest.json" in done.stdout
    assert "left out, as it does not fit the model: predict_images-batch2.bin" in done.stderr
    done = warmup_gen("--from-records", "records", "--most", "1", "--json", "--output", "w.bin")
    assert json.loads(done.stdout)["files"][0]["inputs"][0]["shape"] == [1, 4]


def test_a_batch_size_that_a_fixed_shape_overrules_is_told(warmup_gen, model):
    saved = proto.message("tensorflow.SavedModel").FromString((model / "saved_model.pb").read_bytes())
    saved.meta_graphs[0].signature_def["predict_images"].inputs["images"].tensor_shape.dim[0].size = 4
    saved.meta_graphs[0].meta_info_def.tags.append("gpu")
    (model / "saved_model.pb").write_bytes(saved.SerializeToString())
    done = warmup_gen("--batch-size", "3", "--input", "images=zeros", "--tags", "serve, gpu")
    assert done.returncode == 0, done.stderr
    assert "input 'images' keeps its shape [4, 4]: it is no batch of 3" in done.stderr


def test_a_frozen_graph_s_outputs_are_named_with_fetch(tmp_path):
    def run(*options):
        command = [sys.executable, "-m", "tfkit.cli", "warmup-gen", str(FROZEN), *options]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    done = run()
    assert done.returncode == 3, done.stderr
    assert "--fetch OUTPUT" in done.stderr.splitlines()[-1]
    assert "scores:0" in done.stderr.splitlines()[-1]
    done = run("--fetch", "scores", "--tags", "gpu")
    assert done.returncode == 0, done.stderr
    assert "--tags gpu is ignored" in done.stderr
    assert "outputs    scores" in done.stdout
    assert "signature" not in done.stdout
