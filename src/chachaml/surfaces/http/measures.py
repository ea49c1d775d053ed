"""Counts and durations of a server, in the text format of Prometheus.

What concerns requests is counted by the event loop's thread alone, and so needs no lock.
"""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping

from chachaml.surfaces.http.seen import Seen

__all__ = ["CONTENT_TYPE", "Counter", "Histogram", "Measures", "gauge"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds at which durations are told apart."""

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Counter:
    """Something that only grows, for each combination of labels.

    Args:
        name: Its name, which ends in ``_total``.
        about: What it counts.
        labels: The names of its labels.
    """

    def __init__(self, name: str, about: str, *labels: str) -> None:
        self._name, self._about, self._labels = name, about, labels
        self._values: dict[tuple[str, ...], float] = {} if labels else {(): 0.0}

    def add(self, *values: str, by: float = 1) -> None:
        """Count."""
        self._values[values] = self._values.get(values, 0.0) + by

    def lines(self) -> Iterator[str]:
        """Yield it as text."""
        yield from _head(self._name, self._about, "counter")
        for values, number in tuple(self._values.items()):
            yield f"{self._name}{_labels(self._labels, values)} {_number(number)}"


class Histogram:
    """How durations are spread, for each combination of labels.

    Args:
        name: Its name, which ends in the unit.
        about: What takes so long.
        labels: The names of its labels.
    """

    def __init__(self, name: str, about: str, *labels: str) -> None:
        self._name, self._about, self._labels = name, about, labels
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}

    def add(self, seconds: float, *values: str) -> None:
        """Take in one more."""
        counts = self._counts.setdefault(values, [0] * (len(_BOUNDS) + 1))
        counts[bisect_left(_BOUNDS, seconds)] += 1
        self._sums[values] = self._sums.get(values, 0.0) + seconds

    def lines(self) -> Iterator[str]:
        """Yield it as text."""
        yield from _head(self._name, self._about, "histogram")
        for values, counts in tuple(self._counts.items()):
            so_far = 0
            for bound, count in zip((*_BOUNDS, math.inf), tuple(counts), strict=True):
                so_far += count
                labels = _labels((*self._labels, "le"), (*values, _number(bound)))
                yield f"{self._name}_bucket{labels} {so_far}"
            labels = _labels(self._labels, values)
            yield f"{self._name}_sum{labels} {_number(self._sums.get(values, 0.0))}"
            yield f"{self._name}_count{labels} {so_far}"


def gauge(name: str, about: str, value: float, **labels: str) -> Iterator[str]:
    """Yield something that grows and shrinks, as text."""
    yield from _head(name, about, "gauge")
    yield f"{name}{_labels(tuple(labels), tuple(labels.values()))} {_number(value)}"


class Measures:
    """What a server counts while it runs."""

    def __init__(self) -> None:
        by_route = ("method", "route")
        self.requests = Counter("chachaml_http_requests_total", "Requests answered.", *by_route, "status")
        self.durations = Histogram(
            "chachaml_http_request_duration_seconds", "Time until an answer began.", *by_route
        )
        self.sent = Counter("chachaml_http_response_bytes_total", "Bytes of answers, without their headers.")
        self.points = Counter("chachaml_points_written_total", "Points of metrics that were written.")
        self.jobs = Counter("chachaml_writes_total", "What was asked to be written.", "outcome")
        self.transactions = Histogram(
            "chachaml_write_transaction_seconds", "Time of a transaction, of one request or of several."
        )
        self.in_progress = 0
        self.started = time.time()
        self._lock = threading.Lock()

    def request(self, seen: Seen) -> None:
        """Take in a request that is over."""
        by = (seen.method, seen.route or "none")
        self.requests.add(*by, str(seen.status))
        if seen.status:
            self.durations.add(seen.first, *by)
        self.sent.add(by=seen.sent)

    def transaction(self, seconds: float, points: int, outcomes: Mapping[str, int]) -> None:
        """Take in a transaction, in whichever thread it was."""
        with self._lock:
            self.transactions.add(seconds)
            self.points.add(by=points)
            for outcome, count in outcomes.items():
                self.jobs.add(outcome, by=count)

    def lines(self) -> Iterator[str]:
        """Yield all of it as text."""
        parts: Iterable[Counter | Histogram] = (
            self.requests,
            self.durations,
            self.sent,
            self.points,
            self.jobs,
            self.transactions,
        )
        for part in parts:
            yield from part.lines()
        yield from gauge("chachaml_http_requests_in_progress", "Requests under way.", self.in_progress)


def _head(name: str, about: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    pairs = [f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True)]
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(value)
