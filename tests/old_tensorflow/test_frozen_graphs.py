"""``tfkit serve frozen.pb --processor``: as on EAS, its structure cannot be asked for, and requests name outputs."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest

from tests.eas_client.conftest import OfficialClient
from tests.old_tensorflow.recorded import Fixture
from tests.old_tensorflow.test_services import as_request, from_answer, is_empty
from tests.serving import Server
from tfkit import Client, ServiceError
from tfkit.eas.messages import PredictRequest, encode_request

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def service(old: Fixture, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The frozen graph, open to all, warmed up."""
    first = old.cases("frozen")[0]
    warm_up = tmp_path_factory.mktemp("warm_up") / "warm_up.bin"
    warm_up.write_bytes(encode_request(PredictRequest(first.inputs, "", tuple(first.outputs))))
    with Server(old.frozen, "--processor", old.processor, "--name", "frozen", "--warm-up", str(warm_up)) as server:
        yield server


@pytest.fixture
def client(service: Server) -> Client:
    return Client(service.url, timeout_s=20)


def test_named_outputs_are_the_recorded_ones(old: Fixture, client: Client) -> None:
    for case in old.cases("frozen"):
        case.check(client.predict(case.inputs, fetch=list(case.outputs)))


def test_tensors_may_be_named_as_the_graph_does(old: Fixture, client: Client) -> None:
    case = old.cases("frozen")[0]
    came = client.predict({"features:0": case.inputs["features"]}, fetch=["scores:0"])
    np.testing.assert_allclose(came["scores:0"], case.outputs["scores"], rtol=1e-5)


def test_no_structure_is_there_to_ask_for(service: Server) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(service.url, timeout=20)
    with caught.value as answer:
        assert 400 <= answer.status < 500
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert "frozen graph" in answer.read().decode()


def test_request_without_output_filter_gets_400(old: Fixture, client: Client) -> None:
    with pytest.raises(ServiceError, match="output") as caught:
        client.predict(old.cases("frozen")[0].inputs)
    assert caught.value.status == 400


def test_unknown_tensors_get_400_and_are_named(old: Fixture, client: Client) -> None:
    inputs = old.cases("frozen")[0].inputs
    for fed, fetched, wrong in ((inputs, ["scroes"], "scroes"), ({"fetures": inputs["features"]}, ["best"], "fetures")):
        with pytest.raises(ServiceError, match=wrong) as caught:
            client.predict(fed, fetch=fetched)
        assert caught.value.status == 400


def test_values_that_do_not_fit_get_400(old: Fixture, client: Client) -> None:
    features = old.cases("frozen")[0].inputs["features"]
    for wrong, said in ((features.astype(np.float16), "float16"), (features[:, :3], r"\[3, 3\]")):
        with pytest.raises(ServiceError, match=said) as caught:
            client.predict({"features": wrong}, fetch=["scores"])
        assert caught.value.status == 400


def test_official_client_names_its_outputs(old: Fixture, service: Server, official: OfficialClient) -> None:
    for case in old.cases("frozen"):
        if not is_empty(case):
            answer = official.ask(as_request(case), endpoint=service.endpoint, service=service.name, retries=1)
            case.check(from_answer(case, answer))


def test_official_client_without_outputs_gets_400(old: Fixture, service: Server, official: OfficialClient) -> None:
    request = {**as_request(old.cases("frozen")[0]), "fetches": []}
    answer = official.ask(request, endpoint=service.endpoint, service=service.name, retries=1)
    assert answer["code"] == 400
    assert "output" in answer["error"]
