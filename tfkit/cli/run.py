"""``tfkit run``: does what a recipe says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfkit.errors import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from tfkit.recipe.run import RecipeReport


def run(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE", help="A recipe, a TOML file.", show_default=False)
    ] = None,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="The folder to write.", show_default="what the recipe says"),
    ] = None,
    install: Annotated[bool, typer.Option("--install", help="Install the processors that are missing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Do every step again, up to date or not.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of recipes, for editors, and do nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Do what a recipe says: export, check, verify, make the warm-up and prove it, bundle, check the bundles.

    What is up to date, by content, is not done again. Exits with 1 if a verdict is negative.

    tfkit run recipes/digits.toml
    """
    from tfkit.cli.export import prepare_process
    from tfkit.cli.output import note, print_json, print_text, stdout_for_results
    from tfkit.errors import UsageError

    if schema:
        from tfkit.recipe.reading import recipe_schema

        print_json(recipe_schema())
        return
    if recipe is None:
        raise UsageError("no recipe is given", hint="tfkit run RECIPE.toml")
    prepare_process(cards=True)
    try:
        if install:
            _install(recipe)
        with stdout_for_results(), _progress() as progress:  # what the recipe's own code prints is no result
            report = _run(recipe, output, force, progress)
    except KeyboardInterrupt:
        note("tfkit: interrupted")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    print_json(report.as_dict()) if as_json else print_text(f"{report}\n{report.output}/summary.html has the details")
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def _run(recipe: Path, output: Path | None, force: bool, progress: Callable[[str, str], None]) -> RecipeReport:
    from tfkit.recipe.run import run_recipe

    return run_recipe(recipe, output=output, force=force, progress=progress)


def _install(recipe: Path) -> None:
    from tfkit.cli.processors import install_provers
    from tfkit.processors.catalogue import select_processors
    from tfkit.recipe.reading import read_recipe

    target = read_recipe(recipe).target
    if target.format != "onnx":
        install_provers(each.name for each in select_processors(target.processors))


@contextmanager
def _progress() -> Iterator[Callable[[str, str], None]]:
    """A line that changes on a terminal, a line for each step elsewhere."""
    from tfkit.cli.output import note

    if not sys.stderr.isatty():
        yield lambda name, text: note(f"{name}: {text}") if text else note(name)
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status("") as status:
        # Names of files may hold brackets, which are markup elsewhere.
        yield lambda name, text: status.update(Text(f"{name}: {text}" if text else name))
