"""What an export to ONNX writes: the model's file, its weights beside it where they are large, and the evidence.

model.onnx                                          the model
model.onnx.data                                     its weights, if they take more than a gigabyte
model.onnx.evidence/export.json                     what was exported, from what, with which result
model.onnx.evidence/test_data_set_0/input_0.pb      an input that it was checked on, as ONNX's own test data are kept
model.onnx.evidence/test_data_set_0/output_0.pb     what the source gave for it
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfkit.arrays import Array
from tfkit.compat.recorded import REPORT, Case
from tfkit.errors import InputError, UsageError
from tfkit.export.evidence import MAX_BYTES
from tfkit.export.target import describe_os_error
from tfkit.tensors import Signature

MODEL = "model.onnx"
# From this size on weights lie beside the model: a protobuf message cannot take more than twice as much.
LARGE_BYTES = 1 << 30
_DATA, _EVIDENCE = ".data", ".evidence"
_METADATA = "tfkit.export"


def check_file(output: Path, *, force: bool) -> Path:
    """Where the ONNX model will be: ``output`` with links resolved, when it may be written.

    Args:
        output: The file to write.
        force: Whether an ONNX model that is there may be replaced.

    Raises:
        UsageError: One is there already, and ``force`` was not given.
        InputError: Something else is there already, which is never replaced.
    """
    target = output.resolve()
    if target.is_dir():
        raise InputError(f"{output} is a folder: expected a file to write the ONNX model to, such as {output}/{MODEL}")
    evidence = _beside(target, _EVIDENCE)
    if target.exists():
        try:
            is_model = _is_onnx(target)
        except OSError as error:
            raise describe_os_error(error, output) from None
        if not is_model:
            raise InputError(f"{output} exists and is no ONNX model: it is never replaced", hint="Choose another file.")
        if not force:
            raise UsageError(f"{output} exists already", hint="--force replaces it.")
    elif os.path.lexists(_beside(target, _DATA)) or os.path.lexists(evidence):
        raise InputError(
            f"{output} is not there, but something that an export writes beside it: {_beside(target, _DATA).name} or "
            f"{evidence.name}",
            hint="Choose another file, or remove them.",
        )
    if os.path.lexists(evidence) and not (evidence / REPORT).is_file():
        raise InputError(f"{evidence} exists and is no evidence of an export: it is never replaced")
    return target


def places_of(output: Path) -> tuple[Path, ...]:
    """All that an export writes for a model: its file, and what may lie beside it."""
    return output, _beside(output, _DATA), _beside(output, _EVIDENCE)


def save_model(model: Any, folder: Path, name: str, *, large_bytes: int = LARGE_BYTES) -> Path:
    """Writes a model into a folder, its weights beside it where they are large.

    Args:
        model: The ``onnx.ModelProto``; its weights are taken out of it where they lie beside it.
        folder: Where.
        name: The file's name in the end.
        large_bytes: From which size on they do.
    """
    import onnx

    path = folder / name
    large = model.ByteSize() >= large_bytes
    onnx.save_model(
        model, path, save_as_external_data=large, all_tensors_to_one_file=True, location=f"{name}{_DATA}"
    )  # fmt: skip
    return path


def save_metadata(model: Any, path: Path, record: dict[str, Any]) -> None:
    """Writes a saved model again, with what is known of it in its metadata."""
    entry = model.metadata_props.add()
    entry.key, entry.value = _METADATA, json.dumps(record, sort_keys=True, ensure_ascii=False)
    path.write_bytes(model.SerializeToString())


def save_evidence(
    folder: Path, name: str, samples: Sequence[Case], signature: Signature, record: dict[str, Any]
) -> tuple[tuple[str, ...], str]:
    """Writes samples, as many as fit into ``MAX_BYTES``, and the report.

    Returns:
        The files' paths beside the model, and a note where some were left out.
    """
    place = folder / f"{name}{_EVIDENCE}"
    place.mkdir()
    written, size, note = [], 0, ""
    for number, sample in enumerate(samples):
        files = _test_data(sample, signature)
        size += sum(map(len, files.values()))
        if size > MAX_BYTES:
            note = f"samples {number + 1} and later are not kept as evidence: over {MAX_BYTES >> 20} MiB"
            break
        data = place / f"test_data_set_{number}"
        data.mkdir()
        for file, content in files.items():
            (data / file).write_bytes(content)
            written.append(str((data / file).relative_to(folder)))
    text = json.dumps({**record, "evidence": written}, indent=4, sort_keys=True, ensure_ascii=False)
    (place / REPORT).write_text(text + "\n", encoding="utf-8")
    return tuple(written), note


def publish(staged: Path, target: Path) -> None:
    """Puts what was written in its place, the model last; what an earlier export left goes."""
    for suffix in (_DATA, _EVIDENCE):
        old = _beside(target, suffix)
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        else:
            old.unlink(missing_ok=True)
        new = staged / f"{target.name}{suffix}"
        if new.exists():
            new.rename(old)
    (staged / target.name).replace(target)


def _test_data(sample: Case, signature: Signature) -> dict[str, bytes]:
    """A sample as ONNX keeps test data: a serialized ``TensorProto`` each, in the order of the signature."""
    from onnx import numpy_helper

    files = {}
    for kind, specs, arrays in (
        ("input", signature.inputs, sample.inputs), ("output", signature.outputs, sample.outputs),
    ):  # fmt: skip
        for index, spec in enumerate(specs):
            tensor = numpy_helper.from_array(as_text(arrays[spec.name]), spec.name)
            files[f"{kind}_{index}.pb"] = tensor.SerializeToString()
    return files


def as_text(array: Array) -> Array:
    """The same array; texts, which TensorFlow has as bytes, as ONNX has them.

    Raises:
        InputError: A text is no UTF-8.
    """
    if array.dtype.kind not in "OSU":
        return np.asarray(array)
    try:
        texts = [each.decode() if isinstance(each, bytes) else str(each) for each in array.reshape(-1).tolist()]
    except UnicodeDecodeError as error:
        raise InputError(f"a text is no UTF-8, which ONNX Runtime takes only: {error}") from None
    return np.array(texts, object).reshape(array.shape)


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(target.name + suffix)


def _is_onnx(path: Path) -> bool:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model(path, load_external_data=False)
    except DecodeError:
        return False
    return bool(model.ir_version and model.HasField("graph") and model.opset_import)
