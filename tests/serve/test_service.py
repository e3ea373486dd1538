"""What a service answers, over real HTTP: predictions, structure, authorization, discovery, health, refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import jsonschema
import numpy as np
import pytest

from tests.serve.asking import ONE, Raw, ask, post
from tests.served_models import classify_model, echo_model, faulty_model, mixed_model
from tests.serving import Server
from tfkit.eas.auth import sign
from tfkit.eas.compression import FORMATS, compress
from tfkit.eas.messages import PredictRequest, decode_response, encode_request
from tfkit.eas.structure import schema

TOKEN = "a-secret/Token+of==odd&letters"
JSON = b'{"inputs": {"x": [[1, 2]]}}'


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(echo_model(), "--name", "echo") as server:
        yield server


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    with Server(echo_model(), "--name", "echo", token=TOKEN) as server:
        yield server


@pytest.fixture(scope="module")
def mixed() -> Iterator[Server]:
    with Server(mixed_model()) as server:
        yield server


def words(*values: bytes) -> np.ndarray:
    return np.array(values, dtype=object)


def test_a_request_is_answered_with_all_outputs(server: Server) -> None:
    answer = post(server, ONE)
    assert answer.status == 200
    outputs = decode_response(answer.body).outputs
    assert outputs["doubled"].tolist() == [[2, 4]]
    assert outputs["total"].tolist() == [3]


def test_the_output_filter_chooses_and_the_signature_name_too(mixed: Server) -> None:
    inputs = {"a": np.array([[1, 2]], np.float32), "word": words(b"blue")}
    answer = post(mixed, encode_request(PredictRequest(inputs, "", ("index",))))
    assert {name: value.tolist() for name, value in decode_response(answer.body).outputs.items()} == {"index": [2]}
    answer = post(mixed, encode_request(PredictRequest({"a": inputs["a"]}, "halve")))
    assert decode_response(answer.body).outputs["half"].tolist() == [[0.5, 1.0]]


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", None), ("POST", b"")])
def test_an_empty_request_is_answered_with_the_structure(server: Server, method: str, body: bytes | None) -> None:
    answer = ask(server, method, urlsplit(server.url).path, body)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    structure = json.loads(answer.body)
    jsonschema.validate(structure, schema())
    assert structure["inputs"] == [{"name": "x", "shape": [-1, 2], "type": "DT_FLOAT"}]
    assert answer.text == json.dumps(structure, indent=4, sort_keys=True)


def test_the_service_s_name_may_be_followed_by_a_path_and_a_query(server: Server) -> None:
    assert ask(server, "POST", "/api/predict/echo/any/path?and=query", ONE).status == 200
    assert ask(server, "POST", "/api/predict/ech%6F", ONE).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/predict/other", 404),
        ("POST", "/api/predict/echoes", 404),
        ("GET", "/", 404),
        ("GET", "/api/v1/servicediscovery/upstreams/other", 404),
        ("PUT", "/api/predict/echo", 405),
        ("DELETE", "/api/predict/echo", 405),
        ("HEAD", "/api/predict/echo", 405),
        ("POST", "/healthz", 405),
    ],
)
def test_other_paths_and_methods_are_refused(server: Server, method: str, path: str, status: int) -> None:
    answer = ask(server, method, path)
    assert answer.status == status
    assert ("Allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"this is no message", ["the body is text: expected a serialized PredictRequest", "--data-binary @"]),
        (JSON, ["the body is JSON text: expected", "tfkit predict URL --input NAME=VALUE"]),
        (b"\n[[1, 2]]\n", ["the body is JSON text"]),
        (b"x=", ["the body is text"]),
        (b"hi", ["the body is text"]),
        (b'--f\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--f--\r\n', ["the body is text"]),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'}", ["the body is a NumPy array (.npy)"]),
        (b"\x0b\x0c", ["not a PredictRequest: wire type 3 of field 1"]),
        ('{"x": ["Grüße", '.encode() + b"1.5, " * 100_000 + b"1]}", ["the body is JSON text: expected"]),
        (b'{"b64": "' + b"A" * 300_000 + b'"}', ["the body is JSON text"]),
        ("早上好，".encode() + " 早上好".encode() * 50_000, ["the body is text"]),
        (b"[1]" + bytes(1 << 18), ["not a PredictRequest"]),
        (ONE[:-3], ["PredictRequest"]),
        (ONE.replace(b"\n", b""), ["not a PredictRequest", "no line feed, as if sent with curl -d", "--data-binary"]),
        (encode_request(PredictRequest({"y": np.zeros((1, 2), np.float32)})), ["'y'", "Known: x"]),
        (encode_request(PredictRequest({"x": np.zeros((1, 3), np.float32)})), ["'x'", "[1, 3]", "float32[?, 2]"]),
        (encode_request(PredictRequest({"x": np.zeros((1, 2), np.int64)})), ["'x'", "int64", "float32[?, 2]"]),
        (encode_request(PredictRequest({"x": np.zeros((1, 2), np.float32)}, "nosuch")), ["'nosuch'"]),
        (encode_request(PredictRequest({"x": np.zeros((1, 2), np.float32)}, "", ("dubbled",))), ["'doubled'"]),
    ],
)
def test_a_client_s_fault_is_400_with_a_short_text_never_500(server: Server, body: bytes, words: list[str]) -> None:
    answer = post(server, body)
    assert answer.status == 400
    assert len(answer.body) < 1000
    for word in words:
        assert word in answer.text


def test_the_runtime_s_refusal_of_a_value_is_400_and_its_own_failure_500() -> None:
    with Server(faulty_model()) as server:
        statuses = {}
        for mode in (0, 1, 2):
            answer = post(server, encode_request(PredictRequest({"mode": np.array(mode, np.int32)})))
            statuses[mode] = (answer.status, answer.text if mode else "")
        assert [statuses[mode][0] for mode in (0, 1, 2)] == [200, 400, 500]
        assert "mode 1 is refused" in statuses[1][1]
        assert "No such file" in statuses[2][1]


def test_a_model_without_a_predict_signature_says_so() -> None:
    with Server(classify_model()) as server:
        answer = ask(server, "GET", urlsplit(server.url).path)
        assert answer.status == 400
        assert "Predict" in answer.text


def test_both_forms_of_authorization(guarded: Server) -> None:
    path = urlsplit(guarded.url).path
    assert post(guarded, ONE, Authorization=TOKEN).status == 200
    stamp = {"Content_MD5": "0123", "Content_Type": "application/octet-stream", "Date": "Sun, 22 Nov 2026 10:00:00 GMT"}
    signature = sign(TOKEN, path=path, content_md5="0123", content_type="application/octet-stream", date=stamp["Date"])
    assert post(guarded, ONE, Authorization=f"EAS {signature}", **stamp).status == 200
    stamp["Date"] = "Sun, 22 Nov 2026 10:00:01 GMT"
    assert post(guarded, ONE, Authorization=f"EAS {signature}", **stamp).status == 401


@pytest.mark.parametrize("wrong", ["", "wrong", TOKEN + "x", TOKEN[:-1], f"Bearer {TOKEN}", "EAS", "EAS ", "EAS ü"])
def test_a_missing_or_wrong_token_is_401(guarded: Server, wrong: str) -> None:
    answer = post(guarded, ONE, **({"Authorization": wrong} if wrong else {}))
    assert answer.status == 401
    assert TOKEN not in answer.text
    assert ask(guarded, "GET", "/api/predict/echo").status == 401, "the structure is guarded as well"


def test_health_and_discovery_need_no_token(guarded: Server) -> None:
    for path in ("/healthz", "/readyz"):
        assert ask(guarded, "GET", path).status == 200
    host, _, port = guarded.endpoint.partition(":")
    item = {"ip": host, "port": int(port), "weight": 100}
    for prefix in ("/api/v1/servicediscovery/upstreams/", "/exported/apis/eas.alibaba-inc.k8s.io/v1/upstreams/"):
        assert json.loads(ask(guarded, "GET", f"{prefix}echo").body) == {"endpoints": {"items": [item]}}


def test_discovery_can_advertise_another_address() -> None:
    with Server(echo_model(), "--name", "echo", "--advertise", "10.9.8.7:80") as server:
        answer = ask(server, "GET", "/api/v1/servicediscovery/upstreams/echo")
        assert json.loads(answer.body)["endpoints"]["items"] == [{"ip": "10.9.8.7", "port": 80, "weight": 100}]


@pytest.mark.parametrize("name", FORMATS)
def test_compressed_bodies_are_unpacked_up_to_the_limit(name: str) -> None:
    with Server(echo_model(), "--decompressor", name, "--body-limit", "1") as server:
        assert post(server, compress(name, ONE)).status == 200
        assert post(server, ONE).status == 400, "a body that is not compressed"
        assert f"the body is not {name} data" in post(server, JSON).text
        assert "the body is JSON text" in post(server, compress(name, JSON)).text
        assert post(server, compress(name, bytes(64 * 1024 * 1024))).status == 413, "a bomb"
        assert post(server, compress(name, ONE)).status == 200


def test_a_body_over_the_limit_is_refused_at_its_headers_and_in_its_chunks() -> None:
    with Server(echo_model(), "--body-limit", "1") as server:
        with Raw(server) as raw:
            raw.send(raw.head(3 * 1024**3))
            answer = raw.read_answer()
            assert answer.status == 413
            assert str(1024**2) in answer.text
        with Raw(server) as raw:
            raw.send(raw.head("", "Transfer-Encoding: chunked"))
            chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
            for _ in range(17):
                raw.send(chunk)
            assert raw.read_answer().status == 413
            assert raw.is_closed_by_server()
        assert post(server, ONE).status == 200


def test_a_chunked_body_is_put_together(server: Server) -> None:
    with Raw(server) as raw:
        raw.send(raw.head("", "Transfer-Encoding: chunked"))
        for at in range(0, len(ONE), 5):
            part = ONE[at : at + 5]
            raw.send(b"%x\r\n%s\r\n" % (len(part), part))
        raw.send(b"0\r\n\r\n")
        assert decode_response(raw.read_answer().body).outputs["total"].tolist() == [3]


def test_every_dtype_is_served(server: Server) -> None:
    for given, dtype in (
        (np.arange(4, dtype=np.int64), "INT64"),
        (np.array([True, False]), "BOOL"),
        (words(b"ab"), "STRING"),
    ):
        body = encode_request(PredictRequest({"x": given}, f"echo_DT_{dtype}"))
        assert decode_response(post(server, body).body).outputs["y"].tolist() == given.tolist()
