"""Brings a card's libraries into the process before a TensorFlow that looks for them."""

from __future__ import annotations

import ctypes

from tfkit.errors import MissingError
from tfkit.processors.catalogue import Processor
from tfkit.processors.cuda import CudaLibraries, find_cuda, has_card, missing_advice
from tfkit.runtime.options import RuntimeOptions


def preload_cuda(processor: Processor, options: RuntimeOptions) -> None:
    """Loads the CUDA libraries that a GPU build asks for, from wherever they were found.

    TensorFlow opens them by their soname alone; one that is loaded already is found, wherever it lies.

    Raises:
        MissingError: A GPU was asked for and a library is missing, or the build does not even load without.
    """
    wanted = options.wants_gpu or (options.device == "auto" and has_card())
    if not processor.cuda or not (wanted or processor.links_cuda):
        return
    cuda = find_cuda(processor)
    problems = [cuda.explain()] if cuda.missing else []
    for _, path in cuda.found:
        try:
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            problems.append(f"{path} cannot be loaded ({error})")
    if problems and (options.wants_gpu or processor.links_cuda):
        without = "does not even load" if processor.links_cuda else "finds no GPU"
        card = "" if has_card() else "; and this machine has no NVIDIA card"
        raise MissingError(
            f"device {options.device}: {processor.name}, TensorFlow {processor.tensorflow}, {without} without its "
            f"CUDA libraries: {'; '.join(problems)}{card}",
            hint=_advice(processor, cuda),
        )


def _advice(processor: Processor, cuda: CudaLibraries) -> str:
    """How to get what is missing, if that is of use here, and how to do without."""
    instead = "the processor's CPU twin" if processor.links_cuda else "the device cpu"
    advice = missing_advice(processor, cuda) if has_card() else ""
    return f"{advice} Or use {instead}." if advice else f"Use {instead}."
