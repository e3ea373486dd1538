"""What an export did, for programs, for people and for the folder it wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfkit.compat.tolerance import Tolerance
from tfkit.eas.structure import structure
from tfkit.lower.model import LoweringReport
from tfkit.tensors import Signature

ROW_COLUMNS = ("", "name", "dtype and shape", "largest error")


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """How one output compares with the source's.

    Attributes:
        name: The output.
        max_abs_error: The largest absolute difference over all samples; 0 for texts, booleans and whole numbers, which
            must be equal.
        tolerance: What was allowed.
    """

    name: str
    max_abs_error: float
    tolerance: Tolerance


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """The comparison of the written SavedModel, run through the C API, with the Keras model.

    Attributes:
        skipped: Why it was not made; empty if it was.
        batch_sizes: The batch sizes that were run.
        seed: Seed of random inputs.
        outputs: One entry an output.
        tensorflow: The TensorFlow that ran it.
        processor: The processor whose TensorFlow that is; for a GPU's model it may be its twin for the CPU.
    """

    skipped: str = ""
    batch_sizes: tuple[int, ...] = ()
    seed: int = 0
    outputs: tuple[OutputCheck, ...] = ()
    tensorflow: str = ""
    processor: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "result": "skipped" if self.skipped else "passed",
            **asdict(self),
            "batch_sizes": list(self.batch_sizes),
            "outputs": [asdict(output) for output in self.outputs],
        }


@dataclass(frozen=True, slots=True)
class Source:
    """Where an exported model came from.

    Attributes:
        kind: ``keras file``, ``keras model`` or ``SavedModel``.
        name: The file's name, without its folder, or the model's own name.
        sha256: Of the file; empty for a live model.
        keras_version: The Keras that wrote the file, or that holds the live model.
    """

    kind: str
    name: str
    sha256: str = ""
    keras_version: str = ""


@dataclass(frozen=True, slots=True)
class ExportedSignature:
    """A signature that was exported, and its comparison with the source."""

    signature: Signature
    check: SelfCheck

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """A row of ``ROW_COLUMNS`` for each input and output."""
        errors = {output.name: output.max_abs_error for output in self.check.outputs}
        yield from (("input", spec.name, str(spec), "") for spec in self.signature.inputs)
        for spec in self.signature.outputs:
            error = f"{errors[spec.name]:.2g}" if spec.name in errors else "not compared"
            yield "output", spec.name, str(spec), error


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What ``export_model`` did.

    Attributes:
        path: The SavedModel's folder.
        signatures: Its signatures, the main one first: the default one, if there is one of that name.
        source: Where it came from.
        renamed: New names by those of the model, for inputs and outputs that were renamed.
        evidence: Files in the folder that hold the inputs used and the source's outputs.
        notes: What the user should know.
        versions: Versions of tfkit, keras and tensorflow.
        lowering: What was rewritten for a processor's TensorFlow; ``None`` for the installed one.
        given: Inputs whose values in the evidence are the user's: the others are random.
        size_bytes: Size of all files.
        elapsed_s: Time it took.
    """

    path: Path
    signatures: tuple[ExportedSignature, ...]
    source: Source
    renamed: Mapping[str, str]
    evidence: tuple[str, ...]
    notes: tuple[str, ...]
    versions: Mapping[str, str]
    lowering: LoweringReport | None = None
    given: tuple[str, ...] = ()
    size_bytes: int = 0
    elapsed_s: float = 0.0

    @property
    def signature(self) -> Signature:
        """The main signature."""
        return self.signatures[0].signature

    @property
    def check(self) -> SelfCheck:
        """The main signature's comparison."""
        return self.signatures[0].check

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values for JSON."""
        return {
            "path": str(self.path),
            "size_bytes": self.size_bytes,
            "elapsed_s": round(self.elapsed_s, 3),
            **self.record(),
        }

    def record(self) -> dict[str, Any]:
        """What stays with the export as ``assets.extra/tfkit/export.json``: the report without times and places."""
        return {
            "signature": structure(self.signature),
            "source": asdict(self.source),
            "renamed": dict(self.renamed),
            "verify": self.check.as_dict(),
            "others": [
                {"signature": structure(each.signature), "verify": each.check.as_dict()} for each in self.signatures[1:]
            ],
            "evidence": list(self.evidence),
            "given": list(self.given),
            "notes": list(self.notes),
            "versions": dict(self.versions),
            "lowering": None if self.lowering is None else asdict(self.lowering),
        }

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        from html import escape

        from tfkit.html import fragment, table, verdict

        parts = [f"<p>{escape(str(self.path))}</p>"]
        for each in self.signatures:
            parts += [f"<h3>{escape(each.signature.name)}</h3>", table(ROW_COLUMNS, each.rows())]
        skipped = self.check.skipped
        proof = f"not verified ({skipped})" if skipped else f"verified against {self.source.name}"
        notes = "".join(f"<br>note: {escape(note)}" for note in self.notes)
        return fragment((*parts, f"<p>{verdict(proof, good=not skipped)}{notes}</p>"))
