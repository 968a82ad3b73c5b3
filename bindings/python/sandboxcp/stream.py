"""Events of an execution as an iterator."""

from __future__ import annotations

import collections
import ctypes
import threading
from ctypes import byref, c_void_p
from typing import TYPE_CHECKING, Any, Deque, Optional

from . import _log
from . import _structs as t
from ._lib import call, encoded, library
from .errors import Status, error
from .values import Event, Result

if TYPE_CHECKING:
    from .plane import Plane

_KINDS = {number: name for name, number in t.EVENT_KINDS.items()}
_FULL = 256  # events that wait before the library is told to pause
_LOW = 64


def _convert(event: t.ExecutionEvent) -> Event:
    kind = _KINDS.get(event.kind, "?")
    raw = ctypes.string_at(event.data, event.len) if event.data else b""
    data: Any = raw.decode("utf-8", "replace")
    if event.execution:
        data = Result._of(event.execution.contents)
    return Event(event.seq, kind, data, raw)


class _Queue:
    """What the call-back fills and the iterator empties; knows nothing of the iterator, which may be dropped."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.events: Deque[Event] = collections.deque()
        self.handle = c_void_p()  # filled before the first call-back
        self.paused = False
        self.failed = False

    def put(self, event: Event) -> None:
        with self.changed:
            self.events.append(event)
            self.changed.notify()
            pause = len(self.events) >= _FULL and not self.paused
            if pause:
                self.paused = True
        if pause:
            library().scp_subscription_pause(self.handle)

    def fail(self) -> None:
        with self.changed:
            self.failed = True
            self.changed.notify()

    def take(self, timeout: float) -> Optional[Event]:
        with self.changed:
            if not self.events and not self.failed:
                self.changed.wait(timeout)
            event = self.events.popleft() if self.events else None
            resume = self.paused and len(self.events) <= _LOW
            if resume:
                self.paused = False
        if resume:
            library().scp_subscription_resume(self.handle)
        return event


def _callback(queue: _Queue) -> Any:
    def on_event(_user: Any, event: Any) -> None:
        try:
            queue.put(_convert(event.contents))
        except BaseException:  # a thread of the library's: there is nobody above
            queue.fail()
            _log.complain()

    return t.EventFn(on_event)


class Stream:
    """An execution's events, oldest first; ends behind the "result". Dropping or closing it leaves the code running.

    At most a few hundred events wait here; the library holds the others back.
    """

    def __init__(self, plane: "Plane", execution_id: str, after: int = 0) -> None:
        self._plane = plane  # a subscription must be closed before its plane
        self._queue = _Queue()
        self._callback = _callback(self._queue)
        self._over = False
        self._open = False
        self.execution_id = execution_id
        self.result: Optional[Result] = None
        identity = encoded(execution_id, "execution_id")
        call(
            "scp_execution_subscribe",
            byref(self._queue.handle),
            plane.handle,
            identity,
            after,
            self._callback,
            None,
        )
        self._open = True
        plane._streams.add(self)

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> Event:
        while not self._over and self._open:
            event = self._queue.take(0.5)  # in pieces: Python looks at signals between them
            if event is not None:
                return self._seen(event)
            if self._queue.failed:
                self.close()
                raise error(Status.EINTERNAL, "InternalError", "an event was lost", "Look at the execution's result")
        self.close()
        raise StopIteration

    def _seen(self, event: Event) -> Event:
        if event.kind == "result":
            self._over = True
            self.result = event.data
        return event

    def close(self) -> None:
        """Stop watching; the code goes on. Closing twice is fine."""
        if self._open:
            self._open = False
            self._plane._streams.discard(self)
            library().scp_subscription_close(self._queue.handle)

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_open", False):
            self.close()
