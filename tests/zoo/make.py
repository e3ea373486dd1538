"""Makes the zoo's models with TensorFlow: ``python -m tests.zoo.make FOLDER [NAMES] [--whole]``.

Each becomes ``FOLDER/NAME/model``, a SavedModel, and ``FOLDER/NAME/recorded.json``: what its signatures were asked, and
what TensorFlow's own Python, the source, computed. One that is there already is left alone.

A process of its own: one that has imported TensorFlow could load no runtime.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import traceback
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tests.old_tensorflow.recorded import Case
from tests.zoo.kinds import FAMILIES, KINDS, RANDOM, Kind, Run
from tests.zoo.recorded import RECORD_NAME, Record, write_record
from tfkit.arrays import Array


def make(kind: Kind, folder: Path) -> None:
    """Makes one model; it is complete once its record is there."""
    seed = zlib.crc32(kind.name.encode())
    RANDOM.seed(seed)
    keras.utils.set_random_seed(seed)
    RANDOM.seed(seed)
    keras.backend.clear_session()
    made = kind.build()
    made.save(folder / "model")
    cases = source_cases(folder / "model", made.runs)
    check_varied(cases)
    made.check(cases)
    write_record(folder, Record(kind.name, kind.family, kind.what, cases, kind.tolerance))


def source_cases(model: Path, runs: Iterable[Run]) -> list[Case]:
    """What TensorFlow's Python computes with a SavedModel."""
    cases = []
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(model))
        for run in runs:
            signature = loaded.signature_def[run.signature]
            fetched = {key: info.name for key, info in signature.outputs.items()}
            fed = {signature.inputs[key].name: array for key, array in run.inputs.items()}
            outputs = {key: np.asarray(value) for key, value in session.run(fetched, fed).items()}
            cases.append(Case(run.signature, run.inputs, outputs))
    return cases


def check_varied(cases: Sequence[Case]) -> None:
    """Fails where no output of a signature tells inputs apart: such a model would prove nothing."""
    for name in {case.signature for case in cases}:
        of_signature = [case.outputs for case in cases if case.signature == name]
        if not any(_varies([outputs[key] for outputs in of_signature]) for key in of_signature[0]):
            raise AssertionError(f"no output of {name} varies")


def _varies(arrays: Sequence[Array]) -> bool:
    values = np.concatenate([np.asarray(array).reshape(-1) for array in arrays])
    if values.dtype.kind in "fc" or values.dtype.name == "bfloat16":
        values = values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)
        if not np.isfinite(values).all():
            raise AssertionError("an output holds infinities or what is no number")
        return bool(np.std(values) > 1e-3 * np.mean(np.abs(values)))
    return len(set(values.tolist())) > 1


def main() -> int:
    """Makes what was asked for; 1 if any could not be made."""
    parser = argparse.ArgumentParser(prog="python -m tests.zoo.make", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--whole", action="store_true", help="the big ones too")
    arguments = parser.parse_args()
    for family in FAMILIES:
        importlib.import_module(f"tests.zoo.{family}")
    failed = False
    for kind in _chosen(arguments.names, whole=arguments.whole):
        folder = arguments.folder / kind.name
        if (folder / RECORD_NAME).exists():
            continue
        start = time.perf_counter()
        try:
            make(kind, folder)
        except Exception:  # noqa: BLE001  # the others are made all the same
            traceback.print_exc(limit=-4)
            print(f"{kind.name}: not made", file=sys.stderr, flush=True)
            failed = True
        else:
            print(f"{kind.name}: {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
    return int(failed)


def _chosen(names: Sequence[str], *, whole: bool) -> list[Kind]:
    if names:
        return [KINDS[name] for name in names]
    return [kind for kind in KINDS.values() if whole or not kind.big]


if __name__ == "__main__":
    sys.exit(main())
