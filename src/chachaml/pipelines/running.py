"""Doing the steps of a pipeline: what is ready at once, retried, cached, and what is left skipped."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from msgspec.structs import replace

from chachaml import loading
from chachaml.connection import Connection
from chachaml.core.changes import StepLogged, StepStatus
from chachaml.core.errors import ChachamlError, NotFound
from chachaml.core.model import ArtifactRow, StepRow
from chachaml.live import LiveRun
from chachaml.pipelines.executors import Executor
from chachaml.pipelines.keys import key_of
from chachaml.pipelines.progress import Progress
from chachaml.pipelines.steps import Step, StepContext
from chachaml.pipelines.work import NOT_KEPT, RESULT, Outcome, Task

__all__ = ["Running", "StepFailed"]

_DONE = ("completed", "cached")


class StepFailed(Exception):
    """Says inside this module which step failed, and of what."""

    def __init__(self, step: str, error: BaseException) -> None:
        super().__init__(step, error)
        self.step, self.error = step, error


class Running:
    """A pipeline while it runs.

    Args:
        run: The pipeline's own run.
        steps: Its steps, in an order in which they can be done.
        params: Its params.
        executor: Does a task and gives its outcome.
        workers: How many steps are done at once.
        before: How steps stood when the pipeline was stopped; those that were done are not done again.
    """

    def __init__(
        self,
        run: LiveRun,
        steps: Sequence[Step],
        params: Mapping[str, Any],
        executor: Executor,
        workers: int,
        before: Sequence[StepRow] = (),
    ) -> None:
        self._run, self._params, self._executor, self._workers = run, params, executor, workers
        self._steps = {step.name: step for step in steps}
        self._results: dict[str, Any] = {}
        self._digests: dict[str, str] = {}
        """Of what was kept of results; missing for those that could not be."""
        self._failed: list[StepFailed] = []
        stood = {row.step: row for row in before}
        self.rows = {step.name: _row(step, order, stood) for order, step in enumerate(steps)}
        self._fetch_results()
        self._progress = Progress(run.name, list(self.rows.values()))

    @property
    def result(self) -> Any:
        """The result of the last step, None if there is none."""
        return self._results.get(next(reversed(self._steps), ""))

    @property
    def results(self) -> dict[str, Any]:
        """The results by step."""
        return dict(self._results)

    def go(self) -> None:
        """Do all steps that can be done.

        Raises:
            BaseException: What the first step that failed had raised; those that need it were skipped.
        """
        for row in self.rows.values():
            self._say(row)
        with self._progress:
            try:
                if self._workers > 1:
                    self._go_at_once()
                else:
                    self._go_one_by_one()
            except BaseException:
                self._stop("interrupted")
                raise
            self._stop("skipped")
        if self._failed:
            first = self._failed[0]
            hint = f"in step {first.step!r} of pipeline {self._run.name!r}"
            first.error.add_note(
                f"{hint}: chachaml.pipeline.resume({self._run.id[-8:]!r}) goes on from there"
            )
            raise first.error

    def _go_one_by_one(self) -> None:
        for step in self._steps.values():
            if self._is_ready(step):
                self._do(step)

    def _go_at_once(self) -> None:
        going: dict[Future[None], str] = {}
        with ThreadPoolExecutor(self._workers, thread_name_prefix="chachaml-pipeline") as pool:
            while True:
                ready = [step for step in self._steps.values() if self._is_ready(step)]
                for step in ready[: self._workers - len(going)]:
                    self._set(step.name, "running")
                    going[pool.submit(contextvars.copy_context().run, self._do, step)] = step.name
                if not going:
                    return
                for future in wait(going, return_when=FIRST_COMPLETED).done:
                    del going[future]
                    future.result()

    def _is_ready(self, step: Step) -> bool:
        needs = [self.rows[name].status for name in step.needs or ()]
        return self.rows[step.name].status == "pending" and all(status in _DONE for status in needs)

    # one step -------------------------------------------------------------------------------------

    def _do(self, step: Step) -> None:
        """Do a step, or take its result from an earlier run."""
        seen = self._seen_by(step)
        digests = {name: self._digests.get(name) for name in seen}
        known = {name: digest for name, digest in digests.items() if digest is not None}
        key = key_of(step, self._params, known) if step.cache and len(known) == len(seen) else ""
        if key and self._take_cached(step, key):
            return
        self._set(step.name, "running", started=_now(), key=key)
        for attempt in range(1, step.retries + 2):
            if attempt > 1:
                time.sleep(step.retry_delay)
            outcome = self._executor(self._task(step, seen, attempt))
            self._set(step.name, "running", step_run=outcome.run, attempts=attempt)
            if outcome.error is None:
                break
        self._note(step, outcome)

    def _note(self, step: Step, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._failed.append(StepFailed(step.name, outcome.error))
            self._set(step.name, "failed", ended=_now())
            return
        self._results[step.name] = outcome.result
        if outcome.kept:
            self._digests[step.name] = outcome.digest
        # What cannot be found again must not be found by its key either.
        key = self.rows[step.name].key if outcome.kept else ""
        self._set(step.name, "completed", ended=_now(), key=key)

    def _task(self, step: Step, seen: Sequence[str], attempt: int) -> Task:
        results = {name: self._results.get(name) for name in seen}
        before = results.get(step.needs[-1]) if step.needs else None
        order = self.rows[step.name].order
        context = StepContext(self._run.id, step.name, order, self._params, results, before)
        return Task(self._run.connection.path, self._run, step, context, attempt)

    def _seen_by(self, step: Step) -> list[str]:
        """Return the steps whose results a step can see: those that it needs, and that these need."""
        seen: dict[str, None] = {}
        waiting = list(step.needs or ())
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen[name] = None
                waiting += self._steps[name].needs or ()
        return [name for name in self._steps if name in seen]

    def _take_cached(self, step: Step, key: str) -> bool:
        """Take the result that an earlier run of the step had, if there is one and it can be loaded."""
        store = self._run.connection.ready(at_once=True)
        found = store.step_by_key(key)
        if found is None:
            return False
        try:
            self._results[step.name], self._digests[step.name] = load_result(
                self._run.connection, found.step_run
            )
        except ChachamlError:
            return False
        now = _now()
        self._set(step.name, "cached", step_run=found.step_run, started=now, ended=now, key=key)
        return True

    # how steps stand ------------------------------------------------------------------------------

    def _set(self, name: str, status: StepStatus, **about: Any) -> None:
        self._say(replace(self.rows[name], status=status, **about))

    def _say(self, row: StepRow) -> None:
        self.rows[row.step] = row
        self._progress.show(row)
        self._run.log_change(
            StepLogged(
                self._run.id,
                _now(),
                row.step,
                row.order,
                row.status,
                row.needs,
                row.step_run,
                row.started,
                row.ended,
                row.attempts,
                row.key,
            )
        )

    def _stop(self, how: StepStatus) -> None:
        """Say of steps that were not done what became of them."""
        for row in list(self.rows.values()):
            if row.status == "running":
                self._set(row.step, how, ended=_now())
            elif row.status == "pending":
                self._set(row.step, "skipped")

    def _fetch_results(self) -> None:
        """Load the results of steps done before that others still need; do those again that have none."""
        last = next(reversed(self._steps), "")
        for name in reversed(self._steps):
            row = self.rows[name]
            if row.status in _DONE and (name == last or self._is_awaited(name)):
                try:
                    self._results[name], self._digests[name] = load_result(self._run.connection, row.step_run)
                except ChachamlError:
                    self.rows[name] = replace(row, status="pending", step_run="", attempts=0)

    def _is_awaited(self, name: str) -> bool:
        """Tell whether a step that is still to be done can see this one's result."""
        waiting = [step for step in self._steps.values() if self.rows[step.name].status == "pending"]
        return any(name in self._seen_by(step) for step in waiting)


def _row(step: Step, order: int, stood: Mapping[str, StepRow]) -> StepRow:
    """Return how a step stands at the beginning."""
    known = stood.get(step.name)
    if known is not None and known.status in _DONE:
        return replace(known, order=order, needs=step.needs or ())
    return StepRow(step.name, order, "pending", step.needs or (), "", None, None, 0, "")


def load_result(where: Connection, run: str) -> tuple[Any, str]:
    """Return what a step's run kept as its result, and the digest of it; None if it had none.

    Raises:
        ChachamlError: The run or its bytes are gone, or nobody here vouches for them.
    """
    row = where.ready().get_run(run)
    kept: ArtifactRow | None = next((one for one in row.artifacts if one.name == RESULT), None)
    if NOT_KEPT in row.tags:
        raise NotFound(f"the result of step {row.name!r} was not kept")
    if kept is None:
        return None, ""
    return loading.load(where, kept, run, RESULT, by=row.created_by, trust=None), kept.digest


def _now() -> int:
    return time.time_ns() // 1000
