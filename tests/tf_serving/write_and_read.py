"""Writes a warm-up file as TensorFlow Serving's guide does, and reads one that tfkit wrote.

Runs with TensorFlow Serving's message classes on Python's path (see ``environment.py``); imports nothing of tfkit. The
arguments are a file of requests as ``tests/warmup/described.py`` puts them, the file to write and the file to read;
what is read goes to stdout in the same form.
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2


def write(requests, path):
    with tf.io.TFRecordWriter(path) as writer:
        for each in requests:
            request = predict_pb2.PredictRequest(output_filter=each["outputs"])
            request.model_spec.name = each["model"]
            request.model_spec.signature_name = each["signature"]
            for name, held in each["inputs"].items():
                dtype = getattr(tf.dtypes, held["dtype"])
                values = [given(value, dtype) for value in held["values"]]
                array = np.array(values, object if dtype == tf.string else dtype.as_numpy_dtype).reshape(held["shape"])
                request.inputs[name].CopyFrom(tf.make_tensor_proto(array, dtype, shape=held["shape"]))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString(deterministic=True))


def given(value, dtype):
    if dtype == tf.string:
        return base64.b64decode(value)
    return complex(*value) if dtype.is_complex else value


def read(path):
    for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        yield {
            "model": request.model_spec.name,
            "signature": request.model_spec.signature_name,
            "outputs": list(request.output_filter),
            "inputs": {name: describe(tf.make_ndarray(request.inputs[name])) for name in sorted(request.inputs)},
        }


def describe(array):
    if array.dtype == object:
        values = [base64.b64encode(value).decode() for value in array.reshape(-1).tolist()]
        return {"dtype": "string", "shape": list(array.shape), "values": values}
    flat = array.reshape(-1)
    values = [[v.real, v.imag] for v in flat.tolist()] if array.dtype.kind == "c" else flat.astype(object).tolist()
    return {
        "dtype": tf.dtypes.as_dtype(array.dtype).name,
        "shape": list(array.shape),
        "values": list(map(plain, values)),
    }


def plain(value):
    return value if isinstance(value, (bool, int, float, list)) else float(value)


if __name__ == "__main__":
    write(json.loads(Path(sys.argv[1]).read_text()), sys.argv[2])
    print(json.dumps(list(read(sys.argv[3]))))
