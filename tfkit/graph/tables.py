"""The keys of lookup tables, from the constants or the vocabulary file that they are filled with."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from tfkit.errors import ModelError
from tfkit.graph.constants import MAX_VALUES, integers, texts
from tfkit.graph.flow import Flow, Frame, Place
from tfkit.graph.values import Vocabulary
from tfkit.graph.view import Tensor
from tfkit.tensors import DType

_MAX_LINE_BYTES = 1 << 16
_FILLED_BY_TENSORS = ("LookupTableImportV2", "LookupTableImport", "InitializeTableV2", "InitializeTable")
_FILLED_BY_FILE = ("InitializeTableFromTextFileV2", "InitializeTableFromTextFile")
_COMPARISONS = ("Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual")
# How InitializeTableFromTextFile names the whole line, and the number of the line, where a column could stand.
_WHOLE_LINE, _LINE_NUMBER = -2, -1


def looked_up(flow: Flow, use: Place) -> Vocabulary | None:
    """The keys that a lookup (``LookupTableFindV2``) knows; ``None`` where the graph does not say.

    Raises:
        ModelError: A vocabulary file is not there.
    """
    keys = _keys(flow, use.frame, use.operand(0))
    return Vocabulary(keys, closed=_refuses_others(flow, use)) if keys else None


def _refuses_others(flow: Flow, use: Place) -> bool:
    """Whether a key that the table does not know is an error, as without out-of-vocabulary buckets."""
    if flow.reaches(use, "Assert"):
        return True
    default = flow.integers(use.frame, use.operand(2))
    if not default or default[0] >= 0:
        return False
    # The default, -1, is no index; unless something tells it from the others, it ends as one.
    found = Tensor(use.node.name, index=-1)
    return not any(each.node.op in _COMPARISONS for each in flow.uses(use.frame, found))


def _keys(flow: Flow, frame: Frame, table: Tensor | None) -> tuple[bytes, ...] | tuple[int, ...]:
    made = flow.source(frame, table)
    if made is None:
        return ()
    handle = Tensor(made.node.name, index=-1)
    for use in flow.uses(made.frame, handle):
        if use.port != 0:
            continue
        if use.node.op in _FILLED_BY_TENSORS:
            keys = _constant_keys(flow, use)
        elif use.node.op in _FILLED_BY_FILE:
            keys = _file_keys(flow, use, made)
        else:
            continue
        if keys:
            return keys
    return ()


def _constant_keys(flow: Flow, use: Place) -> tuple[bytes, ...] | tuple[int, ...]:
    made = flow.source(use.frame, use.operand(1))
    held = made.node.tensor() if made is not None and made.node.op == "Const" else None
    return () if held is None else texts(held) or integers(held)


def _file_keys(flow: Flow, use: Place, table: Place) -> tuple[bytes, ...] | tuple[int, ...]:
    file = _asset(flow, use.frame, use.operand(1))
    column = use.node.integer("key_index", _WHOLE_LINE)
    if file is None:
        return ()
    lines = _read_lines(file)
    if column == _LINE_NUMBER:
        return tuple(range(len(lines)))
    delimiter = (use.node.text("delimiter") or "\t").encode()
    if column == _WHOLE_LINE:
        keys = lines
    else:
        keys = [cell for line in lines for cell in line.split(delimiter)[column : column + 1] if delimiter in line]
    if table.node.dtype("key_dtype") not in (None, DType.STRING):
        return tuple(int(key) for key in keys if key.strip().removeprefix(b"-").isdigit())
    return tuple(keys)


def _asset(flow: Flow, frame: Frame, filename: Tensor | None) -> Path | None:
    """The file that an asset's tensor stands for; Keras hands it on in a variable."""
    made = flow.source(frame, filename)
    if made is None:
        return None
    if made.node.name in flow.graph.assets:
        return flow.graph.assets[made.node.name]
    variable = flow.source(made.frame, made.operand(0)) if made.node.op == "ReadVariableOp" else None
    if variable is None:
        return None
    for use in flow.uses(variable.frame, Tensor(variable.node.name, index=-1)):
        if use.node.op == "AssignVariableOp" and use.port == 0:
            return _asset(flow, use.frame, use.operand(1))
    return None


def _read_lines(file: Path) -> list[bytes]:
    try:
        with file.open("rb") as stream:
            lines = list(islice(iter(lambda: stream.readline(_MAX_LINE_BYTES), b""), MAX_VALUES))
    except OSError as error:
        raise ModelError(f"the vocabulary {file} of the model cannot be read: {error.strerror or error}") from None
    return [line.rstrip(b"\r\n") for line in lines]
