"""Makes an ONNX model of one signature of a SavedModel: read, frozen, rewritten, converted, and looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tfkit.errors import LoweringError
from tfkit.export.freezing import variable_values
from tfkit.export.onnx.convert import Converted, Converter, Ends, nodes_of
from tfkit.export.onnx.graph_def import serialize
from tfkit.export.onnx.handles import freeze_all, sink
from tfkit.export.onnx.loops import count_turns
from tfkit.export.onnx.program import Program, read_program
from tfkit.export.onnx.rules import onnx_rules
from tfkit.export.onnx.tables import Table, name_tables, read_tables
from tfkit.export.onnx.target import OnnxTarget
from tfkit.export.sources.base import PlainModel
from tfkit.graph.closure import needed_by
from tfkit.graph.nodes import Tensor
from tfkit.lower.rewrite import Problem, rewrite
from tfkit.tensors import DType, Signature

_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
_MOST_ATTEMPTS = 3
_SHOWN = 10
# Of these tf2onnx takes the first for float16.
_NOT_IN_ONNX = frozenset((DType.BFLOAT16, DType.QINT8, DType.QUINT8, DType.QINT16, DType.QUINT16, DType.QINT32))
_COMPLEX = frozenset((DType.COMPLEX64, DType.COMPLEX128))
_NEXT = "Change that layer of the model, or do it before the model: ONNX has no such operation."


@dataclass(frozen=True, slots=True)
class Made:
    """An ONNX model.

    Attributes:
        model: The ``onnx.ModelProto``.
        nodes: How many operations it has, those in branches and loops included.
        applied: How often each operation was written anew before it was converted.
    """

    model: Any
    nodes: int
    applied: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Left:
    """An operation that was not converted: how often, one of its nodes, and why no rule helped."""

    op: str
    count: int
    node: str
    refusal: str


def make_onnx(plain: PlainModel, converter: Converter, name: str) -> Made:
    """Makes an ONNX model of a SavedModel's main signature.

    Operations that tf2onnx does not know are rewritten first; those that it turned out to leave as they are, are
    rewritten in another attempt.

    Args:
        plain: The SavedModel.
        converter: tf2onnx.
        name: What the ONNX graph is called.

    Raises:
        LoweringError: ONNX, or tf2onnx, has no operation for something that the model does; all such are named.
        ModelError: There is no SavedModel, or a damaged one.
    """
    folder, tags, signature = plain.folder, plain.tags, plain.main
    _check_ports(signature)
    chosen = next((each for each in plain.chosen if each.name == signature.name), signature.name)
    values = variable_values(folder, tags, [chosen])
    tables = read_tables(folder, tags, chosen)
    fails: set[str] = set()
    for _ in range(_MOST_ATTEMPTS):
        program = read_program(folder, tags, chosen)
        handles = sink(program)
        name_tables(program, handles, tables)
        freeze_all(program, handles, values)
        applied, problems = _rewrite(program, OnnxTarget(converter.operations, fails))
        count_turns(program)
        _check_dtypes(program)
        try:
            converted = _convert(program, converter, tables, signature, name)
        except LoweringError as error:
            known = _unknown(problems)
            if known:
                raise LoweringError(_describe(known), hint=_NEXT) from error
            raise
        left = _left(converted, {problem.op: problem.refusal for problem in problems})
        if not left or {each.op for each in left} <= fails:
            break
        fails |= {each.op for each in left}
    if left:
        raise LoweringError(_describe(left), hint=_NEXT)
    return Made(converted.model, sum(1 for _ in nodes_of(converted.model.graph)), applied)


def onnx_signature(signature: Signature) -> Signature:
    """What an ONNX model takes and gives: there an output cannot be called as an input is."""
    taken = {spec.name for spec in (*signature.inputs, *signature.outputs)}
    inputs = {spec.name for spec in signature.inputs}
    outputs = []
    for spec in signature.outputs:
        name = spec.name
        if name in inputs:
            name = f"{name}_output"
            while name in taken:
                name += "_"
            taken.add(name)
        outputs.append(replace(spec, name=name))
    return replace(signature, outputs=tuple(outputs))


def _rewrite(program: Program, target: OnnxTarget) -> tuple[dict[str, int], list[Problem]]:
    """Rewrites all graphs; what was rewritten how often, and what could not be."""
    rules = onnx_rules()
    applied: Counter[str] = Counter()
    problems: list[Problem] = []
    for model in program.models():
        result = rewrite(model, target, rules)
        applied.update(result.applied)
        needed = needed_by(tensor.node for each in model.signatures.values() for tensor in each.outputs.values())
        names = {node.name for node in needed}
        problems.extend(problem for problem in result.problems if problem.node in names)  # not of what restores it
    for problem in problems:
        if target.is_wrong(problem.op):
            raise LoweringError(
                f"the model cannot be made an ONNX model: tf2onnx converts {problem.op} (node {problem.node!r}) to "
                f"something else, and it cannot be written otherwise: {problem.refusal or 'there is no rule'}",
                hint=_NEXT,
            )
    return dict(applied), problems


def _check_ports(signature: Signature) -> None:
    for kind, specs in (("input", signature.inputs), ("output", signature.outputs)):
        for spec in specs:
            if spec.dtype in _COMPLEX:
                raise LoweringError(
                    f"the model cannot be made an ONNX model: {kind} {spec.name!r} is {spec}, and ONNX has"
                    " no arithmetic of complex numbers",
                    hint="Give the model the real and the imaginary part, and let it give both.",
                )


def _check_dtypes(program: Program) -> None:
    for model in program.models():
        for node in model.graph.nodes.values():
            for name, value in node.attrs.items():
                if name[0] != "_" and value.type in _NOT_IN_ONNX:
                    raise LoweringError(
                        f"the model cannot be made an ONNX model: node {node.name!r} ({node.op}) computes in "
                        f"{DType(value.type).short_name}, which tf2onnx does not convert",
                        hint="Give the model another dtype (float32, mixed_float16), and export it again.",
                    )


def _convert(
    program: Program, converter: Converter, tables: Mapping[str, Table], signature: Signature, name: str
) -> Converted:
    own, written = program.main.signatures[signature.name], onnx_signature(signature)
    needed = needed_by(tensor.node for tensor in own.outputs.values())
    names = {old.name: new.name for old, new in zip(signature.outputs, written.outputs, strict=True)}
    ends = Ends(
        {name: _name(tensor) for name, tensor in own.inputs.items() if tensor.node in needed},
        {names[name]: _name(tensor) for name, tensor in own.outputs.items()},
    )
    return converter.convert(serialize(program, OnnxTarget(()).graph_version), ends, tables, written, name)


def _name(tensor: Tensor) -> str:
    return f"{tensor.node.name}:{tensor.output}"


def _left(converted: Converted, refusals: Mapping[str, str]) -> list[_Left]:
    """What was not converted, the most frequent first."""
    from onnx import defs

    found: dict[str, list[str]] = {}
    for node in nodes_of(converted.model.graph):
        known = node.domain in _DOMAINS and defs.has(node.op_type, domain=node.domain)
        if not known or node.name in converted.problems:
            found.setdefault(node.op_type, []).append(node.name)
    return _ordered(
        _Left(op, len(names), names[0], refusals.get(op) or converted.problems.get(names[0], ""))
        for op, names in found.items()
    )


def _unknown(problems: Sequence[Problem]) -> list[_Left]:
    """What tf2onnx was not expected to convert, the most frequent first."""
    counts = Counter(problem.op for problem in problems)
    first = {problem.op: problem for problem in reversed(problems)}
    return _ordered(_Left(op, count, first[op].node, first[op].refusal) for op, count in counts.items())


def _ordered(left: Iterable[_Left]) -> list[_Left]:
    return sorted(left, key=lambda each: (-each.count, each.op))


def _describe(left: list[_Left]) -> str:
    lines = ["the model cannot be made an ONNX model: tf2onnx does not convert"]
    for each in left[:_SHOWN]:
        more = f" (and {each.count - 1} more like it)" if each.count > 1 else ""
        why = f"; it cannot be written otherwise: {each.refusal}" if each.refusal else ""
        lines.append(f"  {each.op}, node {each.node!r}{more}{why}")
    if len(left) > _SHOWN:
        lines.append(f"  and {', '.join(each.op for each in left[_SHOWN:])}")
    return "\n".join(lines)
