"""``tfkit inspect`` as a process: what it prints, its exit codes, what it imports."""

import json
import os
import subprocess
import sys

import jsonschema
import pytest

from tfkit import proto
from tfkit.cli.app import COMMANDS
from tfkit.eas.structure import schema

# Runs the command, and then tells on stderr which modules it has loaded.
MAIN = """
import atexit, sys
atexit.register(lambda: sys.stderr.write("LOADED " + " ".join(sys.modules)))
from tfkit.cli import main
main()
"""


def run(*arguments, env=None):
    command = [sys.executable, "-c", MAIN, *map(str, arguments)]
    environment = os.environ | {"COLUMNS": "120"} | (env or {})
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    done.stderr, _, loaded = done.stderr.partition("LOADED ")
    done.loaded = {name.split(".")[0] if name.split(".")[0] != "google" else name for name in loaded.split()}
    return done


def add_tensor(tensors, alias, tensor, dtype, shape):
    info = tensors[alias]
    info.name, info.dtype = tensor, dtype
    if shape is None:
        info.tensor_shape.unknown_rank = True
    for size in shape or ():
        info.tensor_shape.dim.add(size=size)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small SavedModel whose every byte is known: three signatures, an asset, an extra file, no variables."""
    folder = tmp_path_factory.mktemp("made") / "model"
    saved = proto.message("tensorflow.SavedModel")(saved_model_schema_version=1)
    metagraph = saved.meta_graphs.add()
    metagraph.meta_info_def.tags.append("serve")
    metagraph.meta_info_def.tensorflow_version = "1.15.5"
    metagraph.meta_info_def.tensorflow_git_version = "v1.15.4-39-g3db52be7be8"
    graph = metagraph.graph_def
    graph.versions.producer, graph.versions.min_consumer = 134, 12
    for name, op in [("x", "Placeholder"), ("n", "Placeholder"), ("y", "Identity")]:
        graph.node.add(name=name, op=op)
    graph.library.function.add().node_def.add(name="inner", op="NoOp")
    predict = metagraph.signature_def["predict_images"]
    predict.method_name = "tensorflow/serving/predict"
    add_tensor(predict.inputs, "images", "x:0", 1, [-1, 784])
    add_tensor(predict.outputs, "scores", "y:0", 1, [-1, 10])
    ranks = metagraph.signature_def["ranks"]
    ranks.method_name = "tensorflow/serving/predict"
    add_tensor(ranks.inputs, "any", "x:0", 1, None)
    add_tensor(ranks.inputs, "n", "n:0", 9, [])
    add_tensor(ranks.outputs, "y", "y:0", 7, None)
    add_tensor(metagraph.signature_def["__saved_model_init_op"].outputs, "__saved_model_init_op", "init", 0, None)
    asset = metagraph.asset_file_def.add(filename="words.txt")
    asset.tensor_info.name = "Const:0"
    for name, text in [("assets/words.txt", "cat\n"), ("assets.extra/warm_up.bin", "xy")]:
        file = folder / name
        file.parent.mkdir(parents=True)
        file.write_text(text)
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString(deterministic=True))
    return folder


def tensor(name, source, dtype, shape, rank):
    return {"name": name, "rank": rank, "shape": shape, "tensor": source, "type": dtype}


PREDICT = "tensorflow/serving/predict"
# The report of that model; programs rely on these keys.
GOLDEN = {
    "assets_extra": [{"name": "warm_up.bin", "size_bytes": 2}],
    "metagraphs": [
        {
            "assets": [{"filename": "words.txt", "size_bytes": 4, "tensor": "Const:0"}],
            "default_signature": "predict_images",
            "graph": {"functions": 1, "min_consumer": 12, "ops": 4, "producer": 134, "size_bytes": 77},
            "signatures": [
                {
                    "inputs": [],
                    "method": "",
                    "name": "__saved_model_init_op",
                    "outputs": [tensor("__saved_model_init_op", "init", "DT_INVALID", [], None)],
                },
                {
                    "inputs": [tensor("images", "x:0", "DT_FLOAT", [-1, 784], 2)],
                    "method": PREDICT,
                    "name": "predict_images",
                    "outputs": [tensor("scores", "y:0", "DT_FLOAT", [-1, 10], 2)],
                },
                {
                    "inputs": [tensor("any", "x:0", "DT_FLOAT", [], None), tensor("n", "n:0", "DT_INT64", [], 0)],
                    "method": PREDICT,
                    "name": "ranks",
                    "outputs": [tensor("y", "y:0", "DT_STRING", [], None)],
                },
            ],
            "tags": ["serve"],
            "tensorflow_git_version": "v1.15.4-39-g3db52be7be8",
            "tensorflow_version": "1.15.5",
        }
    ],
    "variables": {"count": 0, "items": [], "size_bytes": 0},
}

STRUCTURE = """\
{
    "inputs": [
        {
            "name": "images",
            "shape": [
                -1,
                784
            ],
            "type": "DT_FLOAT"
        }
    ],
    "outputs": [
        {
            "name": "scores",
            "shape": [
                -1,
                10
            ],
            "type": "DT_FLOAT"
        }
    ],
    "signature_name": "predict_images"
}
"""


def test_stdout_is_exactly_the_structure(model):
    done = run("inspect", model)
    assert (done.returncode, done.stdout) == (0, STRUCTURE)
    assert done.stderr == "note: this is 'predict_images'; --signature shows another: ranks\n"


def test_an_unknown_rank_is_told_beside_the_structure(model):
    done = run("inspect", model, "--signature", "ranks")
    structure = json.loads(done.stdout)
    jsonschema.validate(structure, schema())
    assert [each["shape"] for each in structure["inputs"]] == [[], []]
    assert done.stderr == "note: input 'any': rank unknown\nnote: output 'y': rank unknown\n"


def test_all_is_the_golden_report(model):
    done = run("inspect", model, "--all")
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    file = model / "saved_model.pb"
    sizes = {"file": str(file), "file_bytes": file.stat().st_size, "folder_bytes": file.stat().st_size + 6}
    assert report == GOLDEN | sizes
    assert done.stdout == json.dumps(report, indent=4, sort_keys=True) + "\n"
    assert run("inspect", model, "--all", "--json").stdout == done.stdout


def test_tables_tell_scalars_from_unknown_ranks(model):
    done = run("inspect", model, "--signature", "ranks", "--table")
    rows = [line.split() for line in done.stdout.splitlines() if line.strip()]
    assert rows[0] == ["ranks", f"({PREDICT})"]
    assert ["input", "any", "float32", "unknown", "rank", "x:0"] in rows
    assert ["input", "n", "int64", "scalar", "n:0"] in rows


def test_tables_of_everything_name_the_facts(model):
    done = run("inspect", model, "--all", "--table")
    assert done.returncode == 0
    facts = ["1.15.5 (v1.15.4-39-g3db52be7be8)", "134, read by 12 and newer", "4, 1 of them in 1 functions"]
    facts += ["assets/words.txt", "4 bytes", "assets.extra/warm_up.bin", "?, 784", "variables: 0, 0 bytes"]
    assert [fact for fact in facts if fact not in done.stdout] == []


def test_tags_choose_the_graph(model):
    assert run("inspect", model, "--tags", "serve").stdout == STRUCTURE
    done = run("inspect", model, "--tags", "serve, gpu")
    assert (done.returncode, done.stdout) == (3, "")
    assert "has no graph with the tags gpu,serve\nIts tag sets: serve." in done.stderr
    assert run("inspect", model, "--tags", "").returncode == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere"], 3, "there is no file or folder nowhere"),
        (["."], 3, "is no SavedModel"),
        ([".", "--all", "--signature", "x"], 2, "leave --signature out"),
        ([], 2, "Missing argument"),
    ],
)
def test_failures_have_a_message_an_exit_code_and_no_traceback(arguments, code, said):
    done = run("inspect", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_signature_offers_the_nearest(model):
    done = run("inspect", model, "--signature", "predict_image")
    assert done.returncode == 3
    assert "Did you mean 'predict_images'?" in done.stderr


def test_a_frozen_graph_is_answered_with_what_it_has(tmp_path):
    graph = proto.message("tensorflow.GraphDef")()
    graph.node.add(name="x", op="Placeholder")
    graph.node.add(name="y", op="Softmax", input=["x"])
    (tmp_path / "graph.pb").write_bytes(graph.SerializeToString())
    done = run("inspect", tmp_path / "graph.pb")
    assert (done.returncode, done.stdout) == (3, "")
    assert "it has no signature" in done.stderr
    assert "  y:0  Softmax\n" in done.stderr


HEAVY = {"tensorflow", "keras", "tf2onnx", "numpy"}


@pytest.mark.parametrize("options", [[], ["--all"], ["--signature", "ranks"]])
def test_inspecting_imports_next_to_nothing(model, options):
    loaded = run("inspect", model, *options).loaded
    assert "tfkit" in loaded
    assert not loaded & (HEAVY | {"rich", "google.protobuf", "ml_dtypes"})


def test_a_table_imports_rich_and_no_more(model):
    loaded = run("inspect", model, "--table").loaded
    assert "rich" in loaded
    assert not loaded & (HEAVY | {"google.protobuf"})


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_nothing_heavy(command):
    done = run(command, "--help")
    assert done.returncode == 0, done.stderr
    assert not done.loaded & HEAVY


def test_the_main_help_loads_nothing_heavy():
    done = run("--help")
    assert done.returncode == 0, done.stderr
    assert not done.loaded & HEAVY
    assert all(name in done.stdout for name in COMMANDS)
