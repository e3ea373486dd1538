"""Ctrl-C and its like in the middle of an export: never lost, and never where they would leave half of something."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

# Those that the platform has: Windows has no terminal to hang up.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name))
# An interrupt that was raised needs less than this to reach the end of the block; one that got lost may be repeated.
_RAISED_FOR_S = 0.5


class Interrupts:
    """Puts off interrupts while its block runs, except where they are allowed.

    TensorFlow loses some: in the middle of its import, or of a callback from C, a ``KeyboardInterrupt`` can vanish or
    come out as another error. So one that was raised is raised again at the end of the block, unless it got there.
    Signals without a Python handler keep their effect; outside of the main thread, which gets no signals, nothing is
    done.
    """

    def __init__(self) -> None:
        self._handlers: dict[int, object] = {}
        self._pending: int | None = None
        self._allowed = False
        self._raised_at = -_RAISED_FOR_S
        self._show_unraisable = sys.unraisablehook

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._handlers = {each: handler for each in _SIGNALS if callable(handler := signal.getsignal(each))}
            for each in self._handlers:
                signal.signal(each, self._receive)
            self._show_unraisable = sys.unraisablehook
            sys.unraisablehook = self._show
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._handlers:
            return
        sys.unraisablehook = self._show_unraisable
        for each, handler in self._handlers.items():
            signal.signal(each, handler)  # type: ignore[arg-type]
        if not isinstance(error, KeyboardInterrupt | SystemExit):
            self._handle_pending()

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Lets interrupts through while the inner block runs, those that came before as well."""
        self._allowed = True
        try:
            self._handle_pending()
            yield
            self._handle_pending()
        finally:
            self._allowed = False

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._pending = number
        if self._allowed and time.monotonic() - self._raised_at > _RAISED_FOR_S:
            self._handle_pending(frame)

    def _handle_pending(self, frame: FrameType | None = None) -> None:
        """Does what the process does with the signal otherwise: for Ctrl-C, raising ``KeyboardInterrupt``."""
        if self._pending is None:
            return
        handler = self._handlers[self._pending]
        self._raised_at = time.monotonic()
        if callable(handler):
            handler(self._pending, frame)
        self._pending = None  # not reached where the handler raises: who knows whether that gets through

    def _show(self, unraisable: UnraisableHookArgs) -> None:
        """Keeps Python from telling about an interrupt that was lost in a callback: it is remembered."""
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            self._show_unraisable(unraisable)
