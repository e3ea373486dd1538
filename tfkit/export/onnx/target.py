"""What tf2onnx takes, as a target that rules can rewrite a graph for."""

from __future__ import annotations

from collections.abc import Collection
from importlib.util import find_spec

from tfkit.errors import MissingError, UsageError
from tfkit.graph.nodes import Node
from tfkit.lower.target import Misfit, Target
from tfkit.processors.catalogue import INSTALLED

OLDEST_OPSET, NEWEST_OPSET = 14, 18
# What tf2onnx knows only as a part of patterns: loops and branches of TensorFlow 1, layers, random numbers.
_IN_PATTERNS = frozenset(
    (
        "Enter", "Exit", "LoopCond", "Merge", "NextIteration", "Switch", "TensorArrayV3", "TensorArrayGatherV3",
        "TensorArrayReadV3", "TensorArrayScatterV3", "TensorArraySizeV3", "TensorArrayWriteV3", "Case", "StatelessCase",
        "GRUBlockCell", "QuantizeAndDequantizeV2", "QuantizeAndDequantizeV3", "RandomUniform",
        "RandomStandardNormal",
    )
)  # fmt: skip
# What it converts to something else than they are (1.17), or to what ONNX Runtime does not run: empty segments become
# infinities, negative ones the last, of colours only some come back in order.
_WRONG = frozenset(
    (
        "AdjustSaturation", "DenseBincount", "ResizeArea", "ResizeBicubic", "SegmentMax", "SegmentMean", "SegmentMin",
        "SegmentProd", "SparseSegmentMean", "SparseSegmentMeanWithNumSegments", "SparseSegmentSqrtN",
        "SparseSegmentSqrtNWithNumSegments",
    )
)  # fmt: skip


def check_opset(opset: int | None) -> int:
    """The opset to write.

    Raises:
        UsageError: tf2onnx cannot write it.
    """
    if opset is None:
        return NEWEST_OPSET
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise UsageError(
            f"opset {opset} cannot be written: tf2onnx writes opsets {OLDEST_OPSET} to {NEWEST_OPSET}",
            hint=f"Leave --opset out: {NEWEST_OPSET} is written then, which every ONNX Runtime since 1.14 runs.",
        )
    return opset


def check_installed(*, verify: bool) -> None:
    """Checks that what converts a model is here, and what runs the result, before anything is read or traced.

    Args:
        verify: Whether the result will be run.

    Raises:
        MissingError: Something is not.
    """
    wanted = ("tf2onnx", "onnx", "onnxruntime") if verify else ("tf2onnx", "onnx")
    missing = [name for name in wanted if find_spec(name) is None]
    if missing:
        raise MissingError(
            f"what exports to ONNX is not installed: {', '.join(missing)}",
            hint="Install tfkit with its extra onnx: python -m pip install '.[onnx]' in a clone of tfkit."
            + (" Without onnxruntime: --no-verify, which is recorded." if missing == ["onnxruntime"] else ""),
        )


class OnnxTarget(Target):
    """What tf2onnx converts, as far as its registry tells; rules are for the rest.

    Args:
        converts: The operations that it knows.
        fails: Those of them that it was seen to leave as they are.
    """

    def __init__(self, converts: Collection[str], fails: Collection[str] = ()) -> None:
        super().__init__(INSTALLED)
        self._converts = (frozenset(converts) | _IN_PATTERNS) - _WRONG - frozenset(fails)

    def is_wrong(self, op: str) -> bool:
        """Whether an operation is converted to something else than it is, so that it must not be left."""
        return op in _WRONG

    def has(self, op: str, attribute: str | None = None) -> bool:
        """Whether an operation is converted."""
        return op in self._converts and super().has(op, attribute)

    def misfits(self, node: Node) -> list[Misfit]:
        """Why tf2onnx does not take a node, as far as is known beforehand."""
        if node.op in self._converts:
            return []
        return [Misfit("op", f"tf2onnx does not convert {node.op}")]
