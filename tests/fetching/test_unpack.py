"""Archives: what is unpacked, and what is refused with nothing left behind."""

from __future__ import annotations

import bz2
import gzip
import io
import stat
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfkit.errors import InputError, MissingError
from tfkit.fetching import scratch
from tfkit.fetching.archives import archive_kind
from tfkit.fetching.unpack import UnpackLimits, unpack

FILES = {"saved_model.pb": b"graph" * 1000, "variables/variables.index": b"", "assets/words.txt": b"red\n"}


def entry(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def tar_bytes(*entries: tuple[tarfile.TarInfo, bytes], mode: str = "w", **options: object) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, **options) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def zip_bytes(*entries: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return file.getvalue()


def model_tar(mode: str = "w") -> bytes:
    return tar_bytes(*(entry(name, data) for name, data in FILES.items()), mode=mode)


def written(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """Unpacks what must not be unpacked, and returns the message."""

    def refuse(data: bytes, name: str = "model.tar", limits: UnpackLimits | None = None) -> str:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        archive = folder / name
        archive.write_bytes(data)
        with pytest.raises(InputError) as caught:
            unpack(archive, folder / "out", limits=limits)
        assert str(archive) in caught.value.message
        assert list(folder.iterdir()) == [archive]
        return caught.value.message

    return refuse


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (model_tar(), "tar"),
        (model_tar("w:gz"), "gzip"),
        (model_tar("w:bz2"), "bzip2"),
        (zip_bytes(*FILES.items()), "zip"),
        (zip_bytes(*FILES.items(), compression=zipfile.ZIP_LZMA), "zip"),
        (zip_bytes(*((name.replace("/", "\\"), data) for name, data in FILES.items())), "zip"),
        (tar_bytes(*(entry(f"./{name}", data) for name, data in FILES.items()), format=tarfile.GNU_FORMAT), "tar"),
    ],
)
def test_archives_are_told_by_their_content(tmp_path: Path, data: bytes, kind: str) -> None:
    archive = tmp_path / "model.bin"
    archive.write_bytes(data)
    assert archive_kind(archive) == kind
    unpack(archive, tmp_path / "out")
    assert written(tmp_path / "out") == FILES


@pytest.mark.parametrize(("pack", "kind"), [(gzip.compress, "gzip"), (bz2.compress, "bzip2")])
@pytest.mark.parametrize("graph", [b"\n\x05graph", b"\n\x05graph" * 1000])
def test_a_file_that_is_packed_alone_is_no_damaged_archive(
    refused: Callable[..., str], pack: Callable[[bytes], bytes], kind: str, graph: bytes
) -> None:
    message = refused(pack(graph), "frozen.pb.packed")
    assert f"holds no tar: it is {kind} of a single file" in message
    assert "damaged" not in message


def test_what_is_unpacked_is_for_its_owner_alone(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar"
    archive.write_bytes(tar_bytes(entry("a", b"1", mode=0o6777), entry("d", type=tarfile.DIRTYPE, mode=0)))
    unpack(archive, tmp_path / "out")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()}
    assert modes == {"a": 0o600, "d": 0o700}


def test_links_among_the_files_are_kept_whatever_their_order(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar"
    entries = [
        entry("third", type=tarfile.SYMTYPE, linkname="second"),
        entry("latest", type=tarfile.SYMTYPE, linkname="1"),
        entry("second", type=tarfile.LNKTYPE, linkname="1/saved_model.pb"),
        entry("1/saved_model.pb", b"graph"),
    ]
    archive.write_bytes(tar_bytes(*entries))
    unpack(archive, tmp_path / "out")
    for name in ("latest/saved_model.pb", "second", "third"):
        assert (tmp_path / "out" / name).read_bytes() == b"graph"


LEAVING = [
    entry("../outside", b"x"),
    entry("a/../../outside", b"x"),
    entry("/outside", b"x"),
    entry("..", type=tarfile.DIRTYPE),
    entry("link", type=tarfile.SYMTYPE, linkname="../outside"),
    entry("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    entry("a/link", type=tarfile.SYMTYPE, linkname="../../outside"),
    entry("link", type=tarfile.LNKTYPE, linkname="../outside"),
    entry("link", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
]


@pytest.mark.parametrize("leaving", LEAVING, ids=lambda each: f"{each[0].name}-{each[0].linkname}")
def test_nothing_leads_out_of_the_folder(refused: Callable[..., str], leaving: tuple[tarfile.TarInfo, bytes]) -> None:
    assert "leads out of it" in refused(tar_bytes(entry("good", b"1"), leaving))


def test_links_through_links_do_not_lead_out(refused: Callable[..., str]) -> None:
    entries = [
        entry("deep/er/x", b"1"),
        entry("here", type=tarfile.SYMTYPE, linkname="."),
        entry("deep/er/out", type=tarfile.SYMTYPE, linkname="../../here/../outside"),
    ]
    assert "leads out of it" in refused(tar_bytes(*entries))


def test_nothing_is_written_through_a_link(refused: Callable[..., str], tmp_path: Path) -> None:
    entries = [entry("d", type=tarfile.SYMTYPE, linkname=str(tmp_path)), entry("d/file", b"x")]
    refused(tar_bytes(*entries))
    entries = [entry("d", type=tarfile.SYMTYPE, linkname="e"), entry("e/x", b"1"), entry("d/file", b"x")]
    assert "twice" in refused(tar_bytes(*entries))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(refused: Callable[..., str], kind: bytes) -> None:
    assert "special file" in refused(tar_bytes(entry("null", type=kind, devmajor=1, devminor=3)))


@pytest.mark.parametrize(
    "links",
    [
        [entry("a", type=tarfile.SYMTYPE, linkname="b"), entry("b", type=tarfile.SYMTYPE, linkname="a")],
        [entry("a", type=tarfile.SYMTYPE, linkname="nowhere")],
        [entry("a", type=tarfile.LNKTYPE, linkname="nowhere")],
    ],
)
def test_links_to_nothing_are_refused(refused: Callable[..., str], links: list) -> None:
    assert "leads nowhere" in refused(tar_bytes(*links))


@pytest.mark.parametrize(
    "entries",
    [
        [entry("a", b"1"), entry("a", b"2")],
        [entry("a", b"1"), entry("a/b", b"2")],
        [entry("a/b", b"1"), entry("a", b"2")],
        [entry("a", b"1"), entry("./a", type=tarfile.DIRTYPE)],
    ],
)
def test_a_name_comes_once(refused: Callable[..., str], entries: list) -> None:
    assert "twice" in refused(tar_bytes(*entries))


@pytest.mark.parametrize("name", ["x" * 300, "/".join("d" * 100)])
def test_names_that_no_file_can_have_are_refused(refused: Callable[..., str], name: str) -> None:
    assert "no file here can be called" in refused(tar_bytes(entry(name, b"1"), format=tarfile.PAX_FORMAT))


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../b", "..\\outside", "C:\\outside", "\\outside"])
def test_nothing_leads_out_of_a_zip(refused: Callable[..., str], name: str) -> None:
    assert "leads out of it" in refused(zip_bytes((name, b"x")), "model.zip")


def test_links_in_a_zip_do_not_lead_out(refused: Callable[..., str], tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    assert "leads out of it" in refused(zip_bytes((link, b"../outside")), "model.zip")
    (tmp_path / "good.zip").write_bytes(zip_bytes(("a", b"1"), (link, b"a")))
    unpack(tmp_path / "good.zip", tmp_path / "good")
    assert (tmp_path / "good" / "link").read_bytes() == b"1"
    link.external_attr = stat.S_IFIFO << 16
    (tmp_path / "pipe.zip").write_bytes(zip_bytes((link, b"")))
    with pytest.raises(InputError, match="special file"):
        unpack(tmp_path / "pipe.zip", tmp_path / "pipe")


def zeros_tar_gz(size_bytes: int) -> bytes:
    """A tar of zeros, packed quickly: gzip's members may follow each other."""
    step = 32 << 20
    assert size_bytes % step == 0
    header = tarfile.TarInfo("zeros")
    header.size = size_bytes
    block = gzip.compress(bytes(step), 9)
    return gzip.compress(header.tobuf()) + block * (size_bytes // step) + gzip.compress(bytes(1024))


def test_bombs_are_refused_while_they_unpack(refused: Callable[..., str]) -> None:
    assert "200 times its size" in refused(zeros_tar_gz(2 << 30), "model.tar.gz")
    assert "200 times its size" in refused(zip_bytes(("zeros", bytes(300 << 20))), "model.zip")
    assert "limit of 99 bytes" in refused(model_tar(), limits=UnpackLimits(size_bytes=99))
    assert "limit of 99 bytes" in refused(zip_bytes(*FILES.items()), "model.zip", UnpackLimits(size_bytes=99))


def test_sizes_that_an_archive_lies_about_are_counted(refused: Callable[..., str]) -> None:
    data = bytearray(zip_bytes(("a", bytes(5000))))
    at = data.find(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 10)
    refused(bytes(data), "model.zip", UnpackLimits(size_bytes=1000))
    huge = tarfile.TarInfo("a")
    huge.size = 1 << 50
    assert "limit of" in refused(huge.tobuf() + bytes(1024))


def test_too_many_members_are_refused(refused: Callable[..., str]) -> None:
    limits = UnpackLimits(members=5, links=2)
    assert "more than 5 files" in refused(tar_bytes(*(entry(f"{i}") for i in range(6))), limits=limits)
    assert "more than 5 files" in refused(zip_bytes(*((f"{i}", b"") for i in range(6))), "model.zip", limits)
    links = [entry(f"{i}", type=tarfile.SYMTYPE, linkname="a") for i in range(3)]
    assert "more than 2 links" in refused(tar_bytes(*links), limits=limits)


def test_headers_that_would_fill_the_memory_are_refused(refused: Callable[..., str]) -> None:
    pax = tarfile.TarInfo("././@PaxHeader")
    pax.type, pax.size = tarfile.XHDTYPE, 1 << 32
    assert "header of" in refused(gzip.compress(pax.tobuf()) + gzip.compress(bytes(1 << 20)), "model.tar.gz")
    long_name = tarfile.TarInfo("././@LongLink")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 0
    assert "damaged" in refused(long_name.tobuf(tarfile.GNU_FORMAT) * 3000)
    many = bytearray(zip_bytes(("a", b"1")))
    struct.pack_into("<I", many, len(many) - 22 + 12, 1 << 31)
    assert "list of files" in refused(bytes(many), "model.zip")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
def test_a_tar_that_is_cut_off_anywhere_is_refused(refused: Callable[..., str], mode: str) -> None:
    data = model_tar(mode)
    end = data.rindex(b"red\n") + 4 if mode == "w" else len(data) - 1
    for length in range(1, end, max(1, end // 37)):
        assert "damaged" in refused(data[:length])


def test_a_tar_cut_off_between_its_members_is_refused(refused: Callable[..., str]) -> None:
    first = tar_bytes(entry("a", bytes(512)))[:1024]
    assert "no header after 1 members" in refused(first)
    assert "no header after 1 members" in refused(gzip.compress(first), "model.tar.gz")


def test_a_zip_that_is_cut_off_is_refused(refused: Callable[..., str]) -> None:
    data = zip_bytes(*FILES.items())
    for length in range(10, len(data) - 1, 20):
        assert "damaged" in refused(data[:length], "model.zip")


def test_damage_in_the_middle_is_refused(refused: Callable[..., str]) -> None:
    members = tar_bytes(entry("a", bytes(512)), entry("b", b"1"))
    assert "no header after 1 members" in refused(members[:1024] + b"x" * 512 + members[1536:])
    packed = bytearray(model_tar("w:gz"))
    packed[-6] ^= 1  # the checksum
    assert "CRC" in refused(bytes(packed), "model.tar.gz")
    stored = bytearray(zip_bytes(("a", b"abcdefgh"), compression=zipfile.ZIP_STORED))
    stored[stored.find(b"abcdefgh")] ^= 1
    assert "CRC" in refused(bytes(stored), "model.zip")


def test_packed_nothing_is_refused(refused: Callable[..., str]) -> None:
    assert "damaged" in refused(gzip.compress(b""), "model.tar.gz")


def test_zips_with_a_password_are_refused(refused: Callable[..., str]) -> None:
    data = bytearray(zip_bytes(("a", b"1"), compression=zipfile.ZIP_STORED))
    data[6] |= 1
    data[data.find(b"PK\x01\x02") + 8] |= 1
    assert "password" in refused(bytes(data), "model.zip")


def test_archives_that_eas_does_not_take_are_named(refused: Callable[..., str]) -> None:
    assert "packed with xz" in refused(model_tar("w:xz"), "model.tar.xz")
    assert "packed with 7z" in refused(b"7z\xbc\xaf\x27\x1c" + bytes(100), "model.7z")


def test_a_full_disk_is_no_fault_of_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.tar").write_bytes(model_tar())
    monkeypatch.setattr(scratch, "_RESERVED_BYTES", 1 << 62)  # as if the disk had that much less
    with pytest.raises(MissingError, match="no space left"):
        unpack(tmp_path / "model.tar", tmp_path / "out")
    assert list(tmp_path.iterdir()) == [tmp_path / "model.tar"]


@given(
    st.sampled_from([model_tar(), model_tar("w:gz"), zip_bytes(*FILES.items())]),
    st.lists(st.tuples(st.integers(0, 10_000), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4),
)
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_survived(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, changes: list[tuple[int, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    damaged = bytearray(data)
    for at, piece in changes:
        damaged[at % len(data) : at % len(data) + len(piece)] = piece
    (folder / "model.tar").write_bytes(damaged)
    try:
        unpack(folder / "model.tar", folder / "out")
    except InputError:
        assert list(folder.iterdir()) == [folder / "model.tar"]
