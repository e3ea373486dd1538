"""Keras on TensorFlow, whatever the user's configuration says; and their messages, in one line."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tfkit.errors import UsageError
from tfkit.export.live.frameworks import check_backend, first_line

# The variable is read back, for what the program starts later.
SCRIPT = """
import os, sys
from tfkit.export.live.frameworks import import_frameworks
frameworks = import_frameworks()
print(frameworks.note)
print(frameworks.keras.config.backend(), os.environ.get("KERAS_BACKEND"))
"""


def test_a_backend_in_keras_json_is_set_aside_with_a_note(tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch", "floatx": "float32"}))
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment | {"KERAS_HOME": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.splitlines() == [
        f"{tmp_path}/keras.json asks for Keras on torch: using TensorFlow here",
        "tensorflow None",
    ]
    assert done.stderr == ""


def test_an_imported_keras_on_another_backend_is_refused_with_a_way_out():
    keras = SimpleNamespace(config=SimpleNamespace(backend=lambda: "jax"))
    with pytest.raises(UsageError, match="Keras runs on jax in this process") as error:
        check_backend(keras)
    assert "KERAS_BACKEND=tensorflow" in error.value.hint


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("bad shape\n\nlong explanation", "bad shape"),
        (
            "Exception encountered when calling Wave.call().\n\n\x1b[1mbad shape\x1b[0m\n\nArguments",
            "bad shape (in Wave.call())",
        ),
        ("{{function_node __wrapped__Add}} bad shape [Op:Add]", "bad shape [Op:Add]"),
        ("", "ValueError"),
        ("x" * 1000, "x" * 400 + "..."),
    ],
)
def test_long_messages_become_one_line(message, line):
    assert first_line(ValueError(message)) == line
