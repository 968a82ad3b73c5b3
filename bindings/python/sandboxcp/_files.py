"""Bytes into a workspace and out of it."""

from __future__ import annotations

import ctypes
import io
import os
from ctypes import byref, c_char_p, c_void_p
from typing import TYPE_CHECKING, Any, BinaryIO, Callable, Optional, TypeVar

from . import _structs as t
from ._lib import call
from .errors import Status
from .values import FileInfo

if TYPE_CHECKING:
    from .plane import Plane

R = TypeVar("R")


class _Caught:
    """Call-backs can't raise through C: what they raise is kept, the transfer stopped, and raised after it."""

    def __init__(self) -> None:
        self.exception: Optional[BaseException] = None

    def guard(self, step: Callable[[], None]) -> int:
        try:
            step()
            return int(Status.OK)
        except BaseException as e:
            self.exception = e
            return int(Status.ECANCELED)

    def transfer(self, work: Callable[[], R]) -> R:
        try:
            return work()
        except Exception:
            if self.exception is not None:
                raise self.exception from None
            raise


def put(plane: "Plane", session_id: bytes, path: bytes, content: Any) -> FileInfo:
    if isinstance(content, str):
        content = content.encode("utf-8")
    if isinstance(content, os.PathLike):
        return _take(plane, "scp_file_put_path", session_id, path, os.fsencode(content))
    if hasattr(content, "read"):
        return _put_stream(plane, session_id, path, content)
    data = bytes(content)
    return _take(plane, "scp_file_put_bytes", session_id, path, ctypes.cast(c_char_p(data), c_void_p), len(data))


def _take(plane: "Plane", name: str, *arguments: Any) -> FileInfo:
    return plane._take(name, t.File, FileInfo._of, *arguments)


def _put_stream(plane: "Plane", session_id: bytes, path: bytes, stream: BinaryIO) -> FileInfo:
    caught = _Caught()

    def fill(_user: Any, data: Any, capacity: int, length: Any, _err: Any) -> int:
        def step() -> None:
            chunk = stream.read(capacity)
            if len(chunk) > capacity:
                raise ValueError("read() gave more than it was asked for")
            ctypes.memmove(data, chunk, len(chunk))
            length[0] = len(chunk)

        return caught.guard(step)

    source = t.Source(fn=t.SourceFn(fill))
    return caught.transfer(lambda: _take(plane, "scp_file_put", session_id, path, byref(source)))


def get(plane: "Plane", session_id: bytes, path: bytes, to: Any) -> Optional[bytes]:
    if isinstance(to, os.PathLike):
        call("scp_file_get_path", plane.handle, session_id, path, os.fsencode(to))
        return None
    if to is not None:
        _get_stream(plane, session_id, path, to)
        return None
    buffer = io.BytesIO()
    _get_stream(plane, session_id, path, buffer)
    return buffer.getvalue()


def _get_stream(plane: "Plane", session_id: bytes, path: bytes, stream: BinaryIO) -> None:
    caught = _Caught()

    def drain(_user: Any, data: Any, length: int, _err: Any) -> int:
        return caught.guard(lambda: _write_all(stream, ctypes.string_at(data, length)))

    sink = t.Sink(fn=t.SinkFn(drain))
    caught.transfer(lambda: call("scp_file_get", plane.handle, session_id, path, None, byref(sink)))


def _write_all(stream: BinaryIO, data: bytes) -> None:
    """A raw stream may take less than it is given."""
    view = memoryview(data)
    while view:
        taken = stream.write(view)
        view = view[len(view) if taken is None else taken :]


def delete(plane: "Plane", session_id: bytes, path: bytes) -> None:
    call("scp_file_delete", plane.handle, session_id, path)
