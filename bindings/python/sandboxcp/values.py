"""What calls answer: immutable copies of the library's snapshots."""

from __future__ import annotations

import ctypes
import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Optional

from . import _structs as t
from ._lib import text, to_exception
from .errors import Error


def _names(table: Dict[str, int]) -> Dict[int, str]:
    return {number: name for name, number in table.items()}


_LANGUAGES = _names(t.LANGUAGES)
_SESSION_STATUSES = _names(t.SESSION_STATUSES)
_MODES = _names(t.MODES)
_EXECUTION_STATUSES = _names(t.EXECUTION_STATUSES)
_FILE_TYPES = _names(t.FILE_TYPES)
_HEALTH_STATUSES = _names(t.HEALTH_STATUSES)
_LOG_LEVELS = _names(t.LOG_LEVELS)


def _time(us: int) -> Optional[datetime]:
    return datetime.fromtimestamp(us / 1e6, timezone.utc) if us else None


def _bytes(address: Optional[int], length: int) -> bytes:
    return ctypes.string_at(address, length) if address else b""


def _json(data: Optional[bytes]) -> Any:
    return None if data is None else json.loads(data)


def _pairs(pairs: Any, count: int) -> Dict[str, str]:
    return {text(pairs[i].contents.name) or "": text(pairs[i].contents.value) or "" for i in range(count)}


@dataclass(frozen=True)
class Resources:
    """What a sandbox may use."""

    cpu_millis: int
    memory_bytes: int
    disk_bytes: int
    max_processes: int

    @classmethod
    def _of(cls, p: Any) -> Optional["Resources"]:
        if not p:
            return None
        r = p.contents
        return cls(r.cpu_millis, r.memory_bytes, r.disk_bytes, r.max_processes)


@dataclass(frozen=True)
class Metrics:
    """What an execution used; ``source`` says how it was measured: "cgroup" (exact) or "sampled"."""

    duration_ms: float
    cpu_time_ms: float
    peak_memory_mb: float
    io_read_bytes: int
    io_write_bytes: int
    source: Optional[str]

    @classmethod
    def _of(cls, p: Any) -> Optional["Metrics"]:
        if not p:
            return None
        m = p.contents
        return cls(
            m.duration_ms, m.cpu_time_ms, m.peak_memory_mb, m.io_read_bytes, m.io_write_bytes, text(m.source)
        )


@dataclass(frozen=True)
class Artifact:
    """A file that an execution made or changed; ``sha256`` is empty where it was too large to digest."""

    path: str
    size: int
    mime_type: Optional[str]
    type: Optional[str]
    sha256: Optional[str]
    created_at: Optional[datetime]

    @classmethod
    def _of(cls, a: t.Artifact) -> "Artifact":
        return cls(
            text(a.path) or "",
            a.size_bytes,
            text(a.mime_type),
            text(a.type),
            text(a.sha256),
            _time(a.created_us),
        )


@dataclass(frozen=True)
class Result:
    """How an execution ended.

    ``status`` is "success", "failed", "timeout", "crashed" or "cancelled". ``stdout`` and ``stderr`` are text (bytes
    that aren't UTF-8 become U+FFFD); ``stdout_raw`` and ``stderr_raw`` are the bytes themselves. Of each stream the
    first MiB is kept: ``stdout_bytes`` counts what was written in all, ``stdout_truncated`` says that some is missing.
    ``exit_code`` is ``None`` where a signal ended it, ``signal`` where none did. ``sync_pending``: files that it made or
    changed are still to be brought to a storage that is no folder of this host.
    """

    execution_id: str
    status: str
    return_value: Any
    stdout_raw: bytes = field(repr=False)
    stderr_raw: bytes = field(repr=False)
    stdout_bytes: int
    stderr_bytes: int
    stdout_truncated: bool
    stderr_truncated: bool
    exit_code: Optional[int]
    signal: Optional[int]
    metrics: Optional[Metrics]
    artifacts: List[Artifact]
    sync_pending: bool
    error: Optional[str]

    @property
    def ok(self) -> bool:
        """Whether it was a success."""
        return self.status == "success"

    @property
    def stdout(self) -> str:
        return self.stdout_raw.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        return self.stderr_raw.decode("utf-8", "replace")

    @classmethod
    def _of(cls, e: t.Execution) -> Optional["Result"]:
        if not e.result:
            return None
        return cls(
            execution_id=text(e.id) or "",
            status=text(e.result) or "",
            return_value=_json(e.return_json),
            stdout_raw=_bytes(e.out, e.out_len),
            stderr_raw=_bytes(e.err, e.err_len),
            stdout_bytes=e.out_bytes,
            stderr_bytes=e.err_bytes,
            stdout_truncated=e.out_truncated,
            stderr_truncated=e.err_truncated,
            exit_code=None if e.exit_code < 0 else e.exit_code,
            signal=e.signal or None,
            metrics=Metrics._of(e.metrics),
            artifacts=[Artifact._of(e.artifacts[i].contents) for i in range(e.artifact_count)],
            sync_pending=e.sync_pending,
            error=text(e.error),
        )


@dataclass(frozen=True)
class ExecutionInfo:
    """One execution as it was when asked; ``result`` is ``None`` until it is over. Lists leave out the bytes."""

    id: str
    session_id: str
    status: str
    language: str
    timeout: int
    code: Optional[bytes] = field(repr=False)
    event: Any = field(repr=False)
    env: Mapping[str, str]
    retry_count: int
    max_retries: int
    created_at: Optional[datetime]
    started_at: Optional[datetime]
    completed_at: Optional[datetime]
    last_heartbeat_at: Optional[datetime]
    result: Optional[Result]

    @property
    def over(self) -> bool:
        return self.result is not None

    @classmethod
    def _of(cls, e: t.Execution) -> "ExecutionInfo":
        return cls(
            id=text(e.id) or "",
            session_id=text(e.session_id) or "",
            status=_EXECUTION_STATUSES.get(e.status, "?"),
            language=_LANGUAGES.get(e.language, "?"),
            timeout=e.timeout_s,
            code=_bytes(e.code, e.code_len) if e.code else None,
            event=_json(e.event_json),
            env=_pairs(e.env, e.env_count),
            retry_count=e.retry_count,
            max_retries=e.max_retries,
            created_at=_time(e.created_us),
            started_at=_time(e.started_us),
            completed_at=_time(e.completed_us),
            last_heartbeat_at=_time(e.last_heartbeat_us),
            result=Result._of(e),
        )


@dataclass(frozen=True)
class SessionInfo:
    """One session as it was when asked. Values of env whose names look secret are "***"."""

    id: str
    template_id: str
    status: str
    mode: str
    runtime_type: Optional[str]
    runtime_node: Optional[str]
    container_id: Optional[str]
    workspace_path: Optional[str]
    resources: Optional[Resources]
    env: Mapping[str, str]
    timeout: Optional[int]
    agent_id: Optional[str]
    network_enabled: bool
    error: Optional[Error]
    created_at: Optional[datetime]
    started_at: Optional[datetime]
    updated_at: Optional[datetime]
    last_activity_at: Optional[datetime]
    expires_at: Optional[datetime]
    terminated_at: Optional[datetime]

    @classmethod
    def _of(cls, s: t.Session) -> "SessionInfo":
        return cls(
            id=text(s.id) or "",
            template_id=text(s.template_id) or "",
            status=_SESSION_STATUSES.get(s.status, "?"),
            mode=_MODES.get(s.mode, "?"),
            runtime_type=text(s.runtime_type),
            runtime_node=text(s.runtime_node),
            container_id=text(s.container_id),
            workspace_path=text(s.workspace_path),
            resources=Resources._of(s.resources),
            env=_pairs(s.env, s.env_count),
            timeout=s.timeout_s or None,
            agent_id=text(s.agent_id),
            network_enabled=s.network_enabled,
            error=to_exception(s.error.contents) if s.error else None,
            created_at=_time(s.created_us),
            started_at=_time(s.started_us),
            updated_at=_time(s.updated_us),
            last_activity_at=_time(s.last_activity_us),
            expires_at=_time(s.expires_us),
            terminated_at=_time(s.terminated_us),
        )


@dataclass(frozen=True)
class FileInfo:
    """A file or directory of a workspace; ``sha256`` is set after a put."""

    path: str
    size: int
    mime_type: Optional[str]
    modified_at: Optional[datetime]
    type: str
    sha256: Optional[str]
    etag: Optional[str]

    @classmethod
    def _of(cls, f: t.File) -> "FileInfo":
        return cls(
            text(f.path) or "",
            f.size_bytes,
            text(f.mime_type),
            _time(f.modified_us),
            _FILE_TYPES.get(f.type, "?"),
            text(f.sha256),
            text(f.etag),
        )


@dataclass(frozen=True)
class TemplateInfo:
    """What a session is made from."""

    id: str
    name: Optional[str]
    description: Optional[str]
    image: Optional[str]
    base_image: Optional[str]
    languages: List[str]
    packages: List[str]
    default_resources: Optional[Resources]
    default_timeout: int
    env: Mapping[str, str]
    network_enabled: bool
    read_only_root: bool
    run_as_user: int
    deprecated: bool
    created_at: Optional[datetime]
    updated_at: Optional[datetime]
    seccomp: Optional[str] = None
    max_processes: int = 0
    warm_pool: Optional[Mapping[str, int]] = None

    @classmethod
    def _of(cls, m: t.Template) -> "TemplateInfo":
        return cls(
            id=text(m.id) or "",
            name=text(m.name),
            description=text(m.description),
            image=text(m.image),
            base_image=text(m.base_image),
            languages=[_LANGUAGES.get(m.languages[i], "?") for i in range(m.language_count)],
            packages=[text(m.packages[i]) or "" for i in range(m.package_count)],
            default_resources=Resources._of(m.default_resources),
            default_timeout=m.default_timeout_s,
            env=_pairs(m.env, m.env_count),
            network_enabled=m.network_enabled,
            read_only_root=m.read_only_root,
            run_as_user=m.run_as_user,
            deprecated=m.deprecated,
            created_at=_time(m.created_us),
            updated_at=_time(m.updated_us),
            seccomp=text(m.seccomp),
            max_processes=m.max_processes,
            warm_pool={k: getattr(m.warm_pool.contents, k) for k in ("min", "max", "max_idle_s")} if m.warm_pool else None,
        )


@dataclass(frozen=True)
class Probe:
    """One backend: whether it answers, what is used and why, and what to do where it doesn't."""

    name: str
    status: str
    latency_ms: float
    detail: Optional[str]
    hint: Optional[str]

    @classmethod
    def _of(cls, p: t.Probe) -> "Probe":
        status = _HEALTH_STATUSES.get(p.status, "?")
        return cls(text(p.name) or "", status, p.latency_ms, text(p.detail), text(p.hint))


@dataclass(frozen=True)
class Health:
    """``status`` is "healthy", "degraded" or "unhealthy"; ``limits`` tells of each limit whether it is enforced."""

    status: str
    version: Optional[str]
    uptime: float
    probes: List[Probe]
    limits: Mapping[str, str]

    @classmethod
    def _of(cls, h: t.Health) -> "Health":
        limits = (h.limits[i].contents for i in range(h.limit_count))
        return cls(
            status=_HEALTH_STATUSES.get(h.status, "?"),
            version=text(h.version),
            uptime=h.uptime_s,
            probes=[Probe._of(h.probes[i].contents) for i in range(h.probe_count)],
            limits={text(limit.name) or "": text(limit.state) or "" for limit in limits},
        )


@dataclass(frozen=True)
class Event:
    """Something an execution said: ``kind`` is "stdout" or "stderr" (``data`` is text, ``raw`` the bytes), "status"
    (``data`` is the state's name) or "result" (``data`` is the :class:`Result`; the last one)."""

    seq: int
    kind: str
    data: Any
    raw: bytes = field(repr=False)


@dataclass(frozen=True)
class LogRecord:
    """One record of the library's log. Never code, events, env values or tokens."""

    level: str
    time: Optional[datetime]
    component: Optional[str]
    message: str
    request_id: Optional[str]
    session_id: Optional[str]
    execution_id: Optional[str]
    container_id: Optional[str]
    fields: Mapping[str, str]

    @classmethod
    def _of(cls, r: t.LogRecord) -> "LogRecord":
        return cls(
            level=_LOG_LEVELS.get(r.level, "info"),
            time=_time(r.time_us),
            component=text(r.component),
            message=text(r.message) or "",
            request_id=text(r.request_id),
            session_id=text(r.session_id),
            execution_id=text(r.execution_id),
            container_id=text(r.container_id),
            fields={
                text(r.fields[i].name) or "": text(r.fields[i].value) or "" for i in range(r.field_count)
            },
        )
