"""The steps of a recipe: each with what it depends on, what it writes, and how it is done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tfkit.errors import EXIT_VERDICT
from tfkit.inputs.options import FileSource, parse_inputs
from tfkit.processors.catalogue import INSTALLED, Processor, select_processors
from tfkit.processors.cuda import has_card
from tfkit.recipe.checks import ONNX, architecture_file, flat_settings, input_option, path_in
from tfkit.recipe.record import Outcome, files_of
from tfkit.recipe.tables import BundleTable, Recipe, WarmUpTable

MODELS, WARM_UP, WARM_UP_FILE, BUNDLES = "models", "warm_up", "warm_up_test.bin", "bundles"

_VISIBLE = "CUDA_VISIBLE_DEVICES"

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        name: What it is called.
        settings: What it depends on beside files and the steps before it.
        reads: The files that it reads and no step wrote.
        writes: What it writes.
        act: Does it.
    """

    name: str
    settings: Mapping[str, Any]
    reads: tuple[Path, ...]
    writes: tuple[Path, ...]
    act: Callable[[Tell], Outcome]


@dataclass(frozen=True)
class Plan:
    """What a recipe comes to.

    Attributes:
        recipe: The recipe.
        name: What it is called.
        home: The folder that its paths are relative to.
        output: The folder that everything is written into.
    """

    recipe: Recipe
    name: str
    home: Path
    output: Path

    def steps(self) -> Iterator[Step]:
        """The steps, in order."""
        if self.recipe.target.format == ONNX:
            yield self._onnx()
            return
        yield self._export()
        yield self._check()
        if self.recipe.verify.run:
            yield self._verify()
        if self._warm_up is None:
            return
        yield self._make_warmup(self._warm_up)
        if self._warm_up.prove:
            yield self._prove(self._warm_up)
        if self.recipe.bundle is not None:
            yield self._bundle(self.recipe.bundle)
            if self.recipe.bundle.check:
                yield self._check_bundles()

    @cached_property
    def processors(self) -> tuple[Processor, ...]:
        """What the model shall run on."""
        return select_processors(self.recipe.target.processors)

    @cached_property
    def bundled(self) -> tuple[str, ...]:
        """The processors that get a bundle."""
        names = [each.name for each in self.processors if each.name != INSTALLED]
        if self.recipe.bundle is None or self.recipe.bundle.processors is None:
            return tuple(names)
        return tuple(each.name for each in select_processors(self.recipe.bundle.processors))

    @cached_property
    def samples(self) -> list[str]:
        """The samples as ``--input`` options, files by their full paths."""
        return [input_option(name, value, self.home) for name, value in self.recipe.samples.items()]

    @property
    def _warm_up(self) -> WarmUpTable | None:
        return self.recipe.warm_up or (WarmUpTable() if self.recipe.bundle is not None else None)

    @property
    def _sample_files(self) -> tuple[Path, ...]:
        sources = (option.source for option in parse_inputs(self.samples))
        return tuple(source.path for source in sources if isinstance(source, FileSource))

    @property
    def _runnable(self) -> tuple[list[str], list[str]]:
        """The processors that can be run on this machine, and those that only a GPU's machine can."""
        here = [each.name for each in self.processors if each.device == "cpu" or each.name == INSTALLED or has_card()]
        return here, [each.name for each in self.processors if each.name not in here]

    def _model(self, processor: str) -> Path:
        return self.output / MODELS / processor

    def _warm_up_place(self, table: WarmUpTable) -> Path:
        """The warm-up file; the folder of several."""
        return self.output / (WARM_UP_FILE if len(table.batch_sizes) == 1 else WARM_UP)

    # --- steps

    def _source(self) -> tuple[dict[str, Any], tuple[Path, ...]]:
        """What export takes to say what the source is, and the files that it reads."""
        source, verify = self.recipe.source, self.recipe.verify
        options = asdict(source) | {"atol": verify.atol, "rtol": verify.rtol, "seed": verify.seed, "verify": verify.run}
        options["inputs"] = self.samples
        options["input_shapes"] = {
            name: tuple(None if size == -1 else size for size in sizes) for name, sizes in source.input_shapes.items()
        }
        options["model"] = path_in(self.home, source.model)
        reads = [*files_of(options["model"]), *self._sample_files]
        if source.architecture:
            file, name = architecture_file(source, self.home)
            options["architecture"] = f"{file}{name}"
            reads.append(file)
        if source.custom_objects is not None:
            options["custom_objects"] = path_in(self.home, source.custom_objects)
            reads.append(options["custom_objects"])
        return options, tuple(reads)

    def _said(self) -> dict[str, Any]:
        """What the recipe says of the export, by its own words: they stay the same where the recipe is moved."""
        said = asdict(self.recipe)
        return {name: said[name] for name in ("source", "target", "samples", "verify")}

    def _onnx(self) -> Step:
        from tfkit.export.onnx.files import places_of

        options, reads = self._source()
        options["opset"] = self.recipe.target.opset
        output = self.output / f"{self.name}.onnx"

        def act(_: Tell) -> Outcome:
            from tfkit.export import export_onnx

            given = dict(options)
            with _cards_hidden():
                report = export_onnx(given.pop("model"), output, force=True, **given)
            return Outcome(f"{output.name}, opset {report.opset}", details=report.as_dict())

        return Step("export", self._said(), reads, places_of(output), act)

    def _export(self) -> Step:
        options, reads = self._source()
        options |= {"freeze": self.recipe.target.freeze, "processors": [each.name for each in self.processors]}
        output = self.output / MODELS

        def act(tell: Tell) -> Outcome:
            from tfkit.export import export_everywhere

            given = dict(options)
            with _cards_hidden():
                report = export_everywhere(given.pop("model"), output, force=True, progress=tell, **given)
            done = f"{len(report.exports) - len(report.failed)} of {len(report.exports)} processors"
            problems = "; ".join(f"{each.processor}: {each.problem}" for each in report.failed)
            code = EXIT_VERDICT if report.failed else 0
            return Outcome(f"{done}: {problems}" if problems else done, code, report.as_dict())

        return Step("export", self._said(), reads, (output,), act)

    def _check(self) -> Step:
        names = [each.name for each in self.processors if each.name != INSTALLED]

        def act(_: Tell) -> Outcome:
            from tfkit.compat.check import check_model

            reports = {name: check_model(self._model(name), processors=[name]) for name in names}
            bad = [name for name, report in reports.items() if not report.passes(strict=True)]
            text = f"does not run on {', '.join(bad)}" if bad else f"runs on {len(names)} of {len(names)} as it is"
            details = {name: report.as_dict() for name, report in reports.items()}
            return Outcome(text, EXIT_VERDICT if bad else 0, details)

        return Step("check", {"processors": names}, (), (), act)

    def _verify(self) -> Step:
        here, elsewhere = self._runnable
        verify = self.recipe.verify
        settings: dict[str, Any] = {"processors": here, "atol": verify.atol, "rtol": verify.rtol, "seed": verify.seed}

        def act(tell: Tell) -> Outcome:
            if not here:
                return Outcome(_not_here(elsewhere))
            from tfkit.compat.page import render_parts
            from tfkit.export.verify import verify_model

            report = verify_model(self.output / MODELS, progress=tell, device=_device(here), **settings)
            text = report.verdict + (f" ({_not_here(elsewhere)})" if elsewhere else "")
            html = "\n".join(render_parts(report))
            return Outcome(text, 0 if report.passed else EXIT_VERDICT, report.as_dict(), html)

        return Step("verify", settings, (), (), act)

    def _make_warmup(self, table: WarmUpTable) -> Step:
        # The processors' models have the same signatures: one warm-up is for them all.
        model = self._model(self.processors[0].name)
        output = self._warm_up_place(table)
        settings: dict[str, Any] = {
            "batch_size": table.batch_sizes,
            "fetch": table.fetch,
            "seed": self.recipe.verify.seed,
        }

        def act(_: Tell) -> Outcome:
            from tfkit.warmup.generate import make_warmup

            report = make_warmup(model, output, inputs=self.samples, force=True, **settings)
            files = ", ".join(each.path.name for each in report.files)
            return Outcome(files, details=report.as_dict())

        return Step("warm-up", settings | {"samples": self.recipe.samples}, self._sample_files, (output,), act)

    def _prove(self, table: WarmUpTable) -> Step:
        here, elsewhere = self._runnable
        requests = path_in(self.home, table.requests) if table.requests else None
        settings = {"processors": here, "runs": table.runs, "sends": table.sends}

        def act(tell: Tell) -> Outcome:
            if not here:
                return Outcome(_not_here(elsewhere))
            from tfkit.prove.page import render_parts
            from tfkit.prove.warm_up import prove_warmup

            proofs = {
                name: prove_warmup(
                    self._model(name),
                    self._warm_up_place(table),
                    requests=requests or (),
                    processors=[name],
                    runs=table.runs,
                    sends=table.sends,
                    progress=tell,
                )
                for name in here
            }
            failed = [f"{name}: {proof.verdict}" for name, proof in proofs.items() if not proof.passed]
            text = "; ".join(failed) or f"first requests are warm on {len(proofs)} of {len(proofs)}"
            details = {name: proof.as_dict() for name, proof in proofs.items()}
            html = "\n".join(part for proof in proofs.values() for part in render_parts(proof))
            return Outcome(text, EXIT_VERDICT if failed else 0, details, html)

        return Step("warm-up proof", settings, (requests,) if requests else (), (), act)

    def _bundle(self, table: BundleTable) -> Step:
        settings = asdict(table) | {"processors": list(self.bundled), "name": table.name or self.name}
        output = self.output / BUNDLES
        writes = tuple(output / name for name in self.bundled)

        def act(tell: Tell) -> Outcome:
            from tfkit.bundle.make import make_bundle

            warm_up = self._warm_up_place(self._warm_up or WarmUpTable())
            reports = {
                name: make_bundle(
                    self._model(name),
                    output / name,
                    processor=name,
                    warm_up=warm_up,
                    name=settings["name"],
                    layout=table.layout,
                    settings=flat_settings(table.settings),
                    base_url=f"{table.base_url.rstrip('/')}/{name}" if table.base_url else "",
                    verify=self.recipe.verify.run,
                    force=True,
                    progress=tell,
                )
                for name in self.bundled
            }
            details = {name: report.as_dict() for name, report in reports.items()}
            notes = dict.fromkeys(note for report in reports.values() for note in report.notes)
            return Outcome("; ".join((f"{len(reports)} in {BUNDLES}/", *notes)), details=details)

        return Step("bundle", settings, (), writes, act)

    def _check_bundles(self) -> Step:
        def act(tell: Tell) -> Outcome:
            from tfkit.bundle.check import check_bundle

            reports = {name: check_bundle(self.output / BUNDLES / name, progress=tell) for name in self.bundled}
            failed = [f"{name}: {report.verdict}" for name, report in reports.items() if not report.passed]
            text = "; ".join(failed) or f"{len(reports)} of {len(reports)} start, and answer as recorded"
            details = {name: report.as_dict() for name, report in reports.items()}
            return Outcome(text, EXIT_VERDICT if failed else 0, details)

        return Step("bundle check", {"processors": list(self.bundled)}, (), (), act)


@contextmanager
def _cards_hidden() -> Iterator[None]:
    """Lets TensorFlow's Python start without GPUs, whose kernels would end up in what it traces; runtimes see them."""
    before = os.environ.get(_VISIBLE)
    os.environ[_VISIBLE] = "-1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_VISIBLE]
        else:
            os.environ[_VISIBLE] = before


def _device(names: list[str]) -> str:
    return "auto" if any("_gpu_" in name for name in names) else "cpu"


def _not_here(names: list[str]) -> str:
    return f"{', '.join(names)}: no GPU here; proved on export, in the CPU build of the same TensorFlow"
