"""Undefined Python symbols become weak, and nothing else changes: on a real extension module."""

from __future__ import annotations

import ctypes
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.processors.tiny import extension_library
from tfkit.errors import InputError
from tfkit.processors.elf import needed_libraries, weaken_python_symbols

REMOVED = b"PyErr_Occurred"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return Path(shutil.copyfile(extension_library(), tmp_path / "library.so"))


def bindings(path: Path) -> dict[str, str]:
    """The binding of each undefined symbol."""
    with path.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".dynsym").iter_symbols()
        return {each.name: each["st_info"]["bind"] for each in symbols if each["st_shndx"] == "SHN_UNDEF" and each.name}


def test_every_undefined_python_symbol_becomes_weak_and_no_other(library: Path) -> None:
    before, content = bindings(library), library.read_bytes()
    wanted = {name for name, binding in before.items() if name.startswith(("Py", "_Py")) and binding == "STB_GLOBAL"}
    assert len(wanted) > 50
    assert weaken_python_symbols(library) == len(wanted)
    after = bindings(library)
    assert {name for name in after if after[name] != before[name]} == wanted
    assert {after[name] for name in wanted} == {"STB_WEAK"}
    changed = [index for index, byte in enumerate(library.read_bytes()) if byte != content[index]]
    assert len(changed) == len(wanted)
    assert weaken_python_symbols(library) == 0


def test_a_library_that_wants_a_function_python_no_longer_has_can_be_loaded(library: Path) -> None:
    content = library.read_bytes()
    library.write_bytes(content.replace(REMOVED + b"\0", REMOVED[:-1] + b"_\0"))
    with pytest.raises(OSError, match="undefined symbol"):
        ctypes.CDLL(str(library))
    weaken_python_symbols(library)
    ctypes.CDLL(str(library))


def test_what_a_library_is_linked_to_is_read_from_it(library: Path) -> None:
    assert "libc.so.6" in needed_libraries(library)


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"not a library" * 100, b"\x7fELF\x02\x01\x01" + bytes(200)])
def test_a_file_that_is_no_library_is_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "library.so"
    path.write_bytes(content)
    for read in (weaken_python_symbols, needed_libraries):
        with pytest.raises(InputError, match=r"library\.so: no "):
            read(path)


def test_a_library_for_32_bits_is_told(library: Path) -> None:
    content = bytearray(library.read_bytes())
    content[4] = 1  # EI_CLASS
    library.write_bytes(content)
    with pytest.raises(InputError):
        weaken_python_symbols(library)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_damage_never_crashes_the_reader(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    content = bytearray(extension_library().read_bytes())
    headers = int.from_bytes(content[40:48], "little")  # e_shoff
    interesting = st.one_of(st.integers(0, 1023), st.integers(headers, len(content) - 1))
    for place in data.draw(st.lists(interesting, min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.so"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    for read in (needed_libraries, weaken_python_symbols):
        with suppress(InputError):
            read(path)
