"""A process that imports Keras once for all tests: a process holds one TensorFlow, and others load the C library."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import pytest

from tfkit.runtime import Runtime


def _prepare():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


@pytest.fixture(scope="session")
def in_keras():
    """Calls a module's function in that process: ``in_keras(function, *arguments)``; its errors are raised here."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare) as pool:
        yield lambda function, *args, **kwargs: pool.submit(function, *args, **kwargs).result()


@pytest.fixture(scope="session")
def runtime():
    """The C library in its process."""
    with Runtime(device="cpu") as runtime:
        yield runtime
