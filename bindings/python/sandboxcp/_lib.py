"""Finds and loads libsandboxcp, and gives its functions their types."""

from __future__ import annotations

import ctypes
import os
import pathlib
from ctypes import POINTER, byref, c_bool, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from ctypes.util import find_library
from typing import Any, Callable, Dict, Optional, Sequence, Tuple, TypeVar

from . import _structs as t
from .errors import Error, Status, UnavailableError, error

_P = POINTER
V = TypeVar("V")

# name → (what it returns, what it takes). tests/python compares this with the headers.
FUNCTIONS: Dict[str, Tuple[Any, Sequence[Any]]] = {
    "scp_version": (c_char_p, []),
    "scp_status_name": (c_char_p, [c_int]),
    "scp_plane_open": (c_int, [_P(c_void_p), _P(t.PlaneOptions), _P(t.Error)]),
    "scp_plane_migrate": (c_int, [_P(t.PlaneOptions), _P(t.Error)]),
    "scp_plane_close": (None, [c_void_p]),
    "scp_plane_health": (c_int, [_P(_P(t.Health)), c_void_p, c_uint32, _P(t.Error)]),
    "scp_health_free": (None, [_P(t.Health)]),
    "scp_plane_metrics": (c_int, [_P(c_void_p), c_void_p, _P(t.Error)]),
    "scp_session_create": (c_int, [_P(_P(t.Session)), c_void_p, _P(t.SessionSpec), _P(t.Error)]),
    "scp_session_get": (c_int, [_P(_P(t.Session)), c_void_p, c_char_p, _P(t.Error)]),
    "scp_session_wait": (c_int, [_P(_P(t.Session)), c_void_p, c_char_p, c_uint32, _P(t.Error)]),
    "scp_session_list": (c_int, [_P(_P(t.SessionPage)), c_void_p, _P(t.SessionQuery), _P(t.Error)]),
    "scp_session_keepalive": (c_int, [_P(_P(t.Session)), c_void_p, c_char_p, c_uint32, _P(t.Error)]),
    "scp_session_terminate": (c_int, [_P(_P(t.Session)), c_void_p, c_char_p, _P(t.Error)]),
    "scp_session_free": (None, [_P(t.Session)]),
    "scp_session_page_free": (None, [_P(t.SessionPage)]),
    "scp_execute": (c_int, [_P(_P(t.Execution)), c_void_p, c_char_p, _P(t.ExecutionSpec), _P(t.Error)]),
    "scp_execution_get": (c_int, [_P(_P(t.Execution)), c_void_p, c_char_p, _P(t.Error)]),
    "scp_execution_wait": (c_int, [_P(_P(t.Execution)), c_void_p, c_char_p, c_uint32, _P(t.Error)]),
    "scp_execution_list": (c_int, [_P(_P(t.ExecutionPage)), c_void_p, _P(t.ExecutionQuery), _P(t.Error)]),
    "scp_execution_cancel": (c_int, [_P(_P(t.Execution)), c_void_p, c_char_p, _P(t.Error)]),
    "scp_execution_free": (None, [_P(t.Execution)]),
    "scp_execution_page_free": (None, [_P(t.ExecutionPage)]),
    "scp_execution_subscribe": (
        c_int,
        [_P(c_void_p), c_void_p, c_char_p, c_uint64, t.EventFn, c_void_p, _P(t.Error)],
    ),
    "scp_subscription_pause": (None, [c_void_p]),
    "scp_subscription_resume": (None, [c_void_p]),
    "scp_subscription_close": (None, [c_void_p]),
    "scp_template_get": (c_int, [_P(_P(t.Template)), c_void_p, c_char_p, _P(t.Error)]),
    "scp_template_list": (c_int, [_P(_P(t.TemplatePage)), c_void_p, _P(t.TemplateQuery), _P(t.Error)]),
    "scp_template_create": (c_int, [_P(_P(t.Template)), c_void_p, _P(t.TemplateSpec), _P(t.Error)]),
    "scp_template_update": (c_int, [_P(_P(t.Template)), c_void_p, c_char_p, _P(t.TemplateSpec), _P(t.Error)]),
    "scp_template_delete": (c_int, [c_void_p, c_char_p, _P(t.Error)]),
    "scp_container_get": (c_int, [_P(_P(t.Container)), c_void_p, c_char_p, _P(t.Error)]),
    "scp_container_list": (c_int, [_P(_P(t.ContainerPage)), c_void_p, _P(t.ContainerQuery), _P(t.Error)]),
    "scp_container_logs": (
        c_int,
        [_P(_P(t.ContainerLog)), c_void_p, c_char_p, _P(t.LogQuery), _P(t.Error)],
    ),
    "scp_container_free": (None, [_P(t.Container)]),
    "scp_container_page_free": (None, [_P(t.ContainerPage)]),
    "scp_container_log_free": (None, [_P(t.ContainerLog)]),
    "scp_node_list": (c_int, [_P(_P(t.NodePage)), c_void_p, _P(t.NodeQuery), _P(t.Error)]),
    "scp_node_drain": (c_int, [_P(_P(t.Node)), c_void_p, c_char_p, c_bool, _P(t.Error)]),
    "scp_node_free": (None, [_P(t.Node)]),
    "scp_node_page_free": (None, [_P(t.NodePage)]),
    "scp_reach_get": (c_int, [_P(_P(t.Reach)), c_void_p, c_char_p, _P(t.Error)]),
    "scp_reach_free": (None, [_P(t.Reach)]),
    "scp_template_free": (None, [_P(t.Template)]),
    "scp_template_page_free": (None, [_P(t.TemplatePage)]),
    "scp_file_put": (c_int, [_P(_P(t.File)), c_void_p, c_char_p, c_char_p, _P(t.Source), _P(t.Error)]),
    "scp_file_put_bytes": (
        c_int,
        [_P(_P(t.File)), c_void_p, c_char_p, c_char_p, c_void_p, c_size_t, _P(t.Error)],
    ),
    "scp_file_put_path": (c_int, [_P(_P(t.File)), c_void_p, c_char_p, c_char_p, c_char_p, _P(t.Error)]),
    "scp_file_get": (c_int, [c_void_p, c_char_p, c_char_p, _P(t.Range), _P(t.Sink), _P(t.Error)]),
    "scp_file_get_path": (c_int, [c_void_p, c_char_p, c_char_p, c_char_p, _P(t.Error)]),
    "scp_file_stat": (c_int, [_P(_P(t.File)), c_void_p, c_char_p, c_char_p, _P(t.Error)]),
    "scp_file_list": (c_int, [_P(_P(t.FilePage)), c_void_p, c_char_p, _P(t.FileQuery), _P(t.Error)]),
    "scp_file_delete": (c_int, [c_void_p, c_char_p, c_char_p, _P(t.Error)]),
    "scp_file_free": (None, [_P(t.File)]),
    "scp_file_page_free": (None, [_P(t.FilePage)]),
}


def _candidates() -> Sequence[str]:
    """Where the library may be, best first."""
    chosen = os.environ.get("SANDBOXCP_LIBRARY")
    if chosen:
        return [chosen]
    found = []
    tree = pathlib.Path(__file__).resolve().parents[3] / "build" / "lib" / "libsandboxcp.so"
    if tree.exists():
        found.append(str(tree))
    name = find_library("sandboxcp")
    if name:
        found.append(name)
    return found


def _load() -> ctypes.CDLL:
    why = "it is neither in the build tree nor known to the dynamic linker"
    for path in _candidates():
        try:
            return ctypes.CDLL(path)
        except OSError as e:
            why = str(e)
    raise UnavailableError(
        Status.EUNAVAIL,
        "BackendUnavailable",
        f"libsandboxcp.so can't be loaded: {why}",
        "Build or install it, or set SANDBOXCP_LIBRARY to its path",
    )


def _typed(lib: ctypes.CDLL) -> ctypes.CDLL:
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(lib, name)
        function.restype = result
        function.argtypes = list(arguments)
    return lib


_library: Optional[ctypes.CDLL] = None


def library() -> ctypes.CDLL:
    """The library, loaded at its first use."""
    global _library
    if _library is None:
        _library = _typed(_load())
    return _library


def text(value: Optional[bytes]) -> Optional[str]:
    """A C string as str; NULL is None."""
    return None if value is None else value.decode("utf-8", "replace")


def encoded(value: Optional[str], name: str = "a string") -> Optional[bytes]:
    """A str as a C string. A NUL in it would cut it silently there: refused."""
    if value is None:
        return None
    if "\0" in value:
        raise error(Status.EINVAL, "InvalidParameter", f"{name} contains a NUL character", "")
    return value.encode("utf-8", "surrogateescape")


def to_exception(e: t.Error) -> Error:
    """The exception that a filled scp_error is."""
    return error(e.status, text(e.code) or "", text(e.message) or "", text(e.hint) or "", e.retry_after_ms)


def call(name: str, *arguments: Any) -> None:
    """Calls a function whose last parameter is the scp_error; raises what it says."""
    err = t.Error()
    status = getattr(library(), name)(*arguments, byref(err))
    if status:
        err.status = status
        raise to_exception(err)


def take(name: str, item: Any, convert: Callable[[Any], V], *arguments: Any) -> V:
    """Calls a function that gives a snapshot; converts and frees it."""
    out = POINTER(item)()
    call(name, byref(out), *arguments)
    try:
        return convert(out.contents)
    finally:
        getattr(library(), _FREE[item])(out)


def take_text(name: str, *arguments: Any) -> str:
    """Calls a function that gives a C string to free(); converts and frees it."""
    out = c_void_p()
    call(name, byref(out), *arguments)
    try:
        return ctypes.string_at(out.value or 0).decode("utf-8", "replace")
    finally:
        free(out)


free = ctypes.CDLL(None).free
free.argtypes = [c_void_p]
free.restype = None

_FREE = {
    t.Session: "scp_session_free",
    t.SessionPage: "scp_session_page_free",
    t.Execution: "scp_execution_free",
    t.ExecutionPage: "scp_execution_page_free",
    t.Template: "scp_template_free",
    t.TemplatePage: "scp_template_page_free",
    t.Container: "scp_container_free",
    t.ContainerPage: "scp_container_page_free",
    t.ContainerLog: "scp_container_log_free",
    t.Node: "scp_node_free",
    t.NodePage: "scp_node_page_free",
    t.Reach: "scp_reach_free",
    t.File: "scp_file_free",
    t.FilePage: "scp_file_page_free",
    t.Health: "scp_health_free",
}
