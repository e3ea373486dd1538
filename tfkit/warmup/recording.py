"""Keeps the requests that a service answers, one of each form, in a folder of requests (see ``tfkit.warmup.folder``).

Bounded in every way: so many forms, so many bytes, so much that waits to be written. What is beyond a bound is counted,
told in the log once, and forgotten. Nothing but the request's body is ever kept: no header, no token, no address.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from tfkit.eas.messages import decode_request
from tfkit.errors import InputError, MissingError, TfkitError, UsageError, counted
from tfkit.warmup.files import write_file
from tfkit.warmup.folder import MANIFEST, StoredRequest, read_folder, write_manifest
from tfkit.warmup.form import RequestForm

MOST_FORMS = 1000
_MOST_BYTES = 2**40
# One request may take this share of the folder, so that a single large one does not keep out all others.
_LARGEST_SHARE = 0.25
# What the names in all forms together may come to: the manifest repeats them.
_LONGEST_FORMS = 8 << 20
_MOST_QUEUED = 256
_MOST_QUEUED_BYTES = 64 << 20
_FLUSH_S = 5.0
_CLOSE_S = 30.0
# What a write leaves behind when its process is killed: see ``tfkit.warmup.files.replacing``.
_LEFTOVER = re.compile(r"\.\d+-[0-9a-f]{8}\.part")

logger = logging.getLogger("tfkit.record")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLimits:
    """What recording may keep, and how much it looks at.

    Attributes:
        forms: The most forms; one request of each is kept.
        size_bytes: The most bytes that all requests kept may have; one of them a quarter of it.
        rate: The share of requests that is looked at, chosen by chance.

    Raises:
        UsageError: A value is out of range.
    """

    forms: int = 100
    size_bytes: int = 256 << 20
    rate: float = 1.0

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for name, value, least, most in (
            ("forms", self.forms, 1, MOST_FORMS),
            ("size_bytes", self.size_bytes, 1, _MOST_BYTES),
            ("rate", self.rate, 0, 1),
        ):
            if not least <= value <= most:
                raise UsageError(f"{name}={value!r} of a recording: expected {least} to {most}")


@dataclass(frozen=True, slots=True)
class RecordSummary:
    """What a recording has come to.

    Attributes:
        folder: Where the requests are.
        forms: How many forms the folder holds, those of earlier recordings included.
        kept: Requests looked at whose form is kept.
        not_kept: Requests looked at whose form is not kept: beyond the limits.
        dropped: Requests that came faster than they could be read or written.
        unreadable: Requests that were answered but are no PredictRequests.
    """

    folder: Path
    forms: int
    kept: int = 0
    not_kept: int = 0
    dropped: int = 0
    unreadable: int = 0

    def __str__(self) -> str:
        seen = self.kept + self.not_kept + self.dropped + self.unreadable
        beyond = (
            (self.not_kept, "of forms that are not kept"),
            (self.dropped, "dropped, for they came too fast"),
            (self.unreadable, "no PredictRequests"),
        )
        kept = f"{counted(self.forms, 'form')} kept in {self.folder}, one request of each"
        parts = [f"{counted(seen, 'request')} seen", kept, *(f"{count} {what}" for count, what in beyond if count)]
        return "; ".join(parts)


class Recorder:
    """Records requests to a folder, from any thread; files are written by a thread of its own.

    Args:
        folder: The folder; made if it is not there, for its owner alone to read. One that holds requests is continued.
        limits: What may be kept.
        unpack: Turns a body as it was sent into a serialized request, where ``see`` is not told the form; none where
            they are the same.

    Raises:
        InputError: The folder's parent does not exist, or its manifest or one of its files is damaged.
        MissingError: It cannot be written, or is being recorded to already.

    Example:
        >>> with Recorder(Path("records")) as recorder:                             # doctest: +SKIP
        ...     recorder.see(body)
    """

    def __init__(
        self,
        folder: Path,
        limits: RecordLimits | None = None,
        *,
        unpack: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._folder = folder
        self._limits = limits or RecordLimits()
        self._unpack = unpack
        self._files: list[_KeptFile] = []
        self._kept: dict[RequestForm, _KeptFile] = {}
        self._size_bytes = self._forms_length = 0
        self._summary = _Counts()
        self._told: set[str] = set()
        self._changed = self._closing = self._failed = False
        self._flush_at = 0.0
        # Guards all of the above and the queue; nobody reads, writes or decodes while holding it.
        self._wake = threading.Condition()
        self._queue: deque[tuple[bytes, RequestForm | None, _KeptFile | None]] = deque()
        self._queued_bytes = 0
        self._lock = _lock(folder)
        try:
            self._continue()
            self._flush()
            self._flush_at = 0.0  # what is seen first is told at once
            logger.info("recording to %s, which holds %d forms", folder, len(self._kept))
        except BaseException:
            os.close(self._lock)
            raise
        self._thread = threading.Thread(target=self._work, name="recording", daemon=True)
        self._thread.start()

    @property
    def summary(self) -> RecordSummary:
        """What has been recorded so far."""
        with self._wake:
            counts = self._summary
            return RecordSummary(
                self._folder, len(self._kept), counts.kept, counts.not_kept, counts.dropped, counts.unreadable
            )

    def see(self, body: bytes, form: RequestForm | None = None) -> None:
        """Takes note of a request that was answered; returns at once.

        Args:
            body: The serialized request, or what ``unpack`` makes one of.
            form: Its form, where the caller knows it; then ``body`` is not compressed. Else it is found out later.
        """
        if self._limits.rate < 1 and random.random() >= self._limits.rate:  # noqa: S311  # a sample, no secret
            return
        with self._wake:
            if self._closing or self._failed:
                return
            if form is not None and self._is_counted(form, body):
                return
            if len(self._queue) >= _MOST_QUEUED or self._queued_bytes > _MOST_QUEUED_BYTES:
                self._summary.dropped += 1
                self._tell("queue", "requests come faster than they can be recorded: some are dropped")
                return
            self._queue.append((body, form, None if form is None else self._reserve(form, body)))
            self._queued_bytes += len(body)
            self._wake.notify()

    def close(self) -> RecordSummary:
        """Writes what has been seen, and ends the recording; returns what it has come to."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(_CLOSE_S)
        if self._thread.is_alive():
            logger.error("%s: what was recorded last could not be written in %d s", self._folder, _CLOSE_S)
        elif self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        return self.summary

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        summary = self.close()
        logger.info("recording ended: %s", summary)

    # --- what is kept; with the condition held

    def _is_counted(self, form: RequestForm, body: bytes) -> bool:
        """Counts a request whose form is known, or is beyond the limits; whether it was one."""
        kept = self._kept.get(form)
        if kept is not None:
            kept.requests += 1
            self._summary.kept += 1
            self._changed = True
            return True
        if self._is_refused(form, body):
            self._summary.not_kept += 1
            return True
        return False

    def _is_refused(self, form: RequestForm, body: bytes) -> bool:
        limits = self._limits
        if len(self._kept) >= limits.forms:
            self._tell("forms", "%d forms are kept: further ones are counted only", limits.forms)
        elif len(body) > limits.size_bytes * _LARGEST_SHARE:
            share = int(limits.size_bytes * _LARGEST_SHARE)
            text = "a request of %d bytes is not kept, nor are others above %d: %.300s"
            self._tell("large", text, len(body), share, form)
        elif self._size_bytes + len(body) > limits.size_bytes or self._forms_length > _LONGEST_FORMS:
            text = "%d bytes are kept: further forms are kept where they fit, and counted only where they do not"
            self._tell("size", text, self._size_bytes)
        else:
            # A file that names nothing is no warm-up file.
            return not (form.inputs or form.signature_name or form.fetches)
        return True

    def _reserve(self, form: RequestForm, body: bytes) -> _KeptFile:
        kept = _KeptFile(StoredRequest(_name_of(form), form, len(body), ""), 1)
        self._add(kept)
        self._summary.kept += 1
        return kept

    def _add(self, kept: _KeptFile) -> None:
        self._files.append(kept)
        self._kept.setdefault(kept.stored.form, kept)
        self._size_bytes += kept.stored.size_bytes
        self._forms_length += len(str(kept.stored.form))

    def _tell(self, what: str, text: str, *values: object) -> None:
        if what not in self._told:
            self._told.add(what)
            logger.warning("%s: %s", self._folder, text % values)

    # --- what the thread does

    def _continue(self) -> None:
        """Clears away what a killed process left half-written, and takes up what the folder holds."""
        try:
            for path in self._folder.iterdir():
                if _LEFTOVER.fullmatch(path.name):
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise MissingError(f"{self._folder} cannot be recorded to: {error.strerror}") from None
        if (self._folder / MANIFEST).exists():
            for stored in read_folder(self._folder):
                self._add(_KeptFile(stored, stored.requests))

    def _work(self) -> None:
        try:
            while (job := self._next()) is not None or not self._closing:
                if job is not None:
                    self._handle(*job)
                if self._changed and time.monotonic() >= self._flush_at:
                    self._flush()
            if self._changed:
                self._flush()
        except TfkitError as error:
            self._fail(str(error))
        except Exception:
            logger.exception("%s: recording failed: this is a bug in tfkit", self._folder)
            self._fail("see the lines above")

    def _next(self) -> tuple[bytes, RequestForm | None, _KeptFile | None] | None:
        """What to handle next; ``None`` when there is nothing, and the manifest may be due or the end has come."""
        with self._wake:
            if not self._queue and not self._closing:
                self._wake.wait(max(self._flush_at - time.monotonic(), 0.01) if self._changed else _FLUSH_S)
            if not self._queue:
                return None
            job = self._queue.popleft()
            self._queued_bytes -= len(job[0])
            return job

    def _handle(self, body: bytes, form: RequestForm | None, kept: _KeptFile | None) -> None:
        if form is None:
            try:
                body = self._unpack(body) if self._unpack is not None else body
                form = RequestForm.of(decode_request(body))
            except InputError as error:
                with self._wake:
                    self._summary.unreadable += 1
                    self._tell("unreadable", "a request that was answered cannot be read: %s", error.message)
                return
            with self._wake:
                kept = None if self._is_counted(form, body) else self._reserve(form, body)
        if kept is not None:
            write_file(self._folder / kept.stored.file, body, force=True)
            with self._wake:
                kept.stored = replace(kept.stored, sha256=hashlib.sha256(body).hexdigest())
                self._changed = True

    def _flush(self) -> None:
        """Writes the manifest of the files that are written."""
        with self._wake:
            self._changed = False
            files = [(each.stored, each.requests) for each in self._files if each.stored.sha256]
        write_manifest(self._folder, [replace(stored, requests=requests) for stored, requests in files])
        self._flush_at = time.monotonic() + _FLUSH_S

    def _fail(self, reason: str) -> None:
        """Ends the recording, not the service; what is written already goes into the manifest, if that can be."""
        logger.error("recording has ended: %s", reason)
        with self._wake:
            self._failed = True
            self._queue.clear()
            lost = sum(each.requests for each in self._kept.values() if not each.stored.sha256)
            self._kept = {form: each for form, each in self._kept.items() if each.stored.sha256}
            self._summary.kept -= lost
            self._summary.not_kept += lost
        try:
            self._flush()
        except TfkitError as error:
            logger.error("the manifest may lack what was recorded last: %s", error)  # noqa: TRY400  # no bug


@dataclass(slots=True)
class _KeptFile:
    """A file of the folder, and how many requests of its form were seen; without a checksum until it is written."""

    stored: StoredRequest
    requests: int


@dataclass(slots=True)
class _Counts:
    kept: int = 0
    not_kept: int = 0
    dropped: int = 0
    unreadable: int = 0


def _lock(folder: Path) -> int:
    """Makes the folder, and keeps others from recording to it as long as the descriptor is open."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{folder} cannot be recorded to: {error.strerror}", hint="Give a folder.") from None
    except OSError as error:
        raise MissingError(f"{folder} cannot be recorded to: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise MissingError(
            f"{folder} is being recorded to by another process", hint="Give each service a folder of its own."
        ) from None
    return descriptor


def _name_of(form: RequestForm) -> str:
    """A file name that says the signature, and is the same whenever the form is."""
    digest = hashlib.sha256(json.dumps(form.as_dict(), sort_keys=True).encode()).hexdigest()
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", form.signature_name)[:40] or "default"
    return f"{name}-{digest[:12]}.bin"
