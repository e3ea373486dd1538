"""Pictures as samples: one file, or all of a folder; decoded, in the size and with the channels that an input has.

A picture is taken as it is stored, as TensorFlow's decoders take it: transparency is dropped where the input has no
fourth channel, and a rotation that EXIF asks for is not done. Values are those of the file, 0 to 255, unless a range is
given, as in ``NAME=@FOLDER:-1:1``. An input of texts gets the files as they are.
"""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfkit.arrays import Array
from tfkit.errors import InputError, UsageError
from tfkit.inputs.opening import read_bytes, readable, readable_size
from tfkit.inputs.rows import RowFile
from tfkit.tensors import DType, TensorSpec

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"))
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_MAX_FILE_BYTES = 256 << 20
_MAX_SIDE = 1 << 14  # of an input
_FLAT = (
    "Give arrays in place of pictures, made as for training: {name}=@FILE.npy. "
    "Or export a model that takes pictures and flattens them itself."
)
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
RANGE = re.compile(rf"(?P<low>{_NUMBER}):(?P<high>{_NUMBER})")
# What Pillow raises on damaged files, beside its own UnidentifiedImageError, which is an OSError.
_DAMAGES = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    EOFError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
)


class Pictures(RowFile):
    """One picture, or those of a folder in the order of their names; a row is a file."""

    unit = "picture"
    rows_at_once = 4  # each may take what Pillow's limit on pixels allows

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._files = [path]
        if path.is_dir():
            with readable(path):
                self._files = sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES)
            if not self._files:
                raise InputError(f"{path} holds no pictures: expected {', '.join(sorted(SUFFIXES))}")
        else:
            readable_size(path)
        self.total = len(self._files)

    def columns(self) -> tuple[str, ...]:
        """None: a picture is a value."""
        return ()

    def column_for(self, key: str, spec: TensorSpec) -> str:
        """The range of values, which stands where other files have a column.

        Raises:
            UsageError: It is none, or the input cannot hold its values.
        """
        found = RANGE.fullmatch(key)
        if key and (not found or float(found["low"]) >= float(found["high"])):
            raise UsageError(f"{self.path}:{key} is no range of values: expected LO:HI, as in {spec.name}=@FOLDER:0:1")
        if key and not spec.dtype.is_float:
            raise UsageError(f"input {spec.name!r} is {spec}: a range of values is for floats")
        return key

    def is_one_row(self, spec: TensorSpec) -> bool:
        """Of an input without a batch dimension: ``uint8[224, 224, 3]``."""
        shape = spec.shape
        if spec.dtype is DType.STRING or shape is None or len(shape) != 3:
            return super().is_one_row(spec)
        return shape[0] is not None and (shape[0] in _MODES or shape[2] in _MODES)

    def rows(self) -> Iterator[tuple[int, Path]]:
        """The files."""
        self.done = 0
        for number, path in enumerate(self._files, 1):
            self.done = number
            yield number, path

    def place(self, number: int) -> str:
        """The file itself."""
        return str(self._files[number - 1])

    def value(self, row: Path, column: str, spec: TensorSpec) -> Any:
        """The picture as an array that fits the input, or the bytes of the file."""
        if spec.dtype is DType.STRING:
            return read_bytes(row, _MAX_FILE_BYTES)
        values = _decode(row, _layout(spec))
        if not column:
            return values
        low, _, high = column.partition(":")
        return (float(low) + values * ((float(high) - float(low)) / 255)).astype(np.float32)


class _Layout:
    """What an input makes of a picture: height, width and channels (``None``: the picture's), and their order."""

    def __init__(self, shape: tuple[int | None, ...]) -> None:
        self.planar = len(shape) == 2  # height and width alone
        self.channels_first = len(shape) == 3 and shape[0] in _MODES and shape[2] not in _MODES
        if self.planar:
            shape = (*shape, 1)
        elif self.channels_first:
            shape = (*shape[1:], shape[0])
        self.height, self.width, self.channels = shape

    def arrange(self, values: Array) -> Array:
        if self.planar:
            return values[..., 0]
        return np.moveaxis(values, -1, 0) if self.channels_first else values


def _layout(spec: TensorSpec) -> _Layout:
    shape = (None, None, 3) if spec.shape is None else spec.shape[1:]
    layout = _Layout(shape) if len(shape) in (2, 3) else None
    if layout is None or layout.channels not in (None, *_MODES) or spec.dtype is DType.BOOL:
        raise InputError(
            f"a picture for input {spec.name!r}, which is {spec}: expected [?, height, width] or [?, height, width, "
            "channels], with 1, 3 or 4 channels, of numbers",
            hint=_FLAT.format(name=spec.name) if len(shape) == 1 else "",
        )
    for side in (layout.height, layout.width):
        if side is not None and not 0 < side <= _MAX_SIDE:
            raise InputError(f"a picture for input {spec.name!r}, {spec}: a side of {side} is not possible")
    return layout


def _decode(path: Path, layout: _Layout) -> Array:
    from PIL import Image

    readable_size(path, _MAX_FILE_BYTES)
    try:
        with warnings.catch_warnings():
            # Pillow's limit on pixels, which it only warns of up to twice as many.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as image:
                mode = _MODES[layout.channels or 3]
                size = (layout.width or image.width, layout.height or image.height)
                deep = image.mode.startswith("I")  # 16 bits a value
                picture = image.point(lambda value: value / 256).convert("L") if deep else image
                held = picture.convert(mode)
                resized = held if held.size == size else held.resize(size, Image.Resampling.BILINEAR)
                values = np.array(resized, dtype=np.uint8)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"it unpacks to too much: {error}") from None
    except _DAMAGES as error:
        raise InputError(f"it is no picture that can be read: {error}") from None
    return layout.arrange(values if values.ndim == 3 else values[..., np.newaxis])
