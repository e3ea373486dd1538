"""The model that is bundled: a SavedModel or a frozen graph, and whether a request is for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfkit.arrays import check_array
from tfkit.eas.messages import PredictRequest
from tfkit.errors import InputError, SignatureError
from tfkit.savedmodel.files import find_model_file, is_saved_model
from tfkit.savedmodel.frozen import frozen_signature, is_frozen_graph
from tfkit.savedmodel.reader import find_signature, read_signatures
from tfkit.tensors import Signature

_ENDING = ".pb"


@dataclass(frozen=True, slots=True)
class BundledModel:
    """A model on its way into a bundle, or out of one.

    Attributes:
        path: The SavedModel's folder, or the frozen graph's file.
        is_frozen: Whether it is a frozen graph.
        signatures: The SavedModel's signatures by name; a frozen graph has none.
    """

    path: Path
    is_frozen: bool
    signatures: Mapping[str, Signature]

    def signature_of(self, request: PredictRequest, shown: str) -> Signature:
        """The signature that a request is for, once it is sure that the request fits it.

        Args:
            request: The request.
            shown: Where it is from, for messages.

        Raises:
            SignatureError: It does not fit: signature, an input's name, dtype or shape, an output's name.
        """
        try:
            if self.is_frozen:
                signature = frozen_signature(self.path, request.output_filter, request.inputs)
            else:
                signature = find_signature(self.signatures, request.signature_name)
            for name, array in request.inputs.items():
                check_array(signature.input(name), array)
            for spec in signature.inputs:
                if spec.name not in request.inputs:
                    raise SignatureError(f"input {spec.name!r} is missing: expected {spec}")
            for name in request.output_filter:
                signature.output(name)
        except SignatureError as error:
            raise SignatureError(f"{shown} does not fit the model: {error.message}", hint=error.hint) from None
        return signature


def open_model(model: Path, processor: str = "") -> BundledModel:
    """Reads what a bundle has to know of a model.

    Args:
        model: A SavedModel's folder, a frozen graph's ``.pb`` file, or a folder with a model for each processor.
        processor: The processor whose folder to take there.

    Raises:
        ModelError: There is no model, or a damaged one.
        InputError: It is a frozen graph that EAS does not take.
        MissingError: It may not be read.
    """
    if processor and not is_saved_model(model) and is_saved_model(model / processor):
        model = model / processor
    file = find_model_file(model)
    if not is_frozen_graph(file):
        return BundledModel(file.parent, is_frozen=False, signatures=read_signatures(file))
    if file.suffix != _ENDING:
        raise InputError(
            f"{file} is a frozen graph that EAS does not take: expected a {_ENDING} file",
            hint=f"Make a SavedModel of it: tfkit export {file} --output FOLDER",
        )
    return BundledModel(file, is_frozen=True, signatures={})
