"""Random numbers that follow from a seed; before TensorFlow 2.5 the seed goes in as it is."""

from __future__ import annotations

from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule

_KEYS = ("StatelessRandomGetKeyCounter", "StatelessRandomGetKeyCounterAlg")
_DRAWS = (
    "StatelessRandomUniformV2",
    "StatelessRandomNormalV2",
    "StatelessTruncatedNormalV2",
    "StatelessRandomUniformIntV2",
    "StatelessRandomUniformFullIntV2",
)


def _has_no_key(edit: Edit) -> bool:
    """Whether the target lacks the op itself or the one that its key comes from."""
    return not edit.target.has(edit.node.op) or not edit.target.has(edit.input(1).node.op)


@rule(*_DRAWS, makes="the op of before TensorFlow 2.5, which makes the same key of the same seed", wanted=_has_no_key)
def draw_from_seed(edit: Edit) -> None:
    """Takes the seed that the key was made of, for the algorithm that TensorFlow chooses by itself, Philox."""
    shape, key, counter, _, *limits = edit.node.inputs
    if key.node.op not in _KEYS or counter != key.node.out(1):
        edit.refuse("its key is not made of a seed, as that of a chosen algorithm and that of a Generator are not")
    seed = key.node.inputs[0]
    # The key itself is dropped with what else nobody needs.
    edit.become(
        edit.node.op.removesuffix("V2"),
        (shape, seed, *limits),
        dtype=edit.dtype(edit.node.out()),
        T=edit.dtype(shape),
        Tseed=edit.dtype(seed),
    )
