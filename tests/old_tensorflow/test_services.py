"""``tfkit serve --processor``: each old TensorFlow's own SavedModel, asked by tfkit's client and the official one."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tests.eas_client.conftest import OfficialClient
from tests.old_tensorflow.recorded import Case, Fixture
from tests.serving import Server
from tfkit import Client, ServiceError
from tfkit.arrays import Array, dtype_of
from tfkit.eas.messages import PredictRequest, encode_request
from tfkit.tensors import DType

pytestmark = pytest.mark.network

TOKEN = "Token+of/the=service"
# What the official client can read of an answer as it was recorded.
OFFICIAL = ("serving_default", "convolve", "embed", "join", "look_up", "decide", "loop", "branch", "half_of_one")
STRUCTURE = {
    "inputs": [{"name": "features", "shape": [-1, 4], "type": "DT_FLOAT"}],
    "outputs": [
        {"name": "best", "shape": [-1], "type": "DT_INT64"},
        {"name": "scores", "shape": [-1, 3], "type": "DT_FLOAT"},
    ],
    "signature_name": "serving_default",
}


@pytest.fixture(scope="module")
def service(old: Fixture, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The model behind a token, warmed up."""
    warm_up = tmp_path_factory.mktemp("warm_up") / "warm_up.bin"
    warm_up.write_bytes(encode_request(PredictRequest(old.first("serving_default").inputs)))
    options = ("--processor", old.processor, "--name", "old", "--warm-up", str(warm_up), "--warm-up-sends", "3")
    with Server(old.model, *options, token=TOKEN) as server:
        yield server


@pytest.fixture(params=[False, True], ids=["raw token", "signature"])
def client(request: pytest.FixtureRequest, service: Server) -> Client:
    return Client(service.url, token=TOKEN, signed=request.param, timeout_s=20)


def test_service_says_which_tensorflow_it_runs_and_that_it_is_warm(old: Fixture, service: Server) -> None:
    assert (service.ready["processor"], service.ready["tensorflow"]) == (old.processor, old.version)
    assert "warm_up.bin x 3" in service.log


def test_every_recorded_run_gives_the_recorded_outputs(old: Fixture, client: Client) -> None:
    for case in old.cases():
        case.check(client.predict(case.inputs, signature=case.signature))


def test_many_clients_at_once_each_get_their_own_answers(old: Fixture, service: Server) -> None:
    cases = [case for case in old.cases() if case.signature in ("join", "look_up", "serving_default", "loop")]
    client = Client(service.url, token=TOKEN, timeout_s=20)

    def ask(number: int) -> None:
        case = cases[number % len(cases)]
        case.check(client.predict(case.inputs, signature=case.signature))

    with ThreadPoolExecutor(8) as threads:
        assert len(list(threads.map(ask, range(160)))) == 160


def test_structure(service: Server) -> None:
    request = urllib.request.Request(service.url, headers={"Authorization": TOKEN})
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert json.load(answer) == STRUCTURE


@pytest.mark.parametrize(
    ("inputs", "signature", "said"),
    [
        pytest.param({"features": np.zeros((1, 4), np.float16)}, "", "float16", id="dtype"),
        pytest.param({"features": np.zeros((1, 5), np.float32)}, "", r"\[1, 5\]", id="shape"),
        pytest.param({"fetures": np.zeros((1, 4), np.float32)}, "", "Known: features", id="name"),
        pytest.param({"ids": np.array([6], np.int64)}, "embed", r"6 is not in \[0, 6\)", id="index out of range"),
        pytest.param(
            {"rounds": np.array(float("nan"), np.float32), "start": np.zeros(1, np.float32)},
            "loop",
            "rounds must be a number",
            id="assertion",
        ),
        pytest.param({"x": np.zeros(1, np.float32)}, "echo_DT_FLOTA", "echo_DT_FLOAT", id="signature"),
    ],
)
def test_requests_that_do_not_fit_get_400_and_the_service_goes_on(
    old: Fixture, service: Server, inputs: dict[str, Array], signature: str, said: str
) -> None:
    client = Client(service.url, token=TOKEN)
    with pytest.raises(ServiceError, match=said) as caught:
        client.predict(inputs, signature=signature)
    assert caught.value.status == 400
    case = old.first("serving_default")
    case.check(client.predict(case.inputs))


class TestOfficialClient:
    """eas-prediction: an endpoint and a service name make it sign its requests, a URL makes it send the raw token."""

    @pytest.mark.parametrize("signed", [False, True], ids=["raw token", "signature"])
    def test_answers_are_the_recorded_ones(
        self, old: Fixture, service: Server, official: OfficialClient, signed: bool
    ) -> None:
        how = {"endpoint": service.endpoint, "service": service.name} if signed else {"url": service.url}
        cases = [case for case in old.cases() if case.signature in OFFICIAL and not is_empty(case)]
        assert {case.signature for case in cases} == set(OFFICIAL)
        for case in cases:
            answer = official.ask(as_request(case), **how, token=TOKEN, retries=1)
            case.check(from_answer(case, answer))

    def test_wrong_token_gets_401(self, service: Server, official: OfficialClient) -> None:
        assert official.ask({"text": ""}, url=service.url, token="wrong", retries=1)["code"] == 401


def is_empty(case: Case) -> bool:
    return any(not array.size for array in case.inputs.values())


def as_request(case: Case) -> dict[str, Any]:
    """A job for ``tests/eas_client/driver.py``."""
    feeds = {}
    for name, array in case.inputs.items():
        values = [
            {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
            for value in array.reshape(-1).tolist()
        ]
        feeds[name] = [dtype_of(array).proto_name, list(array.shape), values]
    return {"feeds": feeds, "signature": case.signature, "fetches": list(case.outputs)}


def from_answer(case: Case, answer: dict[str, Any]) -> dict[str, Array]:
    """The arrays of the driver's answer, in the dtypes of what was recorded: its JSON does not name them."""
    assert "outputs" in answer, answer
    arrays = {}
    for name, output in answer["outputs"].items():
        expected = case.outputs[name]
        values = output["values"]
        if dtype_of(expected) is DType.STRING:
            values = [base64.b64decode(value["b64"]) for value in values]
        flat = np.empty(len(values), expected.dtype)
        flat[:] = values
        arrays[name] = flat.reshape(output["shape"])
    return arrays
