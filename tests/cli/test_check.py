"""``tfkit check`` as a process: what it prints, its JSON to the letter, its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compat.crafted import FLOAT, Crafted
from tfkit.graph.attributes import bool_value, float_value


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Runs from TensorFlow 1.14 on, and on 1.12 once it is lowered."""
    made = Crafted(2)
    made.node("block/dense_1/LeakyRelu", "LeakyRelu", ["x"], T=FLOAT, alpha=float_value(0.1))
    made.signature(y="block/dense_1/LeakyRelu")
    return made.write(tmp_path / "model")


@pytest.fixture
def impossible(tmp_path: Path) -> Path:
    """Holds an operation that no TensorFlow has."""
    made = Crafted(2)
    made.node("odd", "OddOp")
    made.node("y", "Identity", ["x", "^odd"], T=FLOAT)
    made.signature(y="y")
    return made.write(tmp_path / "impossible")


def check(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tfkit.cli", "check", *map(str, words)]
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_each_processor_has_a_line_with_its_verdict(model: Path) -> None:
    done = check(model)
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip().startswith("tensorflow_")}
    assert len(lines) == 7
    assert lines["tensorflow_gpu_*"].split() == ["tensorflow_gpu_*", "as", "on", "cpu"]
    assert f"tfkit export {model} --processor NAME --output FOLDER" in done.stdout
    assert "runs after lowering" in lines["tensorflow_cpu_1.12"]
    assert "LeakyRelu (op)" in lines["tensorflow_cpu_1.12"]
    assert lines["tensorflow_cpu_1.14"].split() == ["tensorflow_cpu_1.14", "runs"]
    assert "written by TensorFlow 2.21.0" in done.stdout


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), 0),
        (("-p", "tensorflow_cpu_1.12"), 0),
        (("-p", "tensorflow_cpu_1.12", "--strict"), 1),
        (("-p", "tensorflow_cpu_1.14", "--strict"), 0),
        (("-p", "all", "--strict"), 1),
        (("--strict",), 1),
        (("-p", "nothing"), 2),
        (("--tags", "train"), 3),
    ],
)
def test_the_exit_code_is_about_the_processors_that_are_named(model: Path, options: tuple[str, ...], code: int) -> None:
    assert check(model, *options).returncode == code


def test_a_model_that_cannot_run_is_told_in_full(impossible: Path) -> None:
    assert check(impossible).returncode == 0, "no processor was named"
    done = check(impossible, "-p", "tensorflow_cpu_2.7")
    assert done.returncode == 1
    assert "tensorflow_cpu_2.7 cannot run it:" in done.stdout
    assert "TensorFlow 2.7 has no op OddOp" in done.stdout
    assert "node odd, signature serving_default" in done.stdout
    assert "warning: OddOp comes from another library (odd; needed by serving_default)" in done.stdout


def test_attributes_that_block_are_named(tmp_path: Path) -> None:
    made = Crafted(2)
    made.constant("w", [[1.0, 2.0], [3.0, 4.0]])
    made.signature(y=made.node("y", "MatMul", ["x", "w"], T=FLOAT, grad_a=bool_value(False)))
    done = check(made.write(tmp_path / "model"), "-p", "tensorflow_cpu_1.15")
    assert "MatMul.grad_a" in done.stdout


def test_all_problems_shows_what_lowering_takes_care_of(model: Path) -> None:
    done = check(model, "-p", "tensorflow_cpu_1.12", "--all-problems")
    assert "cannot run it as it is" in done.stdout
    assert "layer block/dense_1" in done.stdout
    assert "lowering writes LeakyRelu as" in done.stdout


def test_the_json_is_this(model: Path) -> None:
    report = json.loads(check(model, "-p", "tensorflow_cpu_1.1[24]", "--json").stdout)
    makes = report["processors"][0]["rules"][0].pop("makes")
    assert makes, "what a rule makes is for people"
    assert report == {
        "model": str(model / "saved_model.pb"),
        "nodes": 2,
        "processors": [
            {
                "blocking": [
                    {
                        "advice": "tfkit export MODEL --processor NAME writes it with what that TensorFlow has.",
                        "attribute": "",
                        "kind": "op",
                        "nodes": [
                            {
                                "function": "",
                                "layer": "block/dense_1",
                                "node": "block/dense_1/LeakyRelu",
                                "signatures": ["serving_default"],
                            }
                        ],
                        "op": "LeakyRelu",
                        "reason": "TensorFlow 1.12 has no op LeakyRelu",
                        "refusal": "",
                        "since": "1.14",
                        "solved_by_lowering": True,
                    }
                ],
                "derived_from": "",
                "problems": [],
                "processor": "tensorflow_cpu_1.12",
                "rules": [{"count": 1, "op": "LeakyRelu"}],
                "tensorflow": "1.12",
                "verdict": "runs after lowering",
            },
            {
                "blocking": [],
                "derived_from": "",
                "problems": [],
                "processor": "tensorflow_cpu_1.14",
                "rules": [],
                "tensorflow": "1.14",
                "verdict": "runs",
            },
        ],
        "signatures": ["serving_default"],
        "tags": ["serve"],
        "warnings": [],
        "written_by": "2.21.0",
    }


def test_a_warning_in_json(impossible: Path) -> None:
    (warning,) = json.loads(check(impossible, "--json").stdout)["warnings"]
    assert warning == {
        "kind": "comes from another library",
        "nodes": ["odd"],
        "op": "OddOp",
        "signatures": ["serving_default"],
        "text": "no TensorFlow has it: the service needs that library, and lowering cannot check it",
    }


def test_checking_loads_no_tensorflow(model: Path) -> None:
    code = "from tfkit.cli import main\nimport sys\ntry: main()\nfinally: print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "check", str(model), "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "False"
