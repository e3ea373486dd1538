"""``tfkit.lower.rules.combined_suppression``: the best boxes of all classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(11)


def suppressed(tf: Any, boxes: Any, scores: Any) -> Any:
    suppress = tf.image.combined_non_max_suppression
    return (
        *suppress(boxes, scores, 3, 5, 0.4, 0.3),
        *suppress(boxes, scores, 2, 9, 0.2, 0.0, pad_per_class=True, clip_boxes=False),
        *suppress(boxes, scores, 2, 4, 0.2, 2.0),
    )


@pytest.mark.parametrize("box_classes", [1, 3])
def test_boxes_of_all_classes(prove: Prove, box_classes: int) -> None:
    calls = []
    for images in (1, 3):
        corners = RANDOM.random((images, 12, box_classes, 2)) - 0.1
        boxes = np.concatenate([corners, corners + RANDOM.random(corners.shape) / 2 + 0.05], -1).astype(np.float32)
        calls.append((boxes, RANDOM.random((images, 12, 3), np.float32)))
    prove(suppressed, *calls, tolerance=1e-6)


def test_no_boxes(prove: Prove) -> None:
    calls = [(np.zeros((2, size, 1, 4), np.float32), np.ones((2, size, 3), np.float32)) for size in (0, 4)]
    prove(suppressed, *calls)
