"""The TensorFlow installed in this Python: its files, version and build, found without importing it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

# The distributions that hold the package `tensorflow`.
_DISTRIBUTIONS = ("tensorflow", "tensorflow-cpu", "tensorflow-rocm", "tf-nightly", "tf-nightly-cpu")
# In build_info.py, which TensorFlow's build writes: ('cuda_version', '12.5.1'), ('is_cuda_build', True)
_BUILD_INFO = ("python", "platform", "build_info.py")
_ENTRY = r"\('(\w+)', (?:'([^']*)'|(True|False))\)"


@dataclass(frozen=True, slots=True)
class InstalledTensorFlow:
    """A TensorFlow that Python finds.

    Attributes:
        folder: Of the package.
        version: As its distribution's metadata has it; empty where there are none.
        cuda: The version of CUDA that it was built with: ``12.5.1``; empty for a build without.
        cudnn: The version of cuDNN that it was built with: ``9``.
    """

    folder: Path
    version: str
    cuda: str
    cudnn: str


def installed_tensorflow() -> InstalledTensorFlow | None:
    """The TensorFlow that ``import tensorflow`` would take, if there is one."""
    spec = find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0])
    build = _build_info(folder)
    with_cuda = build.get("is_cuda_build") == "True"
    return InstalledTensorFlow(
        folder,
        _version(),
        build.get("cuda_version", "") if with_cuda else "",
        build.get("cudnn_version", "") if with_cuda else "",
    )


def _version() -> str:
    from importlib import metadata  # slow to import, and of no use to EAS's processors

    for distribution in _DISTRIBUTIONS:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return ""


def _build_info(folder: Path) -> dict[str, str]:
    """What TensorFlow's build says of itself; nothing where it does not."""
    path = folder.joinpath(*_BUILD_INFO)
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    return {found[1]: found[2] or found[3] or "" for found in re.finditer(_ENTRY, text)}
