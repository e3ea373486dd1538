"""What proves a rule: see ``tests.lower.rules.proof``."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.lower.rules.proof import Prove, Prover


def _quiet() -> None:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


@pytest.fixture(scope="session")
def prover() -> Iterator[Prover]:
    """Runs models in the installed TensorFlow and in old ones; a process of its own imports TensorFlow, once."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=_quiet) as pool, Prover(pool) as prover:
        yield prover


@pytest.fixture(scope="module", autouse=True)
def _runtimes_of_its_own(prover: Prover) -> Iterator[None]:
    yield
    prover.close_runtimes()


@pytest.fixture
def prove(prover: Prover, tmp_path: Path) -> Prove:
    """Proves that a function gives the same lowered as it is; see ``Prover.prove``."""
    return lambda function, *calls, **options: prover.prove(tmp_path, function, *calls, **options)
