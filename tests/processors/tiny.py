"""A runtime small enough to be built by a test: a wheel with two real shared libraries, an index that serves it.

The library with the C API is one of numpy's extensions: like that of an old TensorFlow it wants symbols of Python.
"""

from __future__ import annotations

import base64
import hashlib
import random
import shutil
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

from tfkit.processors.catalogue import LibraryFile, Processor, Wheel
from tfkit.processors.elf import weaken_python_symbols

NAME = "tiny_cpu_1.0"
FILENAME = "tiny_tensorflow-1.0.0-cp36-cp36m-manylinux1_x86_64.whl"
FRAMEWORK, C_API = "tiny/libtiny_framework.so.1", "tiny/python/_tiny.so"
# Nothing of the machine's own settings of pip: no index, mirror or folder of wheels beside the test's.
PIP_ALONE = {
    "PIP_CONFIG_FILE": "/dev/null",
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_FIND_LINKS": "",
    "PIP_NO_INDEX": "",
    "PIP_RETRIES": "0",
    "PIP_TIMEOUT": "5",
}


def extension_library() -> Path:
    """A small extension module: a shared library with undefined ``Py*`` symbols."""
    spec = find_spec("numpy")
    assert spec is not None
    assert spec.submodule_search_locations
    return next((Path(spec.submodule_search_locations[0]) / "random").glob("_sfc64*.so"))


def write_library(path: Path, needed: str = "libc.so.6") -> Path:
    """Writes a shared library that is linked to one other; its name must be as long as that of the C library."""
    content = extension_library().read_bytes()
    assert content.count(b"libc.so.6\0") == 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.replace(b"libc.so.6\0", needed.encode() + b"\0"))
    return path


def build_wheel(path: Path, members: dict[str, bytes]) -> Path:
    """Writes a wheel that pip takes, with the given members."""
    project, version, *tags = path.stem.split("-")
    info = f"{project}-{version}.dist-info"
    members = {
        **members,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {'-'.join(tags)}\n".encode(),
    }
    record = ""
    for name, content in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(content)}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**members, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            archive.writestr(name, content)
    return path


def tiny_wheel(folder: Path) -> Path:
    """The tiny runtime's wheel, where a package index has it."""
    library = extension_library().read_bytes()
    # The framework stays as it is, so what it is does not matter; pip shows no progress below half a megabyte.
    framework = random.Random(0).randbytes(1 << 20)
    return build_wheel(folder / "tiny-tensorflow" / FILENAME, {FRAMEWORK: framework, C_API: library})


def tiny_processor(wheel: Path) -> Processor:
    """The processor that the catalogue would have for a tiny wheel."""
    with zipfile.ZipFile(wheel) as archive:
        framework, c_api = archive.read(FRAMEWORK), archive.read(C_API)
    weak = wheel.with_suffix(".so")
    weak.write_bytes(c_api)
    weaken_python_symbols(weak)
    installed = _sha256(weak.read_bytes())
    weak.unlink()
    return Processor(
        NAME,
        "1.0.0",
        "cpu",
        Wheel(
            wheel.name,
            wheel.stat().st_size,
            _sha256(wheel.read_bytes()),
            LibraryFile(FRAMEWORK, len(framework), _sha256(framework), _sha256(framework)),
            LibraryFile(C_API, len(c_api), _sha256(c_api), installed),
        ),
    )


class Index:
    """A package index on this machine, as a folder of folders of wheels.

    Attributes:
        url: For ``PIP_INDEX_URL``.
        stalled: Set by the first download, where the index stalls.
    """

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.stalled = threading.Event()
        self.go_on = threading.Event()


@contextmanager
def serve_index(folder: Path, *, stall: bool = False) -> Iterator[Index]:
    """Serves a folder to pip.

    Args:
        folder: Holds a folder for each project.
        stall: Stop in the middle of each wheel, until ``go_on`` is set.
    """

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None: ...

        def copyfile(self, source, outputfile) -> None:  # type: ignore[no-untyped-def]
            if stall and self.path.endswith(".whl"):
                outputfile.write(source.read(100_000))
                outputfile.flush()
                index.stalled.set()
                index.go_on.wait(30)
            try:
                shutil.copyfileobj(source, outputfile)
            except OSError:
                self.close_connection = True  # pip was stopped

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        index = Index(server)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield index
        finally:
            index.go_on.set()
            server.shutdown()
            thread.join()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
