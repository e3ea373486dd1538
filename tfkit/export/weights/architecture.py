"""Builds the model that weights belong to: with the user's own code, or of Keras's JSON."""

from __future__ import annotations

import inspect
import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tfkit.errors import InputError, MissingError, ModelError, UsageError, nearest
from tfkit.export.legacy.config import read_config
from tfkit.export.legacy.h5_file import H5File, WeightEntry
from tfkit.export.legacy.library import reason_for_legacy
from tfkit.export.legacy.loading import make_in_keras_3, make_in_tf_keras
from tfkit.export.live.frameworks import Frameworks, first_line, quiet_logs
from tfkit.export.live.keras_config import CustomPart, check_allow_code, find_custom_parts
from tfkit.export.live.keras_file import refuse_custom_parts
from tfkit.export.live.objects import describe, live_kind
from tfkit.export.live.user_code import UserFile, custom_objects

# What the function is usually called that builds a model; a file without NAME is searched for them.
_USUAL_NAMES = ("build", "build_model", "make_model", "create_model", "get_model", "model")
_MAX_JSON_BYTES = 256 << 20
_WANTED = "expected a function or class without arguments that makes a model, or a model"


@dataclass(frozen=True, slots=True)
class CodeArchitecture:
    """A model that the user's code builds.

    Attributes:
        file: The file.
        name: The function, class or model in it; empty: the only one that there is.
    """

    file: UserFile
    name: str

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.file.path

    @property
    def note(self) -> str:
        """What the user should know."""
        return f"{self.path} was run: your own code built the model"

    @contextmanager
    def built(self, frameworks: Frameworks, size_bytes: int) -> Iterator[Any]:
        """Builds the model; what its code imports is there for as long as the block lasts.

        Args:
            frameworks: The imported Keras and TensorFlow.
            size_bytes: What its weights take, which its own code may do with as it likes.

        Raises:
            InputError: The code fails, has no such function, or makes no model.
        """
        del size_bytes
        with self.file.running() as module:
            name, thing = self._find(frameworks, module)
            yield self._make(frameworks, name, thing)

    def _find(self, frameworks: Frameworks, module: ModuleType) -> tuple[str, Any]:
        if not self.name:
            return self._find_only(frameworks, module)
        thing: Any = module
        for part in self.name.split("."):
            if not hasattr(thing, part):
                known = getattr(thing, "__dict__", {}).items()
                own = [name for name, each in known if not name.startswith("_") and _is_own(frameworks, each, module)]
                raise InputError(f"{self.path} has no {self.name!r}: {_WANTED}", hint=nearest(part, own))
            with self.file.told("searched"):
                thing = getattr(thing, part)
        return self.name, thing

    def _find_only(self, frameworks: Frameworks, module: ModuleType) -> tuple[str, Any]:
        members = {name: each for name, each in vars(module).items() if not name.startswith("_")}
        models = {name: each for name, each in members.items() if live_kind(frameworks, each)}
        usual = {name: members[name] for name in _USUAL_NAMES if callable(members.get(name))}
        found = {id(each): (name, each) for name, each in (models | usual).items()}
        if len(found) == 1:
            ((name, thing),) = found.values()
            return name, thing
        own = [name for name, each in members.items() if _is_own(frameworks, each, module)]
        raise InputError(
            f"{self.path} does not say which model is meant: it has {_list(own)}",
            hint=f"Name one of them: {self._option(next(iter(found.values()))[0] if found else 'NAME')}",
        )

    def _option(self, name: str) -> str:
        """The option that names something in the file, for a shell."""
        return shlex.join(("--model", f"{self.path}:{name}"))

    def _make(self, frameworks: Frameworks, name: str, thing: Any) -> Any:
        if live_kind(frameworks, thing):
            return thing
        if not callable(thing):
            raise InputError(f"{self.path}: {name} is {describe(thing)}: {_WANTED}")
        needed = _needed_arguments(thing)
        if needed:
            raise InputError(
                f"{self.path}: {name} needs arguments ({', '.join(needed)}): {_WANTED}",
                hint=f"Write a function that gives them, and name it: {self._option('build')}",
            )
        with self.file.told("built"):
            model = thing()
        if not live_kind(frameworks, model):
            raise InputError(
                f"{self.path}: {name}() gave {describe(model)}: expected a Keras model, a tf.Module or a tf.function",
                hint="Does it end with: return model?" if model is None else "",
            )
        return model


@dataclass(frozen=True, slots=True)
class JsonArchitecture:
    """A model as Keras's ``to_json`` wrote it.

    Attributes:
        path: Where it is.
        raw: What it holds.
        config: The same; of Keras 2 in the form of ``legacy.config``.
        keras_version: The Keras 2 that wrote it; empty of Keras 3.
        parts: What in it needs code of its author.
        custom: The user's file that defines such parts.
        allow_code: Whether Python code in it may run.
    """

    path: Path
    raw: dict[str, Any]
    config: dict[str, Any]
    keras_version: str
    parts: tuple[CustomPart, ...]
    custom: UserFile | None
    allow_code: bool

    @classmethod
    def read(cls, path: Path, custom: UserFile | None, *, allow_code: bool) -> JsonArchitecture:
        """Reads a file.

        Raises:
            InputError: It is no JSON of Keras.
            ModelError: It needs code of its author that is not given.
            UsageError: Code that it does not hold may run.
        """
        config = _read_json(path)
        if "module" in config:
            parts = tuple(find_custom_parts(config))
            refuse_custom_parts(path, parts, custom_objects=custom is not None, allow_code=allow_code)
            check_allow_code(path, parts, allow_code=allow_code)
            return cls(path, config, config | {"compile_config": None}, "", parts, custom, allow_code)
        version = config.get("keras_version")
        old, parts = read_config(path, config, (), custom_objects=custom is not None, allow_code=allow_code)
        check_allow_code(path, parts, allow_code=allow_code)
        return cls(path, config, old, version if isinstance(version, str) else "2", parts, custom, allow_code)

    @property
    def note(self) -> str:
        """What the user should know."""
        return f"{self.custom.path} was run: your own code is part of the model" if self.custom is not None else ""

    @contextmanager
    def built(self, frameworks: Frameworks, size_bytes: int) -> Iterator[Any]:
        """Builds the model.

        Args:
            frameworks: The imported Keras and TensorFlow.
            size_bytes: What its weights take.

        Raises:
            ModelError: Keras cannot build it.
            InputError: The user's file fails, or lacks what it needs.
        """
        with custom_objects(self.path, self.custom, self.parts) as custom:
            yield self._make(frameworks, custom, size_bytes)

    def _make(self, frameworks: Frameworks, custom: Mapping[str, Any], size_bytes: int) -> Any:
        keras = frameworks.keras
        if self.keras_version:
            bound: dict[str, tuple[WeightEntry, ...]] = {"": (WeightEntry("", "", (), size_bytes),)}
            file = H5File(self.path, "", self.keras_version, "tensorflow", self.config, bound)
            if reason_for_legacy(self.config):
                return make_in_tf_keras(frameworks, file, self.config, custom)
            return make_in_keras_3(frameworks, file, self.config)
        try:
            with quiet_logs():
                model = keras.saving.deserialize_keras_object(
                    self.config, custom_objects=dict(custom), safe_mode=not self.allow_code
                )
        except Exception as error:
            raise ModelError(f"Keras {keras.__version__} cannot build {self.path}: {first_line(error)}") from error
        if not isinstance(model, keras.Model):
            raise ModelError(f"{self.path} holds {describe(model)}: expected a model")
        return model


def read_architecture(option: str, custom: Path | None, *, allow_code: bool) -> CodeArchitecture | JsonArchitecture:
    """Reads what ``--model`` names, and runs nothing.

    Args:
        option: ``FILE.py``, ``FILE.py:NAME`` or ``FILE.json``.
        custom: A Python file with the classes and functions that JSON needs.
        allow_code: Whether Python code in JSON may run.

    Raises:
        UsageError: It has another form, or other options do not go with it.
        InputError: There is no such file, or it is no Python or no JSON of Keras.
        ModelError: JSON needs code of its author that is not given.
        MissingError: A file may not be read.
    """
    path, colon, name = option.rpartition(":")
    if not colon or not path.endswith(".py"):
        path, name = option, ""
    if path.endswith(".json"):
        file = None if custom is None else UserFile.read(custom, "--custom-objects")
        return JsonArchitecture.read(Path(path), file, allow_code=allow_code)
    if not path.endswith(".py") or (path != option and not name):
        raise UsageError(f"--model {option!r}: expected FILE.py, FILE.py:NAME or FILE.json")
    for given, value in (("--custom-objects", custom), ("--allow-code", allow_code)):
        if value:
            raise UsageError(f"{given} means nothing for --model {path}, which is code itself")
    return CodeArchitecture(UserFile.read(Path(path), "--model"), name)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        kind = "is no file" if path.exists() else "is not there"
        raise InputError(f"--model {path} {kind}: expected the JSON of Keras's to_json")
    if path.stat().st_size > _MAX_JSON_BYTES:
        raise InputError(f"--model {path} has more than {_MAX_JSON_BYTES} bytes: expected the JSON of Keras's to_json")
    try:
        config = json.loads(path.read_bytes())
    except PermissionError as error:
        raise MissingError(f"{path} may not be read: {error.strerror}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}") from None
    if not (isinstance(config, dict) and isinstance(config.get("class_name"), str) and "config" in config):
        raise InputError(f"{path} holds no model: expected what Keras's to_json writes, with class_name and config")
    return config


def _is_own(frameworks: Frameworks, thing: Any, module: ModuleType) -> bool:
    """Whether a file makes something itself that may be meant: a model, a function or a class; not what it imports."""
    own = callable(thing) and getattr(thing, "__module__", None) == module.__name__
    return own or bool(live_kind(frameworks, thing))


def _needed_arguments(thing: Any) -> list[str]:
    """The arguments that a call has to give."""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):  # some that C code defines say nothing
        return []
    return [
        each.name
        for each in parameters
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:10]) + (f", and {len(names) - 10} more" if len(names) > 10 else "")
    return shown or "no function, class or model of its own"
