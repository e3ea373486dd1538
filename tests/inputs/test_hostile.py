"""Bytes from outside never crash: every kind of sample file, damaged at random."""

import contextlib
import gzip
import io

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tfkit.errors import TfkitError
from tfkit.inputs.tfrecord import write_records
from tfkit.tensors import DType

SPECS = [
    {"x": (DType.FLOAT, (None, 2))},
    {"x": (DType.STRING, (None,))},
    {"x": (DType.UINT8, (None, 8, 8, 3))},
    {"x": (DType.FLOAT, None)},
    {"x": (DType.BOOL, ())},
]


def _picture(kind):
    stream = io.BytesIO()
    Image.fromarray(np.arange(1800, dtype=np.uint8).reshape(20, 30, 3)).save(stream, kind)
    return stream.getvalue()


def _table():
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"x": [1.0, 2.0], "word": ["a", "b"], "rows": [[1.0], [2.0]]}), stream)
    return stream.getvalue()


def _records():
    stream = io.BytesIO()
    # Examples: {"x": [1.5]}, as on the wire.
    write_records(stream, [b"\n\x0f\n\r\n\x01x\x12\x08\x12\x06\n\x04\x00\x00\xc0?"] * 2)
    return stream.getvalue()


FILES = {
    "a.csv": b'x,word\n1,"a"\n2,b\n',
    "a.jsonl": b'{"x": [1, 2]}\n{"x": [3, 4]}\n',
    "a.txt": b"one\ntwo\n",
    "a.json": b'{"signature_name": "s", "instances": [{"x": [1, 2]}, {"x": [3, 4]}]}',
    "a.parquet": _table(),
    "a.tfrecord": _records(),
    "a.tfrecord.gz": gzip.compress(_records(), mtime=0),
    "a.png": _picture("PNG"),
    "a.jpg": _picture("JPEG"),
    "a.bmp": _picture("BMP"),
    "a.gif": _picture("GIF"),
    "a.webp": _picture("WEBP"),
}


@pytest.mark.parametrize("name", FILES)
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_damage_is_an_error_of_ours_or_does_no_harm(tmp_path, make, name, data):
    content = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        cut = data.draw(st.sampled_from((0, 0, 1, 4, len(content))))
        content[at : at + cut] = data.draw(st.binary(max_size=4))
    (tmp_path / name).write_bytes(content)
    option = data.draw(st.sampled_from(("@{}", "x=@{}", "x=@{}:x", "x=@{}:0:1")))
    with contextlib.suppress(TfkitError):
        make(option.format(tmp_path / name), inputs=data.draw(st.sampled_from(SPECS)))


@pytest.mark.parametrize("name", FILES)
def test_undamaged_they_are_read(tmp_path, make, name):
    (tmp_path / name).write_bytes(FILES[name])
    is_picture = name.endswith((".png", ".jpg", ".bmp", ".gif", ".webp"))
    column = ":x" if name.endswith((".csv", ".parquet", ".tfrecord", ".gz")) else ""
    held = SPECS[2] if is_picture else SPECS[1] if name == "a.txt" else {"x": (DType.FLOAT, (None, None))}
    option = "@{}" if name == "a.json" else "x=@{}"
    assert make(option.format(tmp_path / name) + column, inputs=held)["x"].size
