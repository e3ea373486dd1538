"""The real runtimes of EAS's processors for tests; tests that use them are marked ``network``."""

from __future__ import annotations

from tfkit.processors.catalogue import PROCESSORS
from tfkit.processors.install import install_runtime
from tfkit.processors.libraries import LibraryPaths

CPU_PROCESSORS = tuple(name for name in PROCESSORS if "_cpu_" in name)
GPU_PROCESSORS = tuple(name for name in PROCESSORS if "_gpu_" in name)


def installed_runtime(name: str) -> LibraryPaths:
    """The library of a processor, downloaded into the user's own cache unless it is there already.

    A hundred megabytes and more are downloaded once for all test runs; processes that ask at once wait for each other.
    """
    return install_runtime(name)
