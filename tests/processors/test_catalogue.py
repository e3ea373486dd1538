"""What is known of the processors, and what is said of those that do not exist."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tfkit.errors import UsageError
from tfkit.processors.catalogue import (
    INSTALLED,
    PROCESSORS,
    Processor,
    all_processors,
    find_processor,
    select_processors,
)
from tfkit.processors.cuda import DRIVER

OF_EAS = [processor for processor in all_processors() if processor.name != INSTALLED]


def test_the_eleven_of_eas_come_first_and_the_installed_one_last() -> None:
    cpu = [f"tensorflow_cpu_{version}" for version in ("1.12", "1.14", "1.15", "2.3", "2.4", "2.7")]
    gpu = [f"tensorflow_gpu_{version}" for version in ("1.12", "1.14", "1.15", "2.4", "2.7")]
    assert list(PROCESSORS) == [*cpu, *gpu]
    assert [processor.name for processor in all_processors()] == [*cpu, *gpu, INSTALLED]


@pytest.mark.parametrize("processor", OF_EAS, ids=lambda processor: processor.name)
def test_what_is_known_of_a_processor_agrees_with_its_name_and_wheel(processor: Processor) -> None:
    wheel = processor.wheel
    assert wheel is not None
    assert processor.name == f"tensorflow_{processor.device}_{'.'.join(map(str, processor.minor))}"
    parts = (wheel.project.replace("-", "_"), wheel.version, wheel.python, wheel.abi, wheel.platform)
    assert f"{'-'.join(parts)}.whl" == wheel.filename
    assert processor.tensorflow == wheel.version
    assert wheel.project == {"cpu": "tensorflow-cpu", "gpu": "tensorflow-gpu"}[processor.device] or (
        wheel.project == "tensorflow" and (processor.minor < (2, 0) or processor.minor == (2, 7))
    )
    sums = [wheel.sha256, *(sha for file in wheel.files for sha in (file.sha256, file.installed_sha256))]
    assert all(re.fullmatch("[0-9a-f]{64}", each) for each in sums)
    assert wheel.framework.name.startswith("libtensorflow_framework.so")
    assert wheel.framework.sha256 == wheel.framework.installed_sha256
    assert wheel.c_api.name == "_pywrap_tensorflow_internal.so"
    assert wheel.c_api.sha256 != wheel.c_api.installed_sha256
    assert 40e6 < wheel.size_bytes < wheel.installed_bytes


def test_no_two_processors_share_a_wheel() -> None:
    sums = [processor.wheel.sha256 for processor in OF_EAS if processor.wheel]
    assert len(set(sums)) == len(PROCESSORS)


@pytest.mark.parametrize("processor", all_processors(), ids=lambda processor: processor.name)
def test_builds_for_the_gpu_know_their_cuda_and_how_to_get_it(processor: Processor) -> None:
    if processor.device == "cpu":
        assert processor.cuda == ()
        assert not processor.links_cuda
    else:
        assert processor.cuda[0] == DRIVER
        assert all(re.fullmatch(r"libcu\w+\.so\.\d+(\.\d+)?", name) for name in processor.cuda)
        assert processor.cuda_advice
        assert processor.links_cuda == (processor.name == "tensorflow_gpu_1.12")


def test_the_installed_tensorflow_is_described_without_importing_it() -> None:
    from importlib.metadata import version

    installed = find_processor(INSTALLED)
    assert installed.tensorflow == version("tensorflow")
    assert installed.wheel is None
    code = "import sys; from tfkit.processors.catalogue import all_processors; all_processors(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = ("tensorflow", "keras", "numpy", "google", "elftools", "rich", "typer")
    assert not [name for name in loaded if name.startswith(heavy)]


def test_without_tensorflow_the_installed_processor_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    installed = find_processor(INSTALLED)
    assert (installed.tensorflow, installed.device, installed.minor) == ("", "cpu", (0, 0))


def test_a_build_of_tensorflow_without_cuda_is_one_for_the_cpu(monkeypatch, tmp_path) -> None:
    """As on macOS, and as tensorflow-cpu; also where the build says nothing of itself."""
    package = tmp_path / "tensorflow"
    info = package / "python" / "platform" / "build_info.py"
    info.parent.mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    assert find_processor(INSTALLED).device == "cpu"
    info.write_text("build_info = dict([('is_cuda_build', False), ('cuda_version', '12.1'), ('cudnn_version', '9')])")
    assert (find_processor(INSTALLED).device, find_processor(INSTALLED).cuda) == ("cpu", ())
    info.write_text("build_info = dict([('is_cuda_build', True), ('cuda_version', '12.1'), ('cudnn_version', '8.9')])")
    installed = find_processor(INSTALLED)
    assert installed.device == "gpu"
    assert {"libcudart.so.12", "libcudnn.so.8"} < set(installed.cuda)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no processor is named 'tensorflow_cpu_1\.51'") as caught:
        find_processor("tensorflow_cpu_1.51")
    assert "Did you mean 'tensorflow_cpu_1.15'" in caught.value.hint
    assert INSTALLED in caught.value.hint


def test_patterns_select_processors_once_and_in_order() -> None:
    chosen = select_processors(["tensorflow_gpu_2.7", "*_2.7", "tensorflow_cpu_1.12"])
    assert [each.name for each in chosen] == ["tensorflow_cpu_1.12", "tensorflow_cpu_2.7", "tensorflow_gpu_2.7"]
    assert tuple(each.name for each in select_processors(["all", "installed"])) == (*PROCESSORS, INSTALLED)
    with pytest.raises(UsageError, match="tensorflow_tpu"):
        select_processors(["tensorflow_cpu_1.12", "tensorflow_tpu_*"])


@pytest.mark.parametrize(
    ("system", "machine", "here"),
    [
        ("Darwin", "arm64", "macOS on arm64"),
        ("Darwin", "x86_64", "macOS on x86_64"),
        ("Windows", "AMD64", "Windows on AMD64"),
        ("Linux", "aarch64", "Linux on aarch64"),
    ],
)
def test_a_platform_without_such_wheels_is_told_why(system: str, machine: str, here: str) -> None:
    for processor in OF_EAS:
        version = ".".join(map(str, processor.minor))
        expected = f"TensorFlow {version}'s wheels are for Linux on x86-64; this is {here}"
        assert processor.refusal(system, machine) == expected
    assert find_processor(INSTALLED).refusal(system, machine) == ""
    assert not [each.name for each in OF_EAS if each.refusal("Linux", "x86_64")]
