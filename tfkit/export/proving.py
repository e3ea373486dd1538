"""In which TensorFlow an export for a processor is proved."""

from __future__ import annotations

from collections.abc import Iterable

from tfkit.errors import MissingError
from tfkit.processors.catalogue import INSTALLED, find_processor
from tfkit.processors.libraries import is_installed


def proving_processor(processor: str) -> str:
    """The processor whose TensorFlow proves what was lowered for another: itself, or a GPU's twin for the CPU.

    Raises:
        MissingError: Neither is installed.
    """
    if processor == INSTALLED:
        return processor
    twin = find_processor(processor).name.replace("_gpu_", "_cpu_")
    for each in dict.fromkeys((processor, twin)):
        if is_installed(find_processor(each)):
            return each
    raise MissingError(
        f"{processor} is not installed, so that the model cannot be proved in it",
        hint=f"Run: tfkit runtime install {twin}; or export with --install, or with --no-verify, which is recorded.",
    )


def runtimes_to_install(processors: Iterable[str]) -> list[str]:
    """The runtimes that would prove what is lowered for some processors, and are not here."""
    twins = dict.fromkeys(each.replace("_gpu_", "_cpu_") for each in processors if each != INSTALLED)
    return [each for each in twins if not is_installed(find_processor(each))]
