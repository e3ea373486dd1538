"""What a model is compared with, and the cases that it is compared on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tfkit.arrays import Array
from tfkit.compat.drawing import Runner, draw_cases, run_case
from tfkit.compat.recorded import Case, read_recorded
from tfkit.compat.running import Settings
from tfkit.eas.structure import is_predict
from tfkit.errors import InputError, SignatureError, TfkitError, UsageError
from tfkit.graph.domains import input_domains
from tfkit.inputs import InputOption, given_request, make_inputs
from tfkit.inputs.files import read_set
from tfkit.inputs.samples import SampleMaker
from tfkit.processors.catalogue import INSTALLED
from tfkit.savedmodel.reader import find_signature, read_signatures
from tfkit.savedmodel.signatures import is_composite
from tfkit.tensors import Signature

_OUTPUTS_HINT = "Give the inputs that they belong to: --input or --warm-up."


@dataclass(frozen=True, slots=True)
class CaseMaker:
    """Makes cases for a model.

    Attributes:
        model: The SavedModel's folder.
        tags: The metagraph's tags.
        signatures: The signatures to run.
        options: ``--input`` options; what they leave out is random.
        warm_up: Whole requests to run as they are, as options.
        batch_sizes: Rows of each case.
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

    def draw(self, runner: Runner) -> tuple[Case, ...]:
        """The cases, with what a reference gives for them.

        Raises:
            InputError: The reference fails on them.
            RuntimeCrashError: Its process ended.
            SignatureError: Given inputs do not fit.
        """
        cases: list[Case] = [run_case(runner, case) for case in self.whole()]
        if self.options or not self.warm_up:
            for signature in self.signatures:
                domains = input_domains(self.model, signature, self.tags)
                maker = SampleMaker(signature, domains, options=self.options, seed=self.seed)
                cases.extend(draw_cases(runner, signature, maker, self.batch_sizes))
        return tuple(cases)

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
    """The signatures to run: the one that is named, by the user or by a whole request; all without given inputs.

    Raises:
        SignatureError: There is no such signature, or none that can be run.
    """
    known = read_signatures(model, tags)
    sample = given_request(options)
    name = name or (sample.signature_name if sample is not None else "")
    if name or options:
        return (find_signature(known, name),)
    found = tuple(
        signature
        for signature in known.values()
        if is_predict(signature) and not any(map(is_composite, (*signature.inputs, *signature.outputs)))
    )
    if not found:
        raise SignatureError(f"{model} has no signature that takes and gives dense tensors")
    return found


def recorded_cases(source: Path, maker: CaseMaker) -> tuple[Case, ...]:
    """The cases of recorded outputs: a folder of requests and responses, or an npz file with the outputs by name.

    Raises:
        InputError: There is nothing of the kind, or it is damaged.
        SignatureError: It does not fit the model.
    """
    if source.is_dir():
        found = read_recorded(source)
        if not found:
            raise InputError(
                f"{source} holds neither a SavedModel nor recorded runs (1.request.bin and 1.response.bin)"
            )
        return found
    if source.suffix != ".npz":
        raise InputError(f"{source} is no reference: expected a SavedModel, a folder of recorded runs, or an .npz file")
    return (maker.given(read_set(source)),)


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
) -> tuple[str, tuple[Case, ...], str]:
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
    return "", (), reason
