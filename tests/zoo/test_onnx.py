"""The quick part of the zoo as ONNX models, each beside what its source computed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.old_tensorflow.recorded import Case
from tests.zoo.onnx import Outcome, markdown
from tests.zoo.run import Animal

QUICK = (
    "mlp",
    "cnn",
    "lstm",
    "transformer",
    "string_lookup",
    "condition",
    "case",
    "nested_loops",
    "several_signatures",
)
REFUSED = ("bfloat16", "parsed_examples")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_quick_kinds_convert_and_agree(tmp_path: Path) -> None:
    for module, *options in (["tests.zoo.make", tmp_path, *QUICK, *REFUSED], ["tests.zoo.onnx", tmp_path]):
        command = [sys.executable, "-m", module, *map(str, options)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
    verdicts = {name: verdict for verdict, name, *_ in map(str.split, done.stdout.splitlines()[:-1])}
    assert verdicts == dict.fromkeys(QUICK, "right") | dict.fromkeys(REFUSED, "refused"), done.stdout


def test_the_page_names_what_is_not_right() -> None:
    animals = [Animal(name, "dense", "Layers", Path(), (Case("s", {}, {"y": np.array(1)}),)) for name in ("a", "b")]
    page = markdown(
        [Outcome(animals[0], "right", 3e-7, 12, ("Erfc",)), Outcome(animals[1], "refused", reason="no `A|B`")],
        {"tf2onnx": "1.17.0"},
    )
    assert "**1 of 2** convert and agree" in page
    assert "| `a` | Layers | 3e-07 | 12 | `Erfc` |" in page
    assert r"| `b` | refused | no `A\|B` |" in page
