"""Tag sets as commands take them."""

from __future__ import annotations


def parse_tags(text: str) -> tuple[str, ...]:
    """The tags of a set that are separated by commas.

    >>> parse_tags("serve, gpu"), parse_tags("")
    (('serve', 'gpu'), ())
    """
    return tuple(tag.strip() for tag in text.split(",") if tag.strip())
