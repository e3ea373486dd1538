"""What a recipe has for the options that the advice of a command names."""

from __future__ import annotations

import re

# How a recipe says what an option says: the table, a dot, and what stands in it.
FORMS = {
    "--allow-code": "source.allow_code = true",
    "--atol": "verify.atol = NUMBER",
    "--base-url": 'bundle.base_url = "URL"',
    "--batch-size": "warm_up.batch_sizes = [SIZE, ...]",
    "--custom-objects": 'source.custom_objects = "FILE.py"',
    "--fetch": 'warm_up.fetch = ["OUTPUT", ...]',
    "--format": 'target.format = "FORMAT"',
    "--freeze": "target.freeze = true",
    "--input": 'samples.NAME = "@FILE", "random" or VALUES',
    "--input-shape": "source.input_shapes.NAME = [SIZE, ...], -1 for a size that stays open",
    "--input-tensor": 'source.input_tensors.NAME = "TENSOR:0"',
    "--merge": 'source.merge = ["SIGNATURE", ...]',
    "--model": 'source.architecture = "FILE.py:NAME"',
    "--name": 'bundle.name = "NAME"',
    "--no-verify": "verify.run = false",
    "--opset": "target.opset = NUMBER",
    "--output-tensor": 'source.output_tensors.NAME = "TENSOR:0"',
    "--processor": 'target.processors = ["PROCESSOR", ...]',
    "--rename": 'source.rename.OLD = "NEW"',
    "--rtol": "verify.rtol = NUMBER",
    "--seed": "verify.seed = NUMBER",
    "--set": "source.fixed.NAME = VALUE",
    "--signature": 'source.signature = "NAME"',
    "--tags": 'source.tags = ["TAG", ...]',
}
# Those that `tfkit run` has, too.
SAME = ("--force", "--install", "--json", "--output")
_OPTION = re.compile(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*")


def with_recipe_forms(text: str) -> str:
    """A message of a command, and how a recipe says what the options in it say.

    >>> print(with_recipe_forms("Fix it: --set is_training=false, or export with --no-verify."))
    Fix it: --set is_training=false, or export with --no-verify.
    In a recipe's [source], --set is: fixed.NAME = VALUE
    In a recipe's [verify], --no-verify is: run = false
    """
    named = [each for each in dict.fromkeys(_OPTION.findall(text)) if each in FORMS]
    forms = ((each, *FORMS[each].split(".", 1)) for each in named)
    return "\n".join((text, *(f"In a recipe's [{table}], {each} is: {form}" for each, table, form in forms)))
