"""What will be served, and how: the command line wins over the environment, that over the service JSON.

Nothing is fetched or loaded here before ``ServicePlan.fetched``: a plan can be shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any

from tfkit.eas.service_json import ServiceJson, key_of, read_service_json
from tfkit.eas.token import VARIABLE, read_token
from tfkit.errors import InputError, UsageError
from tfkit.fetching.sources import Tell, fetch_file, fetch_model, name_of, needs_folder
from tfkit.fetching.urls import is_url, shown_source
from tfkit.processors.catalogue import find_processor
from tfkit.savedmodel.files import find_model_file, latest_version, readable
from tfkit.serve.settings import ServeSettings, is_service_name, option_of, refusal
from tfkit.warmup.folder import request_files
from tfkit.warmup.tf_serving import WARMUP_FILE

GIVEN, ENVIRONMENT, FILE, MODEL, DEFAULT = "command line", "environment", "file", "model", "default"

_HEAD_BYTES = 4096
# White space and comments, of which nothing is tried twice, and a brace.
_STARTS_AS_JSON = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s|//[^\n]*\n|/\*(?:[^*]|\*(?!/))*+\*/)*+\{")
_BINARY = re.compile(rb"[\0-\x08\x0e-\x1f]")
_GRAPH_ENDINGS = (".pb", ".pbtxt")
# What ServiceJson and the settings call alike.
_SAME = (
    "name", "token", "processor", "model_entry", "keepalive_ms", "worker_threads", "max_queue_size", "rate_limit",
    "decompressor", "grace_s",
)  # fmt: skip
# What ServiceJson calls otherwise.
_FIELDS = {"model": "model_path", "warm_up": "warm_up_data_path"}
# Fields of ServeSettings that say nothing about the service, or that are shown in another way.
_NOT_SHOWN = ("model", "warm_up", "token", "origin", "stop_on_eof")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePlan:
    """A service before its model is fetched.

    Attributes:
        settings: What is in force; the model and the warm-up files are yet to be fetched.
        model: The folder, file, archive or URL that the model comes from.
        model_entry: The model's path inside of it; empty where it holds one model.
        warm_up: The paths or URLs of the warm-up files; a folder of requests stands for the files in it.
        own_warm_up: Whether the model's own warm-up file, TensorFlow Serving's, is replayed once it is here.
        file: The service JSON; none if the model was named itself.
        ignored: Keys of the service JSON that mean nothing here: to EAS alone, or to nobody.
        origins: Where each setting that is no default comes from: ``command line``, ``environment``, ``file`` or
            ``model``.
        notes: Lines for people, about the service JSON.
    """

    settings: ServeSettings
    model: str
    model_entry: str
    warm_up: tuple[str, ...]
    own_warm_up: bool
    file: Path | None
    ignored: tuple[str, ...]
    origins: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: every setting with its value, where that comes from, and what sets it: an option, a key.

        The token itself is not in it.
        """
        values: dict[str, Any] = {
            "model": shown_source(self.model),
            "model_entry": self.model_entry,
            "warm_up": [shown_source(each) for each in self.warm_up],
            "token": "***" if self.settings.token else "",
        }
        for each in fields(ServeSettings):
            if each.name not in _NOT_SHOWN:
                value = getattr(self.settings, each.name)
                values[each.name] = _as_json(value)
        origins = dict(self.origins)
        return {
            "file": str(self.file) if self.file else None,
            "ignored": list(self.ignored),
            "settings": {
                name: {
                    "value": value,
                    "from": origins.get(name, DEFAULT),
                    "option": "MODEL" if name == "model" else option_of(name),
                    "key": key_of(_FIELDS.get(name, name)) or None,
                }
                for name, value in values.items()
            },
        }

    def check(self) -> None:
        """Makes sure that what is to lie on this machine does: model, warm-up files, libraries of operations.

        Raises:
            TfkitError: Something does not, or may not be read.
        """
        if not needs_folder(self.model):
            find_model_file(_model_here(self.model, self.model_entry))
        warm_up = (request_files(Path(each)) for each in self.warm_up if not is_url(each))
        for path in (*chain.from_iterable(warm_up), *self.settings.op_libraries):
            with readable(path):
                path.stat()

    @contextmanager
    def fetched(self, tell: Tell = lambda _: None) -> Iterator[ServeSettings]:
        """The settings of the service, its model and warm-up files on this machine as long as the block runs.

        Args:
            tell: Called with lines for people, about what is downloaded and unpacked.

        Raises:
            TfkitError: What cannot be fetched: see ``fetch_model``.
        """
        with ExitStack() as stack:
            folder = Path()
            if needs_folder(self.model) or any(map(is_url, self.warm_up)):
                from tfkit.fetching.scratch import temporary_folder

                folder = stack.enter_context(temporary_folder())
            model = fetch_model(self.model, self.model_entry, folder / "model", tell)
            warm_up = [fetch_file(each, folder / f"warm_up_{i}", tell) for i, each in enumerate(self.warm_up)]
            origin = "" if model == Path(self.model) else shown_source(self.model)
            if self.own_warm_up:
                warm_up = list(_own_warm_up(model))
                if warm_up:
                    tell(f"the model has a warm-up file of its own, {WARMUP_FILE}: it is replayed (--no-warm-up: not)")
            files = tuple(chain.from_iterable(map(request_files, warm_up)))
            yield replace(self.settings, model=model, warm_up=files, origin=origin)


def plan_service(
    model: Path | str,
    *,
    model_entry: str = "",
    warm_up: Sequence[Path | str] = (),
    no_warm_up: bool = False,
    **options: Any,
) -> ServicePlan:
    """Settles what will be served.

    A folder of TensorFlow Serving's, with a folder for each version of a model, stands for the highest of them. A model
    that is named itself brings the warm-up file in its ``assets.extra`` along; EAS, which a service JSON is for, does
    not look there.

    Args:
        model: A service JSON, or a model: a SavedModel's folder, a frozen graph, an archive, or the URL of one.
        model_entry: The model's path inside the archive or folder.
        warm_up: Warm-up files, folders of them, or URLs of files.
        no_warm_up: Replay nothing, whatever the service JSON or the model has.
        **options: Fields of ``ServeSettings``; they win over what a service JSON says. Without ``token``, the variable
            ``TFKIT_TOKEN`` is looked at first.

    Raises:
        InputError: The service JSON cannot be read, or says what cannot be.
        UsageError: An option cannot be.

    Example:
        >>> with plan_service("service.json", port=0).fetched() as settings:         # doctest: +SKIP
        ...     serve(settings, print)
    """
    if warm_up and no_warm_up:
        raise UsageError("--warm-up and --no-warm-up exclude each other")
    given: dict[str, Any] = {**options, **({"model_entry": model_entry} if model_entry else {})}
    if warm_up or no_warm_up:
        given["warm_up"] = tuple(map(str, warm_up))
    from_environment = {} if "token" in given or VARIABLE not in os.environ else {"token": read_token(None)}
    file = read_service_json(model) if is_service_json(str(model)) else None
    if file is None:
        given["model"] = _chosen(str(model), model_entry)
        found = _values_of_model(given["model"], model_entry)
    else:
        found = _values_of(file)
        _check(file, {name: value for name, value in found.items() if name not in from_environment | given})
    values = found | from_environment | given
    settings = _settings(values)
    origins = dict.fromkeys(found, FILE if file else MODEL)
    origins |= dict.fromkeys(from_environment, ENVIRONMENT) | dict.fromkeys(given, GIVEN)
    return ServicePlan(
        settings=settings,
        model=values["model"],
        model_entry=values.get("model_entry", ""),
        warm_up=values.get("warm_up", ()),
        own_warm_up=file is None and "warm_up" not in given,
        file=file.path if file else None,
        ignored=(*file.ignored, *file.unknown) if file else (),
        origins=tuple(sorted(origins.items())),
        notes=(*file.notes, *_notes_on_missing(file, settings)) if file else (),
    )


def is_service_json(source: str) -> bool:
    """Whether a source is a service JSON, not a model: by its name, else by how it begins."""
    path = Path(source)
    if is_url(source) or path.is_dir():
        return False
    if path.suffix == ".json":
        return True
    if path.suffix in _GRAPH_ENDINGS or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False  # whoever opens it next says why
    return _STARTS_AS_JSON.match(head) is not None and _BINARY.search(head) is None


def _chosen(model: str, entry: str) -> str:
    """A model as it was named; of a folder that holds versions of one, the highest, unless an entry chooses."""
    if entry or needs_folder(model) or not Path(model).is_dir():
        return model
    return str(latest_version(Path(model)) or model)


def _values_of_model(model: str, entry: str) -> dict[str, Any]:
    """What a model on this machine sets by itself; one that is yet to be fetched does so then."""
    own = () if needs_folder(model) else _own_warm_up(_model_here(model, entry))
    return {"warm_up": tuple(map(str, own))} if own else {}


def _model_here(model: str, entry: str) -> Path:
    """A model on this machine; raises as ``fetch_model`` does."""
    return fetch_model(model, entry, Path(), lambda _: None)


def _own_warm_up(model: Path) -> tuple[Path, ...]:
    """The warm-up file of TensorFlow Serving that a SavedModel brings along."""
    file = model / WARMUP_FILE
    with readable(file):
        return (file,) if file.is_file() and file.stat().st_size else ()


def _values_of(file: ServiceJson) -> dict[str, Any]:
    """What a service JSON sets, by the names of the settings; its paths are relative to its folder."""
    values = {name: getattr(file, name) for name in _SAME if getattr(file, name) is not None}
    values["model"] = _beside(file.path, file.model_path)
    if file.warm_up_data_path is not None:
        values["warm_up"] = (_beside(file.path, file.warm_up_data_path),)
    return values


def _beside(file: Path, source: str) -> str:
    return source if is_url(source) else str(file.parent / source)


def _as_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _check(file: ServiceJson, values: dict[str, Any]) -> None:
    """Refuses values of a service JSON in its own words; raises ``InputError``."""
    for name, value in values.items():
        if expected := refusal(name, value):
            raise InputError(f"{file.path}: {key_of(name)} is {value!r}: expected {expected}")
    if "processor" in values:
        try:
            _check_processor(values["processor"])
        except UsageError as error:
            raise InputError(f"{file.path}: {error.message}", hint=error.hint) from None


def _check_processor(name: str) -> None:
    """Refuses a processor that is not here; EAS has more of them: ``pmml``, ``caffe_cpu``, ..."""
    try:
        find_processor(name)
    except UsageError as error:
        if "tensorflow" in name.casefold():
            raise
        raise UsageError(f"{error.message}: only EAS's TensorFlow processors run here", hint=error.hint) from None


def _settings(values: dict[str, Any]) -> ServeSettings:
    apart = ("model", "model_entry", "warm_up", "name")
    name = values.get("name")
    if not name:
        name = name_of(values["model"])
        if not is_service_name(name):
            raise UsageError(f"the model's name {name!r} cannot be the service's", hint="Give it one: --name NAME.")
    settings = ServeSettings(
        model=Path(values["model"]),
        name=name,
        warm_up=tuple(map(Path, values.get("warm_up", ()))),
        **{field: value for field, value in values.items() if field not in apart},
    )
    _check_processor(settings.processor)
    return settings


def _notes_on_missing(file: ServiceJson, settings: ServeSettings) -> Iterator[str]:
    """What EAS requires or makes up, and the service JSON leaves out."""
    if file.name is None:
        yield f"{file.path}: no name, which EAS requires: here it is {settings.name!r}"
    if file.processor is None:
        yield f"{file.path}: no processor, which EAS requires: here it is {settings.processor!r}"
    if not settings.token:
        yield f"{file.path}: no token, so EAS makes one: here anyone may ask (TFKIT_TOKEN or --token-file sets it)"
