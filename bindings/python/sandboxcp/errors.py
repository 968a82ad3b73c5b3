"""What goes wrong: :class:`Error`, and a subclass of it for each status of the library."""

from __future__ import annotations

import enum
from typing import Dict, Type


class Status(enum.IntEnum):
    """``scp_status``: how a call ended."""

    OK = 0
    EINVAL = 1
    EAUTH = 2
    ENOTFOUND = 3
    ECONFLICT = 4
    ESTATE = 5
    ETOOBIG = 6
    EBUSY = 7
    EINTERNAL = 8
    ENOMEM = 9
    EBACKEND = 10
    ENOTSUP = 11
    ECAPACITY = 12
    EUNAVAIL = 13
    ECLOSED = 14
    ETIMEDOUT = 15
    ECANCELED = 16
    EAGAIN = 17


class Error(Exception):
    """A call failed.

    ``status`` is a :class:`Status`, ``code`` the REST error code ("SessionNotFound"), ``message`` what happened,
    ``hint`` what to do about it, ``retry_after`` seconds after which it may work (``None``: not said).

    >>> e = error(Status.ENOTFOUND, "SessionNotFound", "Session 'sess_x' does not exist", "Check the id")
    >>> isinstance(e, NotFoundError), e.code, str(e)
    (True, 'SessionNotFound', "Session 'sess_x' does not exist (Check the id)")
    """

    def __init__(
        self,
        status: Status,
        code: str = "",
        message: str = "",
        hint: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(status, code, message, hint, retry_after)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.retry_after = retry_after

    def __str__(self) -> str:
        text = self.message or self.status.name
        return f"{text} ({self.hint})" if self.hint else text


class InvalidError(Error):
    """A parameter is wrong; the message names it and what is allowed."""


class AuthError(Error):
    """Not authorized."""


class NotFoundError(Error):
    """No such session, execution, file, …"""


class ConflictError(Error):
    """Another thing has that name or key."""


class StateError(Error):
    """Not possible in the state that the thing is in."""


class TooBigError(Error):
    """Larger than a limit."""


class BusyError(Error):
    """Too many in flight; later it may work."""


class InternalError(Error):
    """A bug, or a failing machine."""


class NoMemoryError(Error):
    """The library found no memory."""


class BackendError(Error):
    """A backend answered something unexpected."""


class NotSupportedError(Error):
    """This backend can't."""


class CapacityError(Error):
    """Every place is taken."""


class UnavailableError(Error):
    """A backend is out of reach."""


class ClosedError(Error):
    """The plane is closed, or closing."""


class TimedOutError(Error):
    """The time given was up."""


class CanceledError(Error):
    """The caller stopped it."""


class AgainError(Error):
    """Can't go on right now."""


_CLASSES: Dict[Status, Type[Error]] = {
    Status.EINVAL: InvalidError,
    Status.EAUTH: AuthError,
    Status.ENOTFOUND: NotFoundError,
    Status.ECONFLICT: ConflictError,
    Status.ESTATE: StateError,
    Status.ETOOBIG: TooBigError,
    Status.EBUSY: BusyError,
    Status.EINTERNAL: InternalError,
    Status.ENOMEM: NoMemoryError,
    Status.EBACKEND: BackendError,
    Status.ENOTSUP: NotSupportedError,
    Status.ECAPACITY: CapacityError,
    Status.EUNAVAIL: UnavailableError,
    Status.ECLOSED: ClosedError,
    Status.ETIMEDOUT: TimedOutError,
    Status.ECANCELED: CanceledError,
    Status.EAGAIN: AgainError,
}


def error(status: int, code: str, message: str, hint: str, retry_after_ms: int = 0) -> Error:
    """The exception for a status; a number that a newer library may have invented is an InternalError."""
    try:
        known = Status(status)
    except ValueError:
        known = Status.EINTERNAL
    cls = _CLASSES.get(known, InternalError)
    return cls(known, code, message, hint, retry_after_ms / 1000 if retry_after_ms else None)
