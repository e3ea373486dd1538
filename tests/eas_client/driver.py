"""Runs jobs with the official client: one JSON object a line on stdin, one answer a line on stdout.

Runs in the client's own environment (see ``environment.py``), so it imports nothing of tfkit and nothing of the tests.
A job:

    endpoint, service    what the client is made with; or
    url                  the custom URL that it is made with
    token, direct, timeout_ms, retries
    request              {"feeds": {name: [dtype, shape, values]}, "signature": "", "fetches": []} or {"text": ""}
    wait_s               keep asking, with the same client, until an answer comes or this much time is over

The answer is {"outputs": {name: {"shape": [...], "values": [...]}}}, {"text": "..."} or {"error": "...", "code": 400},
and "seconds". Bytes are {"b64": "..."}.
"""

import base64
import json
import os
import sys
import time

import eas_prediction as eas


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the client itself prints is no answer
    for line in sys.stdin:
        answers.write(json.dumps(run(json.loads(line))) + "\n")
        answers.flush()


def run(job):
    began = time.monotonic()
    client = make_client(job)
    try:
        answer = ask(client, job["request"])
        while "error" in answer and time.monotonic() - began < job.get("wait_s", 0):
            time.sleep(0.1)
            answer = ask(client, job["request"])
    finally:
        client.destroy()
    answer["seconds"] = time.monotonic() - began
    return answer


def make_client(job):
    if "url" in job:
        client = eas.PredictClient(custom_url=job["url"])
    else:
        client = eas.PredictClient(job["endpoint"], job["service"])
    if job.get("token"):
        client.set_token(job["token"])
    if job.get("direct"):
        client.set_endpoint_type(eas.ENDPOINT_TYPE_DIRECT)
    if "timeout_ms" in job:
        client.set_timeout(job["timeout_ms"])
    if "retries" in job:
        client.set_retry_count(job["retries"])
    client.init()
    return client


def ask(client, wanted):
    try:
        if "text" in wanted:
            return {"text": client.predict(eas.StringRequest(wanted["text"])).to_string()}
        response = client.predict(make_request(wanted))
        return {"outputs": {name: read_output(response, name) for name in response.response.outputs}}
    except eas.PredictException as error:
        return {"error": as_text(error.message), "code": error.code}
    except Exception as error:  # noqa: BLE001  # whatever the client raises is what the test is told
        return {"error": f"{type(error).__name__}: {error}", "code": 0}


def make_request(wanted):
    request = eas.TFRequest(wanted.get("signature", ""))
    for name, (dtype, shape, values) in wanted["feeds"].items():
        request.add_feed(name, shape, getattr(eas.TFRequest, dtype), [from_json(value) for value in values])
    for name in wanted.get("fetches", ()):
        request.add_fetch(name)
    return request


def read_output(response, name):
    values = response.get_values(name)
    if values is None:  # it has no reader for 8 and 16 bit whole numbers without sign, and none for quantized ones
        values = response.response.outputs[name].int_val
    return {"shape": list(response.get_tensor_shape(name)), "values": [to_json(value) for value in values]}


def from_json(value):
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def to_json(value):
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def as_text(message):
    return message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)


if __name__ == "__main__":
    main()
