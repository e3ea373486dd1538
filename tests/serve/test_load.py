"""Admission: the queue, the deadline, the rate, and a loop that stays responsive."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from tests.serve.asking import ONE, Raw, ask, post, rounds
from tests.served_models import echo_model, slow_model
from tests.serving import Server


def ask_at_once(server: Server, count: int, body: bytes) -> Counter[int]:
    statuses: Counter[int] = Counter()

    def one() -> None:
        statuses[post(server, body).status] += 1

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def test_a_full_queue_is_450_at_once_and_what_is_queued_is_answered() -> None:
    with Server(slow_model(), "--worker-threads", "1", "--max-queue-size", "2", "--keepalive", "30000") as server:
        statuses = ask_at_once(server, 8, rounds(400))
        assert statuses[200] >= 3
        assert statuses[450] >= 1
        assert statuses.total() == statuses[200] + statuses[450]
        assert post(server, rounds(1)).status == 200


def test_450_closes_the_connection() -> None:
    options = ("--worker-threads", "1", "--max-queue-size", "0", "--keepalive", "30000")
    with Server(slow_model(), *options) as server, Raw(server) as busy, Raw(server) as raw:
        busy.send(busy.head(len(rounds(800))) + rounds(800))
        time.sleep(0.2)
        raw.send(raw.head(len(rounds(1))) + rounds(1))
        answer = raw.read_answer()
        assert (answer.status, answer.headers["Connection"]) == (450, "close")
        assert raw.is_closed_by_server()
        assert busy.read_answer().status == 200


def test_a_run_that_outlasts_the_deadline_is_408_at_the_deadline() -> None:
    with Server(slow_model(), "--keepalive", "300", "--worker-threads", "1") as server:
        began = time.monotonic()
        answer = post(server, rounds(3000))
        assert answer.status == 408
        assert answer.headers["Connection"] == "close"
        assert time.monotonic() - began < 1.5
        # The run cannot be cancelled and keeps its thread: one that waits for it runs out of time as well.
        assert post(server, rounds(1)).status == 408
        deadline = time.monotonic() + 30
        while post(server, rounds(1)).status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_the_loop_answers_while_models_run() -> None:
    with Server(slow_model(), "--keepalive", "30000") as server:
        for _ in range(40):
            post(server, rounds(0))
        with Raw(server) as busy:
            busy.send(busy.head(len(rounds(1500))) + rounds(1500))
            time.sleep(0.1)
            slowest = 0.0
            for _ in range(20):
                began = time.monotonic()
                assert ask(server, "GET", "/healthz").status == 200
                slowest = max(slowest, time.monotonic() - began)
            assert slowest < 0.5, "the run of 1.5 s held the event loop"
            assert busy.read_answer().status == 200


def test_more_requests_a_second_than_allowed_are_429() -> None:
    with Server(echo_model(), "--rate-limit", "5") as server:
        statuses = Counter(post(server, ONE).status for _ in range(30))
        assert statuses[200] >= 5
        assert statuses[429] >= 10
        time.sleep(0.5)
        assert post(server, ONE).status == 200


@pytest.mark.parametrize("count", [40])
def test_many_connections_at_once_are_all_answered(count: int) -> None:
    with Server(echo_model()) as server:
        assert ask_at_once(server, count, ONE) == {200: count}
