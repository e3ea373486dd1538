"""``tfkit.lower.rules.projective_transform``: images moved, turned, scaled."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(9)
# For each image where x and y come from, and its projection.
TRANSFORMS = np.array(
    [
        [0.93, 0.31, -2.17, -0.29, 1.07, 3.3, 0, 0],
        [1.9, 0.0, -7.3, 0.1, -1.3, 11.7, 0.013, -0.021],
        [-1.0, 0.03, 2.6, 0.0, 3.1, -13.9, 0, 0.01],
    ],
    np.float32,
)


def transformed(interpolation: str, mode: str, fill: float, tf: Any, images: Any, transforms: Any, size: Any) -> Any:
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=size,
        fill_value=fill,
        interpolation=interpolation,
        fill_mode=mode,
    )


def calls(dtype: str) -> list[tuple[Any, Any, Any]]:
    sizes = [(3, 3, (6, 7)), (2, 1, (9, 5))]
    return [
        ((RANDOM.random((count, 8, 7, 2)) * 200).astype(dtype), TRANSFORMS[:given], np.array(size, np.int32))
        for count, given, size in sizes
    ]


@pytest.mark.parametrize("interpolation", ["NEAREST", "BILINEAR"])
@pytest.mark.parametrize(
    ("mode", "fill"), [("CONSTANT", 0.0), ("CONSTANT", 7.0), ("WRAP", 0.0), ("REFLECT", 0.0), ("NEAREST", 0.0)]
)
def test_what_lies_outside(prove: Prove, interpolation: str, mode: str, fill: float) -> None:
    function = partial(transformed, interpolation, mode, fill)
    prove(function, *calls("float32"), processors=["tensorflow_cpu_1.12", "tensorflow_cpu_2.3"], tolerance=3e-5)


def test_pixels_of_bytes(prove: Prove) -> None:
    prove(partial(transformed, "NEAREST", "WRAP", 0.0), *calls("uint8"), processors=["tensorflow_cpu_1.15"])
