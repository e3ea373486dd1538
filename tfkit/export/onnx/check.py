"""Whether an ONNX model is one: checked by onnx, and run in ONNX Runtime beside what its source gave."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfkit.arrays import Array, string_array
from tfkit.compat.compare import Limits
from tfkit.compat.recorded import Case
from tfkit.errors import LoweringError, MissingError, TensorFlowError, VerdictError
from tfkit.export.compare import merge_checks
from tfkit.export.live.frameworks import first_line
from tfkit.export.onnx.files import as_text
from tfkit.export.report import SelfCheck
from tfkit.export.selfcheck import batch_size, compare_sample
from tfkit.tensors import Signature

_SILENT = 4  # onnxruntime's log levels end with "fatal"
_PLACES = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : |\S+\.(?:cc|h):\d+ |\S*::\S+\(.*?\)\S* |\[with .*?\] ")
_VERDICT_HINT = (
    "What tf2onnx made of something in this model computes something else; or, if it does not pass as a SavedModel "
    "either, the model itself does. Allow a small difference with --atol and --rtol, or try "
    "another --opset."
)


def check_valid(path: Path) -> None:
    """Lets onnx check a model's file.

    Raises:
        LoweringError: It is no valid model.
    """
    from onnx import checker

    try:
        checker.check_model(str(path), full_check=False)
    except (checker.ValidationError, RuntimeError) as error:
        raise LoweringError(f"what tf2onnx made is no valid ONNX model: {first_line(error)}") from error


class OnnxRuntime:
    """ONNX Runtime with a model loaded, on the CPU.

    Args:
        path: The model's file.
        signature: The signature that the model was made of.

    Raises:
        MissingError: onnxruntime is not here.
        TensorFlowError: It does not load the model.
    """

    def __init__(self, path: Path, signature: Signature) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingError(
                f"onnxruntime is needed to check an ONNX model, and cannot be imported: {error}",
                hint="Install tfkit with its extra onnx; or export with --no-verify, which is recorded.",
            ) from error
        self._signature = signature
        self.version = str(onnxruntime.__version__)
        onnxruntime.set_default_logger_severity(_SILENT)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _SILENT
        try:
            self._session: Any = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no common class
            raise self._failed("load", error) from error

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the model once.

        Raises:
            TensorFlowError: It fails.
        """
        names = [spec.name for spec in self._signature.outputs]
        try:
            arrays = self._session.run(names, {name: as_text(array) for name, array in inputs.items()})
        except Exception as error:  # its errors have no common class
            raise self._failed("run", error) from error
        return {
            name: string_array(array) if array.dtype.kind in "OSU" else array
            for name, array in zip(names, map(np.asarray, arrays), strict=True)
        }

    def _failed(self, what: str, error: Exception) -> TensorFlowError:
        return TensorFlowError(
            f"ONNX Runtime {self.version} does not {what} what was written: {_told(error)}",
            hint="Another --opset may help, or a change to the layer that it names.",
        )


def _told(error: Exception) -> str:
    """What ONNX Runtime says, without its codes and the places in its own code and on this machine."""
    line = first_line(error).rpartition("Status Message: ")[2].rpartition(" failed:")[2]
    return _PLACES.sub("", line).strip()


def check_onnx(path: Path, signature: Signature, samples: Sequence[Case], limits: Limits, seed: int) -> SelfCheck:
    """Runs the samples in ONNX Runtime and compares.

    Raises:
        VerdictError: An output differs from the source's.
        TensorFlowError: ONNX Runtime does not load or run the model.
        MissingError: It is not here.
    """
    runtime = OnnxRuntime(path, signature)
    try:
        checks = [compare_sample(sample, runtime.predict(sample.inputs), signature, limits) for sample in samples]
    except VerdictError as error:
        raise VerdictError(f"in ONNX Runtime {runtime.version}, {error.message}", hint=_VERDICT_HINT) from None
    sizes = tuple(batch_size(sample, signature) for sample in samples)
    return SelfCheck("", sizes, seed, merge_checks(checks), f"ONNX Runtime {runtime.version}")
