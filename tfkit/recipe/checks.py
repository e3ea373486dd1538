"""What is wrong with a recipe that its types do not say, told before anything is done for it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfkit.bundle.make import TF_SERVING
from tfkit.bundle.service import service_values
from tfkit.errors import TfkitError, UsageError
from tfkit.fetching.urls import is_url
from tfkit.inputs.options import parse_inputs
from tfkit.processors.catalogue import INSTALLED, Processor, find_processor, select_processors
from tfkit.serve.settings import is_service_name

if TYPE_CHECKING:
    from tfkit.recipe.reading import BundleTable, Recipe, Value

ONNX = "onnx"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong.

    Attributes:
        keys: Where: the tables and the key.
        text: What is wrong.
        hint: What to do about it.
    """

    keys: tuple[str, ...]
    text: str
    hint: str = ""


def recipe_mistakes(recipe: Recipe, name: str) -> Iterator[Mistake]:
    """What is wrong with a recipe whose types are right.

    Args:
        recipe: The recipe.
        name: What it is called.
    """
    yield from _samples(recipe.samples)
    if recipe.target.format == ONNX:
        yield from _not_for_onnx(recipe)
        return
    if recipe.target.opset is not None:
        yield Mistake(("target", "opset"), "'target.opset' is for 'target.format' onnx")
    processors = list(_processors(("target", "processors"), recipe.target.processors))
    yield from (each for each in processors if isinstance(each, Mistake))
    if recipe.bundle is not None and not any(isinstance(each, Mistake) for each in processors):
        targets = [each.name for each in select_processors(recipe.target.processors) if each.name != INSTALLED]
        yield from _bundle(recipe.bundle, targets, name)


def flat_settings(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested settings by dotted keys.

    >>> flat_settings({"cpu": 4, "rpc": {"keepalive": 1000}})
    {'cpu': 4, 'rpc.keepalive': 1000}
    """
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= flat_settings(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return flat


def input_option(name: str, value: Value, home: Path) -> str:
    """A sample as ``--input`` takes it, its file by its full path.

    >>> input_option("x", [1, 2], Path("/home"))
    'x=[1, 2]'
    >>> input_option("", "@all.npz", Path("/home"))
    '@/home/all.npz'
    """
    text = value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, str) and value.startswith("@"):
        text = f"@{home / value[1:]}"
    return f"{name}={text}" if name else text


def _samples(samples: Mapping[str, Value]) -> Iterator[Mistake]:
    for name, value in samples.items():
        try:
            parse_inputs([input_option(name, value, Path())])
        except TfkitError as error:
            yield Mistake(("samples", name), f"'samples.{name}': {error.message}", error.hint)


def _not_for_onnx(recipe: Recipe) -> Iterator[Mistake]:
    for table, value in (("warm_up", recipe.warm_up), ("bundle", recipe.bundle)):
        if value is not None:
            yield Mistake((table,), f"an ONNX model gets no {table!r}", "Leave the table out, or 'target.format'.")
    if recipe.target.freeze:
        yield Mistake(("target", "freeze"), "'target.freeze' is for SavedModels: an ONNX model has no variables")


def _processors(keys: tuple[str, ...], names: Iterable[str]) -> Iterator[Processor | Mistake]:
    for name in names:
        try:
            yield from select_processors([name])
        except UsageError as error:
            yield Mistake(keys, f"'{'.'.join(keys)}': {error.message}", error.hint)


def _bundle(bundle: BundleTable, targets: list[str], name: str) -> Iterator[Mistake]:
    bundled = targets
    if bundle.processors is not None:
        found = list(_processors(("bundle", "processors"), bundle.processors))
        yield from (each for each in found if isinstance(each, Mistake))
        bundled = [each.name for each in found if isinstance(each, Processor)]
        if strange := [each for each in bundled if each not in targets]:
            lacks = f"'bundle.processors' holds {', '.join(strange)}, which 'target.processors' does not"
            yield Mistake(("bundle", "processors"), lacks)
    service = bundle.name or name
    if not is_service_name(service):
        wrong = f"the service cannot be called {service!r}: expected letters, digits, '_', '-' and '.'"
        yield Mistake(("bundle", "name"), wrong, "'bundle.name' names it.")
    if bundle.base_url and not is_url(bundle.base_url):
        expected = "expected a URL to upload to, oss://BUCKET/PATH"
        yield Mistake(("bundle", "base_url"), f"'bundle.base_url' is {bundle.base_url!r}: {expected}")
    if bundle.layout == TF_SERVING and (bundle.settings or bundle.base_url):
        text = "TensorFlow Serving takes no service JSON: neither 'settings' nor 'base_url'"
        yield Mistake(("bundle", "layout"), text)
    yield from _settings(bundle.settings, on_gpu=all(find_processor(each).device == "gpu" for each in bundled))


def _settings(settings: Mapping[str, Any], *, on_gpu: bool) -> Iterator[Mistake]:
    for key, value in flat_settings(settings).items():
        try:
            service_values({key: value}, on_gpu=on_gpu)
        except UsageError as error:
            yield Mistake(("bundle", "settings", *key.split(".")), f"'bundle.settings': {error.message}", error.hint)
