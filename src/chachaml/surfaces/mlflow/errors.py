"""What is wrong, as MLflow says it: a code that its clients branch on, and a message."""

from __future__ import annotations

from starlette.responses import Response

from chachaml.core.errors import (
    AccessDenied,
    BadValue,
    ChachamlError,
    Conflict,
    MissingExtra,
    NotFound,
    NotSignedIn,
    StoreError,
)
from chachaml.surfaces.http.answers import Problem, answer

__all__ = ["Refused", "invalid", "taken", "told", "unknown", "unsupported"]

_STATUSES = {
    "INVALID_PARAMETER_VALUE": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "ENDPOINT_NOT_FOUND": 404,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "INTERNAL_ERROR": 500,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
}
"""Clients ask again after 408, 429 and 5xx but for 501, so nothing that a client did wrong is among these."""


class Refused(ChachamlError):
    """A request that is not done.

    Args:
        code: MLflow's word for it.
        message: What is wrong.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.status = code, _STATUSES[code]


def invalid(message: str) -> Refused:
    """Return the error of what a client should not have sent."""
    return Refused("INVALID_PARAMETER_VALUE", message)


def unknown(message: str) -> Refused:
    """Return the error of what is not there."""
    return Refused("RESOURCE_DOES_NOT_EXIST", message)


def taken(message: str) -> Refused:
    """Return the error of what is there already."""
    return Refused("RESOURCE_ALREADY_EXISTS", message)


def unsupported(message: str) -> Refused:
    """Return the error of what this server does not do."""
    return Refused("NOT_IMPLEMENTED", message)


def told(error: ChachamlError) -> Response:
    """Return an error as an answer."""
    code, status = _named(error)
    headers = getattr(error, "headers", None)
    text = f"{error.message} ({error.hint})" if error.hint else error.message
    return answer({"error_code": code, "message": text}, status, headers)


def _named(error: ChachamlError) -> tuple[str, int]:
    """Return MLflow's word for an error, and the status."""
    match error:
        case Refused():
            return error.code, error.status
        case Problem(status=404 | 405):
            return "ENDPOINT_NOT_FOUND", error.status
        case Problem(status=429):
            return "REQUEST_LIMIT_EXCEEDED", 429
        case Problem(status=500 | 503):
            return "INTERNAL_ERROR", error.status
        case Problem(status=415):
            return "INVALID_PARAMETER_VALUE", 400
        case Problem() | BadValue() | Conflict():
            return "INVALID_PARAMETER_VALUE", error.status if isinstance(error, Problem) else 400
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code, _STATUSES[code]
    return "INTERNAL_ERROR", 500


_CODES: tuple[tuple[type[ChachamlError], str], ...] = (
    (NotSignedIn, "UNAUTHENTICATED"),
    (AccessDenied, "PERMISSION_DENIED"),
    (NotFound, "RESOURCE_DOES_NOT_EXIST"),
    (MissingExtra, "NOT_IMPLEMENTED"),
    (StoreError, "TEMPORARILY_UNAVAILABLE"),
)
