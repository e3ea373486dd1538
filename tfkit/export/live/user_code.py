"""The user's own Python files: code that builds a model, and the classes and functions that a model's file needs.

Such a file is run as Python runs any module, with its folder on the path; what goes wrong in it is told with its line.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit.errors import InputError, MissingError, TfkitError, nearest
from tfkit.export.live.frameworks import first_line
from tfkit.export.live.keras_config import CustomPart

# Python's own modules and those of the frameworks: what a file imports of them is none of its parts.
_NOT_OWN = ("builtins", "keras", "tensorflow", "tf_keras", "numpy", "typing")
_MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class UserFile:
    """A Python file that was read and compiled, and not yet run.

    Attributes:
        path: Where it is.
        code: Its code.
    """

    path: Path
    code: types.CodeType

    @classmethod
    def read(cls, path: Path, option: str) -> UserFile:
        """Reads a file.

        Args:
            path: Where it is.
            option: The option that names it, for messages.

        Raises:
            InputError: There is none, or it is not Python.
            MissingError: It may not be read.
        """
        if not path.is_file():
            kind = "is a folder" if path.is_dir() else "is no file" if path.exists() else "is not there"
            raise InputError(f"{option} {path} {kind}: expected a Python file")
        try:
            with path.open("rb") as file:
                source = file.read(_MOST_BYTES + 1)
        except PermissionError as error:
            raise MissingError(f"{path} may not be read: {error.strerror}") from None
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
        if len(source) > _MOST_BYTES:
            raise InputError(f"{option} {path} has more than {_MOST_BYTES} bytes: expected a Python file")
        try:
            return cls(path, compile(source, str(path), "exec", dont_inherit=True))
        except SyntaxError as error:
            raise InputError(f"{path}, line {error.lineno}: {error.msg}: expected Python") from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise InputError(f"{option} {path} is no Python file: {first_line(error)}") from None

    @contextmanager
    def running(self) -> Iterator[types.ModuleType]:
        """Runs the file; its folder is on Python's path, and what it registers with Keras is known, in the block.

        Raises:
            InputError: It fails, here or in the block.
        """
        name = f"tfkit_user_{self.path.stem}"
        module = types.ModuleType(name)
        module.__spec__ = importlib.util.spec_from_file_location(name, self.path)
        module.__file__ = str(self.path)
        folder = str(self.path.absolute().parent)
        sys.path.insert(0, folder)
        sys.modules[name] = module
        try:
            with self.told("run"):
                exec(self.code, vars(module))  # noqa: S102  # the user's own code, which they named
            yield module
        finally:
            if folder in sys.path:
                sys.path.remove(folder)
            _forget_registered(name)

    @contextmanager
    def told(self, what: str) -> Iterator[None]:
        """Lets errors of the user's code say where in it they are.

        Raises:
            InputError: The code in the block fails.
        """
        try:
            yield
        except TfkitError:
            raise
        except SystemExit as error:
            raise InputError(
                f"{self._place(error)}: it ends the program (exit status {error.code!r}) when it is {what}",
                hint='Put what a program does under: if __name__ == "__main__":',
            ) from None
        except Exception as error:
            said = first_line(error)
            kind = type(error).__name__
            raise InputError(
                f"{self._place(error)}: {kind}{f': {said}' if said != kind else ''}",
                hint=f"It could not be {what}. TFKIT_DEBUG=1 shows all of Python's traceback.",
            ) from error

    def _place(self, error: BaseException) -> str:
        lines = [each.lineno for each in traceback.extract_tb(error.__traceback__) if each.filename == str(self.path)]
        return f"{self.path}, line {lines[-1]}" if lines else str(self.path)


def own_parts(module: types.ModuleType) -> dict[str, Any]:
    """The classes and functions that a file defines, imports from other files of its author, or registers with Keras.

    By their names; registered ones also by the names that they have there, ``package>Name``, and what stands in a
    dictionary ``custom_objects`` by the names there.
    """
    named: dict[str, Any] = {}
    for name, value in vars(module).items():
        if isinstance(value, type | types.FunctionType) and not name.startswith("__"):
            origin = (getattr(value, "__module__", None) or "").partition(".")[0]
            if origin not in _NOT_OWN:
                named[name] = value
    listed = getattr(module, "custom_objects", None)
    if isinstance(listed, Mapping):
        named |= {str(name): value for name, value in listed.items()}
    for registry in _registries():
        for name, value in registry.items():
            if getattr(value, "__module__", None) == module.__name__:
                named[name] = value
                named.setdefault(name.partition(">")[2] or name, value)
    return named


def choose_parts(path: Path, file: UserFile, parts: Sequence[CustomPart], known: Mapping[str, Any]) -> dict[str, Any]:
    """The classes and functions that a model's file needs, by the names that it has for them.

    Args:
        path: The model's file, for messages.
        file: The user's file.
        parts: What the model's file needs.
        known: What the user's file has (see ``own_parts``).

    Raises:
        InputError: The user's file lacks one.
    """
    chosen: dict[str, Any] = {}
    for part in parts:
        if part.is_code:
            continue
        names = [name for name in part.names if name in known] or [
            short for name in part.names if (short := name.rpartition(">")[2]) in known
        ]
        if not names:
            raise InputError(
                f"{path} needs {part.text}, and {file.path} does not define it: expected {' or '.join(part.names)}",
                hint=nearest(part.names[-1], [name for name in known if ">" not in name]),
            )
        chosen |= dict.fromkeys(part.names, known[names[0]])
    return chosen


@contextmanager
def custom_objects(path: Path, file: UserFile | None, parts: Sequence[CustomPart]) -> Iterator[dict[str, Any]]:
    """Runs the user's file; the classes and functions that a model's file needs, by the names that it has for them.

    Args:
        path: The model's file, for messages.
        file: The user's file; ``None`` if there is none.
        parts: What the model's file needs.

    Raises:
        InputError: The user's file fails, or lacks one.
    """
    if file is None:
        yield {}
        return
    with file.running() as module:
        yield choose_parts(path, file, parts, own_parts(module))


def code_notes(path: Path, file: UserFile | None, *, allow_code: bool) -> tuple[str, ...]:
    """What a report says of code that was run.

    Args:
        path: The model's file.
        file: The user's file; ``None`` if there is none.
        allow_code: Code that the model's file holds was run.
    """
    notes = [f"{file.path} was run: your own code is part of the model"] if file is not None else []
    return (*notes, *([f"{path.name} holds Python code, which was run: --allow-code"] if allow_code else []))


def _registries() -> list[dict[str, Any]]:
    """Where Keras 3 and tf-keras keep what is registered with them."""
    return [
        sys.modules[name].saving.get_custom_objects()
        for name in ("keras", "tf_keras")
        if hasattr(sys.modules.get(name), "saving")
    ]


def _forget_registered(module: str) -> None:
    for registry in _registries():
        for name in [name for name, value in registry.items() if getattr(value, "__module__", None) == module]:
            del registry[name]
