"""Where requests are computed: a few threads, a bounded queue, and the event loop itself for runs short enough.

A thread hop costs more than a small model's run, and the loop must never be held by a model for longer than a
millisecond. So a run may stay on the loop only while runs of requests about as large have lately proved quick.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

from tfkit.serve.exchange import Request, Response
from tfkit.serve.http import Connection

# What counts is the CPU time of a run: the time on the clock is also that of other threads and processes that had the
# processor meanwhile. Asking for it is a system call, so on the loop that is done only for a while after a run that was
# slow by the clock.
_QUICK_CPU_S = 0.0005
_WATCHED_RUNS = 16
_HELD_TOO_LONG_S = 0.001
_WAITED_TOO_LONG_S = 0.02
_RUNS_TO_PROVE = 8
_RUNS_TO_PROVE_AGAIN = 100
_LARGEST_BODY_ON_LOOP_BYTES = 64 * 1024


class Job:
    """A request's way through the computation.

    Args:
        connection: What sends the answer.
        request: The request; its body is the job's from now on.
        run: Turns the body into an answer; never raises.
    """

    __slots__ = ("_connection", "_request", "abandoned", "body", "run")

    def __init__(self, connection: Connection, request: Request, run: Callable[[bytes], Response]) -> None:
        self._connection = connection
        self._request = request
        self.body = request.body
        self.run = run
        self.abandoned = False
        request.body = b""
        request.job = self

    def finish(self, answer: Response) -> None:
        """Hands the answer over, unless the job was abandoned, and lets go of the request."""
        self.let_go()
        if not self.abandoned:
            self._connection.finish(self._request, answer)
            if answer.delivered is not None:
                answer.delivered()

    def let_go(self) -> None:
        """Drops the body, and the circle of job and request that would keep it until the collector runs."""
        self.body = b""
        self._request.job = None

    def watch(self) -> None:
        """The job has to wait after all: from now on the request's deadline is watched."""
        self._connection.watch(self._request)


class QuickRuns:
    """Which runs have proved quick enough for the event loop, by the size of their request (in powers of two).

    A slow run takes the permission away, and a hundred quick ones in a row must earn it again.
    """

    def __init__(self) -> None:
        self._needed = [_RUNS_TO_PROVE] * (_LARGEST_BODY_ON_LOOP_BYTES.bit_length() + 1)

    def allows(self, size_bytes: int) -> bool:
        """Whether a request of that size may run on the loop."""
        return size_bytes <= _LARGEST_BODY_ON_LOOP_BYTES and self._needed[size_bytes.bit_length()] == 0

    def record(self, size_bytes: int, *, quick: bool) -> None:
        """Notes how a run went."""
        if size_bytes > _LARGEST_BODY_ON_LOOP_BYTES:
            return
        bucket = size_bytes.bit_length()
        if not quick:
            self._needed[bucket] = _RUNS_TO_PROVE_AGAIN
        elif self._needed[bucket]:
            self._needed[bucket] -= 1


class Compute:
    """Runs jobs, so many at a time; the others wait in a queue of limited length.

    Args:
        threads: Jobs run at a time.
        max_queue_size: Jobs that may wait.
        may_hold_loop: Whether quick runs may stay on the event loop (a model whose run time hangs on the values it is
            given must not).
        loop: The event loop.
    """

    def __init__(
        self,
        *,
        threads: int,
        max_queue_size: int,
        may_hold_loop: bool,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._threads = threads
        self._max_queue_size = max_queue_size
        self._may_hold_loop = may_hold_loop
        self._loop = loop
        self._quick = QuickRuns()
        self._queue: deque[Job] = deque()
        self._soon: deque[Job] = deque()
        self._tasks: SimpleQueue[Job] = SimpleQueue()
        self._started = 0
        self._watched = 0
        self.running = 0

    @property
    def full(self) -> bool:
        """Whether a further job would be refused."""
        return self.running >= self._threads and len(self._queue) >= self._max_queue_size

    def run_soon(self, job: Job) -> bool:
        """Takes a job that may run on the event loop itself; ``False`` where it has to go through ``submit``.

        It runs when the loop has read what else has come in: reading, running and writing each do better in a row.
        """
        if not self._may_hold_loop or self.running >= self._threads or not self._quick.allows(len(job.body)):
            return False
        self._soon.append(job)
        if len(self._soon) == 1:
            self._loop.call_soon(self._run_waiting)
        return True

    def _run_waiting(self) -> None:
        """Runs the jobs taken by ``run_soon``, for a millisecond at most before the loop gets its turn."""
        now = time.perf_counter()
        until = now + _HELD_TOO_LONG_S
        try:
            while self._soon and now < until:
                job = self._soon.popleft()
                if job.abandoned:
                    continue
                if self._quick.allows(len(job.body)):
                    now = self._run_on_loop(job, now)
                else:  # the one before it was slow
                    job.watch()
                    self._enqueue(job)
        finally:
            if self._soon:
                self._loop.call_soon(self._run_waiting)

    def _run_on_loop(self, job: Job, began: float) -> float:
        """Runs a job and hands its answer over; takes and returns the time of the performance counter."""
        size = len(job.body)
        watched = self._watched > 0
        cpu_began = time.thread_time() if watched else 0.0
        answer = job.run(job.body)
        ended = time.perf_counter()
        seconds = ended - began
        quick = seconds <= _WAITED_TOO_LONG_S
        if watched:
            self._watched -= 1
            quick = quick and time.thread_time() - cpu_began <= _HELD_TOO_LONG_S
        if seconds > _HELD_TOO_LONG_S:
            self._watched = _WATCHED_RUNS
        self._quick.record(size, quick=quick)
        job.finish(answer)
        return ended

    def submit(self, job: Job) -> bool:
        """Starts a job, or queues it; ``False`` if the queue is full."""
        if self.full:
            return False
        self._enqueue(job)
        return True

    def abandon(self, job: Job) -> None:
        """Takes a job out of the queue; one that runs cannot be stopped and keeps its thread until it ends."""
        job.abandoned = True
        if job in self._queue:
            self._queue.remove(job)
            job.let_go()

    def _enqueue(self, job: Job) -> None:
        if self.running < self._threads:
            self._start(job)
        else:
            self._queue.append(job)

    def _start(self, job: Job) -> None:
        if self.running == self._started:
            self._started += 1
            threading.Thread(target=self._work, name=f"compute-{self._started}", daemon=True).start()
        self.running += 1
        self._tasks.put(job)

    def _work(self) -> None:
        while True:
            job = self._tasks.get()
            size = len(job.body)
            began, cpu_began = time.perf_counter(), time.thread_time()
            answer = job.run(job.body)
            quick = time.thread_time() - cpu_began <= _QUICK_CPU_S and time.perf_counter() - began <= _WAITED_TOO_LONG_S
            self._loop.call_soon_threadsafe(self._finished, job, answer, size, quick)
            # A thread that waits must not hold on to the last request and its answer.
            del job, answer

    def _finished(self, job: Job, answer: Response, size: int, quick: bool) -> None:
        self.running -= 1
        self._quick.record(size, quick=quick)
        if self._queue:
            self._start(self._queue.popleft())
        job.finish(answer)
