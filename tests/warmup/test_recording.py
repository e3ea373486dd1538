"""The folder that requests are recorded to: one of each form, bounded, whole at any time."""

from __future__ import annotations

import json
import logging
import resource
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tfkit.eas.messages import PredictRequest, decode_request, encode_request
from tfkit.errors import InputError, MissingError, UsageError
from tfkit.warmup.folder import MANIFEST, read_folder, request_files
from tfkit.warmup.form import RequestForm
from tfkit.warmup.recording import Recorder, RecordLimits


def request(rows: int, value: float = 0.0, signature: str = "", *fetches: str) -> bytes:
    return encode_request(PredictRequest({"x": np.full((rows, 2), value, np.float32)}, signature, fetches))


def form_of(body: bytes) -> RequestForm:
    return RequestForm.of(decode_request(body))


def wait_until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "records"


@pytest.mark.parametrize("known", [True, False])
def test_one_request_of_each_form_is_kept_and_all_are_counted(folder: Path, known: bool) -> None:
    bodies = [request(1), request(2), request(1, 5.0), request(1, 0, "other"), request(1, 0, "", "b", "a"), request(2)]
    with Recorder(folder) as recorder:
        for body in bodies:
            recorder.see(body, form_of(body) if known else None)
    stored = read_folder(folder)
    assert [each.requests for each in stored] == [2, 2, 1, 1]
    assert [str(each.form) for each in stored] == [
        "(default): x float32[1, 2] -> all outputs",
        "(default): x float32[2, 2] -> all outputs",
        "other: x float32[1, 2] -> all outputs",
        "(default): x float32[1, 2] -> a, b",
    ]
    assert [path.read_bytes() for path in request_files(folder)] == [bodies[0], bodies[1], bodies[3], bodies[4]]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*(each.file for each in stored), MANIFEST])
    assert recorder.summary.kept == 6


def test_the_folder_is_for_its_owner_alone(folder: Path) -> None:
    with Recorder(folder):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_files_are_written_while_it_records(folder: Path) -> None:
    """A process that is killed leaves a folder that can be read."""
    with Recorder(folder) as recorder:
        assert read_folder(folder) == ()
        recorder.see(request(1))
        wait_until(lambda: len(read_folder(folder)) == 1)


def test_a_folder_is_continued(folder: Path) -> None:
    for rows in (1, 2, 1):
        with Recorder(folder) as recorder:
            recorder.see(request(rows), form_of(request(rows)))
    assert [(each.requests, each.form.inputs[0].shape) for each in read_folder(folder)] == [(2, (1, 2)), (1, (2, 2))]
    with Recorder(folder, RecordLimits(forms=2)) as recorder:
        recorder.see(request(3))
    assert recorder.summary.not_kept == 1


def test_what_a_killed_process_left_half_written_is_cleared_away(folder: Path) -> None:
    folder.mkdir()
    for name in (".123-0011aabb.part", "my.part"):
        (folder / name).write_bytes(b"half")
    Recorder(folder).close()
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, "my.part"]


def test_further_forms_are_counted_and_told_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Recorder(folder, RecordLimits(forms=3)) as recorder:
        for rows in range(1, 1001):
            recorder.see(request(rows), form_of(request(rows)))
        recorder.see(request(2), form_of(request(2)))
    summary = recorder.summary
    assert (summary.forms, summary.kept, summary.not_kept) == (3, 4, 997)
    assert len(list(folder.iterdir())) == 4
    assert [each.message for each in caplog.records if each.levelno == logging.WARNING] == [
        f"{folder}: 3 forms are kept: further ones are counted only"
    ]


def test_large_requests_are_not_kept_and_named_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Recorder(folder, RecordLimits(size_bytes=4000)) as recorder:
        for rows in (200, 300, 100, 101, 102, 103, 10):
            recorder.see(request(rows), form_of(request(rows)))
    assert [each.form.inputs[0].shape[0] for each in read_folder(folder)] == [100, 101, 102, 103, 10]
    assert recorder.summary.not_kept == 2
    (told,) = [each.message for each in caplog.records if each.levelno == logging.WARNING]
    assert told.startswith(f"{folder}: a request of 1621 bytes is not kept, nor are others above 1000: (default): x ")


def test_all_together_stay_within_the_limit(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Recorder(folder, RecordLimits(size_bytes=4000)) as recorder:
        for rows in (*range(100, 120), 10):
            recorder.see(request(rows), form_of(request(rows)))
    stored = read_folder(folder)
    assert sum(each.size_bytes for each in stored) <= 4000
    assert stored[-1].form.inputs[0].shape == (10, 2)
    assert recorder.summary.not_kept == 21 - len(stored)
    assert "bytes are kept" in caplog.text


def test_a_share_of_the_requests_is_looked_at(folder: Path) -> None:
    body = request(1)
    with Recorder(folder, RecordLimits(rate=0.25)) as recorder:
        for _ in range(4000):
            recorder.see(body, form_of(body))
    assert 800 < recorder.summary.kept < 1200
    with Recorder(folder, RecordLimits(rate=0)) as recorder:
        recorder.see(body)
    assert recorder.summary.kept == 0


def test_what_comes_too_fast_is_dropped_and_counted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    go_on = threading.Event()

    def unpack(body: bytes) -> bytes:
        go_on.wait(20)
        return body

    with Recorder(folder, unpack=unpack) as recorder:
        for _ in range(1000):
            recorder.see(request(1))
        assert recorder.summary.dropped >= 1000 - 257
        go_on.set()
    summary = recorder.summary
    assert summary.kept + summary.dropped == 1000
    assert summary.forms == 1
    assert caplog.text.count("faster than they can be recorded") == 1


def test_what_waits_is_bounded_in_bytes(folder: Path) -> None:
    go_on = threading.Event()
    body = bytes(20 << 20)
    with Recorder(folder, unpack=lambda body: go_on.wait(20) * body) as recorder:
        for _ in range(10):
            recorder.see(body)
        assert recorder.summary.dropped >= 5
        go_on.set()


def test_what_is_no_request_is_counted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Recorder(folder) as recorder:
        for _ in range(3):
            recorder.see(b'{"instances": [1]}')
        recorder.see(b"\x20\x01")  # names nothing
    assert (recorder.summary.unreadable, recorder.summary.not_kept, recorder.summary.forms) == (3, 1, 0)
    assert caplog.text.count("cannot be read") == 1
    assert read_folder(folder) == ()


def test_threads_may_record_together(folder: Path) -> None:
    def record(rows: int) -> None:
        for _ in range(500):
            recorder.see(request(rows), form_of(request(rows)))

    with Recorder(folder) as recorder:
        threads = [threading.Thread(target=record, args=(rows % 3 + 1,)) for rows in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(each.requests for each in read_folder(folder)) == [1000, 1000, 1000]


def test_one_process_records_to_a_folder_at_a_time(folder: Path) -> None:
    with Recorder(folder), pytest.raises(MissingError, match="another process"):
        Recorder(folder)
    Recorder(folder).close()


def test_what_cannot_be_recorded_to_is_told(folder: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        Recorder(folder / "deeper")
    folder.mkdir()
    (folder / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        Recorder(folder / "file")
    (folder / MANIFEST).write_text('{"name": "of something else"}')
    with pytest.raises(InputError, match='no list "requests"'):
        Recorder(folder)
    assert json.loads((folder / MANIFEST).read_text()) == {"name": "of something else"}
    (folder / MANIFEST).unlink()
    Recorder(folder).close()


def test_a_folder_that_goes_away_ends_the_recording_and_nothing_else(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Recorder(folder) as recorder:
        shutil.rmtree(folder)
        recorder.see(request(1), form_of(request(1)))
        wait_until(lambda: "recording has ended" in caplog.text)
        recorder.see(request(2), form_of(request(2)))
    assert not folder.exists()


def test_what_was_written_before_the_disk_was_full_is_kept_and_told(
    folder: Path,
) -> None:
    """The limit on the size of files stands for a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    small, large = request(1), request(4000)
    with Recorder(folder) as recorder:
        recorder.see(small, form_of(small))
        recorder.see(small, form_of(small))
        wait_until(lambda: len(list(folder.glob("*.bin"))) == 1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, before[1]))
        try:
            recorder.see(large, form_of(large))
            wait_until(lambda: recorder.summary.not_kept == 1)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(recorder.summary) == (
        f"3 requests seen; 1 form kept in {folder}, one request of each; 1 of forms that are not kept"
    )
    assert [each.requests for each in read_folder(folder)] == [2]
    assert not list(folder.glob(".*"))


def test_limits_out_of_range_are_refused() -> None:
    for limits in ({"forms": 0}, {"forms": 10**6}, {"size_bytes": 0}, {"rate": -0.1}, {"rate": float("nan")}):
        with pytest.raises(UsageError, match="expected"):
            RecordLimits(**limits)
