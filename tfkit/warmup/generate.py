"""Makes warm-up files: requests that fit a model, written, read back and described."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfkit.eas.messages import PredictRequest, decode_request, encode_request
from tfkit.eas.structure import is_predict
from tfkit.errors import SignatureError, UsageError
from tfkit.graph.domains import Domain
from tfkit.inputs import (
    InputOption,
    Reading,
    given_request,
    given_rows,
    make_inputs,
    options_from,
    parse_inputs,
    random_for_missing,
)
from tfkit.inputs.files import RequestHead
from tfkit.inputs.options import RandomSource, ZerosSource
from tfkit.savedmodel.frozen import frozen_signature
from tfkit.savedmodel.reader import find_signature
from tfkit.savedmodel.signatures import check_dense, is_composite
from tfkit.tensors import SERVE_TAG, DType, Signature
from tfkit.warmup.files import check_target, parents_made, write_file
from tfkit.warmup.folder import write_folder
from tfkit.warmup.form import RequestForm
from tfkit.warmup.report import WarmupFile, WarmupReport, describe_file
from tfkit.warmup.request_checks import RequestChecker

ALL = "all"
ONE_FILE, SEVERAL_FILES = "warm_up_test.bin", "warm_up"
_LONGEST_NAME = 120


@dataclass(frozen=True, slots=True)
class _Wish:
    """One request to make: its signature, the outputs that it asks for, and its rows."""

    signature: Signature
    outputs: tuple[str, ...]
    batch_size: int | None


def make_warmup(
    model: str | Path,
    output: str | Path | None = None,
    *,
    inputs: str | Sequence[str] | Mapping[str, Any] = (),
    batch_size: int | Sequence[int] | None = None,
    signature: str | Sequence[str] | None = None,
    fetch: Sequence[str] = (),
    fetch_sets: Sequence[Sequence[str]] = (),
    rows: str = "first",
    seed: int = 0,
    unknown_dim: int = 1,
    tags: Collection[str] | None = (SERVE_TAG,),
    force: bool = False,
    progress: Callable[[Path, int, int], None] | None = None,
) -> WarmupReport:
    """Writes warm-up files for a SavedModel, or for a frozen graph, whose outputs have to be named.

    A warm-up request must be like production's in signature, outputs and shapes, or TensorFlow initialises once more on
    the first real one. The request therefore names its signature; a whole sample request keeps its own signature and
    outputs, even where it leaves the signature to the service.

    Args:
        model: The SavedModel's folder, or the frozen graph's file.
        output: The file to write, by default ``warm_up_test.bin``; where several batch sizes, signatures or sets of
            outputs are asked for, the folder for a file of each, with ``manifest.json``, by default ``warm_up``.
        inputs: What to put in: ``--input`` options, or values by name. An input that is left out is random, inside what
            the graph allows.
        batch_size: Rows of each input, one number or several. By default as many as literals, values and whole requests
            have, else 1.
        signature: The signature, several, or ``"all"``; by default the sample request's, else the model's default one.
        fetch: The outputs to ask for; by default the sample request's, else all.
        fetch_sets: More of those, for a request each; an empty one asks for all outputs.
        rows: Which rows of sample files: the ``"first"`` ones, or ``"random"`` ones.
        seed: Seed of random values, and of a random choice of rows.
        unknown_dim: Size of unknown dimensions, but for the first, of values that are made up.
        tags: The metagraph's tags.
        force: Replace what is there already.
        progress: Told how far a long file of samples was read: the file, what is done, and of how much (0: unknown).

    Returns:
        What the files hold, as it was read back.

    Raises:
        SignatureError: An input, an output or the signature is unknown, or a value does not fit, or is none that the
            model takes.
        ModelError: There is no SavedModel at ``model``, or a damaged one.
        InputError: A sample file is missing or damaged.
        UsageError: Options do not make sense, or ``output`` exists already.
        MissingError: A file cannot be written, or a library is not installed that a sample file needs.
    """
    if rows not in ("first", "random"):
        raise UsageError(f"rows {rows!r} are not possible: expected first or random")
    options = options_from(inputs) if isinstance(inputs, Mapping) else parse_inputs(inputs)
    sizes = tuple(dict.fromkeys(batch_size)) if isinstance(batch_size, Sequence) else (batch_size,)
    names = (signature,) if signature is None or isinstance(signature, str) else tuple(dict.fromkeys(signature))
    sizes, names = sizes or (None,), names or (None,)
    sets: Sequence[Sequence[str] | None] = ((fetch, *fetch_sets) if fetch else fetch_sets) or (None,)
    one = len(sizes) * len(names) * len(sets) == 1 and ALL not in names
    output = Path(output or (ONE_FILE if one else SEVERAL_FILES))
    with parents_made(output):
        if one:
            check_target(output, force=force)
        maker = _Maker(Path(model), options, names, Reading(rows == "random", progress), seed, unknown_dim, tags)
        wishes = [
            _Wish(chosen, maker.outputs(outputs, chosen), size)
            for outputs in sets
            for chosen in maker.signatures(outputs)
            for size in sizes
        ]
        if one:
            data, file = maker.make(wishes[0], output)
            write_file(output, data, force=force)
            return WarmupReport(output, (file,))
        made = tuple(_distinct(maker, wishes, output))
        write_folder(output, {file.path.name: data for data, file in made}, force=force)
        return WarmupReport(output, tuple(file for _, file in made))


class _Maker:
    """Makes requests to one model from what was given."""

    def __init__(
        self,
        model: Path,
        options: tuple[InputOption, ...],
        names: tuple[str | None, ...],
        reading: Reading,
        seed: int,
        unknown_dim: int,
        tags: Collection[str] | None,
    ) -> None:
        self._model = model
        self._options = options
        self._names = names
        self._reading = reading
        self._seed = seed
        self._unknown_dim = unknown_dim
        self._sample = given_request(options)
        self._checker = RequestChecker(model, tags)
        self._inputs: set[str] = set()  # of all the signatures together

    def signatures(self, outputs: Sequence[str] | None) -> tuple[Signature, ...]:
        """The signatures that are asked for; a frozen graph has one for each set of outputs."""
        if self._checker.frozen:
            return (_frozen_signature(self._model, self._options, self._sample, self._names[0], outputs),)
        if ALL in self._names and ALL not in self._checker.signatures:
            chosen = [
                each
                for each in self._checker.signatures.values()
                if is_predict(each) and not any(map(is_composite, (*each.inputs, *each.outputs)))
            ]
        else:
            sample_name = self._sample.signature_name if self._sample is not None else ""
            chosen = [find_signature(self._checker.signatures, name or sample_name) for name in self._names]
        for each in chosen:
            check_dense(each)
        if not chosen:
            raise SignatureError(f"{self._model} has no signature that takes and gives dense tensors")
        self._inputs = {spec.name for each in chosen for spec in each.inputs}
        return tuple({each.name: each for each in chosen}.values())

    def outputs(self, fetch: Sequence[str] | None, signature: Signature) -> tuple[str, ...]:
        """The outputs to ask for, once it is sure that they are there; ``None``: the sample request's, or all."""
        sample = self._sample.output_filter if self._sample is not None else ()
        names = sample if fetch is None else tuple(fetch)
        for position, name in enumerate(names):
            signature.output(name)
            if name in names[:position]:
                raise UsageError(f"output {name!r} is asked for twice: name each output once")
        return names

    def make(self, wish: _Wish, path: Path) -> tuple[bytes, WarmupFile]:
        """A serialized request, and what it holds."""
        signature = wish.signature
        taken = {spec.name for spec in signature.inputs}
        # What another of several signatures takes is none of this one's business.
        options = tuple(each for each in self._options if each.name in taken or each.name not in self._inputs)
        made_up = random_for_missing(options, signature)
        options = (*options, *made_up)
        arrays = make_inputs(
            options,
            signature,
            batch_size=wish.batch_size if wish.batch_size is not None else _rows_of(options, signature),
            seed=self._seed,
            unknown_dim=self._unknown_dim,
            domains=self._bounds(options, signature),
            reading=self._reading,
        )
        name = self._sample.signature_name if self._sample is not None and not any(self._names) else signature.name
        request = PredictRequest(arrays, name, wish.outputs)
        warnings = self._checker.warnings(request)
        data = encode_request(request)
        return data, describe_file(path, data, signature, {option.name for option in made_up}, warnings)

    def _bounds(self, options: Sequence[InputOption], signature: Signature) -> dict[str, Domain]:
        """What inputs may take, where a value is to be made of it."""
        drawn = any(isinstance(option.source, RandomSource) and option.source.low is None for option in options)
        # Of zeros only texts have a form: the model may parse them.
        zeros = {option.name for option in options if isinstance(option.source, ZerosSource)}
        parsed = any(spec.name in zeros and spec.dtype is DType.STRING for spec in signature.inputs)
        return self._checker.domains_of(signature) if drawn or parsed else {}


def _rows_of(options: Sequence[InputOption], signature: Signature) -> int | None:
    """The rows of a request where none are asked for: those of given values.

    ``None`` where these differ: each keeps its own, as the nodes and the edges of a graph have.
    """
    given = given_rows(options, signature)
    return None if len(given) > 1 else max(given, default=1) or 1


def _distinct(maker: _Maker, wishes: Sequence[_Wish], folder: Path) -> Iterator[tuple[bytes, WarmupFile]]:
    """One request of each form: where an input's shape is fixed, another batch size gives the same one again."""
    forms: set[RequestForm] = set()
    names: set[str] = set()
    for wish in wishes:
        name = _file_name(wish, wishes, names)
        data, file = maker.make(wish, folder / name)
        form = RequestForm.of(decode_request(data))
        if form not in forms:
            forms.add(form)
            names.add(name)
            yield data, file


def _file_name(wish: _Wish, wishes: Sequence[_Wish], taken: Collection[str]) -> str:
    """A name that says in what a request differs from the others: ``predict-scores-batch8.bin``."""
    parts = [wish.signature.name or "request"]
    if len({each.outputs for each in wishes}) > 1:
        parts.append("+".join(wish.outputs) or "all")
    if len({each.batch_size for each in wishes}) > 1 and wish.batch_size is not None and _has_batch(wish.signature):
        parts.append(f"batch{wish.batch_size}")
    stem = re.sub(r"[^A-Za-z0-9_.+-]", "_", "-".join(parts)).lstrip(".-")[:_LONGEST_NAME] or "request"
    name, number = f"{stem}.bin", 2
    while name in taken:
        name, number = f"{stem}-{number}.bin", number + 1
    return name


def _has_batch(signature: Signature) -> bool:
    """Whether the batch size makes a difference to a request."""
    return any(spec.shape is None or spec.shape[:1] == (None,) for spec in signature.inputs)


def _frozen_signature(
    model: Path,
    options: Sequence[InputOption],
    sample: RequestHead | None,
    signature: str | None,
    fetch: Sequence[str] | None,
) -> Signature:
    """What a request to a frozen graph takes, by what it asks for; inputs are called as they are given."""
    if signature:
        raise SignatureError(
            f"{model} is a frozen graph, which has no signature {signature!r}", hint="Name its outputs, with --fetch."
        )
    given = {option.name for option in options}
    if sample is None:
        return frozen_signature(model, fetch or (), given)
    outputs = sample.output_filter if fetch is None else fetch
    return frozen_signature(model, outputs, given | set(sample.input_names))
