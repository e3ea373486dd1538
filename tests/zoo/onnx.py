"""The models of the zoo as ONNX models: which convert, run in ONNX Runtime and agree with what their sources computed.

    python -m tests.zoo.onnx FOLDER --output docs/onnx.md

``FOLDER`` is what ``python -m tests.zoo.make`` made.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.old_tensorflow.recorded import Case
from tests.zoo.run import Animal, made_animals, relative_error
from tfkit.errors import TfkitError
from tfkit.export.onnx.check import OnnxRuntime, check_valid
from tfkit.export.onnx.convert import Converter
from tfkit.export.onnx.files import save_model
from tfkit.export.onnx.making import make_onnx, onnx_signature
from tfkit.export.onnx.target import NEWEST_OPSET
from tfkit.export.sources.base import SourceOptions
from tfkit.export.sources.opening import open_source

RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a model.

    Attributes:
        animal: The model.
        verdict: ``right``, ``WRONG``, ``refused``, or ``failed`` where ONNX Runtime did not take it.
        error: The largest relative error.
        nodes: How many operations its ONNX models have.
        rewritten: What was rewritten first.
        reason: Why it was refused, what failed, which output is wrong.
    """

    animal: Animal
    verdict: str
    error: float = 0.0
    nodes: int = 0
    rewritten: tuple[str, ...] = ()
    reason: str = ""


def show(animal: Animal, converter: Converter) -> Outcome:
    """Converts all signatures of a model that were recorded, and runs each on what it was asked there."""
    nodes, rewritten, worst = 0, Counter[str](), (0.0, "")
    for name in dict.fromkeys(case.signature for case in animal.cases):
        cases = [case for case in animal.cases if case.signature == name]
        try:
            plain = open_source(animal.model, SourceOptions.read({}, signature=name)).write(animal.model)
            made = make_onnx(plain, converter, animal.name)
        except TfkitError as error:
            return Outcome(animal, "refused", reason=_reason(error))
        nodes += made.nodes
        rewritten.update(made.applied)
        with tempfile.TemporaryDirectory(prefix="tfkit-zoo-") as folder:
            try:
                path = save_model(made.model, Path(folder), "model.onnx")
                check_valid(path)
                runtime = OnnxRuntime(path, onnx_signature(plain.main))
                outputs = [runtime.predict(case.inputs) for case in cases]
            except TfkitError as error:
                return Outcome(animal, "failed", nodes=nodes, reason=_reason(error))
        names = [spec.name for spec in plain.main.outputs]
        for case, came in zip(cases, outputs, strict=True):
            worst = max(worst, _worst(dict(zip(names, came.values(), strict=True)), case))
    verdict = RIGHT if worst[0] <= animal.tolerance else "WRONG"
    reason = "" if verdict == RIGHT else worst[1]
    return Outcome(animal, verdict, worst[0], nodes, tuple(sorted(rewritten)), reason)


def markdown(outcomes: Sequence[Outcome], versions: dict[str, str]) -> str:
    """The page that is committed."""
    right = [each for each in outcomes if each.verdict == RIGHT]
    used = ", ".join(f"{name} {version}" for name, version in versions.items())
    lines = [
        "# The zoo as ONNX",
        "",
        "Written by `make zoo`. Each model was converted as `tfkit export --format onnx` does it, checked by onnx, run",
        "in ONNX Runtime on what its source was asked, most at two batch sizes, and compared with what the source",
        "computed.",
        f"Opset {NEWEST_OPSET}; {used}.",
        "",
        f"**{len(right)} of {len(outcomes)}** convert and agree. The others are refused, by the names of what ONNX, or",
        "tf2onnx, does not have.",
        "",
        "| model | what it is | largest relative error | operations | rewritten first |",
        "|---|---|---|---|---|",
    ]
    for each in right:
        rewritten = ", ".join(f"`{op}`" for op in each.rewritten)
        lines.append(f"| `{each.animal.name}` | {each.animal.what} | {each.error:.1g} | {each.nodes} | {rewritten} |")
    lines += ["", "## What does not", "", "| model | verdict | why |", "|---|---|---|"]
    for each in outcomes:
        if each.verdict != RIGHT:
            lines.append(f"| `{each.animal.name}` | {each.verdict} | {each.reason.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def text_line(outcome: Outcome) -> str:
    """An outcome for the terminal."""
    return f"{outcome.verdict:8} {outcome.animal.name:30} {outcome.error:.1e}  {outcome.reason[:200]}"


def _reason(error: TfkitError) -> str:
    """What was refused, in one line: the operations, where they are named."""
    head, *lines = error.message.splitlines()
    if not lines:
        return head.removeprefix("the model cannot be made an ONNX model: ")[:300]
    *named, last = [line.strip() for line in lines]
    rest = last.removeprefix("and ").split(", ") if last.startswith("and ") else [last.split(",")[0]]
    return "no " + ", ".join(f"`{op}`" for op in (*(line.split(",")[0] for line in named), *rest))


def _worst(came: dict[str, np.ndarray], case: Case) -> tuple[float, str]:
    return max((relative_error(came[name], expected), name) for name, expected in case.outputs.items())


def main() -> None:
    """Converts the whole zoo, or some of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="what tests.zoo.make made")
    parser.add_argument("names", nargs="*", help="some of the models")
    parser.add_argument("--output", type=Path, help="the page to write")
    parser.add_argument("--opset", type=int, default=NEWEST_OPSET)
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    converter = Converter(arguments.opset)
    outcomes = []
    for animal in made_animals(arguments.folder, arguments.names):
        outcomes.append(show(animal, converter))
        print(text_line(outcomes[-1]), flush=True)
    right = sum(each.verdict == RIGHT for each in outcomes)
    print(f"{right} of {len(outcomes)} convert and agree")
    if arguments.output:
        import onnxruntime

        versions = {**converter.versions, "onnxruntime": onnxruntime.__version__}
        arguments.output.write_text(markdown(outcomes, versions))
    sys.exit(any(each.verdict == "WRONG" for each in outcomes))


if __name__ == "__main__":
    main()
