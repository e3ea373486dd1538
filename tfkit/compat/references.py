"""What a model is compared with, and the cases that it is compared on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tfkit.arrays import Array
from tfkit.compat.drawing import Runner, draw_cases, run_case
from tfkit.compat.recorded import Case, read_recorded
from tfkit.compat.running import Settings
from tfkit.eas.structure import is_predict
from tfkit.errors import InputError, SignatureError, TfkitError, UsageError
from tfkit.graph.domains import input_domains
from tfkit.inputs import InputOption, given_names, given_request, make_inputs
from tfkit.inputs.files import read_set
from tfkit.inputs.samples import SampleMaker
from tfkit.processors.catalogue import INSTALLED
from tfkit.savedmodel.reader import find_signature, read_signatures
from tfkit.savedmodel.signatures import is_composite
from tfkit.tensors import Signature, TensorSpec

_OUTPUTS_HINT = "Give the inputs that they belong to: --input or --warm-up."


@dataclass(frozen=True, slots=True)
class Drawn:
    """Cases that a reference answered.

    Attributes:
        cases: With its outputs.
        skipped: Why it answered none of a signature, by the signature's name.
    """

    cases: tuple[Case, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CaseMaker:
    """Makes cases for a model.

    Attributes:
        model: The SavedModel's folder.
        tags: The metagraph's tags.
        signatures: The signatures to run.
        options: ``--input`` options; what they leave out is random.
        warm_up: Whole requests to run as they are, as options.
        batch_sizes: Rows of each case; by default what ``SampleMaker.batch_sizes`` says.
        seed: Seed of random values.
    """

    model: Path
    tags: tuple[str, ...]
    signatures: tuple[Signature, ...]
    options: tuple[InputOption, ...]
    warm_up: tuple[InputOption, ...]
    batch_sizes: tuple[int, ...]
    seed: int

    @property
    def is_given(self) -> bool:
        """Whether the user gave inputs."""
        return bool(self.options or self.warm_up)

    def draw(self, runner: Runner) -> Drawn:
        """The cases, with what a reference gives for them.

        Raises:
            InputError: The reference fails on the inputs of every signature, or on given ones.
            RuntimeCrashError: Its process ended.
            SignatureError: Given inputs do not fit, or the reference gives what the model does not.
        """
        cases: list[Case] = [run_case(runner, case) for case in self.whole()]
        skipped: dict[str, str] = {}
        failure: InputError | None = None
        for signature in self.signatures if self.options or not self.warm_up else ():
            try:
                cases.extend(self._draw(signature, runner))
            except InputError as error:
                failure = failure or error
                skipped[signature.name] = error.message
        if failure is not None and (self.is_given or not cases):
            raise failure
        for case in cases:
            signature = next(each for each in self.signatures if each.name == case.signature)
            for name in case.outputs:
                signature.output(name)
        return Drawn(tuple(cases), skipped)

    def _draw(self, signature: Signature, runner: Runner) -> tuple[Case, ...]:
        domains = input_domains(self.model, signature, self.tags)
        try:
            maker = SampleMaker(signature, domains, options=self.options, seed=self.seed)
            for size in self.batch_sizes:
                maker.check_rows(size)
        except SignatureError as error:
            raise SignatureError(f"signature {signature.name!r}: {error.message}", hint=error.hint) from None
        return draw_cases(runner, signature, maker, self.batch_sizes or maker.batch_sizes())

    def whole(self) -> Iterator[Case]:
        """The warm-up request as it is."""
        for option in self.warm_up:
            for signature in self.signatures:
                inputs = make_inputs([option], signature, batch_size=None, seed=self.seed)
                yield Case(signature.name, inputs, what="warm-up file")

    def given(self, outputs: Mapping[str, Array]) -> Case:
        """The given inputs as they are, with recorded outputs.

        Raises:
            InputError: No inputs were given, or an output is none of the signature's.
            SignatureError: An input is missing, or does not fit.
        """
        if not self.is_given:
            raise InputError("recorded outputs mean nothing without their inputs", hint=_OUTPUTS_HINT)
        (signature,) = self.signatures
        for name in outputs:
            signature.output(name)
        inputs = make_inputs((*self.warm_up, *self.options), signature, batch_size=None, seed=self.seed)
        return Case(signature.name, inputs, outputs, "given inputs")


def choose_signatures(
    model: Path, tags: Collection[str], name: str | None, options: Sequence[InputOption]
) -> tuple[Signature, ...]:
    """The signatures to run: the one that is named, by the user or by a whole request; those that given inputs are for.

    Of several that have all the inputs, the default one if it is among them. Without given inputs all are run.

    Raises:
        SignatureError: There is no such signature, or none that can be run, or none that has the inputs.
    """
    known = read_signatures(model, tags)
    sample = given_request(options)
    name = name or (sample.signature_name if sample is not None else "")
    if name:
        return (find_signature(known, name),)
    found = tuple(
        signature
        for signature in known.values()
        if is_predict(signature) and not any(map(is_composite, (*signature.inputs, *signature.outputs)))
    )
    if not found:
        raise SignatureError(f"{model} has no signature that takes and gives dense tensors")
    return _those_with(found, given_names(options), find_signature(known)) if options else found


def _those_with(signatures: Sequence[Signature], names: Sequence[str], default: Signature) -> tuple[Signature, ...]:
    """The default signature if it has all the inputs, else those that do."""
    fitting = tuple(each for each in signatures if {spec.name for spec in each.inputs}.issuperset(names))
    if default in fitting:
        return (default,)
    if len(signatures) == 1:
        for name in names:
            signatures[0].input(name)
    if not fitting:
        have = "; ".join(f"{each.name} takes {_names(each.inputs)}" for each in signatures)
        raise SignatureError(f"no signature of the model takes {' and '.join(names)}: {have}")
    return fitting


def check_alike(reference: Mapping[str, Signature], model: Iterable[Signature]) -> None:
    """Checks that a reference has the signatures of a model, with the names of their inputs and outputs.

    Raises:
        SignatureError: One is called otherwise.
    """
    for signature in model:
        other = reference.get(signature.name)
        if other is None:
            raise SignatureError(
                f"the reference has no signature {signature.name!r}: it has {', '.join(sorted(reference)) or 'none'}",
                hint="Name one that both have: --signature NAME.",
            )
        sides = (("takes", other.inputs, signature.inputs), ("gives", other.outputs, signature.outputs))
        for verb, theirs, ours in sides:
            if {spec.name for spec in theirs} != {spec.name for spec in ours}:
                raise SignatureError(
                    f"signature {signature.name!r}: the reference {verb} {_names(theirs)}; "
                    f"the model {verb} {_names(ours)}",
                    hint="Compare it with the model that it was exported from.",
                )


def _names(specs: Iterable[TensorSpec]) -> str:
    return ", ".join(spec.name for spec in specs) or "nothing"


def recorded_cases(source: Path, maker: CaseMaker) -> tuple[Case, ...]:
    """The cases of recorded outputs: a folder of requests and responses, or an npz file with the outputs by name.

    Raises:
        InputError: It is damaged.
        SignatureError: It does not fit the model.
    """
    return read_recorded(source) if source.is_dir() else (maker.given(read_set(source)),)


@contextmanager
def opened(model: Path, processor: str, settings: Settings) -> Iterator[Runner]:
    """Runs a model in a processor's TensorFlow, inside a ``with`` block.

    Raises:
        TensorFlowError: It does not load there.
        MissingError: The processor is not installed.
    """
    with settings.runtime(processor) as runtime:
        loaded = runtime.load(model, settings.tags)
        yield lambda signature, inputs: loaded.predict(inputs, signature=signature)


def first_opened(
    model: Path, processors: Sequence[str], settings: Settings, maker: CaseMaker
) -> tuple[str, Drawn, str]:
    """Draws cases in the first of some processors that runs the model.

    Returns:
        The processor, the cases, and where none runs it, why the last does not.
    """
    reason = ""
    for processor in (INSTALLED, *processors):
        try:
            with opened(model, processor, settings) as runner:
                return processor, maker.draw(runner), ""
        except (InputError, UsageError):
            raise
        except TfkitError as error:
            reason = f"{processor}: {error.message}"
    return "", Drawn(), reason
