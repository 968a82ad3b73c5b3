"""A session: run code in it, stream what it says, put and get its files."""

from __future__ import annotations

import contextlib
import ctypes
import os
from ctypes import byref
from typing import TYPE_CHECKING, Any, BinaryIO, Iterator, List, Mapping, Optional, Union

from . import _files
from . import _structs as t
from ._lib import encoded
from .errors import Error, Status, error
from .stream import Stream
from .values import ExecutionInfo, FileInfo, Result, SessionInfo

if TYPE_CHECKING:
    from .plane import Plane

Code = Union[str, bytes]
Content = Union[bytes, bytearray, memoryview, str, "os.PathLike[str]", BinaryIO]


class Session:
    """A session of a plane; made by :meth:`Plane.session`. Leaving its ``with`` terminates it."""

    def __init__(self, plane: "Plane", session_id: str) -> None:
        self._plane = plane
        self._id = encoded(session_id) or b""
        self.id = session_id

    def __repr__(self) -> str:
        return f"<sandboxcp.Session {self.id}>"

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            self.terminate()
        else:  # what went wrong inside is the news
            with contextlib.suppress(Error):
                self.terminate()

    def info(self) -> SessionInfo:
        """The session as it is now."""
        return self._plane._session(self.id)

    @property
    def status(self) -> str:
        """The session's status as it is now: "running", …"""
        return self.info().status

    def wait(self, timeout: float = 60.0) -> SessionInfo:
        """Wait until it has left "creating", ``timeout`` seconds at most: look at the answer's ``status``."""
        from .plane import slices

        for ms in slices(timeout):
            info = self._plane._take("scp_session_wait", t.Session, SessionInfo._of, self._id, ms)
            if info.status != "creating":
                break
        return info

    def _wait_running(self, timeout: float) -> None:
        try:
            info = self.wait(timeout)
            if info.status == "running":
                return
            raise info.error or _not_running(info)
        except BaseException:  # also Ctrl-C: nobody would have a handle to end it by
            with contextlib.suppress(Error):
                self.terminate()
            raise

    def terminate(self) -> SessionInfo:
        """End the session and remove its container; its files stay for the retention time. Idempotent."""
        return self._plane._take("scp_session_terminate", t.Session, SessionInfo._of, self._id)

    def keepalive(self, extend: Optional[float] = None) -> SessionInfo:
        """Move its end to now + ``extend`` seconds (60–3600; default: its timeout)."""
        from .plane import whole

        seconds = whole(extend, "extend")
        return self._plane._take("scp_session_keepalive", t.Session, SessionInfo._of, self._id, seconds)

    # Running code

    def submit(
        self,
        code: Code,
        language: str = "python",
        event: Any = None,
        timeout: Optional[float] = None,
        env: Optional[Mapping[str, str]] = None,
        stdin: Union[str, bytes, None] = None,
        retries: Optional[int] = None,
        idempotency_key: Optional[str] = None,
    ) -> ExecutionInfo:
        """Start code without waiting: :meth:`Plane.wait` takes the answer's ``id``. Parameters as :meth:`run`'s."""
        from .plane import choice, event_json, pairs, whole

        program = code.encode("utf-8") if isinstance(code, str) else bytes(code)
        given = stdin.encode("utf-8") if isinstance(stdin, str) else bytes(stdin or b"")
        given_buffer = ctypes.create_string_buffer(given, len(given)) if given else None
        spec = t.sized(
            t.ExecutionSpec,
            code=program,
            code_len=len(program),
            language=choice(t.LANGUAGES, language, "language"),
            timeout_s=whole(timeout, "timeout"),
            event_json=event_json(event),
            env=pairs(env),
            env_count=len(env or ()),
            stdin_data=ctypes.cast(given_buffer, ctypes.c_void_p) if given_buffer else None,
            stdin_len=len(given),
            retries=-1 if retries == 0 else retries or 0,
            idempotency_key=encoded(idempotency_key, "idempotency_key"),
        )
        return self._plane._take("scp_execute", t.Execution, ExecutionInfo._of, self._id, byref(spec))

    def run(
        self,
        code: Code,
        language: str = "python",
        event: Any = None,
        timeout: Optional[float] = None,
        env: Optional[Mapping[str, str]] = None,
        stdin: Union[str, bytes, None] = None,
        retries: Optional[int] = None,
    ) -> Result:
        """Run code and wait until it is over.

        ``language`` is python, javascript or shell; code that defines ``handler`` is called with ``event`` and its
        return is ``return_value``. ``retries=0``: not again after a crash. Code that fails is no exception: look at
        ``status``. Ctrl-C cancels it.

        >>> s.run("def handler(event): return sum(event['n'])", event={"n": [1, 2, 3]}).return_value  # doctest: +SKIP
        6
        >>> s.run("echo $((6 * 7))", language="shell").stdout    # doctest: +SKIP
        '42\\n'
        """
        execution = self.submit(code, language, event, timeout, env, stdin, retries)
        try:
            return self._plane.wait(execution.id)
        except KeyboardInterrupt:
            with contextlib.suppress(Error):
                self._plane.cancel(execution.id)
            raise

    def stream(self, code: Code, **spec: Any) -> Stream:
        """Run code and iterate over its events as they happen; the last is the "result". Parameters as :meth:`run`'s.

        >>> for event in s.stream("print('hi')"):    # doctest: +SKIP
        ...     if event.kind == "stdout":
        ...         print(event.data, end="")
        hi
        """
        return self.events(self.submit(code, **spec).id)

    def events(self, execution_id: str, after: int = 0) -> Stream:
        """Iterate over an execution's events: what came before first. ``after``: the last ``seq`` seen."""
        return Stream(self._plane, execution_id, after)

    def executions(self, status: Optional[str] = None, limit: Optional[int] = None) -> List[ExecutionInfo]:
        """Its executions, newest first, without their bytes."""
        return self._plane.executions(self.id, status, limit)

    # Files

    def put(self, path: str, content: Content) -> FileInfo:
        """Write a file: bytes, text (as UTF-8), an open binary file, or a path of this machine (``pathlib.Path``).

        >>> s.put("in.csv", b"a,b\\n").size    # doctest: +SKIP
        4
        """
        return _files.put(self._plane, self._id, encoded(path, "path") or b"", content)

    def get(self, path: str, to: Union["os.PathLike[str]", BinaryIO, None] = None) -> Optional[bytes]:
        """Read a file: its bytes, or nothing where they went into ``to``, an open binary file or a path."""
        return _files.get(self._plane, self._id, encoded(path, "path") or b"", to)

    def files(self, path: str = "", recursive: bool = False, limit: Optional[int] = None) -> List[FileInfo]:
        """The files of a directory, by path."""
        query = t.sized(t.FileQuery, path=encoded(path, "path"), recursive=recursive)
        return self._plane._list("scp_file_list", t.FilePage, FileInfo._of, query, limit, self._id)

    def stat(self, path: str) -> FileInfo:
        """One file or directory."""
        return self._plane._take("scp_file_stat", t.File, FileInfo._of, self._id, encoded(path, "path"))

    def delete(self, path: str) -> None:
        """Remove a file or an empty directory."""
        _files.delete(self._plane, self._id, encoded(path, "path") or b"")


def _not_running(info: SessionInfo) -> Error:
    if info.status == "creating":
        return error(Status.ETIMEDOUT, "BackendUnavailable", f"session {info.id} isn't running yet", "")
    return error(Status.ESTATE, "SessionNotRunning", f"session {info.id} is {info.status}", "")
