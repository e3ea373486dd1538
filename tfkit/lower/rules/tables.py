"""Lookup tables, and what they are filled from."""

from __future__ import annotations

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule
from tfkit.tensors import DType

_WHOLE_LINE, _LINE_NUMBER = -2, -1


@rule("InitializeTableFromTextFileV2", makes="ReadFile, StringSplit and InitializeTableV2", misfit="attribute")
def number_lines(edit: Edit) -> None:
    """Reads the lines and counts them from the number that the old op does not know."""
    node = edit.node
    table, filename = node.inputs
    first, most = node.int_attr("offset"), node.int_attr("vocab_size", -1)
    content = edit.reshape(edit.add("ReadFile", (filename,)), (1,))
    # As TensorFlow reads lines: without carriage returns, and no empty one at the end.
    for pattern in (r"\r", r"\n\z"):
        content = edit.add("StaticRegexReplace", (content,), pattern=pattern, rewrite="", replace_global=True)
    split = edit.add("StringSplit", (content, edit.const("\n", DType.STRING)), skip_empty=False)
    lines = split.node.out(1)
    if most > 0:
        lines = edit.part(lines, None, most)
    count = edit.size(lines, DType.INT64)
    numbers = edit.binary("Add", edit.range_of(count), edit.const(first, DType.INT64))
    columns = [_column(edit, table, side, lines, numbers) for side in ("key", "value")]
    edit.become("InitializeTableV2", (table, *columns), Tkey=edit.dtype(columns[0]), Tval=edit.dtype(columns[1]))


def _column(edit: Edit, table: Tensor, side: str, lines: Tensor, numbers: Tensor) -> Tensor:
    """The keys or the values, in the table's dtype."""
    which, dtype = edit.node.int_attr(f"{side}_index"), DType(table.node.type_attr(f"{side}_dtype"))
    if which == _LINE_NUMBER:
        return edit.cast(numbers, dtype)
    if which != _WHOLE_LINE:
        edit.refuse("its offset goes with a column of the file")
    if dtype is DType.STRING:
        return lines
    return edit.add("StringToNumber", (lines,), out_type=dtype)


@rule("MutableDenseHashTableV2", makes="the same without a key for what was deleted", misfit="input")
def without_deleted(edit: Edit) -> None:
    """TensorFlow 1.12 cannot delete from tables, and does not ask how that would be marked."""
    edit.node.inputs = edit.node.inputs[:1]


@rule("AnonymousHashTable", makes="HashTableV2")
@rule("AnonymousMutableHashTable", makes="MutableHashTableV2")
@rule("AnonymousMutableHashTableOfTensors", makes="MutableHashTableOfTensorsV2")
@rule("AnonymousMutableDenseHashTable", makes="MutableDenseHashTableV2")
def give_table_a_name(edit: Edit) -> None:
    """Of one node that is run again, as of one name, there is one table."""
    node = edit.node
    op = f"{node.op.removeprefix('Anonymous')}V2"
    edit.become(op, node.inputs, **dict(node.attrs), shared_name=node.name)
