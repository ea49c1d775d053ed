"""`sweep`: tries a function with many params, and says which were best."""

from __future__ import annotations

import contextvars
import importlib.util
import inspect
import math
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from chachaml.connection import Connection, connection
from chachaml.core.errors import BadValue, NotFound, RunIsLive
from chachaml.core.ids import short
from chachaml.core.model import RunQuery, RunRow
from chachaml.core.values import check_key
from chachaml.lifecycle import start_run
from chachaml.live import LiveRun
from chachaml.lookup import AnyRun, id_of, resolve
from chachaml.results import Run, Runs
from chachaml.shown import Shown
from chachaml.sweeps.space import Dimension, space_of
from chachaml.sweeps.suggesting import Direction, Finished, Suggester, suggester_of
from chachaml.table import Table

if TYPE_CHECKING:
    from chachaml.display import Paint

__all__ = ["Pruned", "Sweep", "Trial", "sweep"]

PRUNED = "pruned"


class Pruned(Exception):
    """Raised by a function that gives a trial up: ``if trial.should_prune(): raise Pruned``."""


class Sweep(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep found.

    ``best`` is the run of the best trial, None if none has a finite value; ``best_params`` and
    ``best_value`` are its own. ``trials`` are all runs, by number; ``failed`` and ``pruned`` count some.
    """

    id: str
    name: str
    metric: str
    direction: Direction
    best: Run | None
    best_params: dict[str, Any]
    best_value: float | None
    trials: Runs
    failed: int
    pruned: int

    def to_table(self) -> Table:
        """Return a row for each trial: its number, value, params and status."""
        keys = sorted({key for run in self.trials for key in run.params})
        columns: dict[str, list[Any]] = {
            "trial": [int(run.tags["trial"]) for run in self.trials],
            self.metric: [run.metrics.get(self.metric) for run in self.trials],
            **{key: [run.params.get(key) for run in self.trials] for key in keys},
            "status": ["pruned" if PRUNED in run.tags else run.status for run in self.trials],
        }
        return Table(columns, length=len(self.trials))

    def df(self) -> Any:
        """Return `to_table` as a pandas DataFrame."""
        return self.to_table().df()

    def _text(self, paint: Paint) -> str:
        from chachaml.display import sweep_text

        return sweep_text(self, paint=paint)


class Trial:
    """One try: its ``number``, its ``params`` and its ``run``."""

    def __init__(self, number: int, params: dict[str, Any], run: LiveRun, asked: _Going) -> None:
        self.number, self.params, self.run = number, params, run
        self._asked = asked

    def should_prune(self) -> bool:
        """Tell whether to give up, by what was logged of the sweep's metric so far."""
        return self._asked.should_prune(self)


def sweep(
    fn: Callable[..., Any],
    space: Mapping[str, Any],
    trials: int | None = None,
    direction: str = "min",
    *,
    name: str | None = None,
    metric: str = "objective",
    method: Any = None,
    pruner: Any = None,
    seed: int = 0,
    workers: int = 1,
    resume: AnyRun | None = None,
) -> Sweep:
    """Try a function with many params, each trial a run within the sweep's own.

    Args:
        fn: Takes the params as a dict, or the params and the `Trial`. What it returns is the trial's
            value; if that is None, the value is the last that it logged of `metric`. To give a trial up
            it raises `Pruned`. Any other exception fails this trial, and the sweep goes on.
        space: By param a list of values; ``(low, high)`` or ``(low, high, "log")``, whole numbers if both
            are; or a `range`.
        trials: How many, those done before among them. Default: all of a grid, else 20.
        direction: "min" or "max": which values are good.
        name: The experiment. Default: the function's name.
        metric: What the value is called.
        method: "grid", "random"; with Optuna "tpe", "gp", "cmaes" or any of its samplers. Default: "tpe"
            if Optuna is installed, else "random".
        pruner: "median", or a pruner of Optuna.
        seed: For what is random.
        workers: How many trials at once, in threads of this process.
        resume: A sweep to go on with; processes that each resume the same one share its trials.

    Returns:
        The best trial, and all others.

    Raises:
        BadValue: A space, direction, method or number that makes no sense.
        MissingExtra: Optuna is needed and not installed.
        Exception: What the last trial had raised, if all failed.
    """
    directed = _direction(direction)
    asked = space_of(space)
    how = method or ("tpe" if importlib.util.find_spec("optuna") else "random")
    suggester = suggester_of(how, asked, directed, seed, pruner)
    most = _count("trials", trials) if trials is not None else (20 if how != "grid" else 1 << 62)
    check_key("metric", metric)
    where, title = connection(), name or _name_of(fn)
    with _opened(where, title, resume, asked, how, directed, metric) as run:
        going = _Going(fn, run, suggester, directed, metric, most)
        going.go(_count("workers", workers))
    return going.result()


def _name_of(fn: Callable[..., Any]) -> str:
    name: str = getattr(fn, "__name__", "")
    return name if name.isidentifier() else "sweep"


def _direction(direction: str) -> Direction:
    known: dict[str, Direction] = {"min": "min", "minimize": "min", "max": "max", "maximize": "max"}
    if direction not in known:
        raise BadValue(f"direction must be 'min' or 'max', not {direction!r}")
    return known[direction]


def _count(what: str, number: int) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise BadValue(f"{what} is a number from 1 up, not {number!r}")
    return number


def _opened(
    where: Connection,
    name: str,
    resume: AnyRun | None,
    space: Mapping[str, Dimension],
    method: Any,
    direction: str,
    metric: str,
) -> LiveRun:
    """Return the sweep's own run: a new one, or that of a sweep that goes on."""
    if resume is None:
        run = start_run(name, f"sweep of {name}", tags={"sweep": name})
        about = method if isinstance(method, str) else type(method).__name__
        run.log_params({"method": about, "direction": direction, "metric": metric})
        run.log_params({f"space/{key}": msgspec.json.encode(one).decode() for key, one in space.items()})
        return run
    row = resolve(where.ready(at_once=True), id_of(resume))
    if "sweep" not in row.tags:
        raise NotFound(
            f"run {row.name!r} ({short(row.id)}) is no sweep", "runs('tags.sweep is not null') are"
        )
    try:
        return start_run(resume=row.id)
    except RunIsLive:  # another worker went on with it first
        return start_run(resume=row.id, join=True)


class _Going:
    """A sweep while it goes on."""

    def __init__(
        self,
        fn: Callable[..., Any],
        run: LiveRun,
        suggester: Suggester,
        direction: Direction,
        metric: str,
        most: int,
    ) -> None:
        self._fn, self._run, self._suggester = fn, run, suggester
        self._direction, self._metric, self._most = direction, metric, most
        self._lock = threading.Lock()
        self._learnt: set[str] = set()
        self._error: Exception | None = None
        self._takes_trial = len(inspect.signature(fn).parameters) > 1

    def go(self, workers: int) -> None:
        """Do trials until there are enough."""
        if workers == 1:
            self._work()
            return
        with ThreadPoolExecutor(workers, thread_name_prefix="chachaml-sweep") as pool:
            going = [pool.submit(contextvars.copy_context().run, self._work) for _ in range(workers)]
            for one in going:
                one.result()

    def _work(self) -> None:
        while (trial := self._next()) is not None:
            self._do(trial)

    def _next(self) -> Trial | None:
        """Open the next trial that nobody else does, in this process or in another."""
        with self._lock:
            while True:
                rows = self._children()
                self._learn(rows)
                taken = {int(row.tags["trial"]) for row in rows}
                number = next(n for n in range(len(taken) + 1) if n not in taken)
                params = self._suggester.suggest(number) if number < self._most else None
                if params is None:
                    return None
                run = self._open(number, params)
                if self._is_mine(run, number):
                    return Trial(number, params, run, self)
                run.add_tag("duplicate-of-trial", number)
                run.remove_tag("trial")
                run.end("interrupted", "another worker does this trial")

    def _open(self, number: int, params: dict[str, Any]) -> LiveRun:
        tags = {"sweep-id": self._run.id, "trial": number}
        run = start_run(self._run.experiment, f"trial {number}", tags=tags, parent=self._run)
        run.log_params(params)
        return run

    def _is_mine(self, run: LiveRun, number: int) -> bool:
        """Tell whether nobody else opened the same trial before."""
        same = [row for row in self._children() if row.tags["trial"] == str(number)]
        return not same or min(same, key=lambda row: row.id).id == run.id

    def _children(self) -> list[RunRow]:
        store = self._run.connection.ready(at_once=True)
        query = RunQuery(parent=self._run.id, archived=None, limit=1_000_000, with_values=True)
        return [row for row in store.find_runs(query).runs if "trial" in row.tags]

    def _learn(self, rows: list[RunRow]) -> None:
        """Tell the suggester of trials that ended since the last time."""
        for row in rows:
            if row.status != "running" and row.id not in self._learnt:
                self._learnt.add(row.id)
                summary = row.metrics.get(self._metric)
                good = row.status == "completed" and PRUNED not in row.tags and summary is not None
                value = summary.last if good and summary is not None and math.isfinite(summary.last) else None
                points = self._points(row.id) if PRUNED in row.tags else {}
                self._suggester.learn(Finished(int(row.tags["trial"]), row.params, value, points))

    def _points(self, run: str) -> dict[int, float]:
        try:
            series = self._run.connection.ready().read_series(run, self._metric)
        except NotFound:
            return {}
        return dict(zip(series.steps.tolist(), series.values.tolist(), strict=True))

    def should_prune(self, trial: Trial) -> bool:
        """Tell whether a trial is not worth going on with."""
        points = self._points(trial.run.id)
        with self._lock:
            return self._suggester.should_prune(trial.number, points)

    def _do(self, trial: Trial) -> None:
        try:
            with trial.run:
                self._try(trial)
        except Exception as error:
            self._error = error

    def _try(self, trial: Trial) -> None:
        given = dict(trial.params)
        try:
            value = self._fn(given, trial) if self._takes_trial else self._fn(given)
        except Pruned:
            trial.run.add_tag(PRUNED, "yes")
            return
        if value is not None:
            trial.run.log_metric(self._metric, value)

    def result(self) -> Sweep:
        """Return what was found.

        Raises:
            Exception: What the last trial had raised, if all failed.
        """
        rows = sorted(self._children(), key=lambda row: int(row.tags["trial"]))
        runs = [Run.from_row(row) for row in rows]
        done = [run for run in runs if run.status == "completed" and PRUNED not in run.tags]
        if runs and not done and self._error is not None:
            raise self._error
        found = [run for run in done if math.isfinite(run.metrics.get(self._metric, math.nan))]
        pick = min if self._direction == "min" else max
        best = pick(found, key=lambda run: run.metrics[self._metric]) if found else None
        return Sweep(
            id=self._run.id,
            name=self._run.experiment,
            metric=self._metric,
            direction=self._direction,
            best=best,
            best_params=dict(best.params) if best else {},
            best_value=best.metrics[self._metric] if best else None,
            trials=Runs(runs),
            failed=sum(run.status in ("failed", "crashed", "interrupted") for run in runs),
            pruned=sum(PRUNED in run.tags for run in runs),
        )
