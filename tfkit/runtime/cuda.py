"""Brings a card's libraries into the process before a TensorFlow that looks for them."""

from __future__ import annotations

import ctypes
import os

from tfkit.errors import MissingError
from tfkit.processors.catalogue import Processor
from tfkit.runtime.options import RuntimeOptions

# What the driver shows of a card: on Linux, and on Windows's Linux.
_CARDS = ("/dev/nvidiactl", "/dev/dxg")


def preload_cuda(processor: Processor, options: RuntimeOptions) -> None:
    """Loads the CUDA libraries that a GPU build asks for, from wherever they were found.

    TensorFlow opens them by their soname alone; one that is loaded already is found, wherever it lies.

    Raises:
        MissingError: A GPU was asked for and a library is missing, or the build does not even load without.
    """
    wanted = options.wants_gpu or (options.device == "auto" and any(map(os.path.exists, _CARDS)))
    if not processor.cuda or not (wanted or processor.links_cuda):
        return
    from tfkit.processors.cuda import find_cuda  # only GPU builds need it

    cuda = find_cuda(processor)
    problems = [cuda.explain()] if cuda.missing else []
    for _, path in cuda.found:
        try:
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            problems.append(f"{path} cannot be loaded ({error})")
    if problems and (options.wants_gpu or processor.links_cuda):
        without = "does not even load" if processor.links_cuda else "finds no GPU"
        raise MissingError(
            f"--device {options.device}: {processor.name}, TensorFlow {processor.tensorflow}, {without} without its "
            f"CUDA libraries: {'; '.join(problems)}",
            hint="Install them, or take the processor's CPU twin."
            if processor.links_cuda
            else "Install them, or use --device cpu.",
        )
