"""Writes warm-up files with the official client's message classes, and reads those that tfkit wrote.

Runs in the client's own environment (see ``environment.py``). The arguments are a file of requests as
``tests/warmup/described.py`` puts them, a folder to write 0.bin, 1.bin, ... into, and a folder to read them from; what
is read goes to stdout in the same form.
"""

import base64
import json
import sys
from pathlib import Path

from eas_prediction import tf_request_pb2 as eas

FIELDS = {
    "float32": "float_val", "float16": "float_val", "bfloat16": "float_val", "complex64": "float_val",
    "float64": "double_val", "complex128": "double_val", "int64": "int64_val", "bool": "bool_val",
    "string": "string_val",
}  # fmt: skip
OTHER_FIELD = "int_val"
NAMES = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF"}


def write(requests, folder):
    for number, each in enumerate(requests):
        request = eas.PredictRequest(signature_name=each["signature"], output_filter=each["outputs"])
        for name, held in each["inputs"].items():
            array = request.inputs[name]
            array.dtype = eas.ArrayDataType.Value("DT_" + NAMES.get(held["dtype"], held["dtype"].upper()))
            array.array_shape.SetInParent()
            array.array_shape.dim.extend(held["shape"])
            getattr(array, FIELDS.get(held["dtype"], OTHER_FIELD)).extend(flat(held))
        (folder / f"{number}.bin").write_bytes(request.SerializeToString(deterministic=True))


def flat(held):
    if held["dtype"] == "string":
        return [base64.b64decode(value) for value in held["values"]]
    if held["dtype"].startswith("complex"):
        return [part for value in held["values"] for part in value]
    return held["values"]


def read(file):
    request = eas.PredictRequest.FromString(file.read_bytes())
    return {
        "model": "",
        "signature": request.signature_name,
        "outputs": list(request.output_filter),
        "inputs": {name: describe(request.inputs[name]) for name in sorted(request.inputs)},
    }


def describe(array):
    called = eas.ArrayDataType.Name(array.dtype)[3:]
    dtype = {name: short for short, name in NAMES.items()}.get(called, called.lower())
    values = list(getattr(array, FIELDS.get(dtype, OTHER_FIELD)))
    if dtype == "string":
        values = [base64.b64encode(value).decode() for value in values]
    elif dtype.startswith("complex"):
        values = [list(pair) for pair in zip(values[::2], values[1::2])]  # noqa: B905  # the Python may be old
    return {"dtype": dtype, "shape": list(array.array_shape.dim), "values": values}


if __name__ == "__main__":
    requests = json.loads(Path(sys.argv[1]).read_text())
    write(requests, Path(sys.argv[2]))
    print(json.dumps([read(Path(sys.argv[3], f"{number}.bin")) for number in range(len(requests))]))
