"""Sorted string tables: real blocks, packed blocks, and tables made to trap a reader."""

import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfkit.proto.wire import write_varint
from tfkit.savedmodel.table import TableError, read_table

MAGIC = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"


def entry(shared, own, value):
    return write_varint(shared) + write_varint(len(own)) + write_varint(len(value)) + own + value


def block(*entries, restarts=(0,)):
    tail = [number.to_bytes(4, "little") for number in (*restarts, len(restarts))]
    return b"".join((*entries, *tail))


def table(*blocks, compression=0, handles=None):
    """A table of these data blocks; ``handles`` replaces what its index says of where they lie."""
    out, places = b"", []
    for each in blocks:
        places.append((len(out), len(each)))
        out += each + bytes([compression]) + b"\0\0\0\0"
    keys = (
        entry(0, bytes([65 + at]), write_varint(a) + write_varint(b)) for at, (a, b) in enumerate(handles or places)
    )
    index, meta = block(*keys), block()
    index_place = (len(out), len(index))
    out += index + b"\0" * 5
    meta_place = (len(out), len(meta))
    out += meta + b"\0" * 5
    footer = b"".join(map(write_varint, (*meta_place, *index_place)))
    return out + footer.ljust(40, b"\0") + MAGIC


ONE, TWO = block(entry(0, b"apple", b"1"), entry(3, b"ricot", b"2")), block(entry(0, b"pear", b""))
CONTENTS = [(b"apple", b"1"), (b"appricot", b"2"), (b"pear", b"")]


def test_keys_that_share_a_prefix_and_several_blocks_are_read():
    assert list(read_table(table(ONE, TWO))) == CONTENTS


def test_packed_blocks_are_read():
    packed = [bytes(cramjam.snappy.compress_raw(each)) for each in (ONE, TWO)]
    out = table(*packed, compression=1)
    # The index of this table is marked as plain, as its bytes are.
    assert list(read_table(out)) == CONTENTS


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "does not end as a table"),
        (b"x" * 100, "does not end as a table"),
        (table(ONE)[:-1], "does not end as a table"),
        (b"\xff" * 40 + MAGIC, "varint"),
        (table(ONE, compression=7), "unknown compression 7"),
        (table(b"\x80" * 12, compression=1), "varint"),
        (table(b"\x10garbage", compression=1), "cannot be unpacked"),
        (table(write_varint(1 << 40) + b"x", compression=1), "unpacks to 1099511627776 bytes"),
        (table(ONE, handles=[(0, 1 << 30)]), "does not fit"),
        (table(ONE, TWO, handles=[(0, len(ONE))] * 2), "blocks overlap"),
        (table(TWO, ONE), "out of order"),
        (table(b"\0\0"), "2 bytes"),
        (table(b"\xff\xff\xff\xff"), "4294967295 restart points"),
        (table(block(entry(9, b"x", b""))), "reaches past its block"),
        (table(block(b"\0\x7f\x7fx")), "reaches past its block"),
    ],
)
def test_what_is_no_table_is_refused(data, problem):
    with pytest.raises(TableError, match=problem):
        list(read_table(data))


def test_few_bytes_do_not_unfold_to_many():
    """Each key shares all of the long one before it: 600 kB that would hold gigabytes."""
    long = [entry(0, b"k" * 65536, b"")]
    long += [entry(65536 + at, b"k", b"") for at in range(100_000)]
    with pytest.raises(TableError, match="its keys take more than"):
        list(read_table(table(block(*long))))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120), st.binary(max_size=40))
def test_any_bytes_give_a_value_or_an_error(blocks, footer):
    for data in (blocks, blocks + footer.ljust(40, b"\0")[:40] + MAGIC, table(blocks), table(blocks, compression=1)):
        try:
            assert all(isinstance(key, bytes) for key, _ in read_table(data))
        except TableError:
            continue
