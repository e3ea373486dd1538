"""Compiles the ``.proto`` files beside it into ``descriptors.pb``: ``python -m tfkit.proto.compile``.

Needs grpcio-tools. The compiled descriptors are committed; a test compares them with the ``.proto`` files.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def compile_descriptors(output: Path) -> None:
    """Writes the descriptor set of all ``.proto`` files of this folder to ``output``.

    In a process of its own: protoc ends one that holds another library's protobuf, as pyarrow's or onnxruntime's.
    """
    sources = sorted(str(path) for path in HERE.glob("*.proto"))
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={HERE}"]
    subprocess.run([*protoc, f"--descriptor_set_out={output}", *sources], check=True)


if __name__ == "__main__":
    compile_descriptors(HERE / "descriptors.pb")
    sys.stdout.write(f"wrote {HERE / 'descriptors.pb'}\n")
