"""``tfkit.lower.rules.decode_image``: images of a kind that their first bytes tell."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove

pytestmark = pytest.mark.network
PIXELS = np.random.default_rng(10).integers(0, 256, (4, 4, 3), np.uint8)


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.tobytes() for row in PIXELS)
    header = struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def bmp() -> bytes:
    data = PIXELS[::-1, :, ::-1].tobytes()
    header = struct.pack("<IiiHHIIiiII", 40, 4, 4, 1, 24, 0, len(data), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, 54) + header + data


def decoded(tf: Any, contents: Any) -> Any:
    decode = tf.io.decode_image
    return (
        decode(contents, channels=3, expand_animations=False),
        decode(contents, channels=3, dtype=tf.float32, expand_animations=False),
    )


def test_png_and_bmp(prove: Prove) -> None:
    calls = [(np.array(contents, object),) for contents in (png(), bmp())]
    prove(decoded, *calls, processors=["tensorflow_cpu_1.12", "tensorflow_cpu_2.3"], tolerance=1e-6, inside=False)
