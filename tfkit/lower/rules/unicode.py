"""UTF-8 texts' characters on TensorFlow 1.12, which knows bytes alone."""

from __future__ import annotations

from tfkit.graph.nodes import Tensor
from tfkit.lower.edit import Edit
from tfkit.lower.rows import Rows, rows_of_numbers, rows_of_splits, splits_of
from tfkit.lower.rules import rule
from tfkit.lower.utf8 import Characters, bytes_of, characters_of, texts_of
from tfkit.tensors import DType

_SURROGATES = (0xD800, 0xDFFF)
_LAST_POINT = 0x10FFFF
_LAST_CONTROL = 0x1F


@rule("UnicodeDecode", "UnicodeDecodeWithOffsets", makes="arithmetic on the texts' bytes")
def decode(edit: Edit) -> None:
    """Computes the code points of UTF-8."""
    with_offsets = edit.node.op == "UnicodeDecodeWithOffsets"
    if with_offsets and edit.node.text_attr("errors") == "ignore":
        edit.refuse("it gives offsets and leaves errors out")
    dtype = DType(edit.node.type_attr("Tsplits") or DType.INT64)
    found = _decoded(edit, edit.input(0))
    results = [edit.cast(splits_of(edit, found.rows.lengths), dtype), found.points]
    edit.become_each([*results, found.starts] if with_offsets else results)


@rule("UnicodeTranscode", makes="arithmetic on the texts' bytes")
def transcode(edit: Edit) -> None:
    """Decodes and encodes."""
    found = _decoded(edit, edit.input(0))
    texts = texts_of(edit, found.points, found.rows, edit.node.text_attr("output_encoding"))
    edit.become_identity(edit.reshape(texts, edit.shape_tensor(edit.input(0))))


@rule("UnicodeEncode", makes="single bytes, joined")
def encode(edit: Edit) -> None:
    """Makes each code point bytes."""
    points, splits = edit.node.inputs
    rows = rows_of_splits(edit, edit.cast(splits, DType.INT64))
    valid = _is_character(edit, points)
    points, rows = _without_errors(edit, points, valid, rows)
    edit.become_identity(texts_of(edit, points, rows, edit.node.text_attr("output_encoding")))


@rule("Substr", makes="Substr of the characters' bytes", misfit="attribute")
def characters_between(edit: Edit) -> None:
    """Finds where the characters begin."""
    texts, position, length = edit.node.inputs
    sizes = edit.add("BroadcastArgs", (edit.shape_tensor(texts), edit.shape_tensor(position)), T=DType.INT32)
    texts, position, length = (
        edit.reshape(edit.broadcast_to(each, sizes), (-1,)) for each in (texts, position, length)
    )
    data = bytes_of(edit, texts)
    zero, one, end = edit.const(0, DType.INT64), edit.const(1, DType.INT64), edit.const([0], DType.INT64)
    within = data.rows.within(edit)
    trail = edit.binary("Equal", edit.binary("FloorDiv", data.numbers, edit.const(64)), edit.const(2))
    begins = edit.add("LogicalOr", (edit.add("LogicalNot", (trail,)), edit.binary("Equal", within, zero)))
    kept = edit.reshape(edit.add("Where", (begins,), T=DType.BOOL), (-1,))
    rows = rows_of_numbers(edit, edit.gather(data.rows.rows, kept), edit.size(texts, DType.INT64))
    starts = edit.concat([edit.gather(within, kept), end])

    def byte_of(character: Tensor) -> Tensor:
        last = edit.binary("Sub", edit.size(starts, DType.INT64), one)
        at = edit.binary("Minimum", edit.binary("Add", rows.starts, character), last)
        is_end = edit.binary("GreaterEqual", character, rows.lengths)
        at = edit.binary("Maximum", at, zero)
        return edit.add("Select", (is_end, data.rows.lengths, edit.gather(starts, at)), T=DType.INT64)

    first, count = edit.cast(position, DType.INT64), edit.cast(length, DType.INT64)
    from_end = edit.binary("Add", first, rows.lengths)
    first = edit.add("Select", (edit.binary("Less", first, zero), from_end, first), T=DType.INT64)
    begin, past = byte_of(first), byte_of(edit.binary("Add", first, count))
    outside = edit.add("LogicalOr", (edit.binary("Less", first, zero), edit.binary("Greater", first, rows.lengths)))
    # A byte that no text has: Substr refuses it as it refuses the character.
    nowhere = edit.binary("Add", data.rows.lengths, one)
    begin = edit.add("Select", (outside, nowhere, begin), T=DType.INT64)
    span = edit.binary("Maximum", edit.binary("Sub", past, begin), zero)
    found = edit.add("Substr", (texts, begin, span), T=DType.INT64)
    edit.become_identity(edit.reshape(found, sizes))


def _decoded(edit: Edit, texts: Tensor) -> Characters:
    """The characters of texts of any shape, errors treated as the node says."""
    encoding = edit.node.text_attr("input_encoding")
    if encoding.upper() not in ("UTF-8", "UTF8"):
        edit.refuse(f"its texts are in {encoding}, not UTF-8")
    found = characters_of(edit, edit.reshape(texts, (-1,)))
    valid = found.valid
    if edit.node.bool_attr("replace_control_characters"):
        valid = edit.add("LogicalAnd", (valid, edit.binary("Greater", found.points, edit.const(_LAST_CONTROL))))
    points, rows = _without_errors(edit, found.points, valid, found.rows)
    return Characters(points, valid, rows, found.starts)


def _without_errors(edit: Edit, points: Tensor, valid: Tensor, rows: Rows) -> tuple[Tensor, Rows]:
    """Code points, the errors among them replaced, left out, or the end of the run."""
    errors = edit.node.text_attr("errors", "replace")
    if errors == "ignore":
        kept = edit.reshape(edit.add("Where", (valid,), T=DType.BOOL), (-1,))
        row_count = edit.size(rows.lengths, DType.INT64)
        return edit.gather(points, kept), rows_of_numbers(edit, edit.gather(rows.rows, kept), row_count)
    replacement = edit.const(edit.node.int_attr("replacement_char", 0xFFFD))
    replaced = edit.select(valid, points, replacement)
    if errors == "strict":
        fine = edit.add("All", (valid, edit.const([0])), Tidx=DType.INT32, keep_dims=False)
        words = edit.const("Invalid formatting on input string", DType.STRING)
        check = edit.add("Assert", (fine, words), T=[DType.STRING], summarize=1).node
        replaced.node.controls.append(check)
    return replaced, rows


def _is_character(edit: Edit, points: Tensor) -> Tensor:
    """Which numbers are code points that UTF-8 has: all but surrogates."""
    low, high = (edit.const(each) for each in _SURROGATES)
    known = edit.add(
        "LogicalAnd",
        (
            edit.binary("GreaterEqual", points, edit.const(0)),
            edit.binary("LessEqual", points, edit.const(_LAST_POINT)),
        ),
    )
    outside = edit.add("LogicalOr", (edit.binary("Less", points, low), edit.binary("Greater", points, high)))
    return edit.add("LogicalAnd", (known, outside))
