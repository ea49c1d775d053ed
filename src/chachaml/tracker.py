"""Finding runs again, and annotating them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import overload

from msgspec.structs import replace

from chachaml import current, lifecycle, searching
from chachaml.connection import at, connection
from chachaml.core import settings
from chachaml.core.changes import TagsRemoved, TagsSet
from chachaml.core.errors import BadValue, NotFound, StoreDamaged
from chachaml.core.model import RunQuery
from chachaml.core.query import And, Field, IsNull, Not, Order, parse
from chachaml.core.values import as_text, check_key
from chachaml.journal.recovery import Recovered
from chachaml.live import LiveRun
from chachaml.lookup import AnyRun, id_of, resolve
from chachaml.points import MetricSeries
from chachaml.results import BestRun, Run, Runs

__all__ = [
    "add_tag",
    "best_run",
    "children",
    "count_runs",
    "current_user",
    "flush",
    "get_tags",
    "last_run",
    "metric",
    "my_last_run",
    "my_runs",
    "remove_tag",
    "run",
    "runs",
    "search_runs",
    "set_note",
    "sync",
]


def run(run: AnyRun) -> Run:
    """Return all that is known of a run but its points.

    Args:
        run: Id, the beginning of it (4 digits at least) or of the short form that tables show.

    Raises:
        NotFound: No such run.
        AmbiguousId: Several fit.
    """
    return Run.from_row(resolve(connection().ready(), id_of(run)))


def runs(
    filter: str | None = None,
    *,
    order_by: str | None = None,
    experiment: str | None = None,
    status: str | None = None,
    name: str | None = None,
    created_by: str | None = None,
    parent: AnyRun | None = None,
    archived: bool | None = False,
    limit: int = 100,
    after: str = "",
) -> Runs:
    """Return runs, newest first; every condition given must hold.

    Args:
        filter: In the search language, such as ``"metrics.accuracy > 0.9 and params.lr <= 0.01"``.
        order_by: Fields with asc or desc, such as ``"metrics.accuracy desc, started"``. Default: newest
            first, which also decides between equals.
        experiment: Of this experiment.
        status: running, completed, failed, interrupted, crashed or archived.
        name: Of exactly this name.
        created_by: Of this user.
        parent: Children of this run.
        archived: False hides archived runs, unless the filter asks for them; True shows these alone,
            None both.
        limit: At most so many; the result's ``more`` says whether there are others.
        after: Go on behind an earlier result, by its ``next``; all else must be as it was then.

    Raises:
        BadQuery: A filter or order that makes no sense; the error shows where.
        BadValue: An unknown status, a limit below 1, or an ``after`` that is none of this order.
        NotFound: No such parent.
    """
    store = connection().ready()
    parent_id = None if parent is None else resolve(store, id_of(parent)).id
    query = searching.query(
        store,
        filter,
        order_by,
        experiment=experiment,
        status=status,
        name=name,
        created_by=created_by,
        parent=parent_id,
        archived=archived,
    )
    return searching.find(store, replace(query, cursor=after), limit)


def search_runs(
    filter: str | None = None,
    *,
    experiment: str | None = None,
    metric_key: str | None = None,
    op: str = ">",
    metric_value: float | None = None,
    any: bool = False,
    sort_by_metric: str | None = None,
    sort_dir: str = "desc",
    limit: int = 100,
    after: str = "",
) -> Runs:
    """Return the runs whose metric compares so; `runs` with a filter says the same in words.

    Args:
        filter: What they must meet besides; see `runs`.
        experiment: Of this experiment.
        metric_key: The metric to test, by its last value.
        op: One of > >= < <= =.
        metric_value: What to compare with.
        any: Test whether any finite value of the metric does, rather than the last one.
        sort_by_metric: Order by the last value of this metric; runs without it come last.
        sort_dir: "desc" or "asc".
        limit: At most so many.
        after: Go on behind an earlier result, as in `runs`.

    Raises:
        BadValue: A key without a value or the other way round, or an unknown op or direction.
    """
    if (metric_key is None) != (metric_value is None):
        raise BadValue(
            "metric_key and metric_value go together", "or say it in words: runs('metrics.loss < 0.1')"
        )
    if sort_dir not in ("asc", "desc"):
        raise BadValue(f"sort_dir must be 'asc' or 'desc', not {sort_dir!r}")
    test = searching.metric_test(metric_key, op, metric_value, any=any) if metric_key is not None else None
    order = f"{Field('metric', sort_by_metric)} {sort_dir}" if sort_by_metric is not None else None
    store = connection().ready()
    query = searching.query(store, filter, order, experiment=experiment)
    return searching.find(store, searching.narrowed(replace(query, cursor=after), test), limit)


def children(run: AnyRun, *, limit: int = 100) -> Runs:
    """Return the runs that were started within a run, newest first.

    Raises:
        NotFound: No such run.
    """
    return runs(parent=run, limit=limit, archived=None)


def count_runs(filter: str | None = None, *, archived: bool | None = False) -> int:
    """Return how many runs meet a filter; see `runs`."""
    store = connection().ready()
    return store.count_runs(searching.query(store, filter, None, archived=archived))


def last_run() -> Run | None:
    """Return the run that started last, or None if there is none yet."""
    newest = runs(limit=1)
    return newest[0] if newest else None


def current_user() -> str:
    """Return who new runs are attributed to.

    With a server, the account behind the token; else ``CHACHA_USER``, or the operating system's user.
    """
    return connection().user()


def my_runs(
    filter: str | None = None,
    *,
    order_by: str | None = None,
    experiment: str | None = None,
    status: str | None = None,
    name: str | None = None,
    parent: AnyRun | None = None,
    limit: int = 100,
) -> Runs:
    """Return the current user's runs, newest first; see `runs`."""
    return runs(
        filter,
        order_by=order_by,
        experiment=experiment,
        status=status,
        name=name,
        created_by=current_user(),
        parent=parent,
        limit=limit,
    )


def my_last_run() -> Run | None:
    """Return the current user's run that started last, or None."""
    newest = my_runs(limit=1)
    return newest[0] if newest else None


def best_run(
    filter: str | None = None, *, metric: str, experiment: str | None = None, direction: str = "max"
) -> BestRun | None:
    """Return the run that reached the best value of a metric at any step, or None if none logged it.

    Only finite values count. Of equal values the run that started later wins.

    Args:
        filter: Among the runs that meet this; see `runs`.
        metric: The metric's key.
        experiment: Among this experiment's runs. Default: all.
        direction: "max" or "min".

    Raises:
        BadValue: Another direction.
    """
    if direction not in ("max", "min"):
        raise BadValue(f"direction must be 'max' or 'min', not {direction!r}")
    field = Field("metric", check_key("metric", metric), direction)
    wanted = Not(IsNull(field)) if filter is None else And((Not(IsNull(field)), parse(filter)))
    store = connection().ready()
    order = (Order(field, descending=direction == "max"),)
    found = store.find_runs(RunQuery(experiment=experiment, filter=wanted, order=order, limit=1)).runs
    if not found:
        return None
    row = store.get_run(found[0].id)
    summary = row.metrics.get(metric)
    value, step = (None, None)
    if summary is not None:
        value, step = (
            (summary.max, summary.max_step) if direction == "max" else (summary.min, summary.min_step)
        )
    if value is None or step is None:
        raise StoreDamaged(
            f"run {row.name!r} is found by its {metric!r}, which it does not have", "chachaml doctor"
        )
    return BestRun.from_row(row, metric=metric, metric_value=value, metric_step=step)


def metric(
    run: AnyRun, key: str, *, window: tuple[int, int] | None = None, max_points: int | None = None
) -> MetricSeries:
    """Return the points of one metric as numpy columns: ``steps``, ``times`` (microseconds), ``values``.

    Args:
        run: The run.
        key: The metric's key.
        window: Steps from and to, both included. Default: all.
        max_points: At most so many (5 or more): real points, picked so that each stretch keeps its
            first, lowest, highest, last and first NaN. Default: all.

    Raises:
        NotFound: No such run, or it has no such metric; the error names those it has.
    """
    store = connection().ready()
    row = resolve(store, id_of(run))
    if key not in row.metrics:
        known = ", ".join(sorted(row.metrics)[:10]) or "none at all"
        raise NotFound(f"run {row.name!r} has no metric {key!r}", f"it has: {known}")
    return MetricSeries.of(store.read_series(row.id, key, window, max_points))


@overload
def add_tag(run: AnyRun, key: str, value: object, /) -> None: ...
@overload
def add_tag(key: str, value: object, /) -> None: ...
def add_tag(*args: object) -> None:
    """Set a tag to the text of a value: ``add_tag(key, value)`` on the current run, or
    ``add_tag(run, key, value)`` on any, ended ones too.

    Raises:
        NotFound: No such run.
        NoActiveRun: No run was given and none is open.
    """  # noqa: D205 - two forms, one sentence
    *target, key, value = _arguments("add_tag", args, 2)
    if live := _live(target):
        live.add_tag(check_key("tag", key), value)
    else:
        tag = {check_key("tag", key): as_text(f"tag {key!r}", str(value))}
        _annotate(target[0], lambda run: TagsSet(run, _now(), tag))


@overload
def remove_tag(run: AnyRun, key: str, /) -> None: ...
@overload
def remove_tag(key: str, /) -> None: ...
def remove_tag(*args: object) -> None:
    """Remove a tag, from the current run or any; one that is not there is fine."""
    *target, key = _arguments("remove_tag", args, 1)
    if live := _live(target):
        live.remove_tag(check_key("tag", key))
    else:
        _annotate(target[0], lambda run: TagsRemoved(run, _now(), (check_key("tag", key),)))


@overload
def set_note(run: AnyRun, text: str, /) -> None: ...
@overload
def set_note(text: str, /) -> None: ...
def set_note(*args: object) -> None:
    """Set the note, in Markdown, of the current run or any; it is the tag ``note``."""
    *target, text = _arguments("set_note", args, 1)
    add_tag(*target, "note", as_text("note", text))  # type: ignore[call-overload]


def get_tags(run: AnyRun | None = None) -> dict[str, str]:
    """Return the tags of a run, the current one by default."""
    which = run if run is not None else lifecycle.require("get_tags")
    return dict(resolve(connection().ready(), id_of(which)).tags)


def flush() -> Recovered:
    """Wait until all that was logged here can be read, and bring in what dead processes left.

    Raises:
        StoreError: The store does not take it just now; nothing is lost.
    """
    return connection().flush()


def sync(
    source: str | os.PathLike[str] | None = None, *, store: str | os.PathLike[str] | None = None
) -> Recovered:
    """Bring all journals of a store into it, or those of a spool into a store.

    Args:
        source: Path of a store, or the folder of a spool (also as ``spool:///shared/dir``). Default: the
            store in use.
        store: Which store a spool is brought into. Default: the one in use.

    Raises:
        NotFound: No such spool.
        BadValue: The spool is being brought into another store.
        StoreError: The store does not take it just now; nothing is lost.
    """
    where = connection() if store is None else at(settings.store_path(store))
    if source is None:
        return where.flush()
    path = settings.store_path(source)
    folder = settings.spool_folder(path) or (path if path.is_dir() else None)
    if folder is None:
        return at(path).flush()
    from chachaml.spooling import bring_in

    return bring_in(folder, where)


def _arguments(call: str, args: tuple[object, ...], needed: int) -> tuple[object, ...]:
    if len(args) not in (needed, needed + 1):
        raise BadValue(f"{call} takes {needed} arguments, or a run and {needed}; {len(args)} were given")
    return args


def _live(target: list[object]) -> LiveRun | None:
    """Return the handle to log through: the current run's, or that of an open run that is meant."""
    if not target:
        return lifecycle.require("this call")
    for open_run in current.open_runs():
        if isinstance(open_run, LiveRun) and open_run.id == id_of(target[0]):
            return open_run
    return None


def _annotate(target: object, make: Callable[[str], TagsSet | TagsRemoved]) -> None:
    """Apply a change to any run, at once."""
    where = connection()
    where.command(make(resolve(where.ready(), id_of(target)).id))


def _now() -> int:
    return time.time_ns() // 1000
