"""What docs/ shows: options and signatures are those of the code, links lead somewhere, commands are commands."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from typer.main import get_command

import tfkit
from tests.runtimes import installed_runtime
from tfkit import errors
from tfkit.cli.app import COMMANDS, build_app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("README*.md"), *DOCS.glob("*.md"), *DOCS.glob("commands/*.md"), *ROOT.glob("recipes/*.md")])
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def of_root(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return [text for name, text in FENCED.findall(page.read_text(encoding="utf-8")) if name == language]


def anchors(page: Path) -> set[str]:
    """What a link may name after ``#``: headings in small letters, punctuation left out, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_options_and_signatures_are_those_of_the_code() -> None:
    """``make docs`` brings them up to date."""
    done = subprocess.run(
        [sys.executable, DOCS / "options.py", "--check"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), f"stale, and make docs would write: {done.stdout}{done.stderr}"


def test_stale_pages_are_named(tmp_path: Path) -> None:
    shutil.copytree(DOCS, tmp_path / "docs")
    page = tmp_path / "docs" / "commands" / "proto.md"
    page.write_text(
        page.read_text(encoding="utf-8").replace("| `--structure-schema` |", "| `--schema` |"), encoding="utf-8"
    )
    command = [sys.executable, tmp_path / "docs" / "options.py"]
    checked = subprocess.run([*command, "--check"], capture_output=True, text=True, timeout=60, check=False)
    assert (checked.returncode, checked.stdout) == (1, f"{page}\n")
    written = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert written.stdout == f"{page}\n"
    assert page.read_bytes() == (DOCS / "commands" / "proto.md").read_bytes()


def test_every_command_has_a_page_that_the_index_names() -> None:
    assert sorted(path.stem for path in DOCS.glob("commands/*.md")) == sorted(COMMANDS)
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"(commands/{name}.md)" not in index] == []


@pytest.mark.parametrize("page", PAGES, ids=of_root)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = unquote(link).partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), f"{link}: there is no {target}"
        assert not anchor or anchor in anchors(target), f"{link}: there is no such heading"


@pytest.mark.parametrize("page", PAGES, ids=of_root)
def test_the_commands_that_are_shown_parse(page: Path) -> None:
    """Names and values of options; whether a file is there is not asked."""
    group: Any = get_command(build_app())
    for line in "".join(blocks(page, "console")).splitlines():
        if not line.startswith("$ tfkit "):
            continue
        command, words = group, shlex.split(line)[2:]
        while subcommands := getattr(command, "commands", None):
            command, words = subcommands[words[0]], words[1:]
        with command.make_context(line, words):
            pass


def test_every_exit_code_is_explained() -> None:
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    text = (DOCS / "exit-codes.md").read_text(encoding="utf-8")
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == codes


def test_every_public_name_is_described_and_shown() -> None:
    text = (DOCS / "python.md").read_text(encoding="utf-8")
    headings = ", ".join(re.findall(r"^### (.+)$", text, re.MULTILINE)).split(", ")
    table = re.findall(r"^\| `(\w+)`", text.partition("### Errors")[2], re.MULTILINE)
    assert sorted({*headings, *table} - {"Errors"}) == sorted(tfkit.__all__)
    shown = re.findall(r"<!-- signature of (\w+) -->", text)
    assert sorted({*shown, "DType", "Errors"}) == sorted(headings)


@pytest.mark.network
def test_the_examples_of_the_python_page_give_what_they_show(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "sample_models", tmp_path / "sample_models")
    installed_runtime("tensorflow_cpu_1.15")
    (tmp_path / "examples.txt").write_text("\n".join(blocks(DOCS / "python.md", "pycon")), encoding="utf-8")
    code = "import doctest, sys; sys.exit(doctest.testfile('examples.txt', module_relative=False).failed)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout
