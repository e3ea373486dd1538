"""Brings what the docs say of options and signatures up to date with the code: ``python docs/options.py``.

Each page of ``docs/commands`` is written by hand but for what stands between its two markers, which is what
``tfkit COMMAND --help`` says, and for the keys of recipes in ``run.md``; ``docs/python.md`` but for its signatures.
With ``--check`` nothing is written, the pages that are stale are named, and the exit code is 1 if there are any.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from typer.main import get_command

import tfkit
from tfkit.cli.app import COMMANDS, build_app
from tfkit.recipe.reading import recipe_schema
from tfkit.recipe.tables import TABLES

DOCS = Path(__file__).parent
FOLDER = DOCS / "commands"
PYTHON_PAGE = DOCS / "python.md"
BEGIN, END = "<!-- options: written by docs/options.py -->", "<!-- end of options -->"
KEYS = re.compile(r"<!-- keys of (\w+) -->.*?<!-- end of keys -->", re.DOTALL)
SIGNATURE = re.compile(r"<!-- signature of (\w+) -->.*?<!-- end of signature -->", re.DOTALL)
_LINE = 110


def pages() -> Iterator[tuple[Path, str]]:
    """Every page that holds something of the code's, as it should be."""
    for name in COMMANDS:
        yield FOLDER / f"{name}.md", page_of(name)
    text = PYTHON_PAGE.read_text(encoding="utf-8")
    yield PYTHON_PAGE, SIGNATURE.sub(lambda found: _signature_block(found[1]), text)


def page_of(name: str) -> str:
    """A command's page: its own text, and the options of today."""
    path = FOLDER / f"{name}.md"
    text = path.read_text(encoding="utf-8") if path.exists() else f"# tfkit {name}\n\n{BEGIN}\n{END}\n"
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{path} has no place for the options: expected the lines\n{BEGIN}\n{END}")
    after = KEYS.sub(lambda found: _keys_block(found[1]), after)
    return f"{before}{BEGIN}\n{options_of(name)}{END}{after}"


def options_of(name: str) -> str:
    """What ``--help`` says, as Markdown."""
    group: Any = get_command(build_app())
    return "\n".join(_command(f"tfkit {name}", group.commands[name]))


def _command(called: str, command: Any) -> Iterator[str]:
    subcommands = getattr(command, "commands", None)
    if subcommands is not None:
        yield f"\n{_paragraphs(command.help)}\n"
        for name, each in subcommands.items():
            yield f"## {called} {name}"
            yield from _command(f"{called} {name}", each)
        return
    parameters = [each for each in command.params if not getattr(each, "hidden", False)]
    arguments = [each for each in parameters if each.param_type_name == "argument"]
    words = [_word(each) for each in arguments]
    yield f"\n    {' '.join((called, *words, '[OPTIONS]'))}\n"
    yield f"{_paragraphs(command.help)}\n"
    yield "| | |\n|---|---|"
    for each in parameters:
        yield f"| {_names(each)} | {_cell(each.help or '')}{_bounds(each)}{_default(each)} |"
    yield ""


def _word(argument: Any) -> str:
    word = (argument.metavar or argument.name).strip("[]{}").upper().removesuffix("...")
    word = f"{word}..." if argument.nargs == -1 else word
    return word if argument.required else f"[{word}]"


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{_word(parameter)}`"
    names = ", ".join(f"`{name}`" for name in parameter.opts)
    if parameter.secondary_opts:
        names += " / " + ", ".join(f"`{name}`" for name in parameter.secondary_opts)
    return names if parameter.is_flag else f"{names} `{parameter.metavar or _kind(parameter)}`"


def _kind(parameter: Any) -> str:
    """What an option takes, for one that does not say."""
    annotation = str(parameter.type_descriptor.annotation)
    return next((kind for kind in ("int", "float", "Path") if kind in annotation), "text").upper()


def _bounds(parameter: Any) -> str:
    """The bounds of a number that do not go without saying."""
    low, high = getattr(parameter, "min", None), getattr(parameter, "max", None)
    least = f" At least {low}." if low not in (None, 0, 1) else ""
    return f"{least} At most {high}." if high is not None else least


def _default(parameter: Any) -> str:
    if parameter.required:
        return " Required."
    shown = getattr(parameter, "show_default", False)
    value = shown if isinstance(shown, str) else parameter.default if shown else None
    return f" Default: {_cell(str(value))}." if value not in (None, False, "", (), []) and not callable(value) else ""


def _paragraphs(text: str | None) -> str:
    paragraphs = (" ".join(each.split()) for each in (text or "").split("\n\n"))
    return "\n\n".join(f"    {each}" if each.startswith("tfkit ") else each for each in paragraphs)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _keys_block(name: str) -> str:
    return f"<!-- keys of {name} -->\n\n" + "\n".join(keys_of(name)) + "\n\n<!-- end of keys -->"


def keys_of(name: str) -> Iterator[str]:
    """What a table of a recipe may say, as Markdown: ``recipe`` for what stands above them all."""
    table = TABLES["" if name == "recipe" else name]
    schema = recipe_schema()
    types = schema["properties"] if name == "recipe" else schema["$defs"][table.__name__]["properties"]
    meanings = _attributes(inspect.getdoc(table) or "")
    yield "| key | type | default | |\n|---|---|---|---|"
    for each in fields(table):
        if name != "recipe" or each.name not in TABLES:
            cells = (f"`{each.name}`", _type(types[each.name]), _default_of(each), meanings[each.name])
            yield f"| {' | '.join(map(_cell, cells))} |"


def _attributes(text: str) -> dict[str, str]:
    """What a docstring says of each attribute."""
    found = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", text.partition("Attributes:")[2], re.MULTILINE)
    return {name: meaning.replace("``", "`") for name, meaning in found}


def _type(schema: dict[str, Any]) -> str:
    """What a key takes, in words."""
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(each)}`" for each in schema["enum"])
    if "anyOf" in schema:
        choices = [each for each in schema["anyOf"] if each.get("type") != "null"]
        return _type(choices[0]) if len(choices) == 1 else "value"
    if schema["type"] == "array":
        return f"list of {_plural(_type(schema['items']))}"
    if schema["type"] == "object":
        held = schema.get("additionalProperties")
        return f"table of {_plural(_type(held))}" if isinstance(held, dict) else "table"
    return {"string": "text", "boolean": "bool", "integer": "whole number", "number": "number"}[schema["type"]]


def _plural(kind: str) -> str:
    return re.sub(r"^(list|whole number|number|text|value|table)", r"\1s", kind)


def _default_of(key: Field[Any]) -> str:
    """What is meant where a key is left out; nothing where the meaning says it."""
    value = key.default if key.default_factory is MISSING else key.default_factory()
    if value is MISSING:
        return "required"
    return f"`{json.dumps(value)}`" if value not in (None, "", [], {}) else ""


def _signature_block(name: str) -> str:
    lines = "\n".join(f"    {line}" for line in signature_of(name))
    return f"<!-- signature of {name} -->\n\n{lines}\n\n<!-- end of signature -->"


def signature_of(name: str) -> list[str]:
    """How a public function or class is called, on one line or with a line for each argument."""
    signature = inspect.signature(getattr(tfkit, name))
    parameters = list(_parameters(signature))
    result = "" if inspect.isclass(getattr(tfkit, name)) else f" -> {signature.return_annotation}"
    whole = f"{name}({', '.join(parameters)}){result}"
    return [whole] if len(whole) <= _LINE else [f"{name}(", *(f"    {each}," for each in parameters), f"){result}"]


def _parameters(signature: inspect.Signature) -> Iterator[str]:
    starred = False
    for each in signature.parameters.values():
        starred = starred or each.kind is each.VAR_POSITIONAL
        if each.kind is each.KEYWORD_ONLY and not starred:
            yield "*"
            starred = True
        stars = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
        default = "" if each.default is each.empty else f" = {_value(each.default)}"
        yield f"{stars}{each.name}: {each.annotation}{default}"


def _value(default: object) -> str:
    return "..." if callable(default) else f'"{default}"' if isinstance(default, str) else repr(default)


def main() -> None:
    """Writes every page, or with ``--check`` only looks; prints those that are not as they should be."""
    if sys.argv[1:] not in ([], ["--check"]):
        raise SystemExit(f"expected nothing or --check, got {' '.join(sys.argv[1:])}")
    stale = [(path, text) for path, text in pages() if not path.exists() or path.read_text(encoding="utf-8") != text]
    sys.stdout.writelines(f"{path}\n" for path, _ in stale)
    if sys.argv[1:]:
        sys.exit(bool(stale))
    FOLDER.mkdir(exist_ok=True)
    for path, text in stale:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
