"""Chooses a flat model's signatures anew: some of them, under other names, or several as one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tfkit import proto
from tfkit.graph.nodes import Node, Tensor
from tfkit.lower.flat import FlatModel, FlatSignature, read_flat


@dataclass(frozen=True, slots=True)
class SignaturePart:
    """One of the model's own signatures in a chosen one.

    Attributes:
        signature: Its name.
        inputs: The chosen signature's inputs by this one's.
        outputs: The same for outputs.
    """

    signature: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChosenSignature:
    """A signature as it is to be.

    Attributes:
        name: Its name.
        parts: What it is made of; parts share the inputs that are called the same.
    """

    name: str
    parts: tuple[SignaturePart, ...]


def read_chosen(
    path: str | Path,
    tags: Collection[str] | None,
    signatures: Iterable[str | ChosenSignature] | None,
    *,
    keep: Collection[str] = (),
) -> FlatModel:
    """Reads a SavedModel as ``read_flat`` does, with its signatures as they are to be.

    Args:
        path: Its folder.
        tags: The metagraph's tags.
        signatures: By name where they are kept as they are; all by default.
        keep: Ops whose functions are left to them: branches and loops, say.
    """
    if signatures is None:
        return read_flat(path, tags, keep=keep)
    chosen = [ChosenSignature(each, (SignaturePart(each),)) if isinstance(each, str) else each for each in signatures]
    model = read_flat(path, tags, [part.signature for each in chosen for part in each.parts], keep=keep)
    model.signatures = {each.name: _merged(model, each) for each in chosen}
    model.prune()
    return model


def _merged(model: FlatModel, chosen: ChosenSignature) -> FlatSignature:
    merged = FlatSignature(proto.message("tensorflow.SignatureDef")(), {}, {})
    shared: dict[Node, list[Tensor]] = {}
    for part in chosen.parts:
        own = model.signatures[part.signature]
        merged.message.method_name = own.message.method_name
        for name, tensor in own.inputs.items():
            new = part.inputs.get(name, name)
            before = merged.inputs.get(new, tensor)
            if before != tensor and not merged.message.inputs[new].tensor_shape.unknown_rank:
                shared[tensor.node] = [before]
                continue
            if before != tensor:  # one that takes any shape goes on with the other
                shared = {node: [tensor] if took == [before] else took for node, took in shared.items()}
                shared[before.node] = [tensor]
            merged.inputs[new] = tensor
            merged.message.inputs[new].CopyFrom(own.message.inputs[name])
        for name, tensor in own.outputs.items():
            new = part.outputs.get(name, name)
            merged.outputs[new] = tensor
            merged.message.outputs[new].CopyFrom(own.message.outputs[name])
    model.graph.forward(shared)
    return merged
