"""``tfkit.lower.rules.suppression``: boxes that overlap better ones left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove, Prover

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(12)


def suppress(tf: Any, boxes: Any, scores: Any) -> Any:
    return [
        *tf.image.non_max_suppression_with_scores(boxes, scores, 3, 0.4),
        *tf.image.non_max_suppression_with_scores(boxes, scores, 100, 0.2, 0.3),
        *padded(tf, boxes, scores),
    ]


def padded(tf: Any, boxes: Any, scores: Any) -> Any:
    overlap, least, sigma = (tf.constant(limit, boxes.dtype) for limit in (0.5, 0.1, 0.0))
    return tf.raw_ops.NonMaxSuppressionV5(
        boxes=boxes,
        scores=scores,
        max_output_size=9,
        iou_threshold=overlap,
        score_threshold=least,
        soft_nms_sigma=sigma,
        pad_to_max_output_size=True,
    )


def lower_scores(tf: Any, boxes: Any, scores: Any) -> Any:
    return tf.image.non_max_suppression_with_scores(boxes, scores, 3, soft_nms_sigma=0.5)


def call(count: int) -> tuple[Any, Any]:
    corners = RANDOM.random((count, 2))
    boxes = np.concatenate([corners, corners + RANDOM.random((count, 2))], 1)
    return boxes.astype("float32"), RANDOM.random(count).astype("float32")


def test_chosen_boxes_and_their_scores(prove: Prove) -> None:
    prove(suppress, *(call(count) for count in (0, 1, 30)), processors=("tensorflow_cpu_1.12", "tensorflow_cpu_1.14"))


def test_half_precision(prove: Prove) -> None:
    prove(padded, *([each.astype("float16") for each in call(count)] for count in (0, 4, 30)))


def test_lowered_scores_are_refused(prover: Prover, tmp_path: Path) -> None:
    problems = prover.rewritten(tmp_path, lower_scores, ("float32", (None, 4)), ("float32", (None,))).problems
    assert any("lowers the scores" in problem.refusal for problem in problems)
