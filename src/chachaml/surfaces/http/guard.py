"""What every request has to pass before anything looks at it: whose name it uses, and which page sent it.

These checks are what keeps other web pages and rebound names out of a server on this machine: a browser
sends what a page asks for, but says for whom (Host) and on whose behalf (Origin, Sec-Fetch-Site).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable
from ipaddress import ip_address

from starlette.datastructures import Headers

from chachaml.surfaces.http.answers import Problem

__all__ = ["Guard", "Limiter"]

_PROBES = ("/healthz", "/readyz", "/metrics")
"""Asked for by machines that know a server's address alone: balancers, Kubernetes, Prometheus."""

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")


class Guard:
    """Lets in what is meant for this server.

    Args:
        origins: The server's own, such as ``http://127.0.0.1:8080``; the usual port is left out.
        by_address: Whether machines may ask by any address how it is. A name that was rebound is none.
    """

    def __init__(self, origins: Iterable[str], *, by_address: bool = False) -> None:
        self._origins, self._by_address = frozenset(origins), by_address
        self._hosts = frozenset(origin.partition("://")[2] for origin in self._origins)

    def check(self, headers: Headers, method: str, path: str) -> None:
        """Refuse what is not meant for this server, or sent by a page of another.

        Raises:
            Problem: Why not.
        """
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0], path):
            raise Problem(421, "wrong_host", "this server has another name", "see its --url option")
        for origin in headers.getlist("origin"):
            if origin.lower() not in self._origins:
                raise _foreign()
        for site in headers.getlist("sec-fetch-site"):
            if site == "same-origin" or (site == "none" and method in ("GET", "HEAD")):
                continue
            if not _is_a_link(headers, method, path):
                raise _foreign()
        if headers.get("sec-fetch-dest") == "script" and path.startswith("/api/"):
            raise _foreign()  # data is never a program

    def _is_ours(self, host: str, path: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        probed = self._by_address and path in _PROBES
        return host.lower() in self._hosts or (probed and _is_address(match[1]))


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host.strip("[]")))
    except ValueError:
        return False


def _is_a_link(headers: Headers, method: str, path: str) -> bool:
    """Tell whether somebody follows a link on another page to one of ours, which gives that page nothing."""
    to_page = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return to_page and method == "GET" and not path.startswith("/api/")


def _foreign() -> Problem:
    return Problem(403, "wrong_origin", "a page of another server may not ask this one")


class Limiter:
    """Lets each caller do so much in a while.

    Args:
        rate: So many a second, in the long run.
        burst: So many at once.
    """

    _MOST = 10_000

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, who: str) -> None:
        """Count one more.

        Raises:
            Problem: 429; says when to come again.
        """
        now = time.monotonic()
        with self._lock:
            if len(self._left) >= self._MOST:
                self._left = {
                    one: had for one, had in self._left.items() if self._room(had, now) < self._burst
                }
            room = self._room(self._left.get(who, (self._burst, now)), now)
            if room < 1:
                wait = max(1, round((1 - room) / self._rate))
                told = {"Retry-After": str(wait)}
                raise Problem(429, "too_many", "too many requests", f"again in {wait} seconds", told)
            self._left[who] = (room - 1, now)

    def _room(self, had: tuple[float, float], now: float) -> float:
        return min(self._burst, had[0] + (now - had[1]) * self._rate)
