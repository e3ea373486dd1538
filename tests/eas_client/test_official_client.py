"""What the official Python client, eas-prediction 0.36, gets from ``tfkit serve``."""

from __future__ import annotations

import ast
import base64
import json
from typing import Any

import numpy as np
import pytest

from tests.eas_client.conftest import TOKEN, OfficialClient
from tests.served_models import slow_model
from tests.serving import Server, free_port, wait_until_listening
from tfkit.eas.messages import PredictRequest, encode_request

pytestmark = pytest.mark.network

X = ["DT_FLOAT", [2, 2], [1, 2, 3, 4.5]]
REQUEST = {"feeds": {"x": X}}
DOUBLED = {"shape": [2, 2], "values": [2, 4, 6, 9]}
TOTAL = {"shape": [2], "values": [3, 7.5]}


def endpoint(server: Server, token: str = TOKEN) -> dict[str, Any]:
    """What makes a client of an endpoint and a service name: it signs its requests."""
    return {"endpoint": server.endpoint, "service": server.name, "token": token, "retries": 1}


def custom_url(server: Server, token: str = TOKEN) -> dict[str, Any]:
    """What makes a client of a whole URL: it sends the raw token."""
    return {"url": server.url, "token": token, "retries": 1}


@pytest.mark.parametrize("how", [endpoint, custom_url])
class TestAuthorisation:
    def test_right_token_is_answered(self, official: OfficialClient, service: Server, how: Any) -> None:
        assert official.ask(REQUEST, **how(service))["outputs"] == {"doubled": DOUBLED, "total": TOTAL}

    def test_wrong_token_gets_401(self, official: OfficialClient, service: Server, how: Any) -> None:
        answer = official.ask(REQUEST, **how(service, "wrong"))
        assert answer["code"] == 401
        assert "not authorized" in answer["error"]

    def test_no_token_gets_401(self, official: OfficialClient, service: Server, how: Any) -> None:
        assert official.ask(REQUEST, **how(service, ""))["code"] == 401

    @pytest.mark.parametrize("token", ["", "any"])
    def test_open_service_asks_for_none(
        self, official: OfficialClient, open_service: Server, how: Any, token: str
    ) -> None:
        assert official.ask(REQUEST, **how(open_service, token))["outputs"]["total"] == TOTAL

    def test_empty_request_is_answered_with_the_structure(
        self, official: OfficialClient, service: Server, how: Any
    ) -> None:
        text = official.ask({"text": ""}, **how(service))["text"]
        # The client turns the body's bytes into text by repr.
        assert json.loads(ast.literal_eval(text)) == {
            "inputs": [{"name": "x", "shape": [-1, 2], "type": "DT_FLOAT"}],
            "outputs": [
                {"name": "doubled", "shape": [-1, 2], "type": "DT_FLOAT"},
                {"name": "total", "shape": [-1], "type": "DT_FLOAT"},
            ],
            "signature_name": "serving_default",
        }


def test_custom_url_may_go_on_after_the_service_name(official: OfficialClient, service: Server) -> None:
    assert official.ask(REQUEST, url=f"{service.url}/v1", token=TOKEN)["outputs"]["total"] == TOTAL


def test_unknown_service_gets_404(official: OfficialClient, service: Server) -> None:
    answer = official.ask(REQUEST, endpoint=service.endpoint, service="other", token=TOKEN)
    assert answer["code"] == 404
    assert service.name in answer["error"]


class TestRequests:
    @pytest.mark.parametrize("signature", ["", "serving_default"])
    def test_no_signature_means_the_default_one(
        self, official: OfficialClient, service: Server, signature: str
    ) -> None:
        assert official.ask({**REQUEST, "signature": signature}, **endpoint(service))["outputs"]["total"] == TOTAL

    def test_unknown_signature_gets_400(self, official: OfficialClient, service: Server) -> None:
        answer = official.ask({**REQUEST, "signature": "serving_defualt"}, **endpoint(service))
        assert answer["code"] == 400
        assert "serving_default" in answer["error"]

    def test_fetch_limits_the_outputs(self, official: OfficialClient, service: Server) -> None:
        assert official.ask({**REQUEST, "fetches": ["total"]}, **endpoint(service))["outputs"] == {"total": TOTAL}

    def test_unknown_fetch_gets_400(self, official: OfficialClient, service: Server) -> None:
        answer = official.ask({**REQUEST, "fetches": ["totals"]}, **endpoint(service))
        assert answer["code"] == 400
        assert "'total'" in answer["error"]

    @pytest.mark.parametrize(
        ("feeds", "said"),
        [
            pytest.param({"y": X}, "Known: x", id="unknown input"),
            pytest.param({"x": X, "y": X}, "'y'", id="one input too many"),
            pytest.param({"x": ["DT_FLOAT", [1, 3], [1, 2, 3]]}, "[1, 3]", id="wrong shape"),
            pytest.param({"x": ["DT_FLOAT", [4], [1, 2, 3, 4]]}, "[4]", id="wrong rank"),
            pytest.param({"x": ["DT_DOUBLE", [1, 2], [1, 2]]}, "float64", id="wrong dtype"),
            pytest.param({"x": ["DT_FLOAT", [2, 2], [1, 2, 3]]}, "3", id="too few values"),
            pytest.param({"x": ["DT_FLOAT", [1, 2], [1, 2, 3]]}, "3", id="too many values"),
        ],
    )
    def test_inputs_that_do_not_fit_get_400_and_a_reason(
        self, official: OfficialClient, service: Server, feeds: dict[str, Any], said: str
    ) -> None:
        answer = official.ask({"feeds": feeds}, **endpoint(service))
        assert answer["code"] == 400
        assert said in answer["error"]

    @pytest.mark.parametrize(
        ("dtype", "value"),
        [("DT_UINT8", 300), ("DT_UINT8", -1), ("DT_INT8", 128), ("DT_INT16", 40000), ("DT_UINT16", 65536)],
    )
    def test_value_out_of_the_dtypes_range_gets_400(
        self, official: OfficialClient, service: Server, dtype: str, value: int
    ) -> None:
        """The client sends such values unchecked, and a cast would make other numbers of them."""
        answer = official.ask(
            {"feeds": {"x": [dtype, [1], [value]]}, "signature": f"echo_{dtype}"}, **endpoint(service)
        )
        assert answer["code"] == 400
        assert str(value) in answer["error"]

    def test_request_without_inputs_gets_400(self, official: OfficialClient, service: Server) -> None:
        """Written by hand: the client itself sends an empty body for it, which asks for the structure."""
        answer = official.ask({"text": "\n\x0fserving_default"}, **endpoint(service))
        assert answer["code"] == 400
        assert "'x' is missing" in answer["error"]

    def test_random_bytes_get_400(self, official: OfficialClient, service: Server) -> None:
        assert official.ask({"text": "not a message"}, **endpoint(service))["code"] == 400

    def test_large_batch(self, official: OfficialClient, service: Server) -> None:
        rows = np.arange(50_000, dtype=np.float32).reshape(-1, 2)
        answer = official.ask({"feeds": {"x": ["DT_FLOAT", [25_000, 2], rows.ravel().tolist()]}}, **endpoint(service))
        assert answer["outputs"]["total"] == {"shape": [25_000], "values": rows.sum(axis=1).tolist()}


def as_bytes(*values: bytes) -> list[dict[str, str]]:
    return [{"b64": base64.b64encode(value).decode()} for value in values]


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("DT_FLOAT", [0.5, -0.0, 3.4028234663852886e38, float("inf"), 2.0**-149, 7]),
        ("DT_DOUBLE", [0.1, -0.0, 1.7976931348623157e308, float("-inf"), 5e-324, 7]),
        ("DT_INT8", [-128, -1, 0, 1, 5, 127]),
        ("DT_INT16", [-32768, -1, 0, 1, 5, 32767]),
        ("DT_INT32", [-(2**31), -1, 0, 1, 5, 2**31 - 1]),
        ("DT_INT64", [-(2**63), -1, 0, 1, 5, 2**63 - 1]),
        ("DT_UINT8", [0, 1, 127, 128, 254, 255]),
        ("DT_UINT16", [0, 1, 127, 128, 65534, 65535]),
        ("DT_BOOL", [True, False, False, True, True, False]),
        ("DT_STRING", as_bytes(b"", b"a", "é".encode(), b"\x00\xff\x00", b" ", b"x" * 1000)),
        ("DT_QINT8", [-128, -1, 0, 1, 5, 127]),
        ("DT_QINT16", [-32768, -1, 0, 1, 5, 32767]),
        ("DT_QINT32", [-(2**31), -1, 0, 1, 5, 2**31 - 1]),
        ("DT_QUINT8", [0, 1, 127, 128, 254, 255]),
        ("DT_QUINT16", [0, 1, 127, 128, 65534, 65535]),
    ],
)
@pytest.mark.parametrize("shape", [[6], [2, 3], [1, 6, 1]])
def test_every_dtype_comes_back_as_it_went(
    official: OfficialClient, service: Server, dtype: str, values: list[Any], shape: list[int]
) -> None:
    answer = official.ask({"feeds": {"x": [dtype, shape, values]}, "signature": f"echo_{dtype}"}, **endpoint(service))
    assert answer.get("outputs") == {"y": {"shape": shape, "values": values}}, answer


class TestDiscovery:
    """``set_endpoint_type(ENDPOINT_TYPE_DIRECT)``: the client asks where the service's instances are."""

    def test_direct_client_finds_the_service(self, official: OfficialClient, service: Server) -> None:
        assert official.ask(REQUEST, **endpoint(service), direct=True)["outputs"]["total"] == TOTAL

    def test_direct_client_gets_errors_from_the_instance(self, official: OfficialClient, service: Server) -> None:
        assert official.ask(REQUEST, **endpoint(service, "wrong"), direct=True)["code"] == 401

    def test_advertised_address_is_the_one_that_is_asked(self, official: OfficialClient, service: Server) -> None:
        """A second service that sends its clients to the first one."""
        with Server(slow_model(), "--name", "echo", "--advertise", service.endpoint) as front:
            assert official.ask(REQUEST, **endpoint(front), direct=True)["outputs"]["total"] == TOTAL


class TestTime:
    def test_request_that_outruns_the_deadline_gets_408(self, official: OfficialClient) -> None:
        with Server(slow_model(), "--name", "slow", "--keepalive", "300") as server:
            answer = official.ask(slow_request(1000), **endpoint(server))
            assert answer["code"] == 408
            assert "300 ms" in answer["error"]
            assert 0.25 < answer["seconds"] < 1.5

    def test_client_that_does_not_wait_asks_again_and_the_service_lives(self, official: OfficialClient) -> None:
        """The client gives up by itself, which it reports as a 500 of its own, after so many tries."""
        with Server(slow_model(), "--name", "slow") as server:
            answer = official.ask(slow_request(500), **{**endpoint(server), "timeout_ms": 100, "retries": 3})
            assert "Read timed out" in answer["error"]
            assert official.ask(slow_request(1), **endpoint(server))["outputs"] == {
                "rounds": {"shape": [1], "values": [1]}
            }


class TestNotReady:
    def test_client_gets_503_and_direct_discovery_no_backend_until_the_service_is_warm(
        self, official: OfficialClient, tmp_path: Any
    ) -> None:
        warm_up = tmp_path / "warm_up.bin"
        warm_up.write_bytes(encode_request(PredictRequest({"rounds": np.array([1000], np.int32)})))
        port = free_port()
        options = ("--name", "slow", "--port", str(port), "--warm-up", str(warm_up), "--warm-up-sends", "2")
        with Server(slow_model(), *options, wait=False) as server:
            client = {"endpoint": f"127.0.0.1:{port}", "service": "slow"}
            wait_until_listening(port)
            early = official.ask(slow_request(1), **client)
            assert early["code"] == 503
            assert "no healthy upstream" in early["error"]
            assert official.ask({"text": ""}, **client)["code"] == 503
            direct = official.ask(slow_request(1), **client, direct=True)
            assert direct["error"] == "No backend found for the target service"
            assert not server.ready, "the service was warm before the client asked: warm it up for longer"
            # The same client finds the service once it is warm: it asks discovery again every three seconds.
            assert "outputs" in official.ask(slow_request(1), **client, direct=True, wait_s=60)
            assert server.ready


def slow_request(rounds: int) -> dict[str, Any]:
    return {"feeds": {"rounds": ["DT_INT32", [1], [rounds]]}}
