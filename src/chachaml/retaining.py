"""Which old runs go by the rules of retention, why others stay, and letting them go."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from chachaml import searching
from chachaml.cleaning import delete, every, hide
from chachaml.connection import Connection
from chachaml.core.changes import Audited, Batch, LeaseTaken, RetentionRule
from chachaml.core.errors import AccessDenied, ChachamlError
from chachaml.core.ids import new_id
from chachaml.core.model import RetentionRow, RunQuery, RunRow
from chachaml.core.query import And, Compare, Expression, Field, In, IsNull, Not, Order, parse
from chachaml.core.settings import current_user
from chachaml.results import CleanUp
from chachaml.store.protocol import Store

__all__ = ["PINNED", "Decision", "Done", "Sweeper", "decide", "let_go"]

PINNED = "pinned"
"""The tag of a run that no rule touches."""

_DAY = 86_400_000_000
_AT_ONCE = 500
"""Runs that are looked at once more, and then let go: meanwhile somebody may have pinned one."""

_NAME = "retention"
"""By whom the server archives and deletes, and what it takes a lease for."""

_FIRST = 10.0
"""Seconds after its start in which a server looks first."""


class Decision(msgspec.Struct, frozen=True):
    """What is to become of a run that is old enough for a rule, and why."""

    run: str
    name: str
    experiment: str
    rule: str
    action: Literal["archive", "delete", "keep"]
    why: str


class Done(NamedTuple):
    """What became of all: the decisions, as far as they were carried out, and the bytes that came back."""

    decisions: list[Decision]
    bytes: int


_Decided = tuple[RunRow, Decision]


# deciding -----------------------------------------------------------------------------------------


def decide(store: Store, rules: Sequence[RetentionRow], now: int) -> list[_Decided]:
    """Return the runs that are old enough for a rule, with what is to become of each.

    A rule of one experiment counts there instead of those for all; of several the first by name does.
    """
    own = {row.rule.experiment for row in rules if row.rule.experiment}
    kept = _registered(store) | _best(store, rules, own)
    decided: dict[str, _Decided] = {}
    for row in rules:
        for run, action, why in _due(store, row.rule, own, now):
            stays = _stays(run, kept)
            about = ("keep", stays) if stays else (action, why)
            decision = Decision(run.id, run.name, run.experiment, row.name, *about)  # type: ignore[arg-type]
            decided.setdefault(run.id, (run, decision))
    return list(decided.values())


def _stays(run: RunRow, kept: dict[str, str]) -> str:
    """Return why a run stays however old it is ('' if it may go)."""
    if run.status == "running":
        return "it is running"
    return "it is pinned" if PINNED in run.tags else kept.get(run.id, "")


def _registered(store: Store) -> dict[str, str]:
    """Return by id the runs from which models come, with why they stay."""
    return {
        one.run: f"version {one.version} of model {one.model!r} comes from it" for one in store.versions()
    }


def _best(store: Store, rules: Sequence[RetentionRow], own: set[str]) -> dict[str, str]:
    """Return by id the best runs of each experiment, with why they stay."""
    found = {}
    for rule in (row.rule for row in rules if row.rule.keep_best):
        homes = [rule.experiment] if rule.experiment else [one.name for one in store.experiments()]
        for home in homes:
            if not rule.experiment and home in own:
                continue
            among = "the best" if rule.keep_best == 1 else f"among the {rule.keep_best} best"
            why = f"it is {among} of {home!r} by {rule.metric!r}"
            found.update({row.id: why for row in store.find_runs(_best_query(rule, home)).runs})
    return found


def _best_query(rule: RetentionRule, experiment: str) -> RunQuery:
    field = Field("metric", rule.metric, rule.direction)
    there: Expression = Not(IsNull(field))
    if rule.filter:
        there = And((there, parse(rule.filter)))
    order = (Order(field, descending=rule.direction == "max"),)
    return RunQuery(experiment=experiment, filter=there, order=order, archived=None, limit=rule.keep_best)


def _due(store: Store, rule: RetentionRule, own: set[str], now: int) -> Iterator[tuple[RunRow, str, str]]:
    """Yield the runs that are old enough, with what is to become of them, and why."""
    if (days := rule.archive_after_days) is not None:
        before = now - round(days * _DAY)
        restored = _restored_since(store, before)
        for run in _older(store, rule, own, before, archived=False):
            if (run.ended or run.started) < before and run.id not in restored:
                yield run, "archive", f"it ended more than {_days(days)} ago"
    if (days := rule.delete_after_days) is not None:
        before = now - round(days * _DAY)
        for run in _older(store, rule, own, before, archived=True):
            if run.archived is not None and run.archived < before:
                yield run, "delete", f"it was archived more than {_days(days)} ago"


def _days(days: float) -> str:
    return f"{days:g} day{'' if days == 1 else 's'}"


def _older(
    store: Store, rule: RetentionRule, own: set[str], before: int, *, archived: bool
) -> Iterator[RunRow]:
    """Yield the runs of a rule that started before a time."""
    query = searching.query(store, rule.filter or None, None, experiment=rule.experiment or None)
    old = Compare(Field("attribute", "started"), "<", before)
    for run in every(store, searching.narrowed(replace(query, archived=archived), old)):
        if rule.experiment or run.experiment not in own:
            yield run


def _restored_since(store: Store, time: int) -> set[str]:
    """Return the runs that somebody brought back since: to archive them at once would be a quarrel."""
    found: set[str] = set()
    before: int | None = None
    while rows := store.history(before=before, limit=1000):
        fresh = [row for row in rows if row.time >= time]
        found |= {row.run for row in fresh if row.aspect == "archived" and row.after is None}
        if len(fresh) < len(rows):
            break
        before = rows[-1].no
    return found


# letting go ---------------------------------------------------------------------------------------


def let_go(
    where: Connection,
    store: Store,
    *,
    dry_run: bool,
    by: str = "",
    until: Callable[[], bool] = lambda: False,
) -> Done:
    """Archive and delete what the rules say.

    Args:
        where: The way to the store, and to the bytes of artifacts.
        store: The store.
        dry_run: Say what would be done, and change nothing.
        by: Who does it. Default: the user.
        until: Asked now and then; when it says so, the rest stays for the next time.
    """
    decided = decide(store, store.retention(), _now())
    decisions = {run.id: decision for run, decision in decided}
    # Children start after their parents, and go first.
    going = [run for run, decision in decided if decision.action != "keep"]
    going.sort(key=lambda run: run.started, reverse=True)
    freed, lots = 0, _lots(going, _AT_ONCE if not dry_run else len(going))
    for lot in lots:
        if until():
            for run in (run for rest in (lot, *lots) for run in rest):
                del decisions[run.id]
            break
        stays = {} if dry_run else _stay_after_all(store, lot)
        passed = [run for run in lot if run.id not in stays]
        for cleaned in _carry_out(where, store, passed, decisions, dry_run=dry_run, by=by):
            freed += cleaned.bytes
            stays |= {one.run: one.why.partition(":")[0] for one in cleaned.skipped}  # without what to type
        decisions |= {run: replace(decisions[run], action="keep", why=why) for run, why in stays.items()}
    done = Done(list(decisions.values()), freed)
    if not dry_run:
        _note(where, done, by)
    return done


def _lots(runs: list[RunRow], size: int) -> Iterator[list[RunRow]]:
    return (runs[at : at + size] for at in range(0, len(runs), size or 1))


def _stay_after_all(store: Store, runs: list[RunRow]) -> dict[str, str]:
    """Return by id those of some runs that stay for what was done since it was decided, with why."""
    among = In(Field("attribute", "id"), tuple(run.id for run in runs))
    now = {run.id: run for run in every(store, RunQuery(filter=among, archived=None))}
    registered = _registered(store)
    reasons = {}
    for run in runs:
        if run.id not in now:
            reasons[run.id] = "it is gone already"
        elif now[run.id].archived != run.archived:
            reasons[run.id] = "somebody archived it or brought it back just now"
        else:
            reasons[run.id] = _stays(now[run.id], registered)
    return {run: why for run, why in reasons.items() if why}


def _carry_out(
    where: Connection,
    store: Store,
    runs: list[RunRow],
    decisions: dict[str, Decision],
    *,
    dry_run: bool,
    by: str,
) -> Iterator[CleanUp]:
    if hidden := [run for run in runs if decisions[run.id].action == "archive"]:
        yield hide(where, store, hidden, "archived", dry_run, by)
    if gone := [run for run in runs if decisions[run.id].action == "delete"]:
        yield delete(where, store, gone, False, dry_run, by)


def _note(where: Connection, done: Done, by: str) -> None:
    """Keep in the audit log what the rules did."""
    actions = Counter((one.rule, one.action) for one in done.decisions)
    for rule in sorted({rule for rule, action in actions if action != "keep"}):
        archived, deleted = actions[rule, "archive"], actions[rule, "delete"]
        details = f"{archived} archived, {deleted} deleted, {actions[rule, 'keep']} kept"
        # Who has a role in some experiments alone writes no log; of each run that goes there is a line.
        with suppress(AccessDenied):
            where.command(Audited(_now(), by or current_user(), "retention rule applied", rule, details))


def _now() -> int:
    return time.time_ns() // 1000


# now and then -------------------------------------------------------------------------------------


class Sweeper:
    """Applies the rules of a server's store now and then, in a thread; one of several servers does.

    Args:
        where: The way to the store.
        store: The store.
        every: Seconds from one time to the next.
    """

    def __init__(self, where: Connection, store: Store, every: float) -> None:
        self._where, self._store, self._every = where, store, every
        self._me = new_id()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._go, name="chachaml-retention", daemon=True)
        self._thread.start()

    def _go(self) -> None:
        wait = min(_FIRST, self._every)
        while not self._stopping.wait(wait):
            wait = self._every
            try:
                if self._store.retention() and self._is_mine():
                    let_go(self._where, self._store, dry_run=False, by=_NAME, until=self._stopping.is_set)
            except ChachamlError as error:
                self._where.tell("retention", f"old runs cannot be let go: {error.message}")

    def _is_mine(self) -> bool:
        """Take the lease until the next time; tell whether no other server has it."""
        now = _now()
        lease = LeaseTaken(now, self._me, _NAME, now + round(self._every * 1_000_000))
        return not self._store.apply(Batch((lease,), command=new_id())).conflicts

    def close(self, wait: float) -> None:
        """Stop after what is under way, or after so many seconds."""
        self._stopping.set()
        self._thread.join(wait)
