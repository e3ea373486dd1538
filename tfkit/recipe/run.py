"""Runs a recipe: step by step, what is up to date skipped, and leaves a summary."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tfkit.errors import InputError, MissingError, SignatureError, TfkitError
from tfkit.recipe.checks import path_in
from tfkit.recipe.reading import places_of_names, read_recipe
from tfkit.recipe.record import Outcome, Record, key_of, stamps_of
from tfkit.recipe.steps import Plan, Step, Tell
from tfkit.recipe.tables import Recipe
from tfkit.recipe.words import with_recipe_forms
from tfkit.warmup.files import write_file

DONE, UP_TO_DATE, FAILED, NOT_RUN = "done", "up to date", "failed", "not run"
SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class StepReport:
    """How a step went.

    Attributes:
        name: The step.
        status: ``done``, ``up to date``, ``failed``, or ``not run`` where one before it failed.
        text: What came of it, or what went wrong.
        elapsed_s: The time it took.
        exit_code: What the command ends with; 0 unless it failed.
        details: Its report, as JSON has it.
        html: Its report as a part of a page.
    """

    name: str
    status: str
    text: str = ""
    elapsed_s: float = 0.0
    exit_code: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)
    html: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class RecipeReport:
    """What ``run_recipe`` did.

    Attributes:
        recipe: The recipe's file.
        name: What it is called.
        output: The folder that holds what was made.
        steps: One for each step.
    """

    recipe: Path
    name: str
    output: Path
    steps: tuple[StepReport, ...]

    @property
    def exit_code(self) -> int:
        """That of the first step that failed."""
        return next((step.exit_code for step in self.steps if step.exit_code), 0)

    @property
    def passed(self) -> bool:
        """Whether every step did."""
        return not self.exit_code

    def __repr__(self) -> str:
        return f"<RecipeReport {self.recipe}: {', '.join(f'{step.name} {step.status}' for step in self.steps)}>"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "recipe": str(self.recipe),
            "name": self.name,
            "output": str(self.output),
            "passed": self.passed,
            "steps": [
                {
                    "name": step.name,
                    "status": step.status,
                    "text": step.text,
                    "elapsed_s": round(step.elapsed_s, 3),
                    "details": dict(step.details),
                }
                for step in self.steps
            ],
        }

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        from tfkit.html import fragment
        from tfkit.recipe.page import render_parts

        return fragment(render_parts(self))

    def __str__(self) -> str:
        width = max((len(step.name) for step in self.steps), default=0)
        lines = (
            f"{step.name:{width}}  {step.status:10}  {step.elapsed_s:6.1f} s  {step.text}".rstrip()
            for step in self.steps
        )
        return "\n".join((f"{self.name}: {'passed' if self.passed else 'FAILED'}", *lines))


def run_recipe(
    path: str | Path,
    *,
    output: str | Path | None = None,
    force: bool = False,
    progress: Callable[[str, str], None] | None = None,
) -> RecipeReport:
    """Does what a recipe says; what is up to date, by content, is not done again.

    A step that fails ends it. The output folder holds the models, the warm-up, the bundles, and the summary as text, as
    JSON and as one HTML page.

    Args:
        path: The recipe.
        output: The folder to write into; by default what the recipe says.
        force: Do every step, up to date or not.
        progress: Told which step is at work, and what it does; what it does is empty when the step begins.

    Returns:
        How each step went.

    Raises:
        InputError: There is no recipe, something in it is not as it should be, or a file that it names is missing.
        MissingError: The folder cannot be written.

    Example:
        >>> run_recipe("recipes/digits.toml").passed                        # doctest: +SKIP
        True
    """
    path = Path(path)
    recipe = read_recipe(path)
    places = places_of_names(path, recipe)
    plan = _plan(recipe, path, output)
    steps = tuple(plan.steps())
    _check_places(path, plan, steps)
    _make_folder(plan.output)
    record = Record(plan.output)
    reports: list[StepReport] = []
    written: dict[str, str] = {}
    for step in steps:
        if any(report.exit_code for report in reports):
            reports.append(StepReport(step.name, NOT_RUN))
            continue
        key = key_of(step.settings, step.reads, written)
        before = None if force else record.outcome(step.name, key)
        if before is not None:
            reports.append(_report(step, UP_TO_DATE, before))
        else:
            reports.append(_take(step, key, record, places, progress or (lambda _name, _text: None)))
        if not reports[-1].exit_code:
            written |= record.written(step.name)
    report = RecipeReport(path, plan.name, plan.output, tuple(reports))
    if report.passed:
        record.keep_only([step.name for step in steps])
    _write_summary(report)
    return report


def _plan(recipe: Recipe, path: Path, output: str | Path | None) -> Plan:
    name = recipe.name or path.stem
    home = path.resolve().parent
    folder = Path(output) if output is not None else path_in(home, recipe.output or f"build/{name}")
    return Plan(recipe, name, home, folder)


def _check_places(path: Path, plan: Plan, steps: Sequence[Step]) -> None:
    """Refuses a recipe whose files change by its own work."""
    for place in (place for step in steps for place in step.reads):
        if place.is_dir() and plan.output.resolve().is_relative_to(place.resolve()):
            raise InputError(
                f"{plan.output} is inside of {place}, which {path} reads", hint="Choose another 'output', or --output."
            )


def _take(
    step: Step, key: str, record: Record, places: Mapping[str, str], progress: Callable[[str, str], None]
) -> StepReport:
    """Does a step; a failure that is about a name is told with the place where the recipe has it."""
    progress(step.name, "")
    tell: Tell = lambda text: progress(step.name, text)  # noqa: E731
    stamps = stamps_of(step.writes)
    started = time.monotonic()
    try:
        outcome = step.act(tell)
    except TfkitError as error:
        named = isinstance(error, SignatureError)
        where = [place for name, place in places.items() if named and repr(name) in error.message]
        outcome = Outcome("\n".join((str(error), *where)), error.exit_code)
    elapsed_s = time.monotonic() - started
    if outcome.exit_code:
        return _report(step, FAILED, replace(outcome, text=with_recipe_forms(outcome.text)), elapsed_s)
    written = [file for file, stamp in stamps_of(step.writes).items() if stamps.get(file) != stamp]
    record.keep(step.name, key, written, outcome)
    return _report(step, DONE, outcome, elapsed_s)


def _report(step: Step, status: str, outcome: Outcome, elapsed_s: float = 0.0) -> StepReport:
    return StepReport(
        step.name, status, outcome.text, elapsed_s, outcome.exit_code, dict(outcome.details), outcome.html
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise InputError(f"{folder} is a file: expected a folder to write into") from None
    except OSError as error:
        raise MissingError(f"{folder} cannot be made: {error.strerror or error}") from None


def _write_summary(report: RecipeReport) -> None:
    from tfkit.recipe.page import render_page

    texts = {
        ".txt": f"{report}\n",
        ".json": json.dumps(report.as_dict(), indent=4, sort_keys=True, ensure_ascii=False, default=str) + "\n",
        ".html": render_page(report),
    }
    for suffix, text in texts.items():
        write_file(report.output / f"{SUMMARY}{suffix}", text.encode("utf-8", "backslashreplace"), force=True)
