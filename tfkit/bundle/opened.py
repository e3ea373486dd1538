"""A bundle that was made earlier, read to be checked: what it says of itself, and where its parts are."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfkit.bundle.make import EAS, MANIFEST, SERVICE, TF_SERVING
from tfkit.bundle.service import service_problems
from tfkit.bundle.sums import SUMS
from tfkit.compat.compare import Limits
from tfkit.eas.service_json import MAX_SIZE_BYTES, strict_values
from tfkit.errors import InputError, UsageError
from tfkit.fetching.urls import file_name, is_url
from tfkit.processors.catalogue import find_processor
from tfkit.savedmodel.files import readable
from tfkit.serve.settings import is_service_name


@dataclass(frozen=True, slots=True)
class OpenedBundle:
    """What a bundle says of itself.

    Attributes:
        folder: The bundle.
        layout: ``eas`` or ``tf-serving``.
        name: The service's name.
        processor: What it is for.
        model: Its archive, or the SavedModel's folder.
        warm_up: Its warm-up file, if the service JSON names one.
        values: The service JSON by its keys in full; none for ``tf-serving``.
    """

    folder: Path
    layout: str
    name: str
    processor: str
    model: Path
    warm_up: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)


class BadBundleError(InputError):
    """What is wrong with a bundle, all of it.

    Args:
        problems: A line each.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def find_bundle(path: Path) -> Path:
    """The folder of a bundle that is named by itself, or by its service JSON.

    Raises:
        InputError: There is no bundle.
        MissingError: It may not be read.
    """
    with readable(path):
        folder = path if path.is_dir() else path.parent
        named = path.is_dir() or path.name in (SERVICE, MANIFEST)
        found = named and any((folder / each).is_file() for each in (SERVICE, MANIFEST, SUMS))
    if not found:
        raise InputError(
            f"{path} is no bundle: expected a folder with {SERVICE} or {MANIFEST} and {SUMS}",
            hint="tfkit bundle makes one of a model.",
        )
    return folder


def layout_of(folder: Path) -> str:
    """The layout that a bundle says it has; EAS's where it says none."""
    try:
        return TF_SERVING if _read_manifest(folder)["layout"] == TF_SERVING else EAS
    except InputError:
        return EAS


def kept_limits(folder: Path) -> Limits:
    """What outputs were allowed to differ by when a bundle was made."""
    try:
        kept = _read_manifest(folder).get("tolerance")
    except InputError:
        kept = None  # which the checksums tell
    kept = kept if isinstance(kept, dict) else {}
    return Limits(_number(kept.get("atol")), _number(kept.get("rtol")))


def open_bundle(folder: Path) -> OpenedBundle:
    """Reads what a bundle says of itself, as strictly as those who deploy it.

    Raises:
        BadBundleError: Something of it is missing, or is not what they take.
        InputError: It cannot be read.
    """
    if layout_of(folder) == TF_SERVING:
        return _open_tf_serving(folder)
    values = strict_values(_read(folder / SERVICE), folder / SERVICE)
    problems = service_problems(values)
    model = _part(folder, values, "model_path", problems)
    warm_up = _part(folder, values, "warm_up_data_path", problems) if "warm_up_data_path" in values else None
    processor = values.get("processor", "")
    if processor:
        problems += _processor_problems(processor) or _unproved_problems(folder, processor)
    name = values.get("metadata.name") or values.get("name", "")
    if name and isinstance(name, str) and not is_service_name(name):
        problems.append(f"name is {name!r}: expected letters, digits, '_', '-' and '.'")
    if problems:
        raise BadBundleError(problems)
    return OpenedBundle(folder, EAS, name, processor, model, warm_up, values)


def _open_tf_serving(folder: Path) -> OpenedBundle:
    manifest = _read_manifest(folder)
    name, processor, place = (str(manifest.get(key, "")) for key in ("name", "processor", "model"))
    model = folder / place
    problems = _processor_problems(processor)
    parts = Path(place).parts
    if not is_service_name(name) or len(parts) != 2 or parts[0] != name or not parts[1].isdecimal():
        problems.append(f"{MANIFEST} says that the model is {place!r}: expected NAME/VERSION")
    elif not model.is_dir():
        problems.append(f"{place} is missing")
    if problems:
        raise BadBundleError(problems)
    return OpenedBundle(folder, TF_SERVING, name, processor, model)


def _part(folder: Path, values: Mapping[str, Any], key: str, problems: list[str]) -> Path:
    """A file that a service JSON names, beside it: by its own name, or the last part of the URL it is uploaded to."""
    source = values.get(key)
    if not isinstance(source, str):
        return folder
    name = file_name(source) if is_url(source) else source
    path = folder / name
    if Path(name).name != name:
        problems.append(f"{key} is {source!r}: expected a file of the bundle")
    elif not path.is_file():
        problems.append(f"{key} is {source!r}: there is no {name} in the bundle")
    return path


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) and value >= 0 else None


def _processor_problems(processor: object) -> list[str]:
    try:
        find_processor(str(processor))
    except UsageError as error:
        return [str(error).replace("\n", ": ")]
    return []


def _unproved_problems(folder: Path, processor: object) -> list[str]:
    """Whether a service JSON names another processor than that which the bundle was made for."""
    try:
        made_for = _read_manifest(folder).get("processor", processor)
    except InputError:
        return []  # which the checksums tell
    if made_for == processor:
        return []
    return [f"processor is {processor!r}: the bundle was made, and its model proved, for {made_for!r}"]


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(_read(folder / MANIFEST))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{folder / MANIFEST} is damaged: {error}") from None
    if not isinstance(manifest, dict) or "layout" not in manifest:
        raise InputError(f"{folder / MANIFEST} is damaged: it names no layout")
    return manifest


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise InputError(f"{path.name} is missing")
    with readable(path), path.open("rb") as file:
        data = file.read(MAX_SIZE_BYTES + 1)
    if len(data) > MAX_SIZE_BYTES:
        raise InputError(f"{path} has more than {MAX_SIZE_BYTES} bytes")
    return data
