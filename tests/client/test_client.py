"""``tfkit.Client`` against a real ``tfkit serve``."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.served_models import DTYPES, echo_model, slow_model
from tests.serving import Server, free_port
from tfkit.arrays import NUMPY_DTYPES
from tfkit.client import Client
from tfkit.eas.compression import FORMATS
from tfkit.eas.messages import PredictRequest, encode_request
from tfkit.errors import InputError, MessageError, MissingError, ServiceError, UsageError
from tfkit.tensors import DType

TOKEN = "Token+of/the=service"
X = np.array([[1, 2], [3, 4.5]], np.float32)


@pytest.fixture(scope="module")
def service() -> Iterator[Server]:
    with Server(echo_model(), "--name", "echo", token=TOKEN) as server:
        yield server


@pytest.fixture
def client(service: Server) -> Iterator[Client]:
    with Client(service.url, token=TOKEN) as client:
        yield client


class TestPredict:
    @pytest.mark.parametrize("signed", [False, True])
    def test_raw_token_and_signature_are_both_accepted(self, service: Server, signed: bool) -> None:
        with Client(service.url, token=TOKEN, signed=signed) as client:
            outputs = client.predict({"x": X})
            assert client.structure().name == "serving_default"
        assert outputs["doubled"].tolist() == [[2, 4], [6, 9]]
        assert outputs["total"].tolist() == [3, 7.5]

    def test_outputs_are_the_callers_own(self, client: Client) -> None:
        doubled = client.predict({"x": X})["doubled"]
        doubled += 1
        assert doubled.flags.owndata
        assert doubled.flags.aligned

    def test_only_the_outputs_asked_for_come(self, client: Client) -> None:
        assert list(client.predict({"x": X}, fetch=["total"])) == ["total"]

    @pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
    def test_every_dtype_comes_back_as_it_went(self, client: Client, dtype: DType) -> None:
        sent = sample(dtype)
        got = client.predict({"x": sent}, signature=f"echo_{dtype.proto_name}")["y"]
        assert got.dtype == sent.dtype
        assert got.tolist() == sent.tolist()

    @pytest.mark.parametrize("shape", [(), (0, 2), (3, 0), (1, 1, 1, 1)])
    def test_every_shape_comes_back_as_it_went(self, client: Client, shape: tuple[int, ...]) -> None:
        assert client.predict({"x": np.zeros(shape, np.int64)}, signature="echo_DT_INT64")["y"].shape == shape

    def test_threads_share_a_client(self, client: Client) -> None:
        failures: list[Any] = []

        def ask(number: int) -> None:
            for _ in range(20):
                total = client.predict({"x": np.array([[number, number]], np.float32)})["total"].tolist()
                if total != [2 * number]:
                    failures.append((number, total))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not failures

    @pytest.mark.parametrize("compression", FORMATS)
    def test_bodies_are_compressed_as_the_service_wants(self, compression: str) -> None:
        with Server(echo_model(), "--decompressor", compression, token=TOKEN) as server:
            for signed in (False, True):
                with Client(server.url, token=TOKEN, signed=signed, compression=compression) as client:
                    assert client.predict({"x": [[1, 2]]})["total"].tolist() == [3]


def sample(dtype: DType) -> np.ndarray[Any, Any]:
    if dtype is DType.STRING:
        return np.array([[b"", b"a\0"], [b"\xff\xfe", "\u00e9".encode()]], dtype=object)
    if dtype is DType.BOOL:
        return np.array([[True, False]])
    numbers = np.array([[0, 1, 2], [100, 7, 127]])
    held = NUMPY_DTYPES[dtype]
    return numbers.astype(held[0]).view(held) if held.names else numbers.astype(held)


class TestValues:
    def test_lists_take_the_dtype_of_the_structure(self, client: Client) -> None:
        assert client.predict({"x": [[1, 2], (3, 4)]})["total"].tolist() == [3, 7]
        assert client.predict({"x": [[1, 2]]}, signature="serving_default")["total"].tolist() == [3]

    @pytest.mark.parametrize("dtype", [np.float64, np.int64])
    def test_arrays_of_numpys_default_dtypes_take_that_of_the_structure(self, client: Client, dtype: type) -> None:
        assert client.predict({"x": np.ones((1, 2), dtype)})["total"].tolist() == [2]

    @pytest.mark.parametrize("inputs", [None, [1, 2], {1: [1]}])
    def test_what_maps_no_names_to_values_is_refused(self, client: Client, inputs: Any) -> None:
        with pytest.raises(UsageError, match="expected values by input name"):
            client.predict(inputs)

    def test_arrays_of_other_dtypes_go_as_they_are(self, client: Client) -> None:
        with pytest.raises(ServiceError, match="float16") as caught:
            client.predict({"x": np.ones((1, 2), np.float16)})
        assert caught.value.status == 400
        assert caught.value.exit_code == 3

    def test_lists_for_a_signature_that_is_not_described_take_numpys_dtype(self, client: Client) -> None:
        assert client.predict({"x": [[1.5]]}, signature="echo_DT_DOUBLE")["y"].dtype == np.float64
        assert client.predict({"x": 2**40}, signature="echo_DT_INT64")["y"].tolist() == 2**40

    def test_texts_and_bytes_are_strings_and_keep_their_nuls(self, client: Client) -> None:
        assert client.predict({"x": ["\u00e9", "a\0"]}, signature="echo_DT_STRING")["y"].tolist() == [
            "\u00e9".encode(),
            b"a\0",
        ]
        assert client.predict({"x": b"\xff\0"}, signature="echo_DT_STRING")["y"].tolist() == b"\xff\0"

    def test_structure_is_asked_for_only_where_it_is_needed(self) -> None:
        with Server(echo_model(), "--access-log") as server, Client(server.url) as client:
            client.predict({"x": X})
            assert server.wait_for_log(" 200 ").count(" 200 ") == 1
            client.predict({"x": [[1, 2]]})
            client.predict({"x": [[1, 2]]})
            assert server.log.count(" 200 0 bytes") == 1

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ([[1, 2], [3]], "'x' is no array"),
            (["a", "b"], "'x'"),
            ([[1e300, 0]], "1e\\+300"),
        ],
    )
    def test_lists_that_do_not_fit_are_refused_before_they_are_sent(
        self, client: Client, value: Any, said: str
    ) -> None:
        with pytest.raises(InputError, match=said):
            client.predict({"x": value})

    def test_values_that_no_message_holds_name_the_input(self, client: Client) -> None:
        with pytest.raises(MessageError, match="'x'"):
            client.predict({"x": np.array(["2026-01-01"], dtype="datetime64[D]")})


class TestNoInputs:
    """A message without anything is empty, and an empty body asks for the structure."""

    def test_prediction_without_inputs_is_no_request_for_the_structure(self, client: Client) -> None:
        with pytest.raises(ServiceError, match="'x' is missing") as caught:
            client.predict({})
        assert caught.value.status == 400

    def test_empty_body_is_no_prediction(self, client: Client) -> None:
        with pytest.raises(InputError, match="structure"):
            client.predict_bytes(b"")


class TestStructure:
    def test_structure_is_the_default_signature(self, client: Client) -> None:
        signature = client.structure()
        assert [str(spec) for spec in signature.inputs] == ["float32[?, 2]"]
        assert [spec.name for spec in signature.outputs] == ["doubled", "total"]
        assert client.find_structure() == signature

    def test_wrong_token_is_no_missing_structure(self, service: Server) -> None:
        with Client(service.url, token="wrong") as client, pytest.raises(ServiceError) as caught:
            client.find_structure()
        assert caught.value.status == 401


class TestErrors:
    def test_wrong_token_is_never_shown(self, service: Server) -> None:
        with Client(service.url, token="wr0ng-t0ken") as client, pytest.raises(ServiceError) as caught:
            client.predict({"x": X})
        assert caught.value.status == 401
        assert "token" in caught.value.hint
        assert "wr0ng" not in f"{caught.value}{client!r}{client.__dict__.get('url')}"

    def test_unknown_signature_offers_the_nearest(self, client: Client) -> None:
        with pytest.raises(ServiceError, match="echo_DT_FLOAT") as caught:
            client.predict({"x": X}, signature="echo_DT_FLAOT")
        assert caught.value.status == 400

    def test_unknown_service_is_404(self, service: Server) -> None:
        with (
            Client(f"http://{service.endpoint}/api/predict/other", token=TOKEN) as client,
            pytest.raises(ServiceError) as caught,
        ):
            client.predict({"x": X})
        assert caught.value.status == 404
        assert "/api/predict/NAME" in caught.value.hint

    def test_body_over_the_limit_is_413(self) -> None:
        with Server(echo_model(), "--body-limit", "1") as server, Client(server.url) as client:
            with pytest.raises(ServiceError) as caught:
                client.predict({"x": np.zeros((2**20, 2), np.float32)})
            assert caught.value.status == 413
            assert client.predict({"x": X})["total"].tolist() == [3, 7.5]

    def test_outrunning_the_deadline_is_408_and_not_sent_again(self) -> None:
        with Server(slow_model(), "--keepalive", "300", "--access-log") as server, Client(server.url) as client:
            with pytest.raises(ServiceError) as caught:
                client.predict({"rounds": np.array([1500], np.int32)})
            assert caught.value.status == 408
            assert caught.value.exit_code == 5
            assert server.wait_for_log(" 408 ").count(" 408 ") == 1

    def test_full_queue_is_tried_again(self) -> None:
        options = ("--worker-threads", "1", "--max-queue-size", "0", "--keepalive", "20000")
        short, long = ({"rounds": np.array([rounds], np.int32)} for rounds in (1, 500))
        with (
            Server(slow_model(), *options) as server,
            Client(server.url, retries=20, timeout_s=20) as patient,
            Client(server.url, retries=0) as hasty,
        ):
            busy = threading.Thread(target=patient.predict, args=(long,))
            busy.start()

            def ask_while_it_is_busy() -> None:
                while busy.is_alive():
                    hasty.predict(short)

            with pytest.raises(ServiceError) as caught:
                ask_while_it_is_busy()
            assert caught.value.status == 450
            assert patient.predict(short)["rounds"].tolist() == [1]
            busy.join(20)


class TestReadiness:
    def test_wait_until_ready_covers_nothing_there_and_not_warm(self, tmp_path: Path) -> None:
        warm_up = tmp_path / "warm_up.bin"
        warm_up.write_bytes(encode_request(PredictRequest({"rounds": np.array([500], np.int32)})))
        port = free_port()
        with Client(f"http://127.0.0.1:{port}/api/predict/slow", retries=0) as client:
            with pytest.raises(MissingError, match="refused"):
                client.structure()
            options = ("--name", "slow", "--port", str(port), "--warm-up", str(warm_up), "--warm-up-sends", "2")
            with Server(slow_model(), *options, wait=False):
                client.wait_until_ready(60)
                assert client.predict({"rounds": np.array([1], np.int32)})["rounds"].tolist() == [1]

    def test_wait_until_ready_says_why_it_gives_up(self) -> None:
        with (
            Client(f"http://127.0.0.1:{free_port()}/api/predict/none") as client,
            pytest.raises(MissingError, match=r"not ready after 0\.3 s: .*refused"),
        ):
            client.wait_until_ready(0.3)

    def test_wait_until_ready_does_not_wait_for_a_wrong_token_to_mend(self, service: Server) -> None:
        with Client(service.url, token="wrong") as client, pytest.raises(ServiceError) as caught:
            client.wait_until_ready(60)
        assert caught.value.status == 401
