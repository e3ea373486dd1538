"""The user's own code: found, run, and its mistakes told with file and line; nothing is left behind by any of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.export.test_weights import FOLDER, NETS, check, export
from tfkit.errors import InputError, ModelError, UsageError
from tfkit.export.live.user_code import UserFile
from tfkit.export.weights.architecture import read_architecture

WEIGHTS = FOLDER / "fixtures" / "tf_2.7" / "cnn.h5"
DENSE = """
import keras
def dense():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
"""


def code(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def refused(tmp_path, in_keras, option, error=InputError):
    """The error that an export with that ``--model`` ends with; nothing is left behind."""
    with pytest.raises(error) as caught:
        in_keras(export, WEIGHTS, tmp_path / "out" / "m", architecture=str(option))
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True
    return caught.value


@pytest.mark.parametrize(
    ("text", "option", "problem"),
    [
        ("def build(:\n", "net.py", r"net\.py, line 1: invalid syntax"),
        ("\n\n1 / 0\n", "net.py", r"net\.py, line 3: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)\n", "net.py", r"net\.py, line 2: it ends the program \(exit status 3\)"),
        ("import not_there_at_all\n", "net.py", r"net\.py, line 1: ModuleNotFoundError: No module named 'not_there"),
        ("def build():\n    raise KeyError('x')\n", "net.py:build", r"net\.py, line 2: KeyError: 'x'"),
        ("def build():\n    raise SystemExit\n", "net.py:build", r"net\.py, line 2: it ends the program"),
        ("def build():\n    pass\n", "net.py:build", r"build\(\) gave None: expected a Keras model"),
        ("def build():\n    return 5\n", "net.py:build", r"build\(\) gave an object of builtins\.int"),
        ("def build(classes):\n    pass\n", "net.py:build", r"build needs arguments \(classes\)"),
        ("build = 5\n", "net.py:build", r"build is an object of builtins\.int"),
        (DENSE, "net.py:bulid", r"has no 'bulid': expected a function(?s:.*)Known: dense\."),
        (DENSE, "net.py", r"does not say which model is meant: it has dense"),
        (DENSE, "my net.py", r"Name one of them: --model '\S+/my net\.py:NAME'"),
        ("def make(n):\n    pass\n", "my net.py:make", r"name it: --model '\S+/my net\.py:build'"),
        ("x = 1\n", "net.py", r"it has no function, class or model of its own"),
        (DENSE + "model = dense()\nother = dense()\n", "net.py", r"it has dense, model, other"),
    ],
)
def test_mistakes_in_the_code_say_where_they_are(tmp_path, in_keras, text, option, problem):
    code(tmp_path / option.partition(":")[0], text)
    error = refused(tmp_path, in_keras, tmp_path / option)
    assert error.exit_code == 3
    with pytest.raises(InputError, match=problem):
        raise error


@pytest.mark.parametrize(
    ("make", "option", "error", "problem"),
    [
        (lambda path: None, "net.py", InputError, "is not there"),
        (lambda path: path.mkdir(), "net.py", InputError, "is a folder"),
        (lambda path: path.write_bytes(b"\x00\x01"), "net.py", InputError, "net.py"),
        (lambda path: path.write_bytes(b"x = '\xff'"), "net.py", InputError, "net.py"),
        (lambda path: path.write_text("{"), "net.json", InputError, "is no JSON"),
        (lambda path: path.write_text("[]"), "net.json", InputError, "holds no model"),
        (lambda path: path.write_text('{"class_name": "Dense"}'), "net.json", InputError, "holds no model"),
        (lambda path: None, "net.json", InputError, "is not there"),
        (lambda path: path.write_text("x"), "net.txt", UsageError, "expected FILE.py, FILE.py:NAME or FILE.json"),
        (lambda path: path.write_text("x"), "net.py:", UsageError, "expected FILE.py, FILE.py:NAME or FILE.json"),
    ],
)
def test_what_is_no_code_is_refused_before_anything_runs(tmp_path, make, option, error, problem):
    make(tmp_path / option.rstrip(":"))
    with pytest.raises(error, match=problem):
        read_architecture(str(tmp_path / option), None, allow_code=False)


def test_options_that_code_does_not_need_are_refused(tmp_path):
    net = code(tmp_path / "net.py", DENSE)
    with pytest.raises(UsageError, match="--allow-code means nothing for --model"):
        read_architecture(str(net), None, allow_code=True)
    with pytest.raises(UsageError, match="--custom-objects means nothing for --model"):
        read_architecture(str(net), net, allow_code=False)


@pytest.mark.parametrize("keys", [{"keras_version": "2.3.1"}, {"module": "keras", "registered_name": "Sequential"}])
def test_permission_to_run_code_that_json_does_not_hold_is_refused(tmp_path, keys):
    """For the old format and Keras 3's."""
    path = tmp_path / "net.json"
    path.write_text(json.dumps({"class_name": "Sequential", "config": {"name": "net", "layers": []}} | keys))
    assert read_architecture(str(path), None, allow_code=False).path == path
    with pytest.raises(UsageError, match=r"--allow-code means nothing for .*net.json: it holds no Python code"):
        read_architecture(str(path), None, allow_code=True)


def test_nothing_runs_while_it_is_read(tmp_path):
    net = code(tmp_path / "net.py", "raise RuntimeError\n")
    assert read_architecture(f"{net}:build", None, allow_code=False).path == net


def run(path):
    """Runs in the process that holds Keras: a file twice, with what it registers."""
    import keras

    for _ in range(2):
        with UserFile.read(path, "--model").running() as module:
            assert "mine>Twice" in keras.saving.get_custom_objects()
            helped = module.helped
    return helped, [name for name in keras.saving.get_custom_objects() if "Twice" in name]


def test_a_file_finds_its_neighbours_and_leaves_nothing_registered(tmp_path, in_keras):
    code(tmp_path / "helper_of_net.py", "value = 7\n")
    net = code(
        tmp_path / "net.py",
        "import keras\nfrom helper_of_net import value as helped\n"
        "@keras.saving.register_keras_serializable('mine')\nclass Twice(keras.layers.Layer):\n    pass\n",
    )
    assert in_keras(run, net) == (7, [])


@pytest.mark.parametrize(
    "text",
    [
        "from nets import cnn\nmodel = cnn()\n",
        "from nets import cnn\nclass Nets:\n    @staticmethod\n    def small():\n        return cnn()\n",
        "from nets import cnn\ndef get_model(units=3):\n    return cnn()\n",
    ],
)
def test_models_functions_and_what_classes_hold_are_found(tmp_path, in_keras, text):
    code(tmp_path / "nets.py", NETS.read_text())
    net = code(tmp_path / "net.py", text)
    name = ":Nets.small" if "Nets" in text else ""
    in_keras(export, WEIGHTS, tmp_path / "m", architecture=f"{net}{name}")
    check(tmp_path / "m", "tf_2.7", "cnn")


def test_what_the_code_prints_does_not_spoil_the_report(tmp_path):
    """Python's print, and what a program that it starts writes."""
    net = code(
        tmp_path / "net.py",
        f"import os, sys\nsys.path.append({str(NETS.parent)!r})\nfrom nets import cnn\nprint('hello')\n"
        "def build():\n    os.system('echo world')\n    return cnn()\n",
    )
    command = [
        sys.executable,
        "-m",
        "tfkit.cli",
        "export",
        WEIGHTS,
        "--model",
        f"{net}:build",
        "-o",
        tmp_path / "m",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=True)
    assert json.loads(done.stdout)["source"]["kind"] == "weights"
    assert "hello" in done.stderr
    assert "world" in done.stderr
    assert f"note: {net} was run: your own code built the model" in done.stderr


def test_weights_without_a_model_say_what_to_give(tmp_path):
    command = [sys.executable, "-m", "tfkit.cli", "export", WEIGHTS, "-o", tmp_path / "m"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 3
    assert "holds weights alone" in done.stderr
    assert "--model FILE.py:build" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_not_built_is_built_on_samples(tmp_path, in_keras):
    """Without samples it has no variables yet."""
    net = code(
        tmp_path / "net.py",
        "import keras\ndef build():\n    return keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(1)])\n",
    )
    weights = tmp_path / "w.weights.h5"
    in_keras(save_sequential, weights)
    with pytest.raises(InputError, match="is not built"):
        in_keras(export, weights, tmp_path / "m", architecture=str(net))
    in_keras(export, weights, tmp_path / "m", architecture=str(net), inputs={"keras_tensor": [[1.0, 2.0], [3.0, 4.0]]})
    assert (tmp_path / "m" / "saved_model.pb").exists()


def save_sequential(path):
    """Runs in the process that holds Keras."""
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    model.save_weights(path)


def test_a_keras_model_is_wanted_for_weights_of_keras(tmp_path, in_keras):
    with pytest.raises(InputError, match=r"holds weights of a Keras model, and .* gave an object of"):
        in_keras(export, WEIGHTS, tmp_path / "m", architecture=f"{NETS}:module")


def test_sources_with_a_model_of_their_own_take_no_code(tmp_path, in_keras):
    keras_file = Path(__file__).parents[2] / "sample_models" / "digits_mlp.keras"
    with pytest.raises(UsageError, match=r"--model means nothing for a \.keras file"):
        in_keras(export, keras_file, tmp_path / "m", architecture=f"{NETS}:cnn")
    in_keras(export, keras_file, tmp_path / "m")
    with pytest.raises(UsageError, match="--model means nothing for a SavedModel"):
        in_keras(export, tmp_path / "m", tmp_path / "n", architecture=f"{NETS}:cnn")
    with pytest.raises(ModelError, match="there is no file or checkpoint"):
        in_keras(export, tmp_path / "not", tmp_path / "n", architecture=f"{NETS}:cnn")
