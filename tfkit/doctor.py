"""Says what of tfkit works on this machine, and what to do about the rest.

Nothing is imported into this process that could fail or take long: versions come from the packages' metadata,
TensorFlow is tried in a process of its own.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfkit import __version__
from tfkit.errors import MissingError, TfkitError
from tfkit.processors.catalogue import PROCESSORS
from tfkit.processors.cuda import has_card
from tfkit.processors.home import tfkit_home
from tfkit.processors.libraries import find_library
from tfkit.processors.status import RuntimeStatus, list_runtimes
from tfkit.tensors import DEFAULT_SIGNATURE, PREDICT_METHOD, SERVE_TAG, DType

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DISTRIBUTION = "tfkit-serving"
# Another project on PyPI, "Transformers kit", has the distribution name, the package and the command `tfkit`.
NAMESAKE = "tfkit"
_MIN_MEMORY_BYTES = 2 << 30
_MIN_DISK_BYTES = 2 << 30
_OUR_COMMAND = "tfkit.cli:main"
_GRAPH_VERSION = 27  # TensorFlow 1.12's: every runtime takes it


class Status(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What it is.
        status: Whether it is as it should be.
        detail: What was found.
        advice: What to do, where it is not.
    """

    name: str
    status: Status
    detail: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What ``diagnose`` found, in the order in which to read it."""

    findings: tuple[Finding, ...]

    @property
    def missing(self) -> tuple[Finding, ...]:
        """What has to be put right before tfkit can work."""
        return tuple(each for each in self.findings if each.status is Status.MISSING)

    def as_dict(self) -> dict[str, Any]:
        """The diagnosis as JSON has it."""
        return {
            "tfkit": __version__,
            "healthy": not self.missing,
            "findings": [
                {"name": each.name, "status": str(each.status), "detail": each.detail, "advice": each.advice}
                for each in self.findings
            ],
        }


def diagnose() -> Diagnosis:
    """Looks at versions, name clashes, TensorFlow's C library, devices and the machine.

    >>> "Python" in {finding.name for finding in diagnose().findings}
    True
    """
    findings: list[Finding] = []
    for look in (
        _tfkit,
        _python,
        _requirements,
        _namesake,
        _command,
        _keras_backend,
        _runtime,
        _processors,
        _machine,
        _cache,
    ):
        findings.extend(look())
    return Diagnosis(tuple(findings))


def _tfkit() -> Iterator[Finding]:
    yield Finding("tfkit", Status.OK, f"{__version__} in {Path(__file__).parent}")


def _python() -> Iterator[Finding]:
    yield Finding("Python", Status.OK, f"{platform.python_version()} ({sys.executable})")
    system = f"{platform.system()} {platform.machine()}"
    if platform.system() == "Linux":
        yield Finding("platform", Status.OK, system)
    else:
        yield Finding(
            "platform", Status.WARNING, system, "Models run in TensorFlow's Linux library: use a Linux machine."
        )


def _requirements() -> Iterator[Finding]:
    """Every package that tfkit declares, and whether its version is one that tfkit takes."""
    try:
        from packaging.requirements import Requirement

        declared = metadata.requires(DISTRIBUTION) or []
    except ImportError as error:  # PackageNotFoundError is one of them
        yield Finding("packages", Status.WARNING, f"cannot be compared: {error}", "Install tfkit with pip.")
        return
    for requirement in map(Requirement, declared):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _requirement(requirement)


def _requirement(requirement: Requirement) -> Finding:
    advice = f"python -m pip install '{requirement.name}{requirement.specifier}'"
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        wanted = f"not installed, tfkit needs {requirement.specifier or 'it'}"
        return Finding(requirement.name, Status.MISSING, wanted, advice)
    if requirement.specifier.contains(version, prereleases=True):
        return Finding(requirement.name, Status.OK, version)
    return Finding(requirement.name, Status.WARNING, f"{version}, tfkit needs {requirement.specifier}", advice)


def _namesake() -> Iterator[Finding]:
    try:
        version = metadata.version(NAMESAKE)
    except metadata.PackageNotFoundError:
        return
    yield Finding(
        "name clash",
        Status.WARNING,
        f"{NAMESAKE} {version}, another project, is installed here: it has the same package and command",
        f"python -m pip uninstall {NAMESAKE}, then python -m pip install --force-reinstall --no-deps {DISTRIBUTION}",
    )


def _command() -> Iterator[Finding]:
    """Whether typing ``tfkit`` starts this tfkit."""
    foreign = [
        each.value
        for each in metadata.entry_points(group="console_scripts", name="tfkit")
        if each.value != _OUR_COMMAND
    ]
    found = shutil.which("tfkit")
    here = Path(sys.executable).parent
    if foreign:
        yield Finding("command", Status.WARNING, f"tfkit may start {foreign[0]}, another project", "See name clash.")
    elif found is None:
        yield Finding("command", Status.OK, f"{here / 'tfkit'} (not on PATH)")
    elif Path(found).parent.resolve() == here.resolve():
        yield Finding("command", Status.OK, found)
    else:
        yield Finding(
            "command",
            Status.WARNING,
            f"{found} is first on PATH, not the one of this Python",
            f"Activate this environment, or call {here / 'tfkit'}.",
        )


def _keras_backend() -> Iterator[Finding]:
    backend = os.environ.get("KERAS_BACKEND", "")
    if backend in ("", "tensorflow"):
        yield Finding("KERAS_BACKEND", Status.OK, backend or "not set")
    else:
        yield Finding(
            "KERAS_BACKEND",
            Status.WARNING,
            f"{backend}: export runs Keras on TensorFlow all the same, but not where {backend} is imported already",
            "unset KERAS_BACKEND",
        )


def _runtime() -> Iterator[Finding]:
    """TensorFlow's C library: where it is, whether it loads and runs a model, and on which devices."""
    try:
        yield Finding("TensorFlow C library", Status.OK, str(find_library().c_api))
        began = time.perf_counter()
        version, devices = _try_runtime()
    except ImportError as error:
        yield Finding("runtime", Status.MISSING, f"cannot be tried: {error}", "Install the packages that are missing.")
        return
    except TfkitError as error:
        yield Finding("runtime", Status.MISSING, error.message, error.hint)
        return
    took_s = time.perf_counter() - began
    yield Finding("runtime", Status.OK, f"TensorFlow {version} starts and runs a model in {took_s:.1f} s")
    if any(device.startswith("GPU") for device in devices) or not has_card():
        yield Finding("devices", Status.OK, ", ".join(devices))
    else:
        yield Finding(
            "devices",
            Status.WARNING,
            "this machine has an NVIDIA card, but TensorFlow finds no GPU",
            "See its CUDA below, and check the driver with nvidia-smi.",
        )


def _try_runtime() -> tuple[str, tuple[str, ...]]:
    """TensorFlow's version and devices, once it has run a model of one operation in a process of its own."""
    import numpy as np

    from tfkit.runtime import Runtime

    given = np.array([1.0, 2.0], np.float32)
    with tempfile.TemporaryDirectory() as folder, Runtime() as runtime:
        Path(folder, "saved_model.pb").write_bytes(_smallest_model())
        model = runtime.load(folder)
        answer = model.predict({"x": given})["y"]
        if answer.tolist() != given.tolist():
            raise MissingError(f"TensorFlow {runtime.version} gives wrong numbers: {answer} instead of {given}")
        names = tuple(device.name.rpartition("/device:")[2] for device in model.devices)
        return runtime.version, names


def _smallest_model() -> bytes:
    """A serialized SavedModel that gives back what it is given: ``x`` -> ``y``, ``float32[?]``."""
    from tfkit import proto

    model = proto.message("tensorflow.SavedModel")(saved_model_schema_version=1)
    metagraph = model.meta_graphs.add()
    metagraph.meta_info_def.tags.append(SERVE_TAG)
    metagraph.graph_def.versions.producer = _GRAPH_VERSION
    metagraph.graph_def.node.add(name="x", op="Placeholder").attr["dtype"].type = int(DType.FLOAT)
    metagraph.graph_def.node.add(name="y", op="Identity", input=["x"]).attr["T"].type = int(DType.FLOAT)
    signature = metagraph.signature_def[DEFAULT_SIGNATURE]
    signature.method_name = PREDICT_METHOD
    for name, place in (("x", signature.inputs), ("y", signature.outputs)):
        place[name].name = f"{name}:0"
        place[name].dtype = int(DType.FLOAT)
        place[name].tensor_shape.dim.add(size=-1)
    return bytes(model.SerializeToString())


def _processors() -> Iterator[Finding]:
    """The runtimes that are installed, and the CUDA libraries of each TensorFlow here that can use a card."""
    try:
        # Their checksums as well, some tenths of a second each: a damaged library is damaged in its middle.
        runtimes = list_runtimes(verify=True)
    except ImportError:
        return  # told among the packages
    installed = [each for each in runtimes if each.folder is not None]
    of_eas = [each for each in installed if each.processor.wheel is not None]
    yield Finding("processors", Status.OK, f"{len(of_eas)} of {len(PROCESSORS)} are installed")
    for each in of_eas:
        if each.damage:
            advice = f"tfkit runtime install {each.processor.name} --force"
            yield Finding(each.processor.name, Status.WARNING, each.damage, advice)
        else:
            detail = f"TensorFlow {each.processor.tensorflow}, {_gigabytes(each.size_bytes)} in {each.folder}"
            yield Finding(each.processor.name, Status.OK, detail)
    for each in installed:
        if each.processor.cuda:
            yield _cuda(each)


def _cuda(runtime: RuntimeStatus) -> Finding:
    name = f"CUDA of {runtime.processor.name}"
    cuda = runtime.cuda
    if not cuda.missing:
        folders = dict.fromkeys(str(path.parent) for _, path in cuda.found)
        return Finding(name, Status.OK, f"{len(cuda.found)} libraries in {', '.join(folders)}")
    if has_card() or runtime.processor.links_cuda:
        return Finding(name, Status.WARNING, cuda.explain(), runtime.advice)
    return Finding(name, Status.OK, f"not needed, this machine has no NVIDIA card: {cuda.explain()}")


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("CPU", Status.OK, f"{cores} cores for this process")
    if "SC_AVPHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return  # only Linux says
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    detail = f"{_gigabytes(size)}, {_gigabytes(free)} of it unused"
    if size < _MIN_MEMORY_BYTES:
        yield Finding("memory", Status.WARNING, detail, f"Exporting needs about {_gigabytes(_MIN_MEMORY_BYTES)}.")
    else:
        yield Finding("memory", Status.OK, detail)


def _cache() -> Iterator[Finding]:
    try:
        folder = tfkit_home()
    except ImportError:
        return  # told among the packages
    nearest = next(each for each in (folder, *folder.parents) if each.is_dir())
    free = shutil.disk_usage(nearest).free
    detail = f"{folder}, {_gigabytes(free)} free"
    if not os.access(nearest, os.W_OK):
        yield Finding("cache", Status.WARNING, f"{folder} cannot be written", "Set TFKIT_HOME to another folder.")
    elif free < _MIN_DISK_BYTES:
        yield Finding("cache", Status.WARNING, detail, "Make room, or set TFKIT_HOME to a folder on another disk.")
    else:
        yield Finding("cache", Status.OK, detail)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
