"""Makes the C library of an old TensorFlow loadable by any Python.

That library is a Python extension, linked to bind every symbol when it is loaded: a Python that no longer has one of
its ``Py*`` functions cannot load it, though the C API calls none of them. A weak symbol may stay undefined, and what
says that a symbol is weak is one byte of its entry in the table ``.dynsym``.
(System V ABI, chapter 4, "Symbol Table"; ``Elf64_Sym`` in ``elf.h``.)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tfkit.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from elftools.elf.elffile import ELFFile

# st_name, st_info, st_other, st_shndx, st_value, st_size
_SYMBOL = struct.Struct("<IBBHQQ")
_INFO_OFFSET = 4
_UNDEFINED = 0
_WEAK = 2
_PREFIXES = (b"Py", b"_Py")


def weaken_python_symbols(path: Path) -> int:
    """Makes every undefined ``Py*`` and ``_Py*`` symbol of a shared library weak, in the file itself.

    Args:
        path: The library: ELF for 64 bits, little-endian. Only these symbols' bytes change.

    Returns:
        How many symbols were changed; doing it again changes none.

    Raises:
        InputError: The file is no such library.
    """
    with path.open("r+b") as file:
        table_offset, symbols, names = _dynamic_symbols(path)
        changes = list(_weakened(symbols, names))
        for offset, info in changes:
            file.seek(table_offset + offset + _INFO_OFFSET)
            file.write(bytes((info,)))
    return len(changes)


def needed_libraries(path: Path) -> tuple[str, ...]:
    """The sonames of the libraries that a shared library is linked to.

    Raises:
        InputError: The file is no shared library.
    """
    from elftools.elf.dynamic import DynamicSegment

    with _opened(path) as elf:
        tags = [
            tag
            for segment in elf.iter_segments("PT_DYNAMIC")
            if isinstance(segment, DynamicSegment)
            for tag in segment.iter_tags()
        ]
        if not tags:
            raise InputError(f"{path}: no shared library: nothing in it is for the loader")
        return tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED")  # type: ignore[attr-defined]  # set by name


def _dynamic_symbols(path: Path) -> tuple[int, bytes, bytes]:
    """Where the table ``.dynsym`` lies in the file, its bytes, and those of the table of its names."""
    from elftools.elf.sections import SymbolTableSection

    with _opened(path) as elf:
        table = elf.get_section_by_name(".dynsym")
        if elf.elfclass != 64 or not elf.little_endian or not isinstance(table, SymbolTableSection):
            raise InputError(f"{path}: no 64-bit little-endian shared library with a table of dynamic symbols")
        symbols, names = table.data(), table.stringtable.data()
        if len(symbols) != table["sh_size"] or len(symbols) % _SYMBOL.size:
            raise InputError(f"{path}: its table of dynamic symbols is cut off")
        return int(table["sh_offset"]), symbols, names


def _weakened(symbols: bytes, names: bytes) -> Iterator[tuple[int, int]]:
    """The offset in the table and the new ``st_info`` of every symbol that has to change."""
    for index, (name, info, _, section, _, _) in enumerate(_SYMBOL.iter_unpack(symbols)):
        weak = _WEAK << 4 | info & 0xF
        if section == _UNDEFINED and info != weak and names.startswith(_PREFIXES, name):
            yield index * _SYMBOL.size, weak


@contextmanager
def _opened(path: Path) -> Iterator[ELFFile]:
    """A library that may hold anything: pyelftools meets nonsense with its own and with Python's errors."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    nonsense = (ELFError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
    with path.open("rb") as file:
        try:
            yield ELFFile(file)
        except (*nonsense, MemoryError, OSError) as error:  # the last two: places and sizes beyond all files
            raise InputError(f"{path}: no shared library in the ELF format: {error}") from error
