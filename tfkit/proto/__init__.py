"""Protobuf messages without generated code and without TensorFlow.

The descriptors live in a pool of their own, so that they neither need an imported TensorFlow nor collide with it:

>>> from tfkit import proto
>>> request = proto.message("PredictRequest")(signature_name="predict_images")
>>> saved_model = proto.message("tensorflow.SavedModel")()
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

__all__ = ["message", "source"]


@cache
def _pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool

    files = descriptor_pb2.FileDescriptorSet.FromString(
        resources.files(__name__).joinpath("descriptors.pb").read_bytes()
    )
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


@cache
def message(full_name: str) -> Any:
    """The message class of that name, such as ``PredictRequest`` or ``tensorflow.GraphDef``."""
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(full_name))


def source(name: str) -> str:
    """The text of a ``.proto`` file of this package, such as ``eas_predict.proto``."""
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
