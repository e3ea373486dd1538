"""Convolutions and pools that older TensorFlows know, but do not compute on a CPU, or not like this."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.facts import SHAPES
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_GROUPS_SINCE = (2, 8)  # no processor is between 2.7, whose CPU kernel refuses them, and the newest
_CHANNELS_FIRST = ("NCHW", "NCDHW")
_PER_AXIS = ("strides", "dilations", "ksize")  # attributes with a number for each axis
_OF_IMAGES = (
    "AvgPool", "BiasAdd", "Conv2D", "Conv2DBackpropInput", "DepthToSpace", "DepthwiseConv2dNative", "FusedBatchNorm",
    "FusedBatchNormV2", "FusedBatchNormV3", "MaxPool", "SpaceToDepth",
)  # fmt: skip
_OF_VOLUMES = ("AvgPool3D", "Conv3D", "Conv3DBackpropInputV2", "MaxPool3D")
_TRANSPOSED = ("Conv2DBackpropInput", "Conv3DBackpropInputV2")  # of the sizes to make, the filters, the images


def _attrs(edit: Edit) -> dict[str, Any]:
    """The node's attributes, but for notes."""
    return {name: value for name, value in edit.node.attrs.items() if name[0] != "_"}


# --- channels before height and width


def _has_channels_first(edit: Edit) -> bool:
    return not edit.target.gpu and edit.node.text_attr("data_format") in _CHANNELS_FIRST


@rule(*_OF_IMAGES, *_OF_VOLUMES, makes="itself with the channels last, between Transposes", wanted=_has_channels_first)
def channels_last(edit: Edit) -> None:
    """The kernels of CPUs want the channels last."""
    node = edit.node
    rank = 5 if node.op in _OF_VOLUMES else 4
    if node.op == "BiasAdd":
        rank = edit.rank(edit.input(0), "what the bias is added to")
    last, first = [0, *range(2, rank), 1], [0, rank - 1, *range(1, rank - 1)]
    attrs = _attrs(edit)
    for name in _PER_AXIS:
        if name in attrs:
            attrs[name] = [attrs[name].list.i[axis] for axis in last]
    if paddings := list(node.attrs["explicit_paddings"].list.i) if "explicit_paddings" in attrs else []:
        attrs["explicit_paddings"] = [paddings[2 * axis + end] for axis in last for end in (0, 1)]
    attrs["data_format"] = "NHWC" if rank == 4 or node.op == "BiasAdd" else "NDHWC"
    inputs = list(node.inputs)
    if node.op in _TRANSPOSED:
        inputs[0] = edit.gather(inputs[0], last)
        inputs[2] = edit.transpose(inputs[2], last)
    else:
        inputs[0] = edit.transpose(inputs[0], last)
    made = edit.add(node.op, inputs, **attrs)
    if (shape := edit.shape(node.out())) is not None:
        edit.note(made, tuple(shape[axis] for axis in last))
    turned = edit.transpose(made, first)
    if node.op.startswith("FusedBatchNorm"):
        count = 6 if node.op.endswith("V3") else 5
        edit.become_each([turned, *made.node.outs(count)[1:]])
    else:
        edit.become_identity(turned)


# --- groups of channels


def _groups(edit: Edit) -> int:
    """In how many groups the channels are; 1 where that is not known."""
    images, filters = (edit.shape(tensor) for tensor in edit.node.inputs)
    if not images or not filters or edit.node.text_attr("data_format") in _CHANNELS_FIRST:
        return 1
    channels, taken = images[-1], filters[-2]
    return channels // taken if channels and taken else 1


def _is_grouped(edit: Edit) -> bool:
    return edit.target.version < _GROUPS_SINCE and _groups(edit) > 1


def _is_depthwise(edit: Edit) -> bool:
    """Whether each channel is a group, and the kernel for that does it: on CPUs it knows one stride and no gaps."""
    filters = edit.shape(edit.input(1)) or ()
    if edit.node.op != "Conv2D" or not _is_grouped(edit) or None in filters or filters[2] != 1:
        return False
    attrs = edit.node.attrs
    strides, gaps = (list(attrs[name].list.i) if name in attrs else [1] * 4 for name in ("strides", "dilations"))
    return strides[1] == strides[2] and set(gaps) == {1}


@rule("Conv2D", makes="DepthwiseConv2dNative, where each channel is a group", wanted=_is_depthwise)
def depthwise(edit: Edit) -> None:
    """The filters of all groups follow each other in both."""
    groups, attrs = _groups(edit), _attrs(edit)
    attrs.pop("use_cudnn_on_gpu", None)
    height, width, _, made = (size or 0 for size in edit.shape(edit.input(1)) or ())
    filters = edit.reshape(edit.input(1), [height, width, groups, made // groups])
    edit.become("DepthwiseConv2dNative", (edit.input(0), filters), **attrs)


@rule("Conv2D", "Conv3D", makes="Split, a convolution for each group, ConcatV2", wanted=_is_grouped)
def split_groups(edit: Edit) -> None:
    """Each group of channels has filters of its own."""
    groups, dtype, attrs = _groups(edit), edit.dtype(edit.input(0)), _attrs(edit)
    axis = len(edit.shape(edit.input(1)) or ()) - 1

    def split(tensor: Tensor) -> list[Tensor]:
        return edit.add("Split", (edit.const(axis), tensor), num_split=groups, T=dtype).node.outs(groups)

    parts = [edit.add(edit.node.op, pair, **attrs) for pair in zip(*map(split, edit.node.inputs), strict=True)]
    edit.become("ConcatV2", (*parts, edit.const(axis)), N=groups, T=dtype, Tidx=DType.INT32)


def _may_be_grouped(edit: Edit) -> bool:
    """Whether it is seen in the run only how many channels there are.

    Not where no shapes were noted at all: then nearly all that there is would become a loop.
    """
    images, filters = (edit.shape(tensor) for tensor in edit.node.inputs)
    is_known = bool(images and filters and images[-1] and filters[-2])
    is_noted = SHAPES in edit.node.attrs and edit.node.text_attr("data_format") not in _CHANNELS_FIRST
    return edit.target.version < _GROUPS_SINCE and is_noted and not is_known


@rule("Conv2D", makes="a loop of convolutions, one for each group", wanted=_may_be_grouped)
def loop_over_groups(edit: Edit) -> None:
    """The first group outside of the loop: mostly it is the only one, and the loop has no turns."""
    attrs, axis = _attrs(edit), 3  # that of the channels
    images, filters = edit.node.inputs
    image_shape, filter_shape = edit.shape_tensor(images), edit.shape_tensor(filters)
    taken, made = edit.gather(filter_shape, axis - 1), edit.gather(filter_shape, axis)
    groups = edit.binary("FloorDiv", edit.gather(image_shape, axis), taken)
    # Groups on an axis of their own; if the channels do not make whole groups this fails, as the op itself.
    in_group = edit.pack([groups, taken]), edit.pack([groups, edit.binary("FloorDiv", made, groups)])
    images = edit.reshape(images, edit.concat([edit.part(image_shape, None, -1), in_group[0]]))
    filters = edit.reshape(filters, edit.concat([edit.part(filter_shape, None, -1), in_group[1]]))

    def convolve(inside: Edit, group: Tensor, tensors: Sequence[Tensor]) -> Tensor:
        return inside.add("Conv2D", [inside.gather(tensor, group, axis) for tensor in tensors], **attrs)

    def is_left(inside: Edit, tensors: Sequence[Tensor]) -> list[Tensor]:
        return [inside.binary("Less", tensors[0], tensors[2])]

    def turn(inside: Edit, tensors: Sequence[Tensor]) -> list[Tensor]:
        group, before, _, *operands = tensors
        after = inside.concat([before, convolve(inside, group, operands)], axis)
        return [inside.binary("Add", group, inside.const(1)), after]

    first = [edit.const(1), convolve(edit, edit.const(0), [images, filters])]
    edit.become_identity(edit.loop(first, [groups, images, filters], is_left, turn)[1])


# --- gaps between what a filter takes


_GAPS_SINCE = (2, 8)  # up to 2.7 CPUs refuse them


def _has_gaps(edit: Edit) -> bool:
    is_old_cpu = edit.target.version < _GAPS_SINCE and not edit.target.gpu
    gaps = edit.node.attrs.get("dilations")
    return is_old_cpu and gaps is not None and set(gaps.list.i) != {1}


@rule("Conv3D", *_TRANSPOSED, makes="itself, the filters with zeros in the gaps", wanted=_has_gaps)
def fill_gaps(edit: Edit) -> None:
    """What the zeros add is zero, unless the images have infinite numbers; they are multiplied like the others."""
    filters, gaps = edit.input(1), list(edit.node.attrs["dilations"].list.i[1:-1])
    sizes = [size for size in edit.shape(filters) or () if size is not None]
    if len(sizes) != len(gaps) + 2:
        edit.refuse("the sizes of its filters are not known")
    for axis, gap in enumerate(gaps):
        if gap != 1:
            filters = _spread(edit, filters, sizes, axis, gap)
            sizes[axis] = (sizes[axis] - 1) * gap + 1
    edit.node.inputs[1] = filters
    edit.with_attrs(dilations=None)


def _spread(edit: Edit, filters: Tensor, sizes: list[int], axis: int, gap: int) -> Tensor:
    """Filters with zeros between what was next to each other along an axis."""
    dtype, size, spread_size = edit.dtype(filters), sizes[axis], (sizes[axis] - 1) * gap + 1
    before, after = sizes[:axis], sizes[axis + 1 :]
    outer, inner = math.prod(before), math.prod(after)
    amounts = edit.const([[0, 0], [0, 0], [0, (gap - 1) * inner]])  # behind each row, as many rows of zeros
    padded = edit.add("Pad", (edit.reshape(filters, [outer, size, inner]), amounts), T=dtype, Tpaddings=DType.INT32)
    rows = edit.reshape(padded, [outer, size * gap, inner])
    kept = (edit.const([0, 0, 0]), edit.const([outer, spread_size, inner]))
    return edit.reshape(edit.add("Slice", (rows, *kept), T=dtype, Index=DType.INT32), [*before, spread_size, *after])


# --- explicit paddings


@rule("Conv2D", "DepthwiseConv2dNative", "MaxPool", makes="Pad, itself without padding", misfit="attribute")
def pad_first(edit: Edit) -> None:
    """Pads with zeros; what a maximum is taken of, with the least number."""
    node = edit.node
    if node.text_attr("padding") != "EXPLICIT":
        edit.refuse(f"of its attributes {', '.join(sorted(_unknown(edit)))} there is no other form")
    paddings = list(node.attrs["explicit_paddings"].list.i)
    amounts = edit.const([paddings[at : at + 2] for at in range(0, len(paddings), 2)])
    images, dtype = edit.input(0), edit.dtype(edit.input(0))
    if node.op == "MaxPool":
        if dtype not in (DType.FLOAT, DType.DOUBLE, DType.HALF):
            edit.refuse(f"the least {dtype.short_name} is not known")
        least = edit.const(float("-inf"), dtype)
        padded = edit.add("PadV2", (images, amounts, least), T=dtype, Tpaddings=DType.INT32)
    else:
        padded = edit.add("Pad", (images, amounts), T=dtype, Tpaddings=DType.INT32)
    node.inputs[0] = padded
    edit.with_attrs(padding="VALID", explicit_paddings=None)


def _unknown(edit: Edit) -> Sequence[str]:
    known: Mapping[str, Any] = op.attributes if (op := edit.target.op(edit.node.op)) is not None else {}
    return [name for name in _attrs(edit) if name not in known]
