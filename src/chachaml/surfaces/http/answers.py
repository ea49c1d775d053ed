"""What the server answers: strict JSON, one envelope for all that is wrong, the same headers on all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from chachaml.core.errors import BadQuery, ChachamlError, MissingExtra
from chachaml.core.values import json_ready

__all__ = ["SECURE", "FromFile", "Problem", "answer", "as_json", "problem"]

SECURE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Headers of every answer; those of pages and artifacts say more."""


_PIECE = 1 << 20


class Problem(ChachamlError):
    """Something is wrong with a request that only HTTP knows: its size, its kind, its address.

    Args:
        status: Of HTTP.
        code: For machines.
        message: What is wrong.
        hint: What to do.
        headers: To send with it.
    """

    def __init__(
        self, status: int, code: str, message: str, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, hint)
        self.status, self.code, self.headers = status, code, dict(headers or {})


class FromFile(StreamingResponse):
    """A part of a file, a piece at a time; the file is closed whatever happens on the way.

    Args:
        file: Open for reading bytes.
        start: Where the part begins.
        end: Where it ends; None for the file's end.
        status: Of HTTP.
        headers: With the content type.
    """

    def __init__(
        self, file: BinaryIO, start: int, end: int | None, status: int, headers: Mapping[str, str]
    ) -> None:
        self._file = file
        super().__init__(_pieces(file, start, end), status, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def _pieces(file: BinaryIO, start: int, end: int | None) -> Iterator[bytes]:
    file.seek(start)
    left = -1 if end is None else end - start
    while left and (piece := file.read(_PIECE if left < 0 else min(_PIECE, left))):
        left -= len(piece) if left > 0 else 0
        yield piece


def as_json(data: Any) -> bytes:
    """Return plain data and structs as strict JSON: NaN and the infinities as texts."""
    plain = msgspec.to_builtins(data)
    try:
        # The standard library's, for it tells when a number is none that JSON has.
        return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError:
        return json.dumps(json_ready(plain), ensure_ascii=False, separators=(",", ":")).encode()


def answer(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return plain data and structs as an answer in JSON."""
    return Response(as_json(data), status, headers, "application/json")


def problem(error: ChachamlError, request: str = "") -> Response:
    """Return what is wrong, in the one envelope: ``{"error": {"code", "message", "hint"}}``.

    Of a filter that makes no sense, ``at`` and ``why`` tell a page what to underline.

    Args:
        error: What is wrong.
        request: The id of the request, by which the server's log is searched; '' where that is of no use.
    """
    about: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint}
    if isinstance(error, BadQuery):
        about |= {"why": error.why, "at": error.at}
    if request:
        about["request_id"] = request
    # What this server has not got is nothing that the client's request broke.
    status = 406 if isinstance(error, MissingExtra) else error.status
    return answer({"error": about}, status, getattr(error, "headers", None))
