"""The library's log, forwarded to :mod:`logging` or to a function."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any, Callable, Optional, Union

from . import _structs as t
from .values import LogRecord

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}

Target = Union[logging.Logger, Callable[[LogRecord], Any]]


def _to_logger(logger: logging.Logger, record: LogRecord) -> None:
    ids = {
        name: getattr(record, name)
        for name in ("component", "request_id", "session_id", "execution_id", "container_id")
        if getattr(record, name) is not None
    }
    child = logger.getChild(record.component) if record.component else logger
    child.log(
        _LEVELS.get(record.level, logging.INFO), "%s", record.message, extra={"sandboxcp": {**ids, **record.fields}}
    )


def level_of(target: Optional[Target]) -> str:
    """The least level that the target would keep: the library needn't make records for nobody."""
    if not isinstance(target, logging.Logger):
        return "off" if target is None else "info"
    enabled = (name for name, number in _LEVELS.items() if target.isEnabledFor(number))
    return next(enabled, "off")


def callback(target: Target) -> Any:
    """A C call-back; whoever passes it on keeps it alive. What fails in it ends there."""

    def forward(record: Any, _user: Any) -> None:
        try:
            value = LogRecord._of(record.contents)
            if isinstance(target, logging.Logger):
                _to_logger(target, value)
            else:
                target(value)
        except BaseException:  # the caller is a thread of the library's: there is nobody above
            complain()

    return t.LogFn(forward)


def complain() -> None:
    """Reports the exception in flight without letting it go further."""
    try:
        threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))
    except BaseException:
        pass
