"""The structure JSON: what an EAS service answers to an empty request. Standard library only.

The format is that of Alibaba Cloud PAI-EAS's documents: the keys ``inputs``, ``outputs`` and ``signature_name``,
sorted, with four spaces of indent; each tensor a ``name`` (the alias that requests use), a ``shape`` (-1 for an
unknown dimension) and a ``type`` in protobuf's spelling. ``structure.schema.json`` beside it is its JSON Schema.

An empty shape stands both for a scalar and for a tensor of unknown rank: the format cannot tell them apart.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypedDict

from tfkit.errors import MessageError, SignatureError
from tfkit.tensors import DEFAULT_SIGNATURE, PREDICT_METHOD, DType, Shape, Signature, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

# Names that TensorFlow keeps for its own entry points: `__saved_model_init_op`, `__saved_model_train_op`.
_INTERNAL_PREFIX = "__saved_model_"
_REF_SUFFIX = "_REF"


class TensorStructure(TypedDict):
    """One item of ``inputs`` or ``outputs``."""

    name: str
    shape: list[int]
    type: str


class Structure(TypedDict):
    """The whole document."""

    inputs: list[TensorStructure]
    outputs: list[TensorStructure]
    signature_name: str


def structure(signature: Signature) -> Structure:
    """The structure of a signature, as EAS answers it.

    >>> images = TensorSpec("images", DType.FLOAT, (None, 784))
    >>> structure(Signature("predict_images", (images,), ()))["inputs"]
    [{'name': 'images', 'shape': [-1, 784], 'type': 'DT_FLOAT'}]
    """
    return {
        "inputs": [_tensor(spec) for spec in signature.inputs],
        "outputs": [_tensor(spec) for spec in signature.outputs],
        "signature_name": signature.name,
    }


def structure_json(signature: Signature) -> str:
    """The structure of a signature as EAS's documents print it: keys sorted, four spaces of indent."""
    return json.dumps(structure(signature), indent=4, sort_keys=True, ensure_ascii=False)


def _tensor(spec: TensorSpec) -> TensorStructure:
    return {"name": spec.name, "shape": shape_list(spec.shape), "type": spec.dtype.proto_name}


def shape_list(shape: Shape | None) -> list[int]:
    """A shape as the structure JSON writes it: -1 for an unknown dimension, nothing for an unknown rank."""
    return [-1 if dim is None else dim for dim in shape or ()]


def is_internal(name: str) -> bool:
    """Whether a signature is TensorFlow's own, such as ``__saved_model_init_op``: nobody's to ask for."""
    return name.startswith(_INTERNAL_PREFIX)


def is_predict(signature: Signature) -> bool:
    """Whether a PredictRequest can run a signature.

    A signature written by hand for TensorFlow 1 may name no method at all; it counts if it has both inputs and outputs.
    """
    if is_internal(signature.name):
        return False
    if signature.method:
        return signature.method == PREDICT_METHOD
    return bool(signature.inputs and signature.outputs)


def default_signature(signatures: Mapping[str, Signature]) -> Signature:
    """The signature that is meant where none is named: ``serving_default``, else the first one by name.

    Only Predict signatures are considered (see ``is_predict``). Which one EAS takes is not documented.

    Raises:
        SignatureError: There is no Predict signature.
    """
    predict = {name: signature for name, signature in signatures.items() if is_predict(signature)}
    if predict:
        return predict[DEFAULT_SIGNATURE if DEFAULT_SIGNATURE in predict else min(predict)]
    others = [
        f"{name} ({each.method or 'no method'})" for name, each in sorted(signatures.items()) if not is_internal(name)
    ]
    have = f"it has {', '.join(others)}" if others else "it has no signature to ask for"
    raise SignatureError(
        f"the model has no Predict signature (method {PREDICT_METHOD}): {have}",
        hint="Export the model again with a Predict signature, or name the one that is meant.",
    )


def parse_structure(text: str | bytes) -> Signature:
    """The signature that a service's structure JSON describes.

    An empty shape becomes an unknown rank (``None``), since it may stand for one; unknown keys are ignored.

    Raises:
        MessageError: The text is no structure JSON; the message names the item.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"the service's structure is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise MessageError(f"the service's structure is a JSON {type(document).__name__}: expected an object")
    name = document.get("signature_name")
    if not isinstance(name, str):
        raise MessageError(f"signature_name of the service's structure is {name!r}: expected a string")
    return Signature(name, inputs=_parse_tensors(document, "inputs"), outputs=_parse_tensors(document, "outputs"))


def _parse_tensors(document: dict[str, Any], key: str) -> tuple[TensorSpec, ...]:
    items = document.get(key)
    if not isinstance(items, list):
        raise MessageError(f"{key} of the service's structure is {_shortened(items)}: expected a list")
    return tuple(
        sorted((_parse_tensor(item, f"{key}[{i}]") for i, item in enumerate(items)), key=lambda spec: spec.name)
    )


def _parse_tensor(item: Any, where: str) -> TensorSpec:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise MessageError(f"{where} of the service's structure is {_shortened(item)}: expected name, shape and type")
    dtype, shape = item.get("type"), item.get("shape")
    if not isinstance(shape, list) or not all(type(dim) is int and dim >= -1 for dim in shape):
        raise MessageError(
            f"{where}.shape of the service's structure is {_shortened(shape)}: expected numbers from -1 up"
        )
    try:
        parsed = DType.parse(str(dtype).removesuffix(_REF_SUFFIX))
    except ValueError:
        raise MessageError(
            f"{where}.type of the service's structure is {_shortened(dtype)}: expected such as 'DT_FLOAT'"
        ) from None
    return TensorSpec(item["name"], parsed, tuple(None if dim < 0 else dim for dim in shape) or None)


def _shortened(value: object, limit: int = 80) -> str:
    shown = repr(value)
    return shown if len(shown) <= limit else f"{shown[:limit]}..."


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the structure JSON."""
    from importlib import resources

    document: dict[str, Any] = json.loads(resources.files("tfkit.eas").joinpath("structure.schema.json").read_bytes())
    return document
