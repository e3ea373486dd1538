"""Reads one signature of a SavedModel, with what there is to say about it beside its structure JSON.

Apart from ``inspection``, since ``tfkit inspect`` has to start at once and needs only this.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from tfkit.eas.structure import is_predict
from tfkit.savedmodel.reader import find_metagraph, find_signature, read_metagraphs, show_tags
from tfkit.savedmodel.signatures import is_composite
from tfkit.tensors import SERVE_TAG, DType, Signature


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """One signature, and what its structure JSON cannot say: sentences for people."""

    signature: Signature
    notes: tuple[str, ...]

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        return self.signature._repr_html_()


def inspect_signature(
    path: str | Path, *, name: str | None = None, tags: Collection[str] | None = None
) -> SignatureReport:
    """Reads one signature, and notes what its structure JSON cannot say.

    Args:
        path: A SavedModel's folder, or its ``saved_model.pb`` or ``saved_model.pbtxt``.
        name: The signature; if not given, the default one.
        tags: The tags of its graph, all of them; if not given, ``serve``, or else the only graph there is.

    Raises:
        ModelError: There is no SavedModel at ``path``, or a damaged one, or none with these tags.
        SignatureError: It has no such signature.
        MissingError: The file may not be read.
    """
    metagraph = find_metagraph(read_metagraphs(path), tags, path)
    signature = find_signature(metagraph.signatures, name)
    notes = list(_signature_notes(signature))
    if tags is None and metagraph.tags != (SERVE_TAG,):
        notes.append(f"the only graph has the tags {show_tags(metagraph.tags)}, not {SERVE_TAG}")
    others = [each.name for each in metagraph.signatures.values() if is_predict(each) and each is not signature]
    if not name and others:
        notes.append(f"this is {signature.name!r}; --signature shows another: {', '.join(others)}")
    return SignatureReport(signature, tuple(notes))


def _signature_notes(signature: Signature) -> Iterator[str]:
    if not is_predict(signature):
        yield f"signature {signature.name!r} is no Predict signature (method {signature.method or 'missing'})"
    for kind, specs in (("input", signature.inputs), ("output", signature.outputs)):
        for spec in specs:
            if spec.shape is None:
                yield f"{kind} {spec.name!r}: rank unknown"
            if is_composite(spec):
                yield f"{kind} {spec.name!r} is {spec.tensor}: EAS's messages carry single dense tensors only"
            elif spec.dtype is DType.INVALID:
                yield f"{kind} {spec.name!r}: its dtype is none that EAS knows"
