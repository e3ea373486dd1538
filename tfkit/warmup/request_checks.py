"""Checks requests against the model that is to answer them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from tfkit.arrays import Array, dtype_of
from tfkit.eas.messages import PredictRequest
from tfkit.eas.structure import is_predict
from tfkit.errors import InputError, SignatureError, nearest
from tfkit.graph.domains import Domain, input_domains
from tfkit.inputs.opening import read_bytes
from tfkit.savedmodel.files import find_model_file
from tfkit.savedmodel.frozen import frozen_signature, is_frozen_graph
from tfkit.savedmodel.reader import find_signature, read_signatures
from tfkit.savedmodel.signatures import is_composite
from tfkit.tensors import PREDICT_METHOD, Signature, TensorSpec
from tfkit.warmup.files import read_warmup
from tfkit.warmup.findings import Finding, Severity, error, note, warning
from tfkit.warmup.form import RequestForm
from tfkit.warmup.value_checks import Span, check_values, span_of

# Where `tfkit export` leaves the inputs that it compared the model on.
_EVIDENCE = Path("assets.extra", "tfkit")
_REPORT = "export.json"
_MAX_REPORT_BYTES = 16 << 20
_MOST_NAMES = 20
DEFAULT_SIGNATURE = "default-signature"


class RequestChecker:
    """Knows a model, and says what is wrong with requests to it.

    Args:
        model: A SavedModel's folder, or a frozen graph's file.
        tags: The metagraph's tags, all of them; ``None`` for ``serve``, or else the only metagraph there is.

    Attributes:
        frozen: Whether the model is a frozen graph.
        signatures: The SavedModel's, by name; none of a frozen graph.

    Raises:
        ModelError: There is no model, or a damaged one.
        MissingError: A file may not be read.
    """

    def __init__(self, model: Path, tags: Collection[str] | None = None) -> None:
        self._model = model
        self._tags = tags
        self.frozen = is_frozen_graph(find_model_file(model))
        self.signatures = {} if self.frozen else read_signatures(model, tags)
        self._samples = {} if self.frozen else _sample_spans(model)
        self._domains: dict[str, dict[str, Domain]] = {}

    def complete(self, form: RequestForm) -> RequestForm:
        """A form with nothing left to defaults, where its signature is known."""
        try:
            return form.within(self.signature(form.signature_name, form.fetches, [each.name for each in form.inputs]))
        except SignatureError:
            return form

    def differs_in_batch(self, form: RequestForm, other: RequestForm) -> bool:
        """Whether two forms of requests differ in nothing but the batch size."""
        try:
            signature = find_signature(self.signatures, form.signature_name)
        except SignatureError:
            return False
        batched = {spec.name for spec in signature.inputs if spec.shape is not None and spec.shape[:1] == (None,)}

        def rest(each: RequestForm) -> list[object]:
            sizes = [(i.name, i.dtype, i.shape[1:] if i.name in batched else i.shape) for i in each.inputs]
            return [each.signature_name, each.fetches, sizes]

        return rest(form) == rest(other)

    def check(self, request: PredictRequest) -> Iterator[Finding]:
        """What is wrong with a request, and what there is to know about it.

        Raises:
            ModelError: The model's graph is damaged, or a vocabulary file is missing.
        """
        try:
            signature = self.signature(request.signature_name, request.output_filter, request.inputs)
        except SignatureError as problem:
            code = "unknown-output" if self.frozen else "unknown-signature"
            yield error(code, problem.message, problem.hint)
            return
        yield from self._check_signature(request, signature)
        yield from _check_names(request, signature)
        for spec in signature.inputs:
            array = request.inputs.get(spec.name)
            if array is not None:
                yield from _at(spec.name, self._check_input(signature, spec, array))
        yield from _check_rows(request, signature)
        yield from _check_outputs(request, signature)

    def warnings(self, request: PredictRequest) -> tuple[str, ...]:
        """What ``check`` warns of, for a request that is to become a warm-up file.

        Raises:
            SignatureError: The request would fail.
            ModelError: As ``check`` does.
        """
        found = []
        for each in self.check(request):
            told = f"input {each.input!r}: {each.message}" if each.input else each.message
            if each.severity is Severity.ERROR:
                raise SignatureError(told, hint=each.hint)
            if each.severity is Severity.WARNING:
                found.append(told)
        return tuple(found)

    def signature(self, name: str, fetches: Sequence[str], inputs: Collection[str]) -> Signature:
        """The signature that a request means; that of a frozen graph takes and gives what the request names.

        Raises:
            SignatureError: There is none.
        """
        if self.frozen:
            return frozen_signature(self._model, fetches, inputs)
        return find_signature(self.signatures, name)

    def _check_signature(self, request: PredictRequest, signature: Signature) -> Iterator[Finding]:
        if self.frozen:
            return
        if not request.signature_name:
            yield note(DEFAULT_SIGNATURE, f"no signature is named: the model's default, {signature.name!r}, is meant")
        if not is_predict(signature):
            yield error(
                "unknown-signature",
                f"signature {signature.name!r} has method {signature.method or 'none'}: expected {PREDICT_METHOD}",
            )

    def _check_input(self, signature: Signature, spec: TensorSpec, array: Array) -> Iterator[Finding]:
        if is_composite(spec):
            yield error("wrong-dtype", f"the model takes {spec.tensor}: EAS's messages carry single dense tensors only")
            return
        if not spec.accepts_shape(array.shape):
            yield error("wrong-shape", f"shape {list(array.shape)}: expected {spec}", _shape_hint(spec, array.shape))
        if dtype_of(array) is not spec.dtype:
            yield error("wrong-dtype", f"dtype {dtype_of(array).short_name}: expected {spec}")
            return
        domain = self.domains_of(signature).get(spec.name)
        yield from check_values(spec.dtype, array, domain, self._samples.get((signature.name, spec.name)))

    def domains_of(self, signature: Signature) -> dict[str, Domain]:
        """What values the inputs of a signature may take, as far as the graph says; it is read once."""
        if self.frozen:
            return {}
        if signature.name not in self._domains:
            self._domains[signature.name] = input_domains(self._model, signature, self._tags)
        return self._domains[signature.name]


def _at(name: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    for each in findings:
        yield Finding(each.severity, each.code, each.message, each.hint, input=name)


def _check_names(request: PredictRequest, signature: Signature) -> Iterator[Finding]:
    names = [spec.name for spec in signature.inputs]
    for name in _first(each for each in request.inputs if each not in names):
        yield error(
            "unknown-input", f"signature {signature.name!r} has no such input", nearest(name, names), input=name
        )
    for spec in signature.inputs:
        if spec.name not in request.inputs:
            yield error("missing-input", f"signature {signature.name!r} needs it: {spec}", input=spec.name)


def _check_rows(request: PredictRequest, signature: Signature) -> Iterator[Finding]:
    rows = {
        spec.name: request.inputs[spec.name].shape[0]
        for spec in signature.inputs
        if spec.name in request.inputs and spec.shape and spec.shape[0] is None and request.inputs[spec.name].ndim
    }
    if len(set(rows.values())) > 1:
        held = ", ".join(f"{name} {count}" for name, count in rows.items())
        yield warning("unequal-rows", f"the inputs have unequal numbers of rows: {held}")


def _check_outputs(request: PredictRequest, signature: Signature) -> Iterator[Finding]:
    known = [spec.name for spec in signature.outputs]
    asked = Counter(request.output_filter)
    for name in _first(each for each in asked if each not in known):
        yield error("unknown-output", f"signature {signature.name!r} has no output {name!r}", nearest(name, known))
    for name in _first(each for each, count in asked.items() if count > 1):
        yield warning("doubled-output", f"output {name!r} is asked for {asked[name]} times")
    if not asked:
        yield note(
            "all-outputs",
            f"no outputs are named, so all are computed: {', '.join(known)}",
            "It warms up only requests that ask for all of them as well.",
        )


def _first(names: Iterable[str]) -> Iterator[str]:
    """As many names as are worth telling of: a message can hold thousands."""
    return islice(names, _MOST_NAMES)


def _shape_hint(spec: TensorSpec, shape: tuple[int, ...]) -> str:
    if spec.accepts_shape((1, *shape)):
        return f"The batch dimension is missing: {[1, *shape]} would fit."
    if shape[:1] == (1,) and spec.accepts_shape(shape[1:]):
        return f"There is a batch dimension too much: {list(shape[1:])} would fit."
    return ""


def _sample_spans(model: Path) -> dict[tuple[str, str], Span]:
    """The spans of the floats among the samples that a model was exported with, by signature and input.

    Random ones say nothing: only inputs that the export's report has in ``"given"`` count.
    """
    folder = (model if model.is_dir() else model.parent) / _EVIDENCE
    given = _given(folder / _REPORT)
    spans: dict[tuple[str, str], Span] = {}
    for file in sorted(folder.glob("*.request.bin")) if given else ():
        request = read_warmup(file)
        for name in given & set(request.inputs):
            span = span_of(request.inputs[name])
            if span is not None:
                known = spans.get((request.signature_name, name), span)
                spans[request.signature_name, name] = Span(min(known.low, span.low), max(known.high, span.high))
    return spans


def _given(report: Path) -> set[str]:
    if not report.is_file():
        return set()
    try:
        content = json.loads(read_bytes(report, _MAX_REPORT_BYTES))
    except (ValueError, RecursionError) as problem:
        raise InputError(f"{report} is damaged: {problem}") from None
    given: object = content.get("given") if isinstance(content, Mapping) else None
    return {name for name in given if isinstance(name, str)} if isinstance(given, list) else set()
