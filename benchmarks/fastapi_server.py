"""What ``tfkit serve`` is measured against: the shortest honest server of FastAPI and TensorFlow's Python.

    python -m benchmarks.fastapi_server SAVED_MODEL PORT

It answers float inputs only, checks nothing and knows no limits. The route is a coroutine: measured as a plain function
on FastAPI's thread pool it was slower, at 1 connection by a quarter and at 16 by a tenth to a third.
"""

import sys

import numpy as np
import tensorflow as tf
import uvicorn
from fastapi import FastAPI, Request, Response

from tfkit.proto import message

PredictRequest, PredictResponse = message("PredictRequest"), message("PredictResponse")

app = FastAPI()
model = tf.saved_model.load(sys.argv[1])
function = model.signatures["serving_default"]


@app.post("/api/predict/digits")
async def predict(request: Request) -> Response:
    inputs = PredictRequest.FromString(await request.body()).inputs
    outputs = function(
        **{
            name: tf.constant(np.array(each.float_val, np.float32).reshape(each.array_shape.dim))
            for name, each in inputs.items()
        }
    )
    answer = PredictResponse()
    for name, tensor in outputs.items():
        values = tensor.numpy()
        array = answer.outputs[name]
        array.dtype = 1  # DT_FLOAT
        array.array_shape.dim.extend(values.shape)
        array.float_val.extend(values.ravel().tolist())
    return Response(answer.SerializeToString(), media_type="application/octet-stream")


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
