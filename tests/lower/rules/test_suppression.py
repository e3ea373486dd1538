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


def suppress_equals(tf: Any, boxes: Any, scores: Any) -> Any:
    ops, limit = tf.raw_ops, tf.constant(0.3, boxes.dtype)
    given = {"boxes": boxes, "scores": scores, "max_output_size": 12, "iou_threshold": limit}
    return [
        ops.NonMaxSuppressionV2(**given),
        ops.NonMaxSuppressionV3(**given, score_threshold=limit),
        ops.NonMaxSuppressionV3(**given, score_threshold=tf.constant(-np.inf, boxes.dtype)),
        *ops.NonMaxSuppressionV4(**given, score_threshold=limit),
        *ops.NonMaxSuppressionV4(**given, score_threshold=limit, pad_to_max_output_size=True),
        *ops.NonMaxSuppressionV5(**given, score_threshold=limit, soft_nms_sigma=tf.zeros((), boxes.dtype)),
    ]


def suppress_each(tf: Any, boxes: Any, scores: Any) -> Any:
    def chosen(image: Any) -> Any:
        return tf.math.reduce_sum(tf.image.non_max_suppression(*image, 150, 0.9))

    return tf.map_fn(chosen, (boxes, scores), fn_output_signature=tf.int32)


def call(count: int) -> tuple[Any, Any]:
    corners = RANDOM.random((count, 2))
    boxes = np.concatenate([corners, corners + RANDOM.random((count, 2))], 1)
    return boxes.astype("float32"), RANDOM.random(count).astype("float32")


def test_chosen_boxes_and_their_scores(prove: Prove) -> None:
    prove(suppress, *(call(count) for count in (0, 1, 30)), processors=("tensorflow_cpu_1.12", "tensorflow_cpu_1.14"))


def test_half_precision(prove: Prove) -> None:
    prove(padded, *([each.astype("float16") for each in call(count)] for count in (0, 4, 30)))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_of_equal_scores_the_first_is_better(prove: Prove, dtype: str) -> None:
    """Scores that are no numbers, or no larger than the limit, are no good; those of TensorFlow 1 are in no order."""
    some = np.array([0.3, 0.4, 0.5, 1, np.nan, -np.inf, np.inf, -1], dtype)
    calls = [(call(count)[0].astype(dtype), RANDOM.choice(some, count)) for count in (0, 40, 300)]
    old = ("tensorflow_cpu_1.12", "tensorflow_cpu_1.14", "tensorflow_cpu_1.15", "tensorflow_cpu_2.3")
    prove(suppress_equals, *calls, processors=old)


def test_images_are_suppressed_at_a_time(prove: Prove) -> None:
    """1.12's own kernels of V3 and V4 do not stand this: they mix up images, and free memory twice."""
    boxes, scores = zip(*(call(200) for _ in range(100)), strict=True)
    each = np.stack(boxes), np.stack(scores)
    done = prove(suppress_each, *[each] * 5, inside=False)
    assert done.applied["NonMaxSuppressionV3"] == 1


def test_fewer_scores_than_boxes_are_an_error(prover: Prover, tmp_path: Path) -> None:
    boxes, scores = call(5)
    shapes = [(None, 4), (None,)]
    prover.fails(tmp_path, suppress, (boxes, scores[:3]), match="(?i)shape|dimension", shapes=shapes)


def test_lowered_scores_are_refused(prover: Prover, tmp_path: Path) -> None:
    problems = prover.rewritten(tmp_path, lower_scores, ("float32", (None, 4)), ("float32", (None,))).problems
    assert any("lowers the scores" in problem.refusal for problem in problems)
