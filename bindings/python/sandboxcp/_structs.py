"""The structs of ``include/sandboxcp``, member by member. tests/python compares each offset with the C compiler's."""

from __future__ import annotations

from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_bool,
    c_char,
    c_char_p,
    c_double,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any, Type, TypeVar

# Enums, by their C names without "SCP_".
LANGUAGES = {"python": 1, "javascript": 2, "shell": 3}
CONTAINER_STATUSES = {"warm": 1, "creating": 2, "running": 3, "exited": 4, "removed": 5}
SESSION_STATUSES = {"creating": 1, "running": 2, "completed": 3, "failed": 4, "timeout": 5, "terminated": 6}
MODES = {"default": 0, "persistent": 1, "ephemeral": 2}
SWITCHES = {"default": 0, "off": 1, "on": 2}
LOG_LEVELS = {"default": 0, "debug": 1, "info": 2, "warn": 3, "error": 4, "off": 5}
EXECUTION_STATUSES = {
    "pending": 1,
    "running": 2,
    "completed": 3,
    "failed": 4,
    "timeout": 5,
    "crashed": 6,
    "cancelled": 7,
}
EVENT_KINDS = {"stdout": 1, "stderr": 2, "status": 3, "result": 4}
FILE_TYPES = {"file": 1, "directory": 2}
HEALTH_STATUSES = {"healthy": 1, "degraded": 2, "unhealthy": 3}


class Error(Structure):
    _fields_ = [
        ("status", c_int),
        ("retry_after_ms", c_uint32),
        ("code", c_char * 48),
        ("message", c_char * 512),
        ("hint", c_char * 256),
    ]


class Pair(Structure):
    _fields_ = [("name", c_char_p), ("value", c_char_p)]


class Resources(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("cpu_millis", c_uint32),
        ("memory_bytes", c_uint64),
        ("disk_bytes", c_uint64),
        ("max_processes", c_uint32),
    ]


class LogRecord(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("level", c_int),
        ("time_us", c_int64),
        ("component", c_char_p),
        ("message", c_char_p),
        ("request_id", c_char_p),
        ("session_id", c_char_p),
        ("execution_id", c_char_p),
        ("container_id", c_char_p),
        ("field_count", c_size_t),
        ("fields", POINTER(Pair)),
    ]


LogFn = CFUNCTYPE(None, POINTER(LogRecord), c_void_p)


SCHEMAS = {"migrate": 0, "require": 1}


class PlaneOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("state_dir", c_char_p),
        ("database_url", c_char_p),
        ("storage_url", c_char_p),
        ("runtime_urls", POINTER(c_char_p)),
        ("runtime_url_count", c_size_t),
        ("database", c_void_p),
        ("storage", c_void_p),
        ("runtimes", POINTER(c_void_p)),
        ("runtime_count", c_size_t),
        ("executor_path", c_char_p),
        ("log", LogFn),
        ("log_user", c_void_p),
        ("log_level", c_int),
        ("internal_token", c_char_p),
        ("callbacks", c_int),
        ("upkeep", c_int),
        ("allow_unenforced", c_char_p),
        ("session_idle_s", c_uint32),
        ("session_max_age_s", c_uint32),
        ("heartbeat_timeout_s", c_uint32),
        ("retention_s", c_uint32),
        ("max_sessions", c_uint32),
        ("max_executions", c_uint32),
        ("max_running_per_session", c_uint32),
        ("max_pending_per_session", c_uint32),
        ("max_upload_bytes", c_uint64),
        ("retry_base_ms", c_uint32),
        ("disk_stock", c_uint32),
        ("seed_images", c_char_p),
        ("schema", c_int),
        ("history_s", c_uint32),
        ("storage_credentials_file", c_char_p),
        ("database_password", c_char_p),
        ("sync_interval_s", c_uint32),
        ("advertise_url", c_char_p),
        ("node_lost_after_s", c_uint32),
    ]


class SessionSpec(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("template_id", c_char_p),
        ("timeout_s", c_uint32),
        ("resources", POINTER(Resources)),
        ("env", POINTER(Pair)),
        ("env_count", c_size_t),
        ("mode", c_int),
        ("network", c_int),
        ("agent_id", c_char_p),
        ("idempotency_key", c_char_p),
    ]


class Session(Structure):
    _fields_ = [
        ("id", c_char_p),
        ("template_id", c_char_p),
        ("status", c_int),
        ("mode", c_int),
        ("runtime_type", c_char_p),
        ("runtime_node", c_char_p),
        ("container_id", c_char_p),
        ("pod_name", c_char_p),
        ("workspace_path", c_char_p),
        ("resources", POINTER(Resources)),
        ("env", POINTER(POINTER(Pair))),
        ("env_count", c_size_t),
        ("timeout_s", c_uint32),
        ("agent_id", c_char_p),
        ("network_enabled", c_bool),
        ("error", POINTER(Error)),
        ("created_us", c_int64),
        ("started_us", c_int64),
        ("updated_us", c_int64),
        ("last_activity_us", c_int64),
        ("expires_us", c_int64),
        ("terminated_us", c_int64),
    ]


class SessionQuery(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("status", c_int),
        ("template_id", c_char_p),
        ("agent_id", c_char_p),
        ("limit", c_uint32),
        ("offset", c_uint64),
    ]


class ExecutionSpec(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("code", c_char_p),
        ("code_len", c_size_t),
        ("language", c_int),
        ("timeout_s", c_uint32),
        ("event_json", c_char_p),
        ("env", POINTER(Pair)),
        ("env_count", c_size_t),
        ("stdin_data", c_void_p),
        ("stdin_len", c_size_t),
        ("retries", c_int32),
        ("idempotency_key", c_char_p),
    ]


class Metrics(Structure):
    _fields_ = [
        ("duration_ms", c_double),
        ("cpu_time_ms", c_double),
        ("peak_memory_mb", c_double),
        ("io_read_bytes", c_uint64),
        ("io_write_bytes", c_uint64),
        ("source", c_char_p),
    ]


class Artifact(Structure):
    _fields_ = [
        ("path", c_char_p),
        ("size_bytes", c_uint64),
        ("mime_type", c_char_p),
        ("type", c_char_p),
        ("sha256", c_char_p),
        ("created_us", c_int64),
    ]


class Execution(Structure):
    # Bytes that may hold a NUL are c_void_p here: c_char_p would stop at it.
    _fields_ = [
        ("id", c_char_p),
        ("session_id", c_char_p),
        ("status", c_int),
        ("language", c_int),
        ("timeout_s", c_uint32),
        ("code", c_void_p),
        ("code_len", c_size_t),
        ("event_json", c_char_p),
        ("env", POINTER(POINTER(Pair))),
        ("env_count", c_size_t),
        ("retry_count", c_uint32),
        ("max_retries", c_uint32),
        ("created_us", c_int64),
        ("started_us", c_int64),
        ("completed_us", c_int64),
        ("last_heartbeat_us", c_int64),
        ("result", c_char_p),
        ("out", c_void_p),
        ("out_len", c_size_t),
        ("out_bytes", c_uint64),
        ("out_truncated", c_bool),
        ("err", c_void_p),
        ("err_len", c_size_t),
        ("err_bytes", c_uint64),
        ("err_truncated", c_bool),
        ("exit_code", c_int),
        ("signal", c_int),
        ("return_json", c_char_p),
        ("metrics", POINTER(Metrics)),
        ("artifacts", POINTER(POINTER(Artifact))),
        ("artifact_count", c_size_t),
        ("error", c_char_p),
        ("sync_pending", c_bool),
    ]


class ExecutionQuery(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("session_id", c_char_p),
        ("status", c_int),
        ("limit", c_uint32),
        ("offset", c_uint64),
    ]


class ExecutionEvent(Structure):
    _fields_ = [
        ("seq", c_uint64),
        ("kind", c_int),
        ("data", c_void_p),
        ("len", c_size_t),
        ("execution", POINTER(Execution)),
    ]


EventFn = CFUNCTYPE(None, c_void_p, POINTER(ExecutionEvent))


class WarmPool(Structure):
    _fields_ = [("struct_size", c_uint32), ("min", c_uint32), ("max", c_uint32), ("max_idle_s", c_uint32)]


class Template(Structure):
    _fields_ = [
        ("id", c_char_p),
        ("name", c_char_p),
        ("description", c_char_p),
        ("image", c_char_p),
        ("base_image", c_char_p),
        ("languages", POINTER(c_int)),
        ("language_count", c_size_t),
        ("packages", POINTER(c_char_p)),
        ("package_count", c_size_t),
        ("default_resources", POINTER(Resources)),
        ("default_timeout_s", c_uint32),
        ("env", POINTER(POINTER(Pair))),
        ("env_count", c_size_t),
        ("network_enabled", c_bool),
        ("read_only_root", c_bool),
        ("run_as_user", c_uint32),
        ("deprecated", c_bool),
        ("created_us", c_int64),
        ("updated_us", c_int64),
        ("seccomp", c_char_p),
        ("max_processes", c_uint32),
        ("warm_pool", POINTER(WarmPool)),
    ]


class TemplateSpec(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("id", c_char_p),
        ("name", c_char_p),
        ("description", c_char_p),
        ("image", c_char_p),
        ("base_image", c_char_p),
        ("languages", POINTER(c_int)),
        ("language_count", c_size_t),
        ("packages", POINTER(c_char_p)),
        ("package_count", c_size_t),
        ("default_resources", POINTER(Resources)),
        ("default_timeout_s", c_uint32),
        ("env", POINTER(Pair)),
        ("env_count", c_size_t),
        ("network", c_int),
        ("read_only_root", c_int),
        ("run_as_user", c_uint32),
        ("max_processes", c_uint32),
        ("seccomp", c_char_p),
        ("warm_pool", POINTER(WarmPool)),
        ("deprecated", c_bool),
        ("idempotency_key", c_char_p),
    ]


class Usage(Structure):
    _fields_ = [("cpu_percent", c_double), ("memory_bytes", c_uint64), ("processes", c_uint32)]


class Container(Structure):
    _fields_ = [
        ("id", c_char_p),
        ("pod_name", c_char_p),
        ("runtime_type", c_char_p),
        ("status", c_int),
        ("session_id", c_char_p),
        ("template_id", c_char_p),
        ("node", c_char_p),
        ("image", c_char_p),
        ("resources", POINTER(Resources)),
        ("usage", POINTER(Usage)),
        ("created_us", c_int64),
        ("started_us", c_int64),
        ("exited_us", c_int64),
        ("uptime_s", c_double),
        ("exit_code", c_int),
        ("exit_reason", c_char_p),
    ]


class ContainerQuery(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("status", c_int),
        ("runtime_type", c_char_p),
        ("session_id", c_char_p),
        ("limit", c_uint32),
        ("offset", c_uint64),
    ]


class LogQuery(Structure):
    _fields_ = [("struct_size", c_uint32), ("tail", c_uint32), ("since_us", c_int64)]


class ContainerLog(Structure):
    _fields_ = [("text", c_void_p), ("len", c_size_t), ("line_count", c_size_t)]


class NodeShare(Structure):
    _fields_ = [("cpu_millis", c_uint64), ("memory_bytes", c_uint64), ("containers", c_uint32)]


class Node(Structure):
    _fields_ = [
        ("id", c_char_p),
        ("runtime_type", c_char_p),
        ("url", c_char_p),
        ("status", c_char_p),
        ("capacity", POINTER(NodeShare)),
        ("allocated", POINTER(NodeShare)),
        ("cached_images", POINTER(c_char_p)),
        ("cached_image_count", c_size_t),
        ("heartbeat_us", c_int64),
        ("advertise_url", c_char_p),
    ]


class Reach(Structure):
    _fields_ = [("here", c_bool), ("node", c_char_p), ("node_status", c_char_p), ("url", c_char_p)]


class NodeQuery(Structure):
    _fields_ = [("struct_size", c_uint32), ("limit", c_uint32), ("offset", c_uint64)]


class TemplateQuery(Structure):
    _fields_ = [("struct_size", c_uint32), ("limit", c_uint32), ("offset", c_uint64)]


class File(Structure):
    _fields_ = [
        ("path", c_char_p),
        ("size_bytes", c_uint64),
        ("mime_type", c_char_p),
        ("modified_us", c_int64),
        ("type", c_int),
        ("sha256", c_char_p),
        ("etag", c_char_p),
    ]


class FileQuery(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("path", c_char_p),
        ("recursive", c_bool),
        ("limit", c_uint32),
        ("offset", c_uint64),
    ]


class Range(Structure):
    _fields_ = [("offset", c_uint64), ("length", c_uint64)]


SourceFn = CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t, POINTER(c_size_t), POINTER(Error))
SinkFn = CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t, POINTER(Error))
SinkOpenFn = CFUNCTYPE(c_int, c_void_p, POINTER(File), POINTER(Range), POINTER(Error))


class Source(Structure):
    _fields_ = [("fn", SourceFn), ("user", c_void_p)]


class Sink(Structure):
    _fields_ = [("fn", SinkFn), ("user", c_void_p), ("open", SinkOpenFn)]


def _page(item: Type[Structure]) -> Type[Structure]:
    """Every page has the same four members."""
    fields = [
        ("count", c_size_t),
        ("items", POINTER(POINTER(item))),
        ("total", c_uint64),
        ("next", c_char_p),
    ]
    return type(item.__name__ + "Page", (Structure,), {"_fields_": fields})


SessionPage = _page(Session)
ExecutionPage = _page(Execution)
TemplatePage = _page(Template)
ContainerPage = _page(Container)
NodePage = _page(Node)
FilePage = _page(File)


class Probe(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("status", c_int),
        ("latency_ms", c_double),
        ("detail", c_char_p),
        ("hint", c_char_p),
    ]


class Limit(Structure):
    _fields_ = [("name", c_char_p), ("state", c_char_p), ("detail", c_char_p)]


class Health(Structure):
    _fields_ = [
        ("status", c_int),
        ("version", c_char_p),
        ("uptime_s", c_double),
        ("probes", POINTER(POINTER(Probe))),
        ("probe_count", c_size_t),
        ("limits", POINTER(POINTER(Limit))),
        ("limit_count", c_size_t),
    ]


# C name → class: what the layout test walks.
ALL = {
    "scp_error": Error,
    "scp_pair": Pair,
    "scp_resources": Resources,
    "scp_log_record": LogRecord,
    "scp_plane_options": PlaneOptions,
    "scp_session_spec": SessionSpec,
    "scp_session": Session,
    "scp_session_query": SessionQuery,
    "scp_session_page": SessionPage,
    "scp_execution_spec": ExecutionSpec,
    "scp_metrics": Metrics,
    "scp_artifact": Artifact,
    "scp_execution": Execution,
    "scp_execution_query": ExecutionQuery,
    "scp_execution_page": ExecutionPage,
    "scp_execution_event": ExecutionEvent,
    "scp_template": Template,
    "scp_template_query": TemplateQuery,
    "scp_template_page": TemplatePage,
    "scp_template_spec": TemplateSpec,
    "scp_warm_pool": WarmPool,
    "scp_usage": Usage,
    "scp_container": Container,
    "scp_container_query": ContainerQuery,
    "scp_container_page": ContainerPage,
    "scp_log_query": LogQuery,
    "scp_container_log": ContainerLog,
    "scp_node_share": NodeShare,
    "scp_node": Node,
    "scp_node_query": NodeQuery,
    "scp_node_page": NodePage,
    "scp_reach": Reach,
    "scp_file": File,
    "scp_file_query": FileQuery,
    "scp_file_page": FilePage,
    "scp_range": Range,
    "scp_source": Source,
    "scp_sink": Sink,
    "scp_probe": Probe,
    "scp_limit": Limit,
    "scp_health": Health,
}

S = TypeVar("S", bound=Structure)


def sized(cls: Type[S], **members: Any) -> S:
    """A spec with its ``struct_size`` set, as SCP_…_INIT does in C."""
    from ctypes import sizeof

    return cls(struct_size=sizeof(cls), **members)
