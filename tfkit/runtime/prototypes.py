"""The functions of TensorFlow's C API that tfkit calls, and their types; all are there from TensorFlow 1.12 on.

As in TensorFlow's ``tensorflow/c/c_api.h`` and ``tensorflow/c/tf_tensor.h``.
"""

from __future__ import annotations

import ctypes
from typing import Any

_POINTER, _TEXT, _INT, _SIZE = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
_INT64 = ctypes.c_int64


class TfOutput(ctypes.Structure):
    """``TF_Output``: one output of one operation."""

    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


# name: (result, arguments). These return within microseconds and are called with the GIL held: releasing it around
# each would cost more than the call.
QUICK: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "TF_Version": (_TEXT, ()),
    "TF_NewStatus": (_POINTER, ()),
    "TF_DeleteStatus": (None, (_POINTER,)),
    "TF_GetCode": (_INT, (_POINTER,)),
    "TF_Message": (_TEXT, (_POINTER,)),
    "TF_NewSessionOptions": (_POINTER, ()),
    "TF_DeleteSessionOptions": (None, (_POINTER,)),
    "TF_SetConfig": (None, (_POINTER, _TEXT, _SIZE, _POINTER)),
    "TF_NewBufferFromString": (_POINTER, (_TEXT, _SIZE)),
    "TF_DeleteBuffer": (None, (_POINTER,)),
    "TF_NewImportGraphDefOptions": (_POINTER, ()),
    "TF_DeleteImportGraphDefOptions": (None, (_POINTER,)),
    "TF_NewGraph": (_POINTER, ()),
    "TF_GraphOperationByName": (_POINTER, (_POINTER, _TEXT)),
    "TF_OperationNumOutputs": (_INT, (_POINTER,)),
    "TF_OperationOutputType": (_INT, (TfOutput,)),
    "TF_AllocateTensor": (_POINTER, (_INT, _POINTER, _INT, _SIZE)),
    "TF_DeleteTensor": (None, (_POINTER,)),
    "TF_TensorMaybeMove": (_POINTER, (_POINTER,)),
    "TF_TensorData": (_POINTER, (_POINTER,)),
    "TF_TensorByteSize": (_SIZE, (_POINTER,)),
    "TF_TensorType": (_INT, (_POINTER,)),
    "TF_NumDims": (_INT, (_POINTER,)),
    "TF_Dim": (_INT64, (_POINTER, _INT)),
    "TF_DeviceListCount": (_INT, (_POINTER,)),
    "TF_DeviceListName": (_TEXT, (_POINTER, _INT, _POINTER)),
    "TF_DeviceListType": (_TEXT, (_POINTER, _INT, _POINTER)),
    "TF_DeviceListMemoryBytes": (_INT64, (_POINTER, _INT, _POINTER)),
    "TF_DeleteDeviceList": (None, (_POINTER,)),
}
# These can take long and are called with the GIL released.
LONG: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "TF_LoadSessionFromSavedModel": (
        _POINTER,
        (_POINTER, _POINTER, _TEXT, ctypes.POINTER(_TEXT), _INT, _POINTER, _POINTER, _POINTER),
    ),
    "TF_LoadLibrary": (_POINTER, (_TEXT, _POINTER)),
    "TF_GetAllOpList": (_POINTER, ()),
    "TF_GetAllRegisteredKernels": (_POINTER, (_POINTER,)),
    "TF_GraphImportGraphDef": (None, (_POINTER, _POINTER, _POINTER, _POINTER)),
    "TF_NewSession": (_POINTER, (_POINTER, _POINTER, _POINTER)),
    "TF_SessionRun": (
        None,
        (_POINTER, _POINTER, _POINTER, _POINTER, _INT, _POINTER, _POINTER, _INT, _POINTER, _INT, _POINTER, _POINTER),
    ),
    "TF_SessionListDevices": (_POINTER, (_POINTER, _POINTER)),
    "TF_CloseSession": (None, (_POINTER, _POINTER)),
    "TF_DeleteSession": (None, (_POINTER, _POINTER)),
    "TF_DeleteGraph": (None, (_POINTER,)),
}


class TfBuffer(ctypes.Structure):
    """``TF_Buffer``: bytes of TensorFlow's own."""

    _fields_ = (("data", ctypes.c_void_p), ("length", ctypes.c_size_t), ("deallocator", ctypes.c_void_p))
