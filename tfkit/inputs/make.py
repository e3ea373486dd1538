"""From input options to the arrays that a signature takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfkit.arrays import Array, dtype_of
from tfkit.eas.messages import PredictRequest
from tfkit.errors import SignatureError, UsageError
from tfkit.graph.values import Domain
from tfkit.inputs import files, generate
from tfkit.inputs.convert import fit_rows, from_array, from_json
from tfkit.inputs.options import FileSource, InputOption, LiteralSource, RandomSource, ZerosSource
from tfkit.tensors import DType, Signature, TensorSpec

_PLAIN = (list, tuple, str, bytes, int, float, complex)


@dataclass(frozen=True, slots=True)
class _Given:
    """What was given for one input: an option of its own, or a value out of a whole set."""

    option: InputOption
    value: Any = None

    @property
    def made_up(self) -> bool:
        return isinstance(self.option.source, RandomSource | ZerosSource)

    def load(self, name: str) -> Any:
        """The values: an array, or nested lists."""
        source = self.option.source
        if not self.option.name:
            return self.value
        if isinstance(source, FileSource):
            return files.read_value(source.path, source.key, name)
        return source.value if isinstance(source, LiteralSource) else None


def make_inputs(
    options: Sequence[InputOption],
    signature: Signature,
    *,
    batch_size: int | None = 1,
    seed: int = 0,
    domains: Mapping[str, Domain] | None = None,
    unknown_dim: int = 1,
) -> dict[str, Array]:
    """Makes the arrays of a request from input options.

    Args:
        options: What ``parse_inputs`` read; an option for one input overrides a whole set that holds it too.
        signature: What the model takes; every input needs a value.
        batch_size: Rows of every input whose leading dimension is unknown: of a file's samples the first ones.
            ``None`` keeps all rows that are given, and makes up as many. Where not even the rank is known, literals
            and whole requests keep theirs.
        seed: Seed of random values.
        domains: What values an input may take, as ``input_domains`` reads off the graph; bounds random values.
        unknown_dim: The size of every other unknown dimension of values that are made up.

    Returns:
        An array for each input, in the signature's order, of exactly its dtype and of a shape that fits.

    Raises:
        SignatureError: An input is missing, unknown or given twice, or values do not fit it.
        InputError: A file cannot be read.

    >>> from tfkit.inputs import make_inputs, parse_inputs
    >>> from tfkit.tensors import DType, Signature, TensorSpec
    >>> signature = Signature("s", (TensorSpec("x", DType.FLOAT, (None, 2)),), ())
    >>> make_inputs(parse_inputs(["x=[1, 2]"]), signature)["x"].tolist()
    [[1.0, 2.0]]
    """
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"batch size {batch_size} is not possible: expected 1 or more")
    if seed < 0:
        raise UsageError(f"seed {seed} is not possible: expected 0 or more")
    given = _by_name(options, signature)
    missing = [spec for spec in signature.inputs if spec.name not in given]
    if missing:
        raise SignatureError(
            f"signature {signature.name!r} needs input {missing[0].name!r}, {missing[0]}: nothing was given for it",
            hint=f"Give {missing[0].name}=@FILE.npy, {missing[0].name}=random or {missing[0].name}=JSON.",
        )
    arrays = {
        spec.name: _convert(given[spec.name], spec, batch_size)
        for spec in signature.inputs
        if not given[spec.name].made_up
    }
    rows = batch_size or _rows(arrays, signature)
    for spec in signature.inputs:
        if spec.name not in arrays:
            arrays[spec.name] = _make_up(
                given[spec.name].option,
                spec,
                rows=rows,
                unknown_dim=unknown_dim,
                seed=seed,
                domain=(domains or {}).get(spec.name),
            )
    return {spec.name: arrays[spec.name] for spec in signature.inputs}


def options_from(values: Mapping[str, Any]) -> tuple[InputOption, ...]:
    """Options that give values by name: arrays, anything that numpy makes one of, or nested lists as in JSON."""
    return tuple(
        InputOption(name, LiteralSource(value if isinstance(value, _PLAIN) else np.asarray(value)), text=name)
        for name, value in values.items()
    )


def random_for_missing(options: Sequence[InputOption], signature: Signature) -> tuple[InputOption, ...]:
    """A ``random`` option for every input of the signature that the options leave out.

    Raises:
        SignatureError: An option names no input of the signature, or one twice.
        InputError: The file of a whole set cannot be read.
    """
    given = _by_name(options, signature)
    return tuple(
        InputOption(spec.name, RandomSource(), text=f"{spec.name}=random")
        for spec in signature.inputs
        if spec.name not in given
    )


def given_rows(options: Sequence[InputOption], signature: Signature) -> int | None:
    """The rows of literals and whole PredictRequests, which are meant as they are; ``None`` where there are none.

    Files of samples do not count: of them a batch takes the first rows.
    """
    given = _by_name(options, signature)
    exact = {
        spec.name: _convert(given[spec.name], spec, None)
        for spec in signature.inputs
        if spec.name in given and _is_exact(given[spec.name].option)
    }
    return _rows(exact, signature) if _batched(exact, signature) else None


def given_request(options: Sequence[InputOption]) -> PredictRequest | None:
    """The PredictRequest among the options, for the signature and the outputs that it names.

    Raises:
        UsageError: There are two.
    """
    requests = [
        option.source.path
        for option in options
        if not option.name and isinstance(option.source, FileSource) and files.holds_request(option.source.path)
    ]
    if len(requests) > 1:
        raise UsageError(f"{requests[0]} and {requests[1]} are both whole PredictRequests: give one")
    return files.read_request(requests[0]) if requests else None


def signature_of(options: Sequence[InputOption], name: str = "") -> Signature:
    """The signature that options imply by themselves, for a service that does not say what it takes.

    Dtypes are those fixed by ``NAME:DTYPE``, else those of arrays; JSON gives float32 for numbers with a fraction,
    int32 for whole numbers, bool and string.

    Raises:
        SignatureError: An input is given twice, or is to be made up: that needs a signature.
    """
    specs = []
    for key, given in sorted(_collect(options, lambda _: None).items()):
        if given.made_up:
            raise SignatureError(
                f"input {key!r} cannot be made up: what it takes is not known", hint=f"Give values: {key}=@FILE.npy"
            )
        specs.append(TensorSpec(key, given.option.dtype or _implied_dtype(given.load(key)), None))
    return Signature(name, tuple(specs), ())


def _is_exact(option: InputOption) -> bool:
    source = option.source
    if isinstance(source, FileSource):
        return not option.name and files.holds_request(source.path)
    return isinstance(source, LiteralSource)


def _by_name(options: Sequence[InputOption], signature: Signature) -> dict[str, _Given]:
    return _collect(options, signature.input)


def _collect(options: Sequence[InputOption], check: Callable[[str], object]) -> dict[str, _Given]:
    """What is given for each input; ``check`` refuses names that are none."""
    sets: dict[str, _Given] = {}
    single: dict[str, _Given] = {}
    for option in options:
        values: Iterable[tuple[str, Any]] = [(option.name, None)]
        if not option.name and isinstance(option.source, FileSource):
            values = files.read_set(option.source.path).items()
        held = single if option.name else sets
        for name, value in values:
            check(name)
            if name in held:
                raise SignatureError(
                    f"input {name!r} is given twice: by {held[name].option.text!r} and {option.text!r}"
                )
            held[name] = _Given(option, value)
    return sets | single


def _convert(given: _Given, spec: TensorSpec, batch_size: int | None) -> Array:
    _check_fixed(given.option, spec)
    if spec.shape is None and _is_exact(given.option):
        batch_size = None  # what is meant as it is has a batch to cut only where the model says so
    value = given.load(spec.name)
    if isinstance(value, np.ndarray):
        return from_array(fit_rows(value, spec, batch_size), spec)  # rows first: the file may be large
    return fit_rows(from_json(value, spec), spec, batch_size)


def _make_up(
    option: InputOption, spec: TensorSpec, *, rows: int, unknown_dim: int, seed: int, domain: Domain | None
) -> Array:
    _check_fixed(option, spec)
    if not isinstance(option.source, RandomSource):
        return generate.zeros(spec, rows, unknown_dim)
    return generate.random(spec, option.source, batch_size=rows, unknown_dim=unknown_dim, seed=seed, domain=domain)


def _check_fixed(option: InputOption, spec: TensorSpec) -> None:
    if option.dtype is not None and option.dtype is not spec.dtype:
        raise SignatureError(f"input {spec.name!r} is fixed as {option.dtype.short_name}: expected {spec}")


def _batched(arrays: Mapping[str, Array], signature: Signature) -> list[Array]:
    """The arrays whose leading dimension is a batch."""
    return [
        array
        for name, array in arrays.items()
        if array.ndim and (shape := signature.input(name).shape) is not None and shape[0] is None
    ]


def _rows(arrays: Mapping[str, Array], signature: Signature) -> int:
    return max((array.shape[0] for array in _batched(arrays, signature)), default=1)


def _implied_dtype(value: Any) -> DType:
    if isinstance(value, np.ndarray):
        return dtype_of(value)
    leaves: list[Any] = []
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        else:
            leaves.append(item)
    if any(isinstance(item, str | dict) for item in leaves):
        return DType.STRING
    if leaves and all(isinstance(item, bool) for item in leaves):
        return DType.BOOL
    return DType.INT32 if leaves and all(isinstance(item, int) for item in leaves) else DType.FLOAT
