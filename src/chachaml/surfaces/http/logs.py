"""The server's log: what went wrong as text, or everything as JSON, a line for each request."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from chachaml.core.addresses import shown
from chachaml.surfaces.http.seen import Seen

__all__ = ["as_json_lines", "fault", "is_json", "request", "say", "trouble"]

_access = logging.getLogger("chachaml.access")
_server = logging.getLogger("chachaml.server")

_ROUTINE = ("/healthz", "/readyz", "/metrics")
"""Asked for by machines every few seconds: told only if something is wrong."""


class _Lines(logging.Formatter):
    """A record as one line of JSON: nothing that somebody sent can begin another."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        about = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": shown(record.getMessage().strip()),
            **getattr(record, "about", {}),
        }
        if record.exc_info:
            about["exception"] = shown(self.formatException(record.exc_info))
        return json.dumps(about, ensure_ascii=False, separators=(",", ":"), default=str)


def as_json_lines() -> None:
    """Let everything that this process logs, warnings too, be JSON, one line each, on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    for ours in (_access, _server):
        ours.setLevel(logging.INFO)


def is_json() -> bool:
    """Tell whether the log is JSON."""
    return _access.isEnabledFor(logging.INFO)


def say(message: str, **about: Any) -> None:
    """Log something that is as it should be."""
    _server.info(message, extra={"about": about})


def trouble(message: str) -> None:
    """Log that something is not as it should be."""
    _server.warning("%s", message)


def request(seen: Seen, trace: str = "") -> None:
    """Log a request that was answered, or given up by who asked."""
    if not is_json() or (seen.route in _ROUTINE and seen.status < 400):
        return
    about: dict[str, Any] = {
        "request_id": seen.id,
        "method": seen.method,
        "path": seen.path,
        "route": seen.route,
        "status": seen.status,
        "bytes": seen.sent,
        "ms": round(seen.passed() * 1000, 1),
        "first_ms": round(seen.first * 1000, 1),
        "client": seen.client,
        "user": seen.user,
        "trace_id": trace,
    }
    told = {name: value for name, value in about.items() if value != ""}
    _access.info("%s %s", seen.method, seen.route or "nothing", extra={"about": told})


def fault(seen: Seen, error: BaseException) -> None:
    """Log that the server failed at a request. Never the request itself: it holds secrets."""
    about = {"request_id": seen.id, "route": seen.route}
    _server.error(
        "request %s to %s failed", seen.id, seen.route or "nothing", exc_info=error, extra={"about": about}
    )
