"""Devices of other machines in a SavedModel: one that was saved in a cluster names them, and loads nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

from tfkit import proto
from tfkit.savedmodel.files import BINARY_NAME, find_model_file, link_or_copy, open_message

# A device of this process is of the job "localhost" (TensorFlow's device_name_utils.h). No node has such a name, so
# that at worst a text in the graph is taken for one.
_ELSEWHERE = re.compile(rb"/job:(?!localhost\b)[a-zA-Z][_a-zA-Z0-9]*")
_FOLDERS = ("variables", "assets")


def find_other_job(path: str | Path) -> str:
    """A job of other machines that a SavedModel's graphs name, such as ``/job:ps``; empty if there is none.

    Raises:
        ModelError: There is no SavedModel at ``path``, or a damaged one.
        MissingError: The file may not be read.
    """
    with open_message(find_model_file(path)) as message:
        found = _ELSEWHERE.search(message.data)
        return found[0].decode() if found is not None else ""


def copy_without_devices(path: str | Path, folder: Path) -> None:
    """Writes a SavedModel anew whose nodes run wherever there is a place; variables and assets are linked.

    Args:
        path: The SavedModel's folder.
        folder: An empty folder to write into.

    Raises:
        ModelError: There is no SavedModel at ``path``, or a damaged one.
        MissingError: The file may not be read.
        OSError: There is no space left, or no permission.
    """
    file = find_model_file(path)
    with open_message(file) as message, memoryview(message.data) as view:
        saved = proto.message("tensorflow.SavedModel").FromString(view)
    for metagraph in saved.meta_graphs:
        graph = metagraph.graph_def
        for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
            for node in nodes:
                node.ClearField("device")
    (folder / BINARY_NAME).write_bytes(saved.SerializeToString(deterministic=True))
    for name in _FOLDERS:
        for each in sorted((file.parent / name).rglob("*")):
            if each.is_file():
                link_or_copy(each, folder / each.relative_to(file.parent))
