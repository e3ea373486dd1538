"""tfkit: from any TensorFlow model to a warm, proven EAS service, on one laptop.

Names are imported when they are first used: ``import tfkit`` loads neither TensorFlow nor Keras nor numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfkit.client import Client
    from tfkit.doctor import diagnose
    from tfkit.errors import (
        InputError,
        MessageError,
        MissingError,
        ModelError,
        RuntimeCrashError,
        ServiceError,
        SignatureError,
        TensorFlowError,
        TfkitError,
        UsageError,
        VerdictError,
    )
    from tfkit.export import export_model
    from tfkit.runtime import Runtime
    from tfkit.savedmodel.inspection import inspect_model
    from tfkit.serve.local import serve_model
    from tfkit.tensors import DType, Signature, TensorSpec
    from tfkit.warmup.generate import generate_warmup

__version__ = "0.1.0"

_MODULES = {
    "Client": "tfkit.client",
    "diagnose": "tfkit.doctor",
    "export_model": "tfkit.export",
    "generate_warmup": "tfkit.warmup.generate",
    "inspect_model": "tfkit.savedmodel.inspection",
    "Runtime": "tfkit.runtime",
    "serve_model": "tfkit.serve.local",
    "DType": "tfkit.tensors",
    "Signature": "tfkit.tensors",
    "TensorSpec": "tfkit.tensors",
    "InputError": "tfkit.errors",
    "MessageError": "tfkit.errors",
    "MissingError": "tfkit.errors",
    "ModelError": "tfkit.errors",
    "RuntimeCrashError": "tfkit.errors",
    "ServiceError": "tfkit.errors",
    "SignatureError": "tfkit.errors",
    "TensorFlowError": "tfkit.errors",
    "TfkitError": "tfkit.errors",
    "UsageError": "tfkit.errors",
    "VerdictError": "tfkit.errors",
}

__all__ = [
    "Client",
    "DType",
    "InputError",
    "MessageError",
    "MissingError",
    "ModelError",
    "Runtime",
    "RuntimeCrashError",
    "ServiceError",
    "Signature",
    "SignatureError",
    "TensorFlowError",
    "TensorSpec",
    "TfkitError",
    "UsageError",
    "VerdictError",
    "diagnose",
    "export_model",
    "generate_warmup",
    "inspect_model",
    "serve_model",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'tfkit' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
