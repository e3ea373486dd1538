"""Advice that names options of commands, in the words of recipes: ``fixed``, where a command has ``--set``."""

from __future__ import annotations

import json
import re

# What an option of a command is called in a recipe. --output, --force and --install are options of ``tfkit run`` too.
KEYS = {
    "--allow-code": "source.allow_code = true",
    "--atol": "verify.atol",
    "--base-url": "bundle.base_url",
    "--batch-size": "warm_up.batch_sizes",
    "--custom-objects": "source.custom_objects",
    "--fetch": "warm_up.fetch",
    "--format": "target.format",
    "--freeze": "target.freeze",
    "--input": "samples",
    "--input-shape": "source.input_shapes",
    "--input-tensor": "source.input_tensors",
    "--merge": "source.merge",
    "--model": "source.architecture",
    "--name": "bundle.name",
    "--no-verify": "verify.run = false",
    "--opset": "target.opset",
    "--output-tensor": "source.output_tensors",
    "--processor": "target.processors",
    "--rename": "source.rename",
    "--rtol": "verify.rtol",
    "--seed": "verify.seed",
    "--set": "source.fixed",
    "--signature": "source.signature",
    "--tags": "source.tags",
}
# Those that take NAME=VALUE, and have a table in a recipe.
_PAIRS = ("--input", "--input-tensor", "--output-tensor", "--rename", "--set")
# A whole command, to the end of its sentence, is to be run as it is; else an option, what may be its value, and whether
# another option follows.
_COMMAND_OR_OPTION = re.compile(
    r"tfkit [a-z]+(?:-[a-z]+)*\b.*?(?=[;,.](?:\s|$)|$)"
    r"|(?<![\w-])(?P<option>--[a-z]+(?:-[a-z]+)*)(?: (?P<value>(?!-)[^\s,;)']*[\w/\"\]}]))?(?P<more> (?=--[a-z]))?",
    re.MULTILINE,
)
_PAIR = re.compile(r"(?P<name>[^\s=]+)=(?P<value>.+)")
_NO_TEXT = re.compile(r"true|false|-?\d+(?:\.\d+)?")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def in_recipe_words(text: str) -> str:
    """A message of a command with its options as a recipe has them; whole commands stay as they are.

    >>> in_recipe_words("Name it: --output-tensor scores=probabilities:0, or fix it: --set is_training=false")
    'Name it: source.output_tensors.scores = "probabilities:0", or fix it: source.fixed.is_training = false'
    >>> in_recipe_words("Run: tfkit export m --set a=1; or --no-verify, which is recorded.")
    'Run: tfkit export m --set a=1; or verify.run = false, which is recorded.'
    """
    return _COMMAND_OR_OPTION.sub(_word, text)


def _word(found: re.Match[str]) -> str:
    option, value = found["option"], found["value"] or ""
    key = KEYS.get(option)
    if key is None:
        return found[0]
    more = found["more"] or ""
    pair = _PAIR.fullmatch(value) if option in _PAIRS else None
    if pair is not None:
        name = pair["name"] if _BARE.fullmatch(pair["name"]) else json.dumps(pair["name"])
        return f"{key}.{name} = {_toml_value(pair['value'], is_text=option != '--set')}{more and ', '}"
    if option == "--model" and value:
        return f"{key} = {json.dumps(value)}{more}"
    return f"{key} {value}{more}" if value else f"{key}{more}"


def _toml_value(text: str, *, is_text: bool) -> str:
    """What a command takes as it is, as TOML has it: ``false`` and numbers are the same there, if they are meant."""
    return text if not is_text and _NO_TEXT.fullmatch(text) else json.dumps(text)
