"""What is known of a request while it is answered: for its log, the metrics and the traces."""

from __future__ import annotations

import re
import secrets
import time

from starlette.datastructures import Headers
from starlette.types import Scope

__all__ = ["Seen"]

_ID = re.compile(r"[A-Za-z0-9._~+/=:-]{1,128}")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Seen:
    """One request.

    Args:
        scope: As ASGI gives it.

    Attributes:
        id: Its id: the one that it came with, or a fresh one.
        method: Of HTTP; "other" for one that nobody knows.
        route: The template of its route, such as ``/api/runs/{run_id}``; '' for none.
        user: Who asks, '' if that is not known.
        status: Of the answer, 0 until it begins.
        sent: Bytes of the answer's body.
        first: Seconds until the answer began.
    """

    def __init__(self, scope: Scope) -> None:
        given = Headers(scope=scope).get("x-request-id", "")
        self.id = given if _ID.fullmatch(given) else secrets.token_hex(16)
        self.method: str = scope["method"] if scope["method"] in METHODS else "other"
        self.path: str = scope["path"]
        self.client: str = (scope.get("client") or ("",))[0]
        self.route = self.user = ""
        self.status = self.sent = 0
        self.first = 0.0
        self._began = time.perf_counter()

    def begun(self, status: int) -> None:
        """Hear that its answer begins."""
        self.status, self.first = status, self.passed()

    def passed(self) -> float:
        """Return how many seconds have passed since it came."""
        return time.perf_counter() - self._began
