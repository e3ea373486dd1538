"""What ``import tfkit`` gives, and what it does not load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tfkit

HEAVY = ("tensorflow", "keras", "numpy", "tf2onnx", "google.protobuf")


def test_every_public_name_is_there_and_nothing_else() -> None:
    assert sorted(tfkit.__all__) == sorted(tfkit._MODULE_OF)
    for name in tfkit.__all__:
        assert getattr(tfkit, name).__name__ == name
    assert set(tfkit.__all__) <= set(dir(tfkit))
    with pytest.raises(AttributeError, match="no_such_name"):
        tfkit.no_such_name  # noqa: B018


def test_no_public_function_shares_a_package_s_name() -> None:
    packages = {path.parent.name for path in Path(tfkit.__file__).parent.glob("*/__init__.py")}
    assert not packages & set(tfkit.__all__)


def test_every_error_of_tfkit_has_a_public_name() -> None:
    from tfkit import errors

    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.TfkitError) and not name.startswith("_")
    }
    assert classes <= set(tfkit.__all__)


@pytest.mark.parametrize("code", ["import tfkit", "import tfkit; tfkit.TfkitError; tfkit.Signature"])
def test_importing_tfkit_loads_nothing_heavy(code: str) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not [name for name in loaded if name.startswith(HEAVY)]
