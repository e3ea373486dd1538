"""Archives of models, as EAS takes them: told by their content, their members' names made safe.

``.tar.gz``, ``.tar``, ``.bz2`` (a tar inside) and ``.zip``. ``tfkit.fetching.unpack`` unpacks them.
"""

from __future__ import annotations

import re
from pathlib import Path

from tfkit.errors import InputError

_MAGICS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"PK\x03\x04": "zip", b"PK\x05\x06": "zip"}
_REFUSED = {b"\xfd7zXZ\x00": "xz", b"(\xb5/\xfd": "zstd", b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!": "rar"}
_TAR_MAGIC, _TAR_MAGIC_OFFSET = b"ustar", 257
_HEAD_BYTES = 512
_ENDINGS = re.compile(r"\.(tar|tar\.gz|tgz|tar\.bz2|tbz2?|gz|bz2|zip)$", re.IGNORECASE)
_MAX_DEPTH, _MAX_NAME_BYTES = 64, 255


def archive_kind(path: Path) -> str:
    """``gzip``, ``bzip2``, ``zip`` or ``tar``, by a file's content; empty for anything else.

    Raises:
        InputError: It is an archive, of a kind that EAS does not take.
    """
    if not path.is_file() or path.suffix == ".keras":  # a zip, and a model of its own kind
        return ""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return ""  # whoever opens it next says why
    for magic, kind in _REFUSED.items():
        if head.startswith(magic):
            raise InputError(
                f"{path} is packed with {kind}: expected .tar.gz, .tar, .bz2 or .zip",
                hint="Pack it anew: tar -czf model.tar.gz -C FOLDER .",
            )
    if head[_TAR_MAGIC_OFFSET:].startswith(_TAR_MAGIC) or path.suffix.lower() == ".tar":
        return "tar"
    return next((kind for magic, kind in _MAGICS.items() if head.startswith(magic)), "")


def without_endings(name: str) -> str:
    """A file's name without what says that it is an archive.

    >>> without_endings("model-1.2.tar.gz")
    'model-1.2'
    """
    return _ENDINGS.sub("", _ENDINGS.sub("", name))


def parts_of_name(name: str, shown: str) -> tuple[str, ...]:
    """The parts of a member's path inside a folder.

    Args:
        name: The path as an archive says it, or a store of objects.
        shown: What holds it, for messages.

    Raises:
        InputError: It leads out of the folder, or no file can be called that.
    """
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or re.match(r"[A-Za-z]:/", name) or ".." in parts:
        raise harmful(shown, f"{shortened(name)}, which leads out of it")
    longest = max((len(part.encode("utf-8", "surrogatepass")) for part in parts), default=0)
    if "\0" in name or len(parts) > _MAX_DEPTH or longest > _MAX_NAME_BYTES:
        raise harmful(shown, f"{shortened(name)}, which no file here can be called")
    return parts


def harmful(shown: str, what: str) -> InputError:
    """The error for an archive that holds what could do harm."""
    return InputError(f"{shown} holds {what}: nothing of it was kept", hint="Pack the model's folder alone.")


def shortened(name: str, limit: int = 80) -> str:
    """A name as messages show it, whatever is in it."""
    shown = ascii(name)
    return shown if len(shown) <= limit else f"{shown[:limit]}..."
