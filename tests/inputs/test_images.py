"""Pictures as samples."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from tfkit.errors import InputError, SignatureError, UsageError
from tfkit.tensors import DType

RED, BLUE = (250, 10, 20), (5, 15, 240)
IMAGE = (None, 4, 6, 3)


@pytest.fixture
def folder(tmp_path):
    """A folder of two pictures, red and blue, and a file that is none."""
    place = tmp_path / "photos"
    place.mkdir()
    Image.new("RGB", (12, 8), RED).save(place / "a.png")
    Image.new("RGB", (6, 4), BLUE).save(place / "b.BMP")
    (place / "notes.txt").write_text("no picture")
    return place


def test_a_folder_of_pictures_is_resized_to_the_input(folder, make):
    for option in (f"x=@{folder}", f"@{folder}/"):
        array = make(option, inputs={"x": (DType.UINT8, IMAGE)})["x"]
        assert (array.shape, array.dtype) == ((2, 4, 6, 3), np.uint8)
        assert array[0, 1, 2].tolist() == list(RED)
        assert array[1, 3, 5].tolist() == list(BLUE)
    assert make(f"x=@{folder}", inputs={"x": (DType.FLOAT, IMAGE)}, batch_size=1)["x"][0, 0, 0].tolist() == list(RED)


@pytest.mark.parametrize("name", ["p.png", "p.jpg", "p.JPEG", "p.bmp", "p.gif", "p.webp"])
def test_every_format_is_read(tmp_path, make, name):
    Image.new("RGB", (12, 8), RED).save(tmp_path / name)
    array = make(f"x=@{tmp_path / name}", inputs={"x": (DType.FLOAT, IMAGE)})["x"]
    assert array.shape == (1, 4, 6, 3)
    assert np.abs(array - RED).max() <= 4  # jpeg and webp lose a little


def test_of_an_animation_the_first_frame_counts(tmp_path, make):
    frames = [Image.new("RGB", (6, 4), colour) for colour in (RED, BLUE)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    array = make(f"x=@{tmp_path}/a.gif", inputs={"x": (DType.UINT8, IMAGE)})["x"]
    assert array[0, 0, 0].tolist() == list(RED)


@pytest.mark.parametrize(
    ("shape", "result"),
    [
        ((None, 4, 6, 1), (1, 4, 6, 1)),
        ((None, 4, 6, 4), (1, 4, 6, 4)),
        ((None, 4, 6), (1, 4, 6)),
        ((None, 3, 4, 6), (1, 3, 4, 6)),
        ((None, 1, 4, 6), (1, 1, 4, 6)),
        ((None, None, None, 3), (1, 8, 12, 3)),
        ((None, None, None, None), (1, 8, 12, 3)),
        ((4, 6, 3), (4, 6, 3)),
        ((1, 4, 6, 3), (1, 4, 6, 3)),
        (None, (1, 8, 12, 3)),
    ],
)
def test_size_and_channels_are_those_of_the_input(folder, make, shape, result):
    array = make(f"x=@{folder}/a.png", inputs={"x": (DType.UINT8, shape)})["x"]
    assert array.shape == result
    if result[-3:] == (4, 6, 3):
        assert array.reshape(4, 6, 3)[0, 0].tolist() == list(RED)
    if result[-1] == 4:
        assert array[0, 0, 0].tolist() == [*RED, 255]
    if shape == (None, 3, 4, 6):
        assert array[0, :, 0, 0].tolist() == list(RED)


def test_sixteen_bits_a_value_become_eight(tmp_path, make):
    Image.fromarray(np.full((4, 6), 51200, np.uint16)).save(tmp_path / "deep.png")
    array = make(f"x=@{tmp_path}/deep.png", inputs={"x": (DType.UINT8, (None, 4, 6, 1))})["x"]
    assert set(array.reshape(-1).tolist()) == {200}


@pytest.mark.parametrize(("bounds", "expected"), [("0:1", 250 / 255), ("-1:1", 250 / 127.5 - 1), ("0:255", 250)])
def test_floats_are_brought_into_a_range_that_is_asked_for(folder, make, bounds, expected):
    for option in (f"x=@{folder}:{bounds}", f"x=@{folder}/a.png:{bounds}", f"@{folder}/:{bounds}"):
        array = make(option, inputs={"x": (DType.FLOAT, IMAGE)}, batch_size=1)["x"]
        assert array[0, 0, 0, 0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("bounds", ["1:0", "0:1:2", "1.2.3:4", "-:1"])
def test_what_is_no_range_is_a_usage_error(folder, make, bounds):
    with pytest.raises((UsageError, InputError), match=r"no range|does not exist|no file of samples"):
        make(f"x=@{folder}:{bounds}", inputs={"x": (DType.FLOAT, IMAGE)})


def test_a_range_for_whole_numbers_is_a_usage_error(folder, make):
    with pytest.raises(UsageError, match="a range of values is for floats"):
        make(f"x=@{folder}:0:1", inputs={"x": (DType.UINT8, IMAGE)})


def test_an_input_of_texts_gets_the_files_as_they_are(folder, make):
    array = make(f"x=@{folder}", inputs={"x": (DType.STRING, (None,))})["x"]
    assert array.tolist() == [(folder / "a.png").read_bytes(), (folder / "b.BMP").read_bytes()]


def test_pictures_of_uneven_sizes_make_no_batch_where_the_input_has_none(folder, make):
    with pytest.raises(SignatureError, match=r"b.BMP has shape \[4, 6, 3\].*before it \[8, 12, 3\]"):
        make(f"x=@{folder}", inputs={"x": (DType.UINT8, (None, None, None, 3))})


def _png(width, height):
    """A PNG that claims a size, with next to nothing in it."""

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def _cut():
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(stream, "PNG")
    return stream.getvalue()[:2000]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no picture"),
        (b"hello", "no picture"),
        (b"\x89PNG\r\n\x1a\n" + b"\xff" * 100, "no picture"),
        (_cut(), "no picture"),
        (_png(100_000, 100_000), "unpacks to too much"),
        (_png(10_000, 10_000), "unpacks to too much"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "no picture"),
    ],
)
def test_a_damaged_or_huge_picture_is_an_input_error_that_names_the_file(tmp_path, make, data, message):
    (tmp_path / "p.png").write_bytes(data)
    with pytest.raises(InputError, match=rf"p\.png: (?s:.*){message}"):
        make(f"x=@{tmp_path}/p.png", inputs={"x": (DType.UINT8, IMAGE)})


@pytest.mark.parametrize(
    ("held", "hint"),
    [
        ((DType.FLOAT, (None, 784)), "made as for training: x=@FILE.npy"),
        ((DType.FLOAT, (None, 5, 6, 2)), ""),
        ((DType.BOOL, IMAGE), ""),
    ],
)
def test_an_input_that_takes_no_picture_is_an_input_error(folder, make, held, hint):
    with pytest.raises(
        InputError, match=r"a picture for input 'x', which is .*expected \[\?, height, width\]"
    ) as caught:
        make(f"x=@{folder}", inputs={"x": held})
    assert hint in caught.value.hint


def test_a_folder_without_pictures_is_an_input_error(tmp_path, make):
    with pytest.raises(InputError, match="holds no pictures"):
        make(f"x=@{tmp_path}", inputs={"x": (DType.UINT8, IMAGE)})
