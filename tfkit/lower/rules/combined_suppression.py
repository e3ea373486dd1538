"""The best boxes of all classes, of boxes that overlap only the best."""

from __future__ import annotations

from collections.abc import Sequence

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.formulas import Formulas
from tfkit.lower.rules import rule
from tfkit.tensors import DType


@rule("CombinedNonMaxSuppression", makes="a loop of NonMaxSuppressionV3, TopKV2, ScatterNd", misfit="op")
def combined_suppression(edit: Edit) -> None:
    """Chooses for each image and each class, then the best of each image.

    Boxes of one image with equal scores may come in another order than TensorFlow's own, which does not fix theirs.
    """
    found = _Found(edit)
    maths, whole = Formulas(edit), Formulas(edit, DType.INT32)
    # From the best to the worst; then each row's place among those of its image.
    order = edit.add("TopKV2", (found.scores, found.count), T=DType.FLOAT, sorted=True).node.out(1)
    image = edit.gather(found.images, order)
    is_of = edit.add(
        "OneHot", (image, found.batch, edit.const(1), edit.const(0)), T=DType.INT32, TI=DType.INT32, axis=-1
    )
    before = edit.add("Cumsum", (is_of, edit.const(0)), exclusive=True, T=DType.INT32, Tidx=DType.INT32)
    place = edit.reduce("Sum", whole.do("Mul", is_of, before), [1])
    most = found.most
    kept = edit.reshape(edit.add("Where", (whole.do("Less", place, most),), T=DType.BOOL), [-1])
    rows = edit.gather(order, kept)
    indices = edit.add("Pack", (edit.gather(image, kept), edit.gather(place, kept)), N=2, T=DType.INT32, axis=1)
    sizes = [edit.reshape(each, [1]) for each in (found.batch, most)]

    def spread(values: Tensor, *more: int) -> Tensor:
        shape = edit.concat([*sizes, *([edit.const(more)] if more else [])])
        return edit.add("ScatterNd", (indices, edit.gather(values, rows), shape), T=DType.FLOAT, Tindices=DType.INT32)

    boxes = found.boxes
    if edit.node.bool_attr("clip_boxes", True):
        boxes = maths.do("Minimum", maths.do("Maximum", boxes, 0.0), 1.0)
    valid = whole.do("Minimum", edit.reduce("Sum", is_of, [0]), most)
    edit.become_each([spread(boxes, 4), spread(found.scores), spread(found.classes), valid])


class _Found:
    """What is chosen for all images and classes, a row each.

    Attributes:
        batch: How many images there are.
        count: How many rows.
        most: How many each image has room for.
        boxes: The rows' boxes.
        scores: Their scores.
        classes: Their classes, as floats.
        images: Their images' numbers.
    """

    def __init__(self, edit: Edit) -> None:
        boxes, scores, per_class, total, *thresholds = edit.node.inputs
        shape = edit.shape_tensor(scores)
        self.batch, candidates, classes = (edit.gather(shape, axis) for axis in range(3))
        box_classes = edit.gather(edit.shape_tensor(boxes), 2)
        whole = Formulas(edit, DType.INT32)
        self.most = total
        if edit.node.bool_attr("pad_per_class"):
            self.most = whole.do("Minimum", total, whole.do("Mul", per_class, classes))
        # All sizes are computed: where there are no candidates Reshape cannot find one out.
        box_shape = [whole.do("Mul", self.batch, box_classes), candidates, edit.const(4)]
        flat_boxes = edit.reshape(edit.transpose(boxes, [0, 2, 1, 3]), edit.pack(box_shape))
        turns = whole.do("Mul", self.batch, classes)
        flat_scores = edit.reshape(edit.transpose(scores, [0, 2, 1]), edit.pack([turns, candidates]))
        nothing = [edit.const([], dtype) for dtype in (DType.FLOAT, DType.FLOAT, DType.INT32)]
        first = [edit.const(0), edit.reshape(nothing[0], [0, 4]), *nothing]
        constant = [turns, classes, box_classes, flat_boxes, flat_scores, per_class, *thresholds]
        _, self.boxes, self.scores, self.classes, self.images = edit.loop(first, constant, _is_left, _choose)
        self.count = edit.reshape(edit.shape_tensor(self.scores), [])


def _is_left(inside: Edit, tensors: Sequence[Tensor]) -> list[Tensor]:
    return [inside.binary("Less", tensors[0], tensors[5])]


def _choose(inside: Edit, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Adds what is chosen of one class of one image."""
    turn, boxes, scores, classes, images, _, class_count, box_classes, all_boxes, all_scores, *limits = tensors
    whole = Formulas(inside, DType.INT32)
    image, its_class = whole.do("FloorDiv", turn, class_count), whole.do("FloorMod", turn, class_count)
    # All classes may share their boxes.
    box_class = whole.do("Minimum", its_class, whole.do("Sub", box_classes, 1))
    its_boxes = inside.gather(all_boxes, whole.do("Add", whole.do("Mul", image, box_classes), box_class))
    its_scores = inside.gather(all_scores, turn)
    chosen = inside.add("NonMaxSuppressionV3", (its_boxes, its_scores, *limits))
    count = inside.shape_tensor(chosen)

    def repeated(value: Tensor) -> Tensor:
        dtype = inside.dtype(value)
        return inside.add("Fill", (count, value), T=dtype, index_type=DType.INT32)

    more = [
        inside.gather(its_boxes, chosen),
        inside.gather(its_scores, chosen),
        repeated(inside.cast(its_class, DType.FLOAT)),
        repeated(image),
    ]
    rows = [inside.concat(pair) for pair in zip((boxes, scores, classes, images), more, strict=True)]
    return [whole.do("Add", turn, 1), *rows]
