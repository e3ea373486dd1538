"""What an export to ONNX did, for programs, for people and for the file it wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfkit.eas.structure import structure
from tfkit.export.report import SelfCheck, Source
from tfkit.tensors import Signature


@dataclass(frozen=True, slots=True)
class OnnxReport:
    """What ``export_onnx`` did.

    Attributes:
        path: The model's file.
        signature: What it takes and gives.
        source: Where it came from.
        opset: The opset that it is written in.
        nodes: How many operations it has, those in branches and loops included.
        rewritten: How often each operation was written anew before it was converted.
        check: The comparison with the source, in ONNX Runtime.
        evidence: Files beside the model that hold the inputs used and the source's outputs.
        notes: What the user should know.
        versions: Versions of tfkit and of what converted the model.
        renamed: New names by those of the model, for inputs and outputs that were renamed.
        size_bytes: Size of the model, with weights that lie beside it.
        elapsed_s: Time it took.
    """

    path: Path
    signature: Signature
    source: Source
    opset: int
    nodes: int
    rewritten: Mapping[str, int]
    check: SelfCheck
    evidence: tuple[str, ...]
    notes: tuple[str, ...]
    versions: Mapping[str, str]
    renamed: Mapping[str, str]
    size_bytes: int = 0
    elapsed_s: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values for JSON."""
        return {
            "path": str(self.path),
            "size_bytes": self.size_bytes,
            "elapsed_s": round(self.elapsed_s, 3),
            **self.record(),
            "evidence": list(self.evidence),
        }

    def record(self) -> dict[str, Any]:
        """What stays with the model: the report without times and places."""
        verify = asdict(self.check)
        verify |= {
            "runtime": verify.pop("tensorflow"),
            **{name: list(verify[name]) for name in ("batch_sizes", "outputs")},
        }
        return {
            "format": "onnx",
            "opset": self.opset,
            "nodes": self.nodes,
            "rewritten": dict(self.rewritten),
            "signature": structure(self.signature),
            "source": asdict(self.source),
            "renamed": dict(self.renamed),
            "verify": {"result": "skipped" if self.check.skipped else "passed", **verify},
            "notes": list(self.notes),
            "versions": dict(self.versions),
        }
