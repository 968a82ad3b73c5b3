"""The plane: the whole control plane as one object."""

from __future__ import annotations

import atexit
import ctypes
import json
import logging
import math
import os
import time
import weakref
from ctypes import byref, c_char_p, c_void_p
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from . import _log
from . import _structs as t
from ._lib import V, call, encoded, library, take, take_text, text
from .errors import Status, error
from .operator import Operator
from .session import Session
from .values import ExecutionInfo, Health, Result, SessionInfo, TemplateInfo

_WAIT_MS = 500  # a wait is cut in pieces: between them Python looks at signals (Ctrl-C)
_PAGE = 200

_STRINGS = (
    "state_dir",
    "database_url",
    "storage_url",
    "storage_credentials_file",
    "executor_path",
    "internal_token",
    "database_password",
    "advertise_url",
)
_NUMBERS = (
    "session_idle_s",
    "session_max_age_s",
    "heartbeat_timeout_s",
    "node_lost_after_s",
    "retention_s",
    "history_s",
    "max_sessions",
    "max_executions",
    "max_running_per_session",
    "max_pending_per_session",
    "max_upload_bytes",
    "retry_base_ms",
    "disk_stock",
    "sync_interval_s",
)

_open_planes: "weakref.WeakSet[Plane]" = weakref.WeakSet()


def _close_all() -> None:
    """Library threads must not call into an interpreter that is going away."""
    for plane in list(_open_planes):
        plane.close()


atexit.register(_close_all)


def _wrong(message: str) -> Exception:
    return error(Status.EINVAL, "InvalidParameter", message, "")


def choice(table: Dict[str, int], value: str, name: str) -> int:
    """An enum's number by its name."""
    try:
        return table[value]
    except KeyError:
        raise _wrong(f"{name} must be one of {', '.join(table)}, not {value!r}") from None


def pairs(env: Optional[Mapping[str, str]]) -> Any:
    """An array of scp_pair, or None."""
    if not env:
        return None
    items = [t.Pair(encoded(name, "an env name"), encoded(value, f"env {name}")) for name, value in env.items()]
    return (t.Pair * len(items))(*items)


def whole(seconds: Optional[float], name: str) -> int:
    """Whole seconds, rounded up; None is 0, the default."""
    if seconds is None:
        return 0
    if not 0 < seconds < 2**31:
        raise _wrong(f"{name} must be a positive number of seconds, not {seconds!r}")
    return math.ceil(seconds)


def _set_lists(options: t.PlaneOptions, runtimes: Sequence[str], seed_images: Mapping[str, str], allow: Any) -> None:
    if runtimes:
        options.runtime_urls = (c_char_p * len(runtimes))(*[encoded(url, "a runtime's URL") for url in runtimes])
        options.runtime_url_count = len(runtimes)
    if seed_images:
        options.seed_images = encoded(",".join(f"{k}={v}" for k, v in seed_images.items()), "seed_images")
    if allow:
        options.allow_unenforced = encoded(allow if isinstance(allow, str) else ",".join(allow), "allow_unenforced")


def _options(given: Dict[str, Any]) -> t.PlaneOptions:
    options = t.sized(t.PlaneOptions)
    runtimes = given.pop("runtime_urls", None) or ()
    if isinstance(runtimes, str):
        runtimes = (runtimes,)
    _set_lists(options, runtimes, given.pop("seed_images", None) or {}, given.pop("allow_unenforced", None))
    upkeep = given.pop("upkeep", None)
    if upkeep is not None:
        options.upkeep = t.SWITCHES["on" if upkeep else "off"]
    options.schema = choice(t.SCHEMAS, given.pop("schema", None) or "migrate", "schema")
    for name in list(given):
        value = given.pop(name)
        if name in _STRINGS:
            setattr(options, name, encoded(None if value is None else os.fspath(value), name))
        elif name in _NUMBERS:
            setattr(options, name, 0 if value is None else int(value))
        else:
            raise TypeError(f"open() got an unexpected option {name!r}")
    return options


def open(  # noqa: A001
    state_dir: Union[str, "os.PathLike[str]", None] = None,
    *,
    log: Optional[_log.Target] = logging.getLogger("sandboxcp"),
    log_level: Optional[str] = None,
    **options: Any,
) -> "Plane":
    """Open the control plane on a state folder; leaving its ``with`` closes it, sandboxes live on.

    ``log`` is a :class:`logging.Logger`, a function of a :class:`~sandboxcp.values.LogRecord`, or ``None``;
    ``log_level`` one of debug, info, warn, error, off (default: what the logger would keep). ``options`` are those of
    ``scp_plane_options``: database_url, storage_url, runtime_urls, executor_path, upkeep, allow_unenforced, …

    >>> with sandboxcp.open(state_dir="state") as plane:    # doctest: +SKIP
    ...     plane.health().status
    'healthy'
    """
    return Plane(_options({"state_dir": state_dir, **options}), log, log_level)


def migrate(state_dir: Union[str, "os.PathLike[str]", None] = None, *, database_url: Optional[str] = None) -> None:
    """Make the database where there is none, bring its schema up to this release's, and do nothing else."""
    call("scp_plane_migrate", byref(_options({"state_dir": state_dir, "database_url": database_url})))


class Plane(Operator):
    """An open control plane; made by :func:`open`. May be used from any thread."""

    def __init__(self, options: t.PlaneOptions, log: Optional[_log.Target], log_level: Optional[str]) -> None:
        self._handle: Optional[int] = None
        self._streams: "weakref.WeakSet[Any]" = weakref.WeakSet()
        level = log_level or _log.level_of(log)
        options.log_level = choice(t.LOG_LEVELS, level, "log_level")
        if log is not None and level != "off":
            self._log = _log.callback(log)  # the library calls it as long as the plane is open
            options.log = self._log
        out = c_void_p()
        call("scp_plane_open", byref(out), byref(options))
        self._handle = out.value
        _open_planes.add(self)

    def close(self) -> None:
        """Close the plane. Sandboxes live on; another process may take over. Closing twice is fine."""
        handle, self._handle = self._handle, None
        if handle is not None:
            _open_planes.discard(self)
            for stream in list(self._streams):
                stream.close()
            library().scp_plane_close(handle)

    def __enter__(self) -> "Plane":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()

    @property
    def handle(self) -> int:
        """The ``scp_plane *``."""
        if self._handle is None:
            raise error(Status.ECLOSED, "BackendUnavailable", "the plane is closed", "")
        return self._handle

    def _take(self, name: str, item: Any, convert: Callable[[Any], V], *arguments: Any) -> V:
        return take(name, item, convert, self.handle, *arguments)

    def health(self, deadline: float = 2.0) -> Health:
        """Probe every backend, ``deadline`` seconds at most."""
        return self._take("scp_plane_health", t.Health, Health._of, int(deadline * 1000))

    def metrics(self) -> str:
        """What happened and how things stand, as Prometheus text.

        >>> with sandboxcp.open() as plane:    # doctest: +SKIP
        ...     "sandboxcp_build_info" in plane.metrics()
        True
        """
        return take_text("scp_plane_metrics", self.handle)

    # Sessions

    def session(
        self,
        template: str,
        *,
        timeout: Optional[float] = None,
        env: Optional[Mapping[str, str]] = None,
        mode: str = "default",
        network: Optional[bool] = None,
        agent_id: Optional[str] = None,
        idempotency_key: Optional[str] = None,
        cpu: Optional[float] = None,
        memory_bytes: Optional[int] = None,
        disk_bytes: Optional[int] = None,
        max_processes: Optional[int] = None,
        wait: float = 60.0,
    ) -> Session:
        """Create a session and wait until it runs; leaving its ``with`` terminates it.

        Raises what the session failed with, or :class:`~sandboxcp.TimedOutError` after ``wait`` seconds (and
        terminates it). ``wait=0`` returns at once, while the session is still being made.

        >>> with plane.session("python-basic", memory_bytes=512 << 20) as s:    # doctest: +SKIP
        ...     s.run("print(1)").stdout
        '1\\n'
        """
        resources = t.sized(
            t.Resources,
            cpu_millis=round((cpu or 0) * 1000),
            memory_bytes=memory_bytes or 0,
            disk_bytes=disk_bytes or 0,
            max_processes=max_processes or 0,
        )
        env_pairs = pairs(env)
        spec = t.sized(
            t.SessionSpec,
            template_id=encoded(template, "template"),
            timeout_s=whole(timeout, "timeout"),
            resources=ctypes.pointer(resources),
            env=env_pairs,
            env_count=len(env or ()),
            mode=choice(t.MODES, mode, "mode"),
            network=t.SWITCHES["default" if network is None else "on" if network else "off"],
            agent_id=encoded(agent_id, "agent_id"),
            idempotency_key=encoded(idempotency_key, "idempotency_key"),
        )
        info = self._take("scp_session_create", t.Session, SessionInfo._of, byref(spec))
        session = Session(self, info.id)
        if wait > 0:
            session._wait_running(wait)
        return session

    def attach(self, session_id: str) -> Session:
        """A session that exists already, by its id."""
        return Session(self, self._session(session_id).id)

    def _session(self, session_id: str) -> SessionInfo:
        return self._take("scp_session_get", t.Session, SessionInfo._of, encoded(session_id, "session_id"))

    def sessions(
        self,
        status: Optional[str] = None,
        template: Optional[str] = None,
        agent_id: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> List[SessionInfo]:
        """Sessions, newest first: all of them, or the first ``limit``."""
        query = t.sized(
            t.SessionQuery,
            status=choice(t.SESSION_STATUSES, status, "status") if status else 0,
            template_id=encoded(template, "template"),
            agent_id=encoded(agent_id, "agent_id"),
        )
        return self._list("scp_session_list", t.SessionPage, SessionInfo._of, query, limit)

    # Executions

    def execution(self, execution_id: str) -> ExecutionInfo:
        """One execution with its result, if it is over."""
        identity = encoded(execution_id, "execution_id")
        return self._take("scp_execution_get", t.Execution, ExecutionInfo._of, identity)

    def executions(
        self, session_id: Optional[str] = None, status: Optional[str] = None, limit: Optional[int] = None
    ) -> List[ExecutionInfo]:
        """Executions, newest first, without their bytes."""
        query = t.sized(
            t.ExecutionQuery,
            session_id=encoded(session_id, "session_id"),
            status=choice(t.EXECUTION_STATUSES, status, "status") if status else 0,
        )
        return self._list("scp_execution_list", t.ExecutionPage, ExecutionInfo._of, query, limit)

    def wait(self, execution_id: str, timeout: Optional[float] = None) -> Result:
        """Wait until an execution is over. :class:`~sandboxcp.TimedOutError` after ``timeout`` seconds."""
        identity = encoded(execution_id, "execution_id")
        for ms in slices(timeout):
            result = self._take("scp_execution_wait", t.Execution, Result._of, identity, ms)
            if result is not None:
                return result
        raise error(Status.ETIMEDOUT, "BackendUnavailable", f"execution {execution_id} isn't over yet", "")

    def cancel(self, execution_id: str) -> ExecutionInfo:
        """Cancel an execution; :class:`~sandboxcp.StateError` if it is over."""
        identity = encoded(execution_id, "execution_id")
        return self._take("scp_execution_cancel", t.Execution, ExecutionInfo._of, identity)

    # Templates

    def template(self, template_id: str) -> TemplateInfo:
        """One template."""
        return self._take("scp_template_get", t.Template, TemplateInfo._of, encoded(template_id, "template_id"))

    def templates(self, limit: Optional[int] = None) -> List[TemplateInfo]:
        """Templates, newest first."""
        return self._list("scp_template_list", t.TemplatePage, TemplateInfo._of, t.sized(t.TemplateQuery), limit)

    def _list(
        self,
        name: str,
        page_type: Any,
        convert: Callable[[Any], V],
        query: Any,
        limit: Optional[int],
        *before: Any,
    ) -> List[V]:
        """Every page of a list, up to ``limit`` items."""
        items: List[V] = []
        following: Optional[str] = "0"
        while following is not None and (limit is None or len(items) < limit):
            query.limit = _PAGE if limit is None else min(_PAGE, limit - len(items))
            query.offset = int(following)
            page, following = self._take(name, page_type, lambda p: _page(p, convert), *before, byref(query))
            items += page
        return items


def _page(page: Any, convert: Callable[[Any], V]) -> Tuple[List[V], Optional[str]]:
    return [convert(page.items[i].contents) for i in range(page.count)], text(page.next)


def slices(timeout: Optional[float]) -> Iterator[int]:
    """Milliseconds to wait for, again and again until ``timeout`` is over; at least one.

    >>> list(slices(0))
    [0]
    """
    end = None if timeout is None else time.monotonic() + timeout
    left = math.inf if end is None else max(timeout or 0.0, 0.0)
    while True:
        yield int(min(math.ceil(left * 1000), _WAIT_MS)) if left != math.inf else _WAIT_MS
        if end is not None:
            left = end - time.monotonic()
            if left <= 0:
                return


def event_json(event: Any) -> Optional[bytes]:
    """An event as JSON text; None is the library's default, {}."""
    if event is None:
        return None
    try:
        return json.dumps(event, allow_nan=False).encode()
    except (TypeError, ValueError) as e:
        raise _wrong(f"event can't be written as JSON: {e}") from None
