"""Run untrusted code in isolated sandboxes: libsandboxcp from Python.

>>> import sandboxcp
>>> with sandboxcp.open(state_dir="state") as plane, plane.session("python-basic") as s:    # doctest: +SKIP
...     r = s.run("def handler(event): return sum(event['n'])", event={"n": [1, 2, 3]})
...     r.return_value
6

Errors are :class:`Error`, with a subclass for each status of the library. Everything may be used from any thread.
"""

from ._lib import library as _library
from .errors import (
    AgainError,
    AuthError,
    BackendError,
    BusyError,
    CanceledError,
    CapacityError,
    ClosedError,
    ConflictError,
    Error,
    InternalError,
    InvalidError,
    NoMemoryError,
    NotFoundError,
    NotSupportedError,
    StateError,
    Status,
    TimedOutError,
    TooBigError,
    UnavailableError,
)
from .operator import ContainerInfo, NodeInfo, NodeShare, Reach, Usage
from .plane import Plane, migrate, open
from .session import Session
from .stream import Stream
from .values import (
    Artifact,
    Event,
    ExecutionInfo,
    FileInfo,
    Health,
    LogRecord,
    Metrics,
    Probe,
    Resources,
    Result,
    SessionInfo,
    TemplateInfo,
)

__version__ = "0.1.0"


def library_version() -> str:
    """The version of the library that is loaded."""
    return str(_library().scp_version().decode())


__all__ = [
    "AgainError",
    "Artifact",
    "AuthError",
    "BackendError",
    "BusyError",
    "CanceledError",
    "CapacityError",
    "ClosedError",
    "ConflictError",
    "ContainerInfo",
    "Error",
    "Event",
    "ExecutionInfo",
    "FileInfo",
    "Health",
    "InternalError",
    "InvalidError",
    "LogRecord",
    "Metrics",
    "NoMemoryError",
    "NodeInfo",
    "NodeShare",
    "Reach",
    "NotFoundError",
    "NotSupportedError",
    "Plane",
    "Probe",
    "Resources",
    "Result",
    "Session",
    "SessionInfo",
    "StateError",
    "Status",
    "Stream",
    "TemplateInfo",
    "TimedOutError",
    "TooBigError",
    "UnavailableError",
    "Usage",
    "library_version",
    "migrate",
    "open",
]
