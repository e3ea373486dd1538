"""Functions of texts that came after TensorFlow 1.12."""

from __future__ import annotations

from string import ascii_lowercase, ascii_uppercase

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rows import Rows, before, rows_of_lengths, rows_of_numbers, rows_of_splits, sorting, splits_of
from tfkit.lower.rules import rule
from tfkit.lower.utf8 import join_rows, prefixed
from tfkit.tensors import DType

_WIDER = {DType.UINT8: DType.INT32, DType.UINT16: DType.INT32, DType.UINT32: DType.INT64, DType.HALF: DType.FLOAT}


@rule("StringLower", "StringUpper", makes="a StaticRegexReplace for each letter")
def change_case(edit: Edit) -> None:
    """Replaces the 26 letters of ASCII, which are all that it is about unless an encoding is given."""
    if edit.node.text_attr("encoding"):
        edit.refuse("it changes the case of letters beyond ASCII")
    letters = zip(ascii_uppercase, ascii_lowercase, strict=True)
    texts = edit.input(0)
    for upper, lower in letters:
        old, new = (upper, lower) if edit.node.op == "StringLower" else (lower, upper)
        texts = edit.add("StaticRegexReplace", (texts,), pattern=old, rewrite=new, replace_global=True)
    edit.become_identity(texts)


@rule("AsString", makes="AsString of a wider dtype")
def as_string(edit: Edit) -> None:
    """Numbers of a wider dtype are written alike."""
    dtype = edit.dtype(edit.input(0))
    if dtype not in _WIDER:
        edit.refuse(f"it writes {dtype.short_name}")
    edit.node.inputs = [edit.cast(edit.input(0), _WIDER[dtype])]
    edit.with_attrs(T=_WIDER[dtype])


@rule("UnsortedSegmentJoin", makes="ReduceJoin of a table")
def segment_join(edit: Edit) -> None:
    """Puts the texts of each segment into a row of a table."""
    texts, segments, count = edit.node.inputs
    inner = edit.part(edit.shape_tensor(texts, DType.INT64), edit.rank(segments, "the segments"), None)
    each = edit.reduce("Prod", inner, (0,))
    column = edit.expand_dims(edit.range_of(each), 0)
    row = edit.expand_dims(edit.cast(edit.reshape(segments, (-1,)), DType.INT64), 1)
    keys = edit.reshape(edit.binary("Add", edit.binary("Mul", row, each), column), (-1,))
    count = edit.cast(edit.reshape(count, ()), DType.INT64)
    order = sorting(edit, keys)
    rows = rows_of_numbers(edit, edit.gather(keys, order), edit.binary("Mul", count, each))
    texts = edit.gather(edit.reshape(texts, (-1,)), order)
    if separator := edit.node.text_attr("separator"):
        texts = prefixed(edit, texts, _after_any(edit, texts, rows), separator)
    joined = join_rows(edit, texts, rows)
    edit.become_identity(edit.reshape(joined, edit.concat([edit.expand_dims(count, 0), inner])))


def _after_any(edit: Edit, texts: Tensor, rows: Rows) -> Tensor:
    """Which texts have one before them in their row that is not empty: only these get a separator."""
    length = edit.add("StringLength", (texts,))
    some = edit.cast(edit.binary("Minimum", length, edit.const(1)), DType.INT64)
    earlier = edit.concat([before(edit, some), edit.const([0], DType.INT64)])  # also for rows that begin at the end
    at_start = edit.gather(edit.gather(earlier, rows.starts), rows.rows)
    return edit.binary("Greater", before(edit, some), at_start)


_OWN_NGRAMS = (2, 0)  # the kernel of 1.15 reads beyond rows without tokens


def _needs_other_ngrams(edit: Edit) -> bool:
    return edit.target.version < _OWN_NGRAMS


@rule("StringNGrams", makes="StringJoin of the tokens, gathered by number", wanted=_needs_other_ngrams)
def ngrams(edit: Edit) -> None:
    """Numbers the n-grams of each width, and their tokens, the padding before and after them included."""
    node = edit.node
    texts, splits = node.inputs
    data = rows_of_splits(edit, splits)
    dtype = edit.dtype(splits)
    # One constant: of two beside each other TensorFlow 1's optimizer makes one, which of strings it never ends to do.
    pads = edit.const([node.text_attr("left_pad"), node.text_attr("right_pad")], DType.STRING)
    table = edit.concat([texts, pads])
    separator, most = node.text_attr("separator"), node.int_attr("pad_width")
    # Without any token there is not even padding, in no row.
    some = edit.binary("Minimum", data.count, edit.const(1, dtype))
    counts, found = [], []
    for width in node.attrs["ngram_widths"].list.i:
        padding = min(width - 1, most) if most >= 0 else width - 1
        spare = edit.const(2 * padding - width + 1, dtype)
        count = edit.binary("Maximum", edit.binary("Add", data.lengths, spare), edit.const(0, dtype))
        counts.append(edit.binary("Mul", count, some))
        found.append(_of_width(edit, table, data, counts[-1], width, padding, separator))
    if node.bool_attr("preserve_short_sequences") and most >= 0:
        total = _sum(edit, counts)
        none = edit.binary("Equal", total, edit.const(0, dtype))
        filled = edit.binary("Greater", data.lengths, edit.const(0, dtype))
        short = edit.cast(edit.add("LogicalAnd", (none, filled)), dtype)
        counts.append(short)
        found.append(_whole_rows(edit, texts, data, short, most, separator))
    edit.become_each([_beside(edit, found, counts), splits_of(edit, _sum(edit, counts))])


def _sum(edit: Edit, counts: list[Tensor]) -> Tensor:
    total = counts[0]
    for count in counts[1:]:
        total = edit.binary("Add", total, count)
    return total


def _of_width(
    edit: Edit, table: Tensor, data: Rows, counts: Tensor, width: int, padding: int, separator: str
) -> Tensor:
    """The n-grams of one width, row by row; ``table`` holds the tokens, then the left and the right padding."""
    dtype = edit.dtype(counts)
    rows = rows_of_lengths(edit, counts)
    first = rows.within(edit)
    starts, lengths = edit.gather(data.starts, rows.rows), edit.gather(data.lengths, rows.rows)
    left = edit.add("Fill", (edit.shape_tensor(first), data.count), T=dtype, index_type=DType.INT32)
    right = edit.binary("Add", left, edit.const(1, dtype))
    tokens = []
    for step in range(width):
        at = edit.binary("Add", first, edit.const(step - padding, dtype))
        token = edit.binary("Add", starts, at)
        token = edit.add("Select", (edit.binary("Less", at, edit.const(0, dtype)), left, token), T=dtype)
        token = edit.add("Select", (edit.binary("GreaterEqual", at, lengths), right, token), T=dtype)
        tokens.append(edit.gather(table, token))
    return edit.add("StringJoin", tokens, N=width, separator=separator)


def _whole_rows(edit: Edit, texts: Tensor, data: Rows, chosen: Tensor, padding: int, separator: str) -> Tensor:
    """Rows that are too short for any n-gram, each with its padding joined to one."""
    zero = edit.const(0, edit.dtype(chosen))
    inner = edit.binary("Greater", data.within(edit), zero)
    joined = join_rows(edit, prefixed(edit, texts, inner, separator) if separator else texts, data)
    if padding:
        pads = [[edit.node.text_attr(name)] * padding for name in ("left_pad", "right_pad")]
        left, right = (edit.const(separator.join(each), DType.STRING) for each in pads)
        joined = edit.add("StringJoin", (left, joined, right), N=3, separator=separator)
    ones = edit.binary("Greater", chosen, zero)
    return edit.gather(joined, edit.reshape(edit.add("Where", (ones,), T=DType.BOOL), (-1,)))


def _beside(edit: Edit, parts: list[Tensor], counts: list[Tensor]) -> Tensor:
    """Of parts that each hold some texts a row: each row's texts of the first part, of the second, ..."""
    if len(parts) == 1:
        return parts[0]
    rows = [rows_of_lengths(edit, count) for count in counts]
    # A number for each text by its row and its part: sorted by it, they are in order.
    many, dtype = len(parts), edit.dtype(counts[0])
    keys = [
        edit.binary("Add", edit.binary("Mul", each.rows, edit.const(many, dtype)), edit.const(at, dtype))
        for at, each in enumerate(rows)
    ]
    return edit.gather(edit.concat(parts), sorting(edit, edit.concat(keys)))
