"""What is wrong with a recipe that its types do not say, told before anything is done for it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit.bundle.make import EAS, TF_SERVING
from tfkit.bundle.service import service_values
from tfkit.errors import TfkitError, UsageError
from tfkit.fetching.urls import is_url
from tfkit.inputs.options import FORMS, TEXT_HINT, FileSource, parse_inputs
from tfkit.processors.catalogue import INSTALLED, Processor, find_processor, select_processors
from tfkit.recipe.record import files_of, is_there
from tfkit.recipe.tables import BundleTable, Recipe, SourceTable, Value
from tfkit.recipe.words import with_recipe_forms
from tfkit.serve.settings import is_service_name

ONNX = "onnx"
WHOLE_SET = 'A whole set of inputs has an empty name: "" = "@FILE".'
# What is said of ``--input`` options, as a recipe writes them.
_SAMPLE_WORDS = {
    FORMS: '"@FILE" (npy, npz, json, csv, jsonl, txt, ...), "random", "random:LO:HI", "zeros", or a value; '
    'the name "" is for a file that is a whole set',
    TEXT_HINT: 'Text is given in a list: ["hello"].',
    "mean random?": 'mean "random"?',
    "mean zeros?": 'mean "zeros"?',
}

Keys = tuple[str, ...]
_PROCESSORS: tuple[Keys, Keys] = (("target", "processors"), ("bundle", "processors"))


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong.

    Attributes:
        keys: Where: the tables and the key.
        text: What is wrong.
        hint: What to do about it.
        because: Other keys that make it wrong; where one of them is a mistake itself, this may be none.
    """

    keys: Keys
    text: str
    hint: str = ""
    because: tuple[Keys, ...] = ()

    def stands(self, wrong: Collection[Keys]) -> bool:
        """Whether it is one, given the keys whose values are not known, as they are wrong themselves."""
        return not any(keys[: len(each)] == each for keys in (self.keys, *self.because) for each in wrong)


def recipe_mistakes(recipe: Recipe, name: str, home: Path) -> Iterator[Mistake]:
    """What is wrong with a recipe whose types are right.

    Args:
        recipe: The recipe.
        name: What it is called.
        home: The folder that its paths are relative to.
    """
    yield from _samples(recipe.samples, home)
    yield from _missing_files(recipe, home)
    if recipe.target.format == ONNX:
        yield from _not_for_onnx(recipe)
        return
    if recipe.target.opset is not None:
        text = "'target.opset' is for 'target.format' onnx"
        yield Mistake(("target", "opset"), text, because=(("target", "format"),))
    processors = list(_processors(("target", "processors"), recipe.target.processors))
    yield from (each for each in processors if isinstance(each, Mistake))
    if recipe.bundle is not None:
        known = [each.name for each in processors if isinstance(each, Processor)]
        yield from _bundle(recipe.bundle, known, name, complete=len(known) == len(processors))
        yield from _one_warm_up(recipe, recipe.bundle)


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
        text = f"@{path_in(home, value[1:])}"
    return f"{name}={text}" if name else text


def path_in(home: Path, name: str) -> Path:
    """A path that a recipe names, from its folder, without the ``..`` at its beginning.

    Those further on stay, as they may follow a link; ``home`` is free of links.

    >>> path_in(Path("/home/recipes"), "../models/m.keras").as_posix()
    '/home/models/m.keras'
    """
    path = Path(name)
    while path.parts[:1] == ("..",):
        home, path = home.parent, path.relative_to("..")
    return home / path


def architecture_file(source: SourceTable, home: Path) -> tuple[Path, str]:
    """The file of ``source.architecture``, and what follows its name: a colon and what is meant in it, or nothing."""
    file, colon, name = source.architecture.partition(":")
    return path_in(home, file), f"{colon}{name}"


def _samples(samples: Mapping[str, Value], home: Path) -> Iterator[Mistake]:
    for name, value in samples.items():
        keys, called = ("samples", name), f"'samples.{name}'" if name else "'samples.\"\"'"
        if not name and not (isinstance(value, str) and value.startswith("@")):
            yield Mistake(keys, f"{called} is {value!r}: expected a file with a whole set of inputs", WHOLE_SET)
            continue
        text = input_option(name, value, home)
        try:
            (option,) = parse_inputs([text])
        except TfkitError as error:
            problem = error.message.removeprefix(f"input option {text!r} ")
            yield Mistake(keys, f"{called} is {value!r}, which {_sample_words(problem)}", _sample_words(error.hint))
            continue
        if isinstance(option.source, FileSource) and not is_there(option.source.path):
            yield _missing(keys, called, option.source.path)


def _sample_words(text: str) -> str:
    for option, words in _SAMPLE_WORDS.items():
        text = text.replace(option, words)
    return text


def _missing_files(recipe: Recipe, home: Path) -> Iterator[Mistake]:
    source = recipe.source
    files = {("source", "model"): files_of(path_in(home, source.model))[0]}
    if source.architecture:
        files["source", "architecture"] = architecture_file(source, home)[0]
    if source.custom_objects is not None:
        files["source", "custom_objects"] = path_in(home, source.custom_objects)
    if recipe.warm_up is not None and recipe.warm_up.requests is not None:
        files["warm_up", "requests"] = path_in(home, recipe.warm_up.requests)
    for keys, path in files.items():
        if not is_there(path):
            yield _missing(keys, repr(".".join(keys)), path)


def _missing(keys: Keys, called: str, path: Path) -> Mistake:
    return Mistake(keys, f"{called} is {path}, which does not exist", "Paths are relative to the recipe.")


def _not_for_onnx(recipe: Recipe) -> Iterator[Mistake]:
    for table, value in (("warm_up", recipe.warm_up), ("bundle", recipe.bundle)):
        if value is not None:
            yield Mistake((table,), f"an ONNX model gets no {table!r}", "Leave the table out, or 'target.format'.")
    if recipe.target.freeze:
        yield Mistake(("target", "freeze"), "'target.freeze' is for SavedModels: an ONNX model has no variables")


def _processors(keys: Keys, names: Iterable[str]) -> Iterator[Processor | Mistake]:
    for name in names:
        try:
            yield from select_processors([name])
        except UsageError as error:
            yield Mistake(keys, f"'{'.'.join(keys)}': {error.message}", error.hint)


def _bundle(bundle: BundleTable, targets: list[str], name: str, *, complete: bool) -> Iterator[Mistake]:
    """What is wrong in ``[bundle]`` alone.

    Args:
        bundle: The table.
        targets: The target's processors.
        name: What the recipe is called.
        complete: Whether those are all, none of them a mistake.
    """
    targets_key, processors_key = _PROCESSORS
    bundled = [each for each in targets if each != INSTALLED]
    if bundle.processors is not None:
        found = list(_processors(processors_key, bundle.processors))
        yield from (each for each in found if isinstance(each, Mistake))
        names = [each.name for each in found if isinstance(each, Processor)]
        if complete and (strange := [each for each in names if each not in bundled]):
            lacks = f"'bundle.processors' holds {', '.join(strange)}, which 'target.processors' does not"
            yield Mistake(processors_key, lacks, because=(targets_key,))
        complete, bundled = len(names) == len(found), names
    service = bundle.name or name
    if not is_service_name(service):
        wrong = f"the service cannot be called {service!r}: expected letters, digits, '_', '-' and '.'"
        yield Mistake(("bundle", "name"), wrong, "'bundle.name' names it.", because=(("name",),))
    if bundle.base_url and not is_url(bundle.base_url):
        expected = "expected a URL to upload to, oss://BUCKET/PATH"
        yield Mistake(("bundle", "base_url"), f"'bundle.base_url' is {bundle.base_url!r}: {expected}")
    if bundle.layout == TF_SERVING and (bundle.settings or bundle.base_url):
        text = "TensorFlow Serving takes no service JSON: neither 'settings' nor 'base_url'"
        yield Mistake(("bundle", "layout"), text)
    # Where it is not clear which processors there are, a GPU may be for one of them.
    on_gpu = not complete or all(find_processor(each).device == "gpu" for each in bundled)
    yield from _settings(bundle.settings, on_gpu=on_gpu)


def _settings(settings: Mapping[str, Any], *, on_gpu: bool) -> Iterator[Mistake]:
    """What is wrong with each of a bundle's settings, by itself or beside those before it that are right."""
    right: dict[str, Any] = {}
    for key, value in flat_settings(settings).items():
        try:
            service_values(right | {key: value}, on_gpu=on_gpu)
        except UsageError as error:
            keys = ("bundle", "settings", *key.split("."))
            yield Mistake(
                keys, f"'bundle.settings': {error.message}", with_recipe_forms(error.hint), because=_PROCESSORS
            )
        else:
            right[key] = value


def _one_warm_up(recipe: Recipe, bundle: BundleTable) -> Iterator[Mistake]:
    """Refuses several warm-up files for EAS, whose service JSON names one."""
    sizes = recipe.warm_up.batch_sizes if recipe.warm_up is not None else []
    if bundle.layout == EAS and len(sizes) > 1:
        yield Mistake(
            ("warm_up", "batch_sizes"),
            f"'warm_up.batch_sizes' is {sizes}: a bundle of layout \"{EAS}\" holds one warm-up file",
            f'Give one batch size, the one that clients send most, or layout = "{TF_SERVING}" in [bundle].',
            because=(("bundle", "layout"),),
        )
