"""What the contract's tests are made of: journals without files, plausible changes, odd values."""

# ruff: noqa: S101 - these are tests

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from msgspec.structs import replace

from chachaml.core.changes import Batch, Change, JournalInfo, PointsLogged, Receipt, RunEnded, RunStarted
from chachaml.core.ids import new_id, new_remote_id
from chachaml.core.model import RunQuery
from chachaml.core.query import Field, IsNull, Not, Order
from chachaml.store.protocol import Store

__all__ = [
    "LARGEST",
    "ODD_FLOATS",
    "ODD_TEXTS",
    "ODD_VALUES",
    "Fixtures",
    "Writer",
    "best_by",
    "bits",
    "ended",
    "ids_of",
    "in_threads",
    "pages_of",
    "points",
    "started",
]

LARGEST = 2**63 - 1

ODD_FLOATS = (math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, -2.2e-308, 1.7976931348623157e308, 0.1)
ODD_TEXTS = (
    " ",
    "a/b.c$d[e]",
    "100%",
    "under_score",
    "日本語",
    "🦦👩‍👩‍👧",
    "\u202eright to left",
    "\u05e9\u05dc\u05d5\u05dd",
    "caf\u00e9",
    "cafe\u0301",
    "Case",
    "case",
    "select",
    "'; DROP TABLE runs; --",
    '"quoted" \\ back\\slash',
    "line\nbreak\ttab\r\n",
    "NaN",
    "1",
    "\x7f\x01",
    "x" * 1000,
)
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -0.0,
    1.0,
    10**80,
    -(2**63),
    math.inf,
    "",
    "x" * 10_000,
    [],
    {},
    [1, [2.5, None, {"a": "b"}]],
    *ODD_TEXTS,
)


def started(run: str, time: int = 1_000, *, tags: dict[str, str] | None = None, **fields: Any) -> RunStarted:
    """Return a plausible start of `run`."""
    given = {"experiment": "contract", "name": "brave-otter-417", "created_by": "ada", **fields}
    return RunStarted(run, time, tags=tags or {}, **given)


def ended(run: str, time: int = 2_000, status: Any = "completed", **fields: Any) -> RunEnded:
    """Return an end of `run`."""
    return RunEnded(run, time, status, **fields)


def points(
    run: str,
    key: str,
    values: Sequence[float] | npt.NDArray[np.float64],
    steps: Iterable[int] | None = None,
    times: Iterable[int] | None = None,
) -> PointsLogged:
    """Return points of one metric; by default with steps and times from 0 on."""
    steps, times = (
        np.array(range(len(values)) if column is None else [*column], "<i8").tobytes()
        for column in (steps, times)
    )
    return PointsLogged(run, key, steps, times, np.asarray(values, "<f8").tobytes())


def bits(values: Sequence[float] | npt.NDArray[np.float64]) -> list[int]:
    """Return what tells -0.0 from 0.0 and NaN from NaN."""
    return np.asarray(values, "<f8").view("<i8").tolist()  # type: ignore[no-any-return]


def ids_of(store: Store, **query: Any) -> list[str]:
    """Return the ids of the runs that match, in the order of the page."""
    return [run.id for run in store.find_runs(RunQuery(**query)).runs]


def pages_of(store: Store, query: RunQuery) -> list[list[str]]:
    """Return the ids of the runs on each page."""
    pages = []
    while True:
        page = store.find_runs(query)
        pages.append([run.id for run in page.runs])
        if not page.next:
            return pages
        query = replace(query, cursor=page.next)


def best_by(key: str, part: str = "max", *, descending: bool = True) -> dict[str, Any]:
    """Return what of a query asks for the runs that have a metric, in its order."""
    field = Field("metric", key, part)
    return {"filter": Not(IsNull(field)), "order": (Order(field, descending),)}


def in_threads(*work: Callable[[], object]) -> None:
    """Do all of `work` at once; raise what any of it raised."""
    barrier, errors = threading.Barrier(len(work)), list[BaseException]()

    def do(one: Callable[[], object]) -> None:
        try:
            barrier.wait()
            one()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=do, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class Writer:
    """A journal without files: makes batches that follow each other.

    Args:
        store: What `write` writes to.
    """

    def __init__(self, store: Store) -> None:
        # Of a journal elsewhere: nobody looks for its folder here, and misses it.
        self.store, self.info, self.at = store, JournalInfo(new_remote_id(), store.id), 0

    def batch(self, *changes: Change, start: int | None = None, size: int = 32) -> Batch:
        """Return a batch that starts where this journal stands."""
        begin = self.at if start is None else start
        return Batch(changes, journal=self.info, start=begin, end=begin + size)

    def write(self, *changes: Change) -> Receipt:
        """Apply `changes` and go on."""
        receipt = self.store.apply(self.batch(*changes))
        assert receipt.applied
        self.at = receipt.applied_to
        return receipt

    def start(self, time: int = 1_000, **fields: Any) -> str:
        """Start a new run and return its id."""
        run = new_id()
        self.write(started(run, time, **fields))
        return run


class Fixtures:
    """What the tests stand on."""

    @pytest.fixture
    def store(self) -> Any:
        """An empty store, closed after the test. Override it."""
        pytest.fail("a suite that runs the contract overrides the fixture `store`")

    def reopen(self, store: Store) -> Store:
        """Close `store` and return the same one opened anew. Override it where stores outlive objects."""
        return store

    @pytest.fixture
    def writer(self, store: Store) -> Writer:
        """A journal that writes to the store."""
        return Writer(store)

    @pytest.fixture
    def other(self, store: Store) -> Writer:
        """Another journal that writes to the store."""
        return Writer(store)
