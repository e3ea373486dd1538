"""tfkit: from any TensorFlow model to a warm, proven EAS service, on one laptop.

Names are imported when they are first used: ``import tfkit`` loads neither TensorFlow nor Keras nor numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfkit.bundle.check import check_bundle
    from tfkit.bundle.make import make_bundle
    from tfkit.client import Client
    from tfkit.compat.check import check_model
    from tfkit.doctor import diagnose
    from tfkit.errors import (
        InputError,
        LoweringError,
        MessageError,
        MissingError,
        ModelError,
        RuntimeCrashError,
        RuntimeTimeoutError,
        ServiceError,
        SignatureError,
        TensorFlowError,
        TfkitError,
        TooLargeError,
        UsageError,
        VerdictError,
    )
    from tfkit.export import export_model, export_onnx
    from tfkit.export.verify import verify_model
    from tfkit.processors.install import install_runtime, remove_runtime
    from tfkit.processors.status import list_runtimes
    from tfkit.prove.warm_up import prove_warmup
    from tfkit.recipe.run import run_recipe
    from tfkit.runtime import Runtime
    from tfkit.savedmodel.inspection import inspect_model
    from tfkit.savedmodel.selection import inspect_signature
    from tfkit.serve.local import serve_model
    from tfkit.tensors import DType, Signature, TensorSpec
    from tfkit.warmup.generate import make_warmup

__version__ = "0.1.0"

_MODULES = {
    "tfkit.bundle.check": ("check_bundle",),
    "tfkit.bundle.make": ("make_bundle",),
    "tfkit.client": ("Client",),
    "tfkit.compat.check": ("check_model",),
    "tfkit.doctor": ("diagnose",),
    "tfkit.errors": (
        "InputError",
        "LoweringError",
        "MessageError",
        "MissingError",
        "ModelError",
        "RuntimeCrashError",
        "RuntimeTimeoutError",
        "ServiceError",
        "SignatureError",
        "TensorFlowError",
        "TfkitError",
        "TooLargeError",
        "UsageError",
        "VerdictError",
    ),
    "tfkit.export": ("export_model", "export_onnx"),
    "tfkit.export.verify": ("verify_model",),
    "tfkit.processors.install": ("install_runtime", "remove_runtime"),
    "tfkit.processors.status": ("list_runtimes",),
    "tfkit.prove.warm_up": ("prove_warmup",),
    "tfkit.recipe.run": ("run_recipe",),
    "tfkit.runtime": ("Runtime",),
    "tfkit.savedmodel.inspection": ("inspect_model",),
    "tfkit.savedmodel.selection": ("inspect_signature",),
    "tfkit.serve.local": ("serve_model",),
    "tfkit.tensors": ("DType", "Signature", "TensorSpec"),
    "tfkit.warmup.generate": ("make_warmup",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Client",
    "DType",
    "InputError",
    "LoweringError",
    "MessageError",
    "MissingError",
    "ModelError",
    "Runtime",
    "RuntimeCrashError",
    "RuntimeTimeoutError",
    "ServiceError",
    "Signature",
    "SignatureError",
    "TensorFlowError",
    "TensorSpec",
    "TfkitError",
    "TooLargeError",
    "UsageError",
    "VerdictError",
    "check_bundle",
    "check_model",
    "diagnose",
    "export_model",
    "export_onnx",
    "inspect_model",
    "inspect_signature",
    "install_runtime",
    "list_runtimes",
    "make_bundle",
    "make_warmup",
    "prove_warmup",
    "remove_runtime",
    "run_recipe",
    "serve_model",
    "verify_model",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'tfkit' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__ + [name for name in globals() if name.startswith("__")])
