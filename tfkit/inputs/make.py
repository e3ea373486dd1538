"""From input options to the arrays that a signature takes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfkit.arrays import Array, dtype_of
from tfkit.errors import InputError, SignatureError, UsageError, nearest
from tfkit.graph.values import Domain
from tfkit.inputs import files, generate
from tfkit.inputs.convert import as_rows, fit_rows, from_array, from_json
from tfkit.inputs.files import RequestHead
from tfkit.inputs.options import FileSource, InputOption, LiteralSource, RandomSource, ZerosSource
from tfkit.inputs.rows import FIRST_ROWS, Reading, RowFile, naming, pick_rows, read_rows, row_size
from tfkit.tensors import DType, Signature, TensorSpec

_PLAIN = (list, tuple, str, bytes, int, float, complex)


@dataclass(frozen=True, slots=True)
class _Given:
    """What was given for one input: an option of its own, or a part of a whole set, be it a value or a file of rows."""

    option: InputOption
    value: Any = None
    file: RowFile | None = None

    @property
    def made_up(self) -> bool:
        return isinstance(self.option.source, RandomSource | ZerosSource)

    @property
    def key(self) -> str:
        return self.option.source.key if isinstance(self.option.source, FileSource) else ""

    def rows(self) -> RowFile | None:
        """The file to read rows from; ``None`` where the values are read at once."""
        source = self.option.source
        return files.open_rows(source.path) if self.option.name and isinstance(source, FileSource) else self.file

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
    reading: Reading = FIRST_ROWS,
) -> dict[str, Array]:
    """Makes the arrays of a request from input options.

    Args:
        options: What ``parse_inputs`` read; an option for one input overrides a whole set that holds it too.
        signature: What the model takes; every input needs a value.
        batch_size: Rows of every input whose leading dimension is unknown: of a file's samples the first ones.
            ``None`` keeps all rows that are given, and makes up as many. Where not even the rank is known, literals
            and whole requests keep theirs.
        seed: Seed of random values, and of a random choice of rows.
        domains: What values an input may take, as ``input_domains`` reads off the graph; bounds random values, and
            gives the form of serialized Examples.
        unknown_dim: The size of every other unknown dimension of values that are made up.
        reading: Which rows of a file's samples are taken.

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
        name = missing[0].name
        raise SignatureError(
            f"signature {signature.name!r} needs input {name!r}, {missing[0]}: nothing was given for it",
            hint=f"Give --input {name}=@FILE.npy, --input {name}=random or --input {name}=VALUE.",
        )
    arrays = {
        spec.name: _convert(given[spec.name], spec, batch_size, seed, reading)
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


def given_rows(options: Sequence[InputOption], signature: Signature) -> frozenset[int]:
    """How many rows literals and whole requests have, which are meant as they are; several where that differs.

    Files of samples do not count: of them a batch takes the first rows.
    """
    given = _by_name(options, signature)
    exact = {
        spec.name: _convert(given[spec.name], spec, None, 0, FIRST_ROWS)
        for spec in signature.inputs
        if spec.name in given and _is_exact(given[spec.name].option)
    }
    return frozenset(len(array) for array in _batched(exact, signature))


def given_request(options: Sequence[InputOption]) -> RequestHead | None:
    """The whole request among the options, for the signature and the outputs that it names.

    Raises:
        UsageError: There are two.
    """
    found: tuple[Path, RequestHead] | None = None
    for option in options:
        if option.name or not isinstance(option.source, FileSource):
            continue
        path, head = option.source.path, files.read_head(option.source.path)
        if head is not None and found is not None:
            raise UsageError(f"{found[0]} and {path} are both whole requests: give one")
        found = (path, head) if head is not None else found
    return found[1] if found is not None else None


def given_names(options: Sequence[InputOption]) -> tuple[str, ...]:
    """The inputs that options name. Tables name none for certain: they may have columns that are no input."""
    names: list[str] = []
    for option in options:
        if option.name or not isinstance(option.source, FileSource):
            names.append(option.name)
        elif files.open_rows(option.source.path) is None:
            names += filter(None, files.read_set(option.source.path))
    return tuple(dict.fromkeys(names))


def signature_of(options: Sequence[InputOption], name: str = "") -> Signature:
    """The signature that options imply by themselves, for a service that does not say what it takes.

    Dtypes are those fixed by ``NAME:DTYPE``, else those of arrays; JSON gives float32 for numbers with a fraction,
    int32 for whole numbers, bool and string.

    Raises:
        SignatureError: An input is given twice, or is to be made up: that needs a signature.
    """
    specs = []
    for key, given in sorted(_collect(options, None).items()):
        if given.made_up:
            raise SignatureError(
                f"input {key!r} cannot be made up: what it takes is not known",
                hint=f"Give values: --input {key}=@FILE.npy",
            )
        specs.append(TensorSpec(key, given.option.dtype or _implied_dtype(given, key), None))
    return Signature(name, tuple(specs), ())


def _is_exact(option: InputOption) -> bool:
    source = option.source
    if isinstance(source, FileSource):
        return not option.name and files.read_head(source.path) is not None
    return isinstance(source, LiteralSource)


def _by_name(options: Sequence[InputOption], signature: Signature) -> dict[str, _Given]:
    """What is given for each input of a signature; an input that a table lacks under a like name is no omission."""
    given = _collect(options, signature)
    missing = [spec.name for spec in signature.inputs if spec.name not in given]
    for file in {id(each.file): each.file for each in given.values() if each.file is not None}.values():
        left = [name for name in file.columns() if name not in given]
        if missing and left and file.columns() and any(name in given for name in file.columns()):
            raise _no_column(file, signature.input(missing[0]), left)
    return given


def _no_column(file: RowFile, spec: TensorSpec, left: Sequence[str]) -> SignatureError:
    """A table has columns for other inputs, and none for this one."""
    name = spec.name
    one = _option(name, f"{file.path}:COLUMN")
    hint = f"{nearest(name, left)} Take one with {one}, or give --input {name}=random."
    if file.is_row_of(spec):
        hint = (
            f"A column has one value a row, and {name} takes more: give it in a file of its own, or all as JSON lines."
        )
    return SignatureError(f"{file.path} has no column {name!r}, for the input of that name", hint=hint)


def _collect(options: Sequence[InputOption], signature: Signature | None) -> dict[str, _Given]:
    """What is given for each input; names that the signature has not are refused."""
    sets: dict[str, _Given] = {}
    single: dict[str, _Given] = {}
    for option in options:
        held = single if option.name else sets
        for name, given in _parts(option, signature).items():
            if signature is not None:
                signature.input(name)
            if name in held:
                raise SignatureError(
                    f"input {name!r} is given twice: by {held[name].option.text!r} and {option.text!r}"
                )
            held[name] = given
    return sets | single


def _parts(option: InputOption, signature: Signature | None) -> dict[str, _Given]:
    """What one option gives, by input."""
    source = option.source
    if option.name or not isinstance(source, FileSource):
        return {option.name: _Given(option)}
    file = files.open_rows(source.path)
    if file is not None:
        return {name: _Given(option, file=file) for name in _named_rows(file, source.key, signature)}
    values = files.read_set(source.path)
    return {name or _only_input(source.path, signature): _Given(option, value) for name, value in values.items()}


def _named_rows(file: RowFile, key: str, signature: Signature | None) -> Sequence[str]:
    """The inputs that a file of rows holds.

    Those called like its columns; else the only one, or the only one of numbers of which all columns make a row.
    """
    columns = file.columns()
    if not columns and next(file.rows(), None) is None:
        raise InputError(f"{file.path} holds no rows")
    if key or not columns:
        return (_only_input(file.path, signature),)
    if signature is None:
        return columns
    found = [spec.name for spec in signature.inputs if spec.name in columns]
    if len(signature.inputs) == 1 and (not found or file.is_row_of(signature.inputs[0])):
        return (signature.inputs[0].name,)
    vectors = [spec for spec in signature.inputs if file.is_row_of(spec) and spec.dtype is not DType.STRING]
    fitting = [spec.name for spec in vectors if row_size(spec) == len(columns)]
    if not found and len(fitting) == 1:
        return fitting
    if not found:
        takes = ", ".join(repr(spec.name) for spec in signature.inputs)
        hint = nearest(signature.inputs[0].name, columns) if signature.inputs else ""
        raise SignatureError(
            f"{file.path} has no column for any input: signature {signature.name!r} takes {takes}",
            hint=f"All columns as a row of one: {_option(vectors[0].name, file.path)}" if vectors else hint,
        )
    return found


def _only_input(path: Path, signature: Signature | None) -> str:
    if signature is None or len(signature.inputs) != 1:
        raise SignatureError(f"{path} does not say which input it is for", hint=f"Name it: {_option('NAME', path)}")
    return signature.inputs[0].name


def _option(name: str, file: Path | str) -> str:
    """The option that gives a file to an input, as the shell takes it."""
    return f"--input {shlex.quote(f'{name}=@{file}')}"


def _convert(given: _Given, spec: TensorSpec, batch_size: int | None, seed: int, reading: Reading) -> Array:
    _check_fixed(given.option, spec)
    file = given.rows()
    if file is not None:
        column = file.column_for(given.key, spec)
        return read_rows(file, column, spec, batch_size=batch_size, seed=seed, reading=reading)
    exact = _is_exact(given.option)
    if spec.shape is None and exact:
        batch_size = None  # what is meant as it is has a batch to cut only where the model says so
    value = given.load(spec.name)
    source = given.option.source
    with naming(source.path) if isinstance(source, FileSource) else nullcontext():
        array = value if isinstance(value, np.ndarray) else from_json(value, spec)
        if reading.random and not exact and batch_size is not None:
            array = _drawn(array, spec, batch_size, seed)
        return from_array(fit_rows(array, spec, batch_size), spec)  # rows first: the file may be large


def _drawn(array: Array, spec: TensorSpec, batch_size: int, seed: int) -> Array:
    """Rows of an array, chosen as those of a file of rows are."""
    array = as_rows(array, spec)
    if spec.shape is None or spec.shape[:1] != (None,) or array.ndim != len(spec.shape):
        return array
    return array[pick_rows(len(array), batch_size, seed)]


def _make_up(
    option: InputOption, spec: TensorSpec, *, rows: int, unknown_dim: int, seed: int, domain: Domain | None
) -> Array:
    _check_fixed(option, spec)
    if not isinstance(option.source, RandomSource):
        return generate.zeros(spec, rows, unknown_dim, domain)
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


def _implied_dtype(given: _Given, name: str) -> DType:
    file = given.rows()
    value = given.load(name) if file is None else file.first(_implied_column(file, given.key, name))
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
    if any(isinstance(item, str | bytes | dict) for item in leaves):
        return DType.STRING
    if leaves and all(isinstance(item, bool) for item in leaves):
        return DType.BOOL
    return DType.INT32 if leaves and all(isinstance(item, int) for item in leaves) else DType.FLOAT


def _implied_column(file: RowFile, key: str, name: str) -> str:
    return file.column_for(key, TensorSpec(name, DType.STRING, None))
