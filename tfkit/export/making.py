"""What is made of a source: for a processor, in a folder, run there and compared with the source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tfkit.arrays import Array
from tfkit.compat.compare import Limits
from tfkit.compat.half import half_dtype
from tfkit.compat.recorded import Case
from tfkit.compat.written import read_written
from tfkit.export.evidence import write_evidence, write_report
from tfkit.export.freezing import variable_values
from tfkit.export.report import ExportedSignature, ExportReport, SelfCheck, Source
from tfkit.export.selfcheck import Given, check_export
from tfkit.export.sources.base import ModelSource, PlainModel
from tfkit.export.target import link_into, plain_folder
from tfkit.lower.model import LoweringReport, lower_model
from tfkit.processors.catalogue import INSTALLED

_SKIPPED = SelfCheck(skipped="--no-verify")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A source as a SavedModel, and what it answered.

    Attributes:
        source: What it is.
        plain: The SavedModel, before it is lowered.
        is_own: Whether the SavedModel was written for this, by the installed TensorFlow.
        values: The variables' values where they become constants.
        samples: What the source answered, by signature; none where nothing is compared.
        limits: What counts as the same.
        seed: Seed of random inputs.
        evidence: The files that hold the samples, in ``proof``.
        proof: Where they are.
        notes: What the user should know.
    """

    source: Source
    plain: PlainModel
    is_own: bool
    values: Mapping[str, Array] | None
    samples: Mapping[str, tuple[Case, ...]]
    limits: Limits
    seed: int
    evidence: tuple[str, ...]
    proof: Path
    notes: tuple[str, ...]

    def make(self, folder: Path, processor: str, proving: str) -> ExportReport:
        """Makes it fit for a processor, runs it there, and compares it.

        Args:
            folder: An empty folder to write into.
            processor: The processor.
            proving: The one in whose TensorFlow it is run; empty: it is not.

        Raises:
            LoweringError: The processor's TensorFlow lacks what the model uses, and no rule writes it otherwise.
            VerdictError: It differs from the source there.
            TensorFlowError: It does not run there.
        """
        lowering = self._make_fit(folder, processor)
        signatures = [
            ExportedSignature(each, self._check(folder, each.name, proving))
            for each in (self.plain.main, *self.plain.signatures.values())
        ]
        link_into(self.proof, folder)
        report = ExportReport(
            path=folder,
            signatures=tuple({each.signature.name: each for each in signatures}.values()),
            source=self.source,
            renamed=self.plain.renamed,
            evidence=self.evidence,
            notes=self.notes,
            versions=self.plain.versions,
            lowering=lowering,
        )
        write_report(folder, report.record())
        return report

    def _make_fit(self, folder: Path, processor: str) -> LoweringReport | None:
        """Puts into a folder what the processor takes; what TensorFlow has just written fits the installed one."""
        plain = self.plain
        if self.is_own and processor == INSTALLED and self.values is None:
            link_into(plain.folder, folder)
            return None
        chosen = plain.chosen or plain.signatures
        return lower_model(
            plain.folder,
            folder,
            processor,
            tags=plain.tags,
            signatures=chosen,
            values=self.values,
            called=self.source.name,
        )

    def _check(self, folder: Path, signature: str, proving: str) -> SelfCheck:
        if not proving or signature not in self.samples:
            return _SKIPPED if not proving else replace(_SKIPPED, skipped="nothing to compare")
        spec, samples = self.plain.signatures[signature], self.samples[signature]
        return check_export(folder, spec, samples, self.limits, seed=self.seed, processor=proving)


@contextmanager
def prepared(
    source: ModelSource, staged: Path, given: Given, limits: Limits, *, freeze: bool, verify: bool
) -> Iterator[Prepared]:
    """Writes a source as a SavedModel and asks it, inside of the folder that is being written.

    Args:
        source: The source.
        staged: That folder; nothing stays there when the block ends.
        given: What to compare on.
        limits: What counts as the same.
        freeze: Whether variables become constants.
        verify: Whether the source is asked.

    Raises:
        TfkitError: As the source says; as ``PlainModel.draw`` and ``variable_values`` do.
    """
    with plain_folder(staged) as scratch:
        folder, proof = scratch / "model", scratch / "proof"
        folder.mkdir()
        proof.mkdir()
        plain = source.write(folder)
        limits = replace(limits, compute_dtype=half_dtype(read_written(plain.folder, plain.tags)))
        values = variable_values(plain.folder, plain.tags, plain.chosen or plain.signatures) if freeze else None
        samples, notes = plain.draw(given, limits) if verify else ({}, ())
        evidence, left_out = write_evidence(proof, samples)
        yield Prepared(
            source=source.describe(),
            plain=plain,
            is_own=plain.folder == folder,
            values=values,
            samples=samples,
            limits=limits,
            seed=given.seed,
            evidence=evidence,
            proof=proof,
            notes=tuple(note for note in (*plain.notes, *notes, left_out) if note),
        )
