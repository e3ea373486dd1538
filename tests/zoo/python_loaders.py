"""Whether what was lowered for a TensorFlow also loads through that version's own Python, which services do not use.

    python -m tests.zoo.python_loaders FOLDER --python 1.12=PATH --python 2.4=PATH --output docs/python-loaders.md

FOLDER is what ``tests.zoo.make`` made; each PATH a Python that has that TensorFlow. Only a development machine has
those: the result is kept in docs/.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.old_tensorflow.recorded import read_arrays
from tests.zoo.recorded import RECORD_NAME
from tests.zoo.run import Animal, made_animals, relative_error
from tfkit.errors import LoweringError
from tfkit.lower.model import lower_model

_SCRIPT = Path(__file__).with_name("load_in_python.py")
_LOADERS = {"sessions": "tf.compat.v1.saved_model.load", "objects": "tf.saved_model.load"}
_HEAD = """\
# Through each version's own Python

Services run models through TensorFlow's C library; these are the same models through the Python of each version:
lowered for its processor, loaded there, and compared with what the source computed. `tests/zoo/python_loaders.py` wrote
this on a machine that has those Pythons.

| TensorFlow | loader | models | right |
|---|---|---|---|
"""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.zoo.python_loaders", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the models are")
    parser.add_argument("--python", action="append", required=True, metavar="MINOR=PATH", help="may be repeated")
    parser.add_argument("--output", type=Path, help="write the table there as Markdown")
    parser.add_argument("names", nargs="*", help="kinds; all by default")
    arguments = parser.parse_args()
    lines, notes = [], []
    for minor, _, python in (each.partition("=") for each in arguments.python):
        with tempfile.TemporaryDirectory(prefix="tfkit-zoo-") as scratch:
            animals = [
                each for each in made_animals(arguments.folder, arguments.names) if _lower(each, minor, Path(scratch))
            ]
            subprocess.run([python, _SCRIPT, scratch], check=True, stderr=subprocess.DEVNULL)
            for loader, called in _LOADERS.items():
                verdicts = {each.name: _verdict(each, Path(scratch) / each.name / f"{loader}.json") for each in animals}
                if all(verdict is None for verdict in verdicts.values()):
                    continue
                wrong = {name: verdict for name, verdict in verdicts.items() if verdict}
                lines.append(f"| {minor} | `{called}` | {len(verdicts)} | {len(verdicts) - len(wrong)} |")
                notes += [f"- TensorFlow {minor}, `{called}`, `{name}`: {verdict}" for name, verdict in wrong.items()]
                print(lines[-1], *notes, sep="\n", flush=True)
    page = _HEAD + "\n".join(lines) + "\n" + ("\n## What is not right\n\n" + "\n".join(notes) + "\n" if notes else "")
    if arguments.output is not None:
        arguments.output.write_text(page)


def _lower(animal: Animal, minor: str, folder: Path) -> bool:
    """Lowers a model for a version, with its record beside it; whether it can be."""
    place = folder / animal.name
    (place / "model").mkdir(parents=True)
    try:
        lower_model(animal.model, place / "model", f"tensorflow_cpu_{minor}")
    except LoweringError:
        shutil.rmtree(place)
        return False
    shutil.copyfile(animal.model.parent / RECORD_NAME, place / RECORD_NAME)
    return True


def _verdict(animal: Animal, answers: Path) -> str | None:
    """What is wrong with a loader's answers; empty if nothing is, ``None`` if it is not this version's loader."""
    if not answers.exists():
        return None
    result = json.loads(answers.read_text())
    if "error" in result:
        return str(result["error"]).partition("\n")[0]
    for case, recorded in zip(animal.cases, result["outputs"], strict=True):
        came = read_arrays(recorded)
        if sorted(came) != sorted(case.outputs):
            return f"{case.signature}: outputs {sorted(came)}, expected {sorted(case.outputs)}"
        for name, expected in case.outputs.items():
            error = relative_error(came[name], expected)
            if error > animal.tolerance:
                return f"{case.signature}/{name} is off by {error:.0e}"
    return ""


if __name__ == "__main__":
    main()
