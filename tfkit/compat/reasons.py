"""TensorFlow's reasons not to load or run a model, as short as people need them."""

from __future__ import annotations

import re

_MOST = 300
_ATTRIBUTE = re.compile(r"NodeDef mentions attr '(?P<name>[^']+)' not in Op<name=(?P<op>\w+);")
_NODE = re.compile(r"\{\{node (?P<node>[^}]+)\}\}")
_UNKNOWN_OP = re.compile(r"Op type not registered '(?P<op>[^']+)'")
# What follows these says nothing more about the reason.
_ENDS = ("; NodeDef:", ". (Check whether your GraphDef", "\n")


def shorten(message: str) -> str:
    """The reason without the dumps of nodes and operations around it.

    >>> shorten("NodeDef mentions attr 'beta' not in Op<name=Mul; signature= -> >; NodeDef: {{node a/b}}. (Check ...)")
    "it has no attribute 'beta' of Mul (node a/b)"
    >>> shorten("failed with an error: 'Op type not registered 'Muk' in binary running on host. Make sure ...'")
    'it has no op Muk'
    """
    node = _NODE.search(message)
    where = f" (node {node['node']})" if node else ""
    if found := _ATTRIBUTE.search(message):
        return f"{_before(message, found)}it has no attribute '{found['name']}' of {found['op']}{where}"
    if found := _UNKNOWN_OP.search(message):
        return f"{_before(message, found)}it has no op {found['op']}{where}"
    short = message
    for end in _ENDS:
        short = short.partition(end)[0]
    short = short if len(short) <= _MOST else f"{short[:_MOST]} ..."
    return short if node is None or node["node"] in short else f"{short}{where}"


def _before(message: str, found: re.Match[str]) -> str:
    """What tfkit says before TensorFlow's words: which model, and which TensorFlow."""
    mark = " cannot load it: "
    return message[: end + len(mark)] if (end := message.find(mark, 0, found.start())) >= 0 else ""
