"""A SavedModel as a source: what it gives by itself is what its lowered form is compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tfkit import __version__
from tfkit.arrays import Array
from tfkit.eas.structure import is_internal
from tfkit.errors import ModelError, SignatureError
from tfkit.export.names import Port, check_renames
from tfkit.export.report import Source
from tfkit.export.sources.base import Answer, PlainModel, SourceOptions
from tfkit.lower.signatures import ChosenSignature, SignaturePart
from tfkit.runtime import Runtime
from tfkit.savedmodel.checkpoint import check_variables
from tfkit.savedmodel.devices import copy_without_devices, find_other_job
from tfkit.savedmodel.files import find_model_file
from tfkit.savedmodel.reader import MetaGraph, find_metagraph, find_signature, read_metagraphs
from tfkit.tensors import DEFAULT_SIGNATURE, Signature, TensorSpec


@dataclass(frozen=True, slots=True)
class SavedModelSource:
    """A SavedModel, and the signatures of it that are exported.

    Attributes:
        path: Its folder.
        tags: Its tag set.
        signatures: As they will be, by name.
        chosen: What each of them is made of.
    """

    path: Path
    tags: tuple[str, ...]
    signatures: Mapping[str, Signature]
    chosen: tuple[ChosenSignature, ...]

    @classmethod
    def read(cls, path: Path, options: SourceOptions) -> SavedModelSource:
        """Reads the signatures, and finds out which are wanted.

        Raises:
            ModelError: There is no SavedModel, or a damaged one, or none with these tags, or files of it are missing.
            SignatureError: It has no such signature, input or output, or two would be called the same.
            UsageError: An option is given that means nothing for it.
        """
        options.allow("a SavedModel", "tags", "merge")
        metagraph = find_metagraph(read_metagraphs(path), options.tags, path)
        known = {name: each for name, each in metagraph.signatures.items() if not is_internal(name)}
        if not known:
            raise ModelError(f"{path} has no signature: there is nothing to ask it")
        chosen = _choose(known, options)
        signatures = {each.name: _as_one(each, known) for each in chosen}
        folder = find_model_file(path).parent
        check_variables(folder, needed=bool(metagraph.restore_op))
        _check_assets(folder, metagraph)
        return cls(folder, metagraph.tags, signatures, chosen)

    def describe(self) -> Source:
        """What it is, for the report."""
        with find_model_file(self.path).open("rb") as file:
            return Source("SavedModel", self.path.name, hashlib.file_digest(file, "sha256").hexdigest())

    def write(self, folder: Path) -> PlainModel:
        """Itself: there is nothing to write, unless it runs on machines that are not here."""
        path = self.path
        notes: tuple[str, ...] = ()
        if job := find_other_job(self.path):
            path = folder / "here"  # a folder of its own: it is not what the installed TensorFlow would have written
            path.mkdir()
            copy_without_devices(self.path, path)
            notes = (f"its graph names devices of other machines ({job}): it was exported without",)
        renamed = {
            old: new
            for each in self.chosen
            for part in each.parts
            for old, new in (*part.inputs.items(), *part.outputs.items())
        }
        return PlainModel(
            path,
            self.signatures,
            lambda: run_saved_model(path, self.tags, self.chosen),
            self.tags,
            self.chosen,
            renamed={old: new for old, new in renamed.items() if old != new},
            notes=notes,
            versions={"tfkit": __version__},
        )


def _check_assets(folder: Path, metagraph: MetaGraph) -> None:
    for asset in metagraph.assets:
        file = folder / "assets" / asset.filename
        if not file.is_file():
            raise ModelError(
                f"{file} is missing: the graph reads it when it is loaded",
                hint="Copy the whole folder again, assets/ with all its files, or export the model again.",
            )


def _choose(known: Mapping[str, Signature], options: SourceOptions) -> tuple[ChosenSignature, ...]:
    """The signatures that the options ask for: all; one; some as one."""
    if options.merge:
        own = [find_signature(known, name) for name in dict.fromkeys(options.merge)]
        groups = {options.signature or DEFAULT_SIGNATURE: own}
    elif options.signature is not None:
        groups = {options.signature: [find_signature(known, options.signature)]}
    else:
        groups = {name: [each] for name, each in known.items()}
    every = [each for own in groups.values() for each in own]
    check_renames(_ports(every, inputs=True), _ports(every, inputs=False), options.rename)
    return tuple(ChosenSignature(name, _parts(own, options.rename)) for name, own in groups.items())


def _ports(signatures: Sequence[Signature], *, inputs: bool) -> list[Port]:
    """Their inputs or outputs; those of several signatures are told apart by ``SIGNATURE:NAME``."""
    return [
        Port(f"{each.name}:{spec.name}", (spec.name,))
        for each in signatures
        for spec in (each.inputs if inputs else each.outputs)
    ]


def _parts(signatures: Sequence[Signature], renames: Mapping[str, str]) -> tuple[SignaturePart, ...]:
    parts = []
    for each in signatures:
        inputs, outputs = (
            {spec.name: _renamed(f"{each.name}:{spec.name}", spec.name, renames) for spec in specs}
            for specs in (each.inputs, each.outputs)
        )
        for kind, names in (("input", inputs), ("output", outputs)):
            _check_different(kind, list(names.values()), each.name)
        parts.append(SignaturePart(each.name, inputs, outputs))
    taken = [name for part in parts for name in part.outputs.values()]
    _check_different("output", taken, " and ".join(each.name for each in signatures))
    return tuple(parts)


def _renamed(full: str, name: str, renames: Mapping[str, str]) -> str:
    return renames.get(full, renames.get(name, name))


def _check_different(kind: str, names: list[str], where: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise SignatureError(
                f"two {kind}s of {where} would be called {name!r}",
                hint=f"Give one of them another name: --rename SIGNATURE:{name}=NEW.",
            )


def _as_one(chosen: ChosenSignature, known: Mapping[str, Signature]) -> Signature:
    inputs: dict[str, TensorSpec] = {}
    outputs: dict[str, TensorSpec] = {}
    for part in chosen.parts:
        own = known[part.signature]
        for spec in own.inputs:
            new = replace(spec, name=part.inputs[spec.name])
            before = inputs.get(new.name, new)
            if not _are_one(before, new):
                raise SignatureError(
                    f"input {new.name!r} is {new} in signature {part.signature!r}, and {before} in another: "
                    "they cannot be one",
                    hint=f"Give one of them another name: --rename {part.signature}:{spec.name}=NEW.",
                )
            inputs[new.name] = new if before.shape is None else before
        outputs |= {new: replace(own.output(old), name=new) for old, new in part.outputs.items()}
    method = known[chosen.parts[-1].signature].method
    return Signature(chosen.name, _by_name(inputs), _by_name(outputs), method)


def _are_one(first: TensorSpec, second: TensorSpec) -> bool:
    """Whether one value can be fed to both inputs; a shape of unknown rank goes with any."""
    same_shape = first.shape == second.shape or None in (first.shape, second.shape)
    return first.dtype is second.dtype and same_shape


def _by_name(specs: Mapping[str, TensorSpec]) -> tuple[TensorSpec, ...]:
    return tuple(specs[name] for name in sorted(specs))


@contextmanager
def run_saved_model(path: Path, tags: Collection[str], chosen: Sequence[ChosenSignature] = ()) -> Iterator[Answer]:
    """Answers with what a SavedModel gives in the installed TensorFlow.

    Args:
        path: The SavedModel's folder.
        tags: Its tag set.
        chosen: What the signatures that are asked for are made of, where they are not the model's own.
    """
    made_of = {each.name: each.parts for each in chosen}
    with Runtime(device="cpu") as runtime:
        model = runtime.load(path, tuple(tags))

        def answer(name: str, inputs: dict[str, Array]) -> dict[str, Array]:
            outputs: dict[str, Array] = {}
            for part in made_of.get(name, (SignaturePart(name),)):
                given = {old: inputs[new] for old, new in part.inputs.items()} if part.inputs else inputs
                found = model.predict(given, signature=part.signature)
                outputs |= {part.outputs.get(old, old): array for old, array in found.items()}
            return outputs

        yield answer
