"""Writing for many clients at once: what is waiting is applied together, in one transaction.

A transaction costs about as much as ten requests. Clients that write at the same time share one, and
each is answered once its own part is in the store.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from chachaml.core.changes import Batch, PointsLogged, Receipt
from chachaml.core.errors import ChachamlError, StoreUnavailable
from chachaml.core.model import RunRow
from chachaml.store.protocol import Store
from chachaml.surfaces.http import traces

__all__ = ["Committer", "Job", "points_of"]

_MOST_JOBS, _MOST_BYTES = 256, 8 << 20
"""What one transaction takes at most: others want to write, too."""

Measured = Callable[[float, int, dict[str, int]], None]
"""Told of a transaction: its seconds, the points that were written, and jobs by what became of them."""

Prepare = Callable[[dict[str, RunRow]], Batch]


def points_of(batch: Batch) -> int:
    """Return how many points of metrics a batch has."""
    return sum(len(one) for one in batch.changes if isinstance(one, PointsLogged))


class Job:
    """What one request writes.

    Args:
        batch: What to apply.
        runs: Ids of the runs that `prepare` wants to see.
        prepare: Given the runs that there are, just before it is applied, returns what to apply after all,
            or raises what speaks against it.
    """

    def __init__(self, batch: Batch, runs: Sequence[str] = (), prepare: Prepare | None = None) -> None:
        self.batch, self.runs, self.prepare = batch, runs, prepare
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Receipt] = self.loop.create_future()
        self.size = points_of(batch) * 24


class Committer:
    """Applies jobs, in a thread of its own.

    Args:
        store: Where to.
        written: Told the runs that something was written to.
        measured: Told of each transaction.
    """

    def __init__(self, store: Store, written: Callable[[set[str]], None], measured: Measured) -> None:
        self._store, self._written, self._measured = store, written, measured
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._go, name="chachaml-writer", daemon=True)
        self._thread.start()

    async def write(self, job: Job) -> Receipt:
        """Return what became of a job.

        Raises:
            ChachamlError: What speaks against it; nothing of it was written.
        """
        with traces.step("write"):
            self._jobs.put(job)
            return await job.done

    def waiting(self) -> int:
        """Return how many jobs wait for the next transaction."""
        return self._jobs.qsize()

    def close(self) -> None:
        """Return once all jobs are done."""
        self._jobs.put(None)
        self._thread.join()

    def _go(self) -> None:
        more = True
        while more:
            jobs, size = [], 0
            job = self._jobs.get()
            while job is not None:
                jobs.append(job)
                size += job.size
                if len(jobs) >= _MOST_JOBS or size >= _MOST_BYTES:
                    break
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
            more = job is not None
            if jobs:
                self._do(jobs)

    def _do(self, jobs: list[Job]) -> None:
        began = time.monotonic()
        outcomes: list[tuple[Job, Receipt | Exception]] = []
        passed = self._checked(jobs, outcomes)
        try:
            receipts = self._store.apply_all([job.batch for job in passed]) if passed else []
            outcomes += zip(passed, receipts, strict=True)
        except Exception:  # one of them, perhaps: each for itself, and none hinders the others
            outcomes += [(job, _outcome(self._store.apply, job.batch)) for job in passed]
        self._measure(time.monotonic() - began, outcomes)
        for loop in {job.loop for job, _ in outcomes}:
            mine = [(job, outcome) for job, outcome in outcomes if job.loop is loop]
            loop.call_soon_threadsafe(_tell, mine)
        self._written(
            {run for job in passed for one in job.batch.changes if (run := getattr(one, "run", ""))}
        )

    def _measure(self, seconds: float, outcomes: list[tuple[Job, Receipt | Exception]]) -> None:
        written = [job for job, outcome in outcomes if isinstance(outcome, Receipt)]
        counts = {"written": len(written), "refused": len(outcomes) - len(written)}
        self._measured(seconds, sum(points_of(job.batch) for job in written), counts)

    def _checked(self, jobs: list[Job], outcomes: list[tuple[Job, Receipt | Exception]]) -> list[Job]:
        """Return the jobs that nothing speaks against."""
        asked = {run for job in jobs for run in job.runs}
        found = _outcome(self._store.bare_runs, list(asked)) if asked else {}
        passed = []
        for job in jobs:
            ready: Any = job.batch
            if job.prepare is not None:
                ready = found if isinstance(found, Exception) else _outcome(job.prepare, found)
            if isinstance(ready, Exception):
                outcomes.append((job, ready))
            else:
                job.batch = ready
                passed.append(job)
        return passed


def _outcome(act: Callable[..., Any], *given: Any) -> Any:
    """Return what comes of it, or the error."""
    try:
        return act(*given)
    except ChachamlError as error:
        return error
    except Exception as error:  # the thread must go on
        return StoreUnavailable(f"the store could not be written: {error!r}")


def _tell(outcomes: list[tuple[Job, Receipt | Exception]]) -> None:
    for job, outcome in outcomes:
        if job.done.done():
            continue  # who asked has gone
        if isinstance(outcome, Exception):
            job.done.set_exception(outcome)
        else:
            job.done.set_result(outcome)
