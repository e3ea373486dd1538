"""What is made of a source: for a processor, in a folder, run there and compared with the source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from tfkit.compat.compare import Limits
from tfkit.compat.half import half_dtype
from tfkit.compat.recorded import Case
from tfkit.compat.written import read_written
from tfkit.export.evidence import write_evidence, write_report
from tfkit.export.freezing import frozen
from tfkit.export.report import ExportedSignature, ExportReport, SelfCheck, Source
from tfkit.export.selfcheck import Given, check_export
from tfkit.export.sources.base import ModelSource, PlainModel
from tfkit.export.target import link_into, plain_folder
from tfkit.lower.flat import FlatModel
from tfkit.lower.model import LoweringReport, lower_flat, no_collection
from tfkit.lower.signatures import read_chosen
from tfkit.processors.catalogue import INSTALLED

_SKIPPED = SelfCheck(skipped="--no-verify")


@dataclass(frozen=True)
class Prepared:
    """A source as a SavedModel, and what it answered.

    Attributes:
        source: What it is.
        plain: The SavedModel, before it is lowered.
        is_own: Whether the SavedModel was written for this, by the installed TensorFlow.
        freeze: Whether its variables become constants.
        samples: What the source answered, by signature; none where nothing is compared.
        limits: What counts as the same.
        seed: Seed of random inputs.
        given: Inputs whose values in the samples are the user's.
        evidence: The files that hold the samples, in ``proof``.
        proof: Where they are.
        notes: What the user should know.
    """

    source: Source
    plain: PlainModel
    is_own: bool
    freeze: bool
    samples: Mapping[str, tuple[Case, ...]]
    limits: Limits
    seed: int
    given: tuple[str, ...]
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
            given=self.given,
        )
        write_report(folder, report.record())
        return report

    def _make_fit(self, folder: Path, processor: str) -> LoweringReport | None:
        """Puts into a folder what the processor takes; what TensorFlow has just written fits the installed one."""
        if self.is_own and processor == INSTALLED and not self.freeze:
            link_into(self.plain.folder, folder)
            return None
        return lower_flat(self._flat.copy(), folder, processor, called=self.source.name)

    @cached_property
    def _flat(self) -> FlatModel:
        """The SavedModel as a graph, read once for all processors."""
        plain = self.plain
        with no_collection():
            model = plain.flat or read_chosen(plain.folder, plain.tags, plain.chosen or plain.signatures)
            return frozen(model) if self.freeze else model

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
        TfkitError: As the source says; as ``PlainModel.draw`` does.
    """
    with plain_folder(staged) as scratch:
        folder, proof = scratch / "model", scratch / "proof"
        folder.mkdir()
        proof.mkdir()
        plain = source.write(folder)
        samples: Mapping[str, tuple[Case, ...]] = {}
        notes: tuple[str, ...] = ()
        if verify:
            limits = replace(limits, compute_dtype=half_dtype(read_written(plain.folder, plain.tags)))
            samples, notes = plain.draw(given, limits)
        evidence, left_out = write_evidence(proof, samples)
        yield Prepared(
            source=source.describe(),
            plain=plain,
            is_own=plain.folder == folder,
            freeze=freeze,
            samples=samples,
            limits=limits,
            seed=given.seed,
            given=tuple(sorted(plain.own_names.get(name, name) for name in given.names)),
            evidence=evidence,
            proof=proof,
            notes=tuple(note for note in (*plain.notes, *notes, left_out) if note),
        )
