"""Operations that run and still spell trouble: they reach outside of the model, or a TensorFlow fails on them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from tfkit.compat.written import LOADING, WrittenModel, WrittenNode
from tfkit.processors.catalogue import INSTALLED
from tfkit.processors.tables import op_table

_SHOWN_NODES = 10
# What an operation does to the world, by operation: https://www.tensorflow.org/api_docs/python/tf/raw_ops
_READS = (
    "ReadFile", "MatchingFiles", "WholeFileReader", "WholeFileReaderV2", "TextLineReader", "TextLineReaderV2",
    "TFRecordReader", "TFRecordReaderV2", "FixedLengthRecordReader", "FixedLengthRecordReaderV2", "TextLineDataset",
    "TFRecordDataset", "TFRecordDatasetV2", "FixedLengthRecordDataset", "FixedLengthRecordDatasetV2", "SqlDataset",
    "MatchingFilesDataset", "Restore", "RestoreV2", "RestoreSlice",
)  # fmt: skip
_WRITES = (
    "WriteFile", "Save", "SaveV2", "SaveSlices", "MergeV2Checkpoints", "ShardedFilename", "DebugIdentityV2",
    "CreateSummaryFileWriter", "CreateSummaryDbWriter", "WriteSummary", "WriteScalarSummary", "WriteHistogramSummary",
    "WriteImageSummary", "WriteAudioSummary", "WriteGraphSummary", "WriteRawProtoSummary", "ImportEvent",
    "SaveDataset", "SaveDatasetV2", "DatasetToTFRecord",
)  # fmt: skip
_PYTHON = ("PyFunc", "PyFuncStateless", "EagerPyFunc")
_PRINTS = ("Print", "PrintV2")
_SUMMARIES = (
    "ScalarSummary", "HistogramSummary", "ImageSummary", "AudioSummary", "AudioSummaryV2", "TensorSummary",
    "TensorSummaryV2", "MergeSummary",
)  # fmt: skip
CALLS_PYTHON = "calls Python"
_KINDS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "reads files": (_READS, "a service has only what is in the model's folder"),
    "writes files": (_WRITES, "a service may have no disk to write to"),
    CALLS_PYTHON: (_PYTHON, "no service holds the function: TensorFlow refuses to run it"),
    "prints": (_PRINTS, "each request writes to the service's log"),
    "makes summaries": (_SUMMARIES, "they are for training, and cost time"),
}
_KIND_OF = {op: kind for kind, (ops, _) in _KINDS.items() for op in ops}
_CUSTOM = "comes from another library"
_CUSTOM_TEXT = "no TensorFlow has it: the service needs that library, and lowering cannot check it"
# What runs on a processor as it is, and ends its process one day: the operations, the TensorFlow, why.
_FAULTS = (
    (
        ("NonMaxSuppressionV3", "NonMaxSuppressionV4"),
        "tensorflow_cpu_1.12",
        "ends TensorFlow 1.12",
        "two requests at a time free the same memory (tensorflow issue 22750); tfkit export lowers it for 1.12",
    ),
)
# Restoring variables reads their files: what loading does is its business.
_LOADING_MAY = frozenset(("reads files", "writes files"))


@dataclass(frozen=True, slots=True)
class Warned:
    """An operation that spells trouble.

    Attributes:
        op: The operation.
        kind: What it does: ``reads files``, ``writes files``, ``calls Python``, ``prints``, ``makes summaries``,
            ``comes from another library``, or ``ends TensorFlow 1.12``.
        text: What that means for a service.
        nodes: The nodes, the first ones of many; those of functions as ``function/node``.
        signatures: The signatures that run it; none if loading the model does.
    """

    op: str
    kind: str
    text: str
    nodes: tuple[str, ...]
    signatures: tuple[str, ...]


def outside(model: WrittenModel, as_it_is: Collection[str] = ()) -> tuple[Warned, ...]:
    """The operations that a signature or loading the model runs and that spell trouble, by kind and operation.

    Args:
        model: The model.
        as_it_is: The processors that run it as it is, whose own faults matter.
    """
    nodes: dict[tuple[str, str], list[str]] = {}
    users: dict[tuple[str, str], set[str]] = {}
    table = op_table(INSTALLED)
    faults = [(ops, kind, text) for ops, processor, kind, text in _FAULTS if processor in as_it_is]
    fault_of = {op: kind for ops, kind, _ in faults for op in ops}
    texts = {kind: text for kind, (_, text) in _KINDS.items()} | {kind: text for _, kind, text in faults}
    for root, place, node in _run(model):
        kind = fault_of.get(node.op) or _KIND_OF.get(node.op, "")
        if not kind and node.op not in model.functions and not table.knows(node.op):
            kind = _CUSTOM
        if kind and not (root == LOADING and kind in _LOADING_MAY):
            key = (kind, node.op)
            name = f"{place}/{node.name}" if place else node.name
            if name not in nodes.setdefault(key, []):
                nodes[key].append(name)
            users.setdefault(key, set()).add(root)
    return tuple(
        Warned(
            op,
            kind,
            _CUSTOM_TEXT if kind == _CUSTOM else texts[kind],
            tuple(found[:_SHOWN_NODES]),
            tuple(sorted(users[kind, op] - {LOADING})),
        )
        for (kind, op), found in sorted(nodes.items())
    )


def _run(model: WrittenModel) -> Iterator[tuple[str, str, WrittenNode]]:
    """Every node that runs, with what runs it and the function it is in."""
    for root, reach in model.reach().items():
        for name in sorted(reach.main):
            yield root, "", model.main.nodes[name]
        for function in sorted(reach.functions):
            body = model.functions[function]
            for name in sorted(body.computed):
                yield root, function, body.nodes[name]
