"""Names of inputs and outputs: made unique, renamed by the user, and made fit for TensorFlow's graphs."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tfkit.errors import SignatureError, UsageError, nearest

_GRAPH_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_SCOPE_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_./>-]*")
_NOT_IN_SCOPE_NAMES = re.compile(r"[^A-Za-z0-9_./>-]")
_RESERVED_PREFIX = "__saved_model_"


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a model by name.

    Attributes:
        name: Its name in the signature.
        aliases: Other names that Keras knows it by; a rename may use them.
    """

    name: str
    aliases: tuple[str, ...] = ()


def parse_renames(options: Iterable[str]) -> dict[str, str]:
    """Reads ``OLD=NEW`` options.

    Raises:
        UsageError: An option has another form, or one name is renamed twice.

    >>> parse_renames(["keras_tensor=images"])
    {'keras_tensor': 'images'}
    """
    renames: dict[str, str] = {}
    for option in options:
        old, equals, new = option.partition("=")
        if not (old and equals and new):
            raise UsageError(f"--rename {option!r}: expected OLD=NEW")
        if old in renames:
            raise UsageError(f"--rename names {old!r} twice: as {renames[old]!r} and as {new!r}")
        renames[old] = new
    return renames


def rename_ports(kind: str, ports: Sequence[Port], renames: Mapping[str, str]) -> dict[str, str]:
    """New names by old ones for all inputs, or all outputs; renames that mean none of them are left out.

    All renames are applied at once, so that names can be swapped.

    Args:
        kind: ``input`` or ``output``, for messages.
        ports: The inputs or outputs.
        renames: New names by old ones; an alias stands for the name if it is the alias of one port only.

    Raises:
        SignatureError: Two of them would be called the same.
        UsageError: A new name is empty, or one port is renamed twice.
    """
    names = {port.name: port.name for port in ports}
    renamed: set[str] = set()
    for old, new in renames.items():
        if not new:
            raise UsageError(f"{old!r} cannot be renamed to an empty name")
        port = _find(ports, old)
        if port is None:
            continue
        if port.name in renamed:
            raise UsageError(f"{kind} {port.name!r} is renamed twice, the second time as {old!r}")
        renamed.add(port.name)
        names[port.name] = new
    chosen = list(names.values())
    for name in chosen:
        if chosen.count(name) > 1:
            raise SignatureError(f"two {kind}s would be called {name!r}", hint="Give one of them another name.")
    return names


def check_renames(inputs: Sequence[Port], outputs: Sequence[Port], renames: Mapping[str, str]) -> None:
    """Checks that every rename means something.

    Raises:
        SignatureError: A name is neither an input's nor an output's; the hint offers those that are nearest.
    """
    for old, new in renames.items():
        if _find(inputs, old) is None and _find(outputs, old) is None:
            raise SignatureError(
                f"the model has no input or output {old!r} to rename to {new!r}",
                hint="\n".join(
                    f"{kind}: {nearest(old, (port.name for port in ports))}"
                    for kind, ports in (("Inputs", inputs), ("Outputs", outputs))
                ),
            )


def check_signature_name(name: str) -> None:
    """Checks a signature's name.

    Raises:
        UsageError: It is empty, or one of those that TensorFlow uses itself.
    """
    if not name:
        raise UsageError("a signature needs a name")
    if name.startswith(_RESERVED_PREFIX):
        raise UsageError(
            f"a signature cannot be called {name!r}: TensorFlow uses names that begin with {_RESERVED_PREFIX}"
        )


def unique_names(names: Iterable[str]) -> list[str]:
    """The same names; repeated ones get a number.

    >>> unique_names(["lstm", "lstm", "dense"])
    ['lstm', 'lstm_1', 'dense']
    """
    names = list(names)
    taken: set[str] = set()
    result = []
    for name in names:
        candidate, number = name, 0
        while candidate in taken or (number and candidate in names):
            number += 1
            candidate = f"{name}_{number}"
        taken.add(candidate)
        result.append(candidate)
    return result


def graph_names(names: Sequence[str]) -> dict[str, str]:
    """For each name one that TensorFlow takes as an argument's and as an operation's: itself, where that is possible.

    >>> graph_names(["images", "my-input", "class"])
    {'images': 'images', 'my-input': 'my_input', 'class': 'class_'}
    """
    chosen: dict[str, str] = {}
    # TensorFlow spells arguments in lower case: names must differ by more than that.
    taken = {name.lower() for name in names if is_graph_name(name)}
    for name in names:
        if is_graph_name(name):
            chosen[name] = name
            continue
        stem = re.sub(r"[^A-Za-z0-9_]", "_", name)
        stem = stem if _GRAPH_NAME.fullmatch(stem) else f"tensor_{stem.strip('_')}"
        candidate, number = f"{stem}_" if not is_graph_name(stem) else stem, 0
        while candidate.lower() in taken:
            number += 1
            candidate = f"{stem}_{number}"
        taken.add(candidate.lower())
        chosen[name] = candidate
    return chosen


def is_graph_name(name: str) -> bool:
    """Whether TensorFlow takes a name as it is, as an argument of a function and as part of an operation's name."""
    return bool(_GRAPH_NAME.fullmatch(name)) and not keyword.iskeyword(name) and name != "self"


def is_scope_name(name: str) -> bool:
    """Whether TensorFlow's graphs take a name for a scope or a variable."""
    return _SCOPE_NAME.fullmatch(name) is not None


def scope_name(name: str) -> str:
    """A name that TensorFlow's graphs take for a scope or a variable, made of one that they do not take.

    >>> scope_name("höhe 1")
    'named_h_he_1'
    """
    return "named_" + _NOT_IN_SCOPE_NAMES.sub("_", name)


def _find(ports: Sequence[Port], name: str) -> Port | None:
    for port in ports:
        if port.name == name:
            return port
    known = [port for port in ports if name in port.aliases]
    return known[0] if len(known) == 1 else None
