"""The compiled descriptors and the ``.proto`` files beside them."""

from __future__ import annotations

from pathlib import Path

from tfkit import proto
from tfkit.proto.compile import compile_descriptors


def test_the_committed_descriptors_are_those_of_the_proto_files(tmp_path: Path) -> None:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    compile_descriptors(tmp_path / "descriptors.pb")
    compiled = FileDescriptorSet.FromString((tmp_path / "descriptors.pb").read_bytes())
    committed = FileDescriptorSet.FromString((Path(proto.__file__).parent / "descriptors.pb").read_bytes())
    assert committed == compiled, "run `python -m tfkit.proto.compile`"


def test_fields_that_are_left_out_survive_a_round_trip() -> None:
    node = proto.message("tensorflow.NodeDef")(name="n", op="Identity")
    data = node.SerializeToString() + b"\x32\x03abc"  # experimental_debug_info, which is left out
    again = proto.message("tensorflow.NodeDef").FromString(data)
    assert again.SerializeToString() == data
