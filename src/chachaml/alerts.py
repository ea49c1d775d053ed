"""Alerts: rules that wait for something in runs, and tell people when it comes.

    ml.alerts.set_alert("accuracy-drop", experiment="iris", metric="accuracy", op="<", threshold=0.9)
    ml.alerts.check_alerts()

Rules are judged by themselves while runs log and when they end.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from chachaml import lifecycle
from chachaml.alerting.guard import check_url, masked
from chachaml.connection import connection
from chachaml.core.changes import (
    AlertChange,
    AlertDeleted,
    AlertKind,
    AlertLevel,
    AlertRaised,
    AlertRule,
    AlertSet,
    AlertSwitched,
    Batch,
)
from chachaml.core.configuration import text as setting
from chachaml.core.errors import BadValue, NotFound
from chachaml.core.ids import command_id, new_id
from chachaml.core.model import STATUSES, AlertRow, EventRow
from chachaml.core.query import parse
from chachaml.core.settings import current_user
from chachaml.core.values import as_number, as_text, check_key
from chachaml.lookup import AnyRun, id_of, resolve
from chachaml.results import Lines, to_datetime
from chachaml.shown import Shown

if TYPE_CHECKING:
    from chachaml.display import Paint

__all__ = [
    "Alert",
    "AlertCheck",
    "AlertEvent",
    "Delivery",
    "Preview",
    "WouldFire",
    "alert",
    "alert_history",
    "alerts",
    "check_alerts",
    "deactivate_alert",
    "delete_alert",
    "mute_alert",
    "preview_alert",
    "reactivate_alert",
    "set_alert",
    "try_alert",
]


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert: what it waits for, and how it stands. ``targets`` are shown without what is secret in them.

    ``condition`` says in words what it waits for. ``firing`` is the id of the run for which it fired and
    was not resolved since, None if there is none.
    """

    name: str
    condition: str
    experiment: str | None
    rule: AlertRule
    targets: tuple[str, ...]
    active: bool
    muted_until: datetime | None
    set: datetime
    set_by: str
    last_fired: datetime | None
    firing: str | None

    @classmethod
    def from_row(cls, row: AlertRow) -> Alert:
        """Return what people see of a store's row."""
        from chachaml.display import condition_text

        return cls(
            name=row.name,
            condition=condition_text(row.rule),
            experiment=row.rule.experiment,
            rule=row.rule,
            targets=tuple(map(masked, row.targets)),
            active=row.active,
            muted_until=to_datetime(row.muted_until) if row.muted_until > _now() else None,
            set=to_datetime(row.set),
            set_by=row.set_by,
            last_fired=None if row.fired is None else to_datetime(row.fired),
            firing=row.firing or None,
        )

    def __repr__(self) -> str:
        from chachaml.display import alert_text

        return alert_text(self)


class Delivery(msgspec.Struct, frozen=True):
    """How an event got to one target: ``status`` is pending, delivered, failed or dropped.

    ``outcome`` is the last try's, such as "HTTP 200"; what was answered is never kept.
    """

    target: str
    status: str
    attempts: int
    outcome: str


class AlertEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that an alert told, or with an empty ``alert`` a script. ``value`` is what the metric was."""

    id: str
    alert: str
    run: str
    time: datetime
    title: str
    text: str
    level: AlertLevel
    value: float | None
    resolved: bool
    deliveries: tuple[Delivery, ...]

    @classmethod
    def from_row(cls, row: EventRow) -> AlertEvent:
        """Return what people see of a store's row."""
        ways = tuple(
            Delivery(masked(way.target), way.status, way.attempts, way.outcome) for way in row.deliveries
        )
        return cls(
            id=row.id,
            alert=row.alert,
            run=row.run,
            time=to_datetime(row.time),
            title=row.title,
            text=row.text,
            level=row.level,
            value=row.value,
            resolved=row.resolved,
            deliveries=ways,
        )

    def __repr__(self) -> str:
        from chachaml.display import event_text

        return event_text(self)


class WouldFire(msgspec.Struct, frozen=True):
    """A run for which an alert would have fired: ``still`` tells whether it is so at the end of the run."""

    run: str
    name: str
    started: datetime
    value: float | None
    text: str
    still: bool


class Preview(msgspec.Struct, frozen=True):
    """What an alert would have done: what it waits for, how many runs were looked at, and its fires."""

    condition: str
    runs: int
    fires: tuple[WouldFire, ...]


class AlertCheck(Shown, Sequence[AlertEvent]):
    """How checking went; iterates over what fired.

    Attributes:
        checked: How many alerts were judged.
        fired: How many fired now.
        skipped: How often it was so, and told before, muted or cooling down.
        delivered: How many deliveries went through, of earlier events too.
        failed: How many did not; they are tried again later.
    """

    def __init__(
        self, events: Sequence[AlertEvent], *, checked: int, skipped: int, delivered: int, failed: int
    ) -> None:
        self._events = tuple(events)
        self.checked, self.fired, self.skipped = checked, len(events), skipped
        self.delivered, self.failed = delivered, failed

    def __getitem__(self, index: Any) -> Any:
        """Return one of the events, or several."""
        return self._events[index]

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[AlertEvent]:
        return iter(self._events)

    def _text(self, paint: Paint) -> str:
        counts = f"checked {self.checked}, fired {self.fired}, skipped {self.skipped}"
        line = f"{counts}, delivered {self.delivered}, failed {self.failed}"
        return "\n".join([paint(line, "strong"), *map(repr, self._events)])


# setting ------------------------------------------------------------------------------------------


def set_alert(
    name: str,
    *,
    experiment: str | None = None,
    metric: str | None = None,
    metric_key: str | None = None,
    op: str = ">",
    threshold: float | None = None,
    of: str = "last",
    nan: bool = False,
    no_improvement: int | None = None,
    direction: str = "min",
    status: str | Sequence[str] | None = None,
    silent_minutes: float | None = None,
    filter: str | None = None,
    webhook_url: str | None = None,
    urls: Sequence[str] = (),
    form: str = "auto",
    secret: str = "",
    cooldown: float = 0.0,
    notify_resolved: bool = False,
    level: str = "warning",
    keep_targets: bool = False,
) -> Alert:
    """Set an alert; one of that name is replaced.

    It waits for one thing: a metric's value (`threshold`), NaN or an infinity in it (`nan`), no
    improvement of it for many steps (`no_improvement`), a run's status, a run that says nothing for
    minutes, or anything of the search language. It fires once for a run.

    Args:
        name: Its name.
        experiment: Only runs of this experiment.
        metric: The metric's key.
        metric_key: The same.
        op: How the value compares with the threshold: one of > >= < <= =.
        threshold: What to compare with.
        of: Which value: "last", "min" or "max".
        nan: Fire when the metric has a NaN or an infinity.
        no_improvement: Fire when its best value is so many steps old.
        direction: For `no_improvement`: whether "min" or "max" is best.
        status: Fire when a run gets this status, or one of these: "failed", "crashed" and so on.
        silent_minutes: Fire when a running run logs no metric for so long.
        filter: Fire when a run meets this.
        webhook_url: Where to post it: Slack's webhooks get Slack's form, others JSON. A secret: it is
            never shown again.
        urls: More of them; with ``CHACHAML_ALERT_APPRISE=on`` also those of apprise's services.
        form: "auto", "slack" or "json".
        secret: Signs what is posted, as https://www.standardwebhooks.com says.
        cooldown: Seconds after it fired in which it does not fire for another run.
        notify_resolved: Tell also when it is no longer so.
        level: "info", "warning" or "error".
        keep_targets: Go on telling those whom the alert of that name tells now, as before.

    Raises:
        BadValue: Not exactly one thing to wait for, or a value or URL that cannot be.
        BadQuery: A filter that makes no sense.
        NotFound: There is no alert whose URLs could be kept.
    """
    rule = _rule(
        metric=metric or metric_key,
        op=op,
        threshold=threshold,
        of=of,
        nan=nan,
        no_improvement=no_improvement,
        direction=direction,
        status=status,
        silent_minutes=silent_minutes,
        filter=filter,
    )
    rule = msgspec.structs.replace(
        rule,
        experiment=None if experiment is None else as_text("experiment", experiment),
        level=_one_of("level", level, ("info", "warning", "error")),
        cooldown=int(_positive("cooldown", cooldown) * 1e6),
        tell_resolved=bool(notify_resolved),
    )
    if not as_text("alert's name", name).strip():
        raise BadValue("an alert needs a name")
    targets = _targets([webhook_url, *urls] if webhook_url else list(urls))
    kind = _one_of("form", form, ("auto", "slack", "json"))
    signed = as_text("secret", secret)
    if keep_targets:
        now = _row(name)
        targets, kind, signed = now.targets, now.form, now.secret
    _apply(AlertSet(_now(), name, current_user(), rule, targets, kind, signed), create=True)
    return _find(name)


def _rule(
    *,
    metric: str | None = None,
    op: str = ">",
    threshold: float | None = None,
    of: str = "last",
    nan: bool = False,
    no_improvement: int | None = None,
    direction: str = "min",
    status: str | Sequence[str] | None = None,
    silent_minutes: float | None = None,
    filter: str | None = None,
) -> AlertRule:
    """Return what to wait for, of all that could be."""
    given: dict[str, Any] = {
        "threshold": threshold,
        "odd": nan or None,
        "plateau": no_improvement,
        "status": status,
        "silent": silent_minutes,
        "filter": filter,
    }
    said = {kind: value for kind, value in given.items() if value is not None}
    if len(said) != 1:
        what = "one thing to wait for" if not said else f"one thing to wait for, not {' and '.join(said)}"
        raise BadValue(
            f"an alert needs {what}", "set_alert('drop', metric='accuracy', op='<', threshold=0.9)"
        )
    ((kind, value),) = said.items()
    if kind in ("threshold", "odd", "plateau") and metric is None:
        raise BadValue("which metric?", "metric='loss'")
    if kind not in ("threshold", "odd", "plateau") and metric is not None:
        raise BadValue(
            f"metric does not go with {kind}", "threshold=, nan=True or no_improvement= are of a metric"
        )
    about: dict[AlertKind, dict[str, Any]] = {
        "threshold": {
            "threshold": as_number("threshold", value) if kind == "threshold" else 0.0,
            "op": _one_of("op", op, (">", ">=", "<", "<=", "=")),
            "of": _one_of("of", of, ("last", "min", "max")),
        },
        "odd": {},
        "plateau": {"direction": _one_of("direction", direction, ("min", "max"))},
        "status": {},
        "silent": {},
        "filter": {},
    }
    more = about[kind]  # type: ignore[index]
    if kind == "plateau":
        more["steps"] = int(_positive("no_improvement", value, least=1))
    elif kind == "status":
        wanted = (value,) if isinstance(value, str) else tuple(value)
        more["statuses"] = tuple(_one_of("status", one, STATUSES) for one in wanted)
    elif kind == "silent":
        more["minutes"] = _positive("silent_minutes", value)
    elif kind == "filter":
        parse(value)
        more["filter"] = value
    return AlertRule(kind, metric=check_key("metric", metric) if metric else "", **more)  # type: ignore[arg-type]


def _one_of(what: str, value: Any, known: Sequence[str]) -> Any:
    if value not in known:
        raise BadValue(f"{what} must be one of {', '.join(map(repr, known))}, not {value!r}")
    return value


def _positive(what: str, value: Any, least: float = 0) -> float:
    number = as_number(what, value)
    if not least <= number < 1e12:
        raise BadValue(f"{what} is a number from {least:g} up, not {value!r}")
    return number


def _targets(urls: Sequence[str]) -> tuple[str, ...]:
    from chachaml.alerting.delivery import is_ours

    for url in urls:
        if is_ours(as_text("URL", url)):
            check_url(url)
        elif "://" not in url:
            raise BadValue("an alert is told by a URL: https://...")
    return tuple(urls)


def deactivate_alert(name: str) -> Alert:
    """Switch an alert off; what it told stays.

    Raises:
        NotFound: No such alert.
    """
    return _switched(AlertSwitched(_now(), name, current_user(), active=False))


def reactivate_alert(name: str) -> Alert:
    """Switch an alert on again.

    Raises:
        NotFound: No such alert.
    """
    return _switched(AlertSwitched(_now(), name, current_user(), active=True))


def mute_alert(name: str, *, minutes: float | None = None, until: datetime | None = None) -> Alert:
    """Keep an alert from firing for a while; ``minutes=0`` ends that.

    Args:
        name: The alert.
        minutes: For so long.
        until: Or until then.

    Raises:
        NotFound: No such alert.
        BadValue: Neither or both of the two.
    """
    if (minutes is None) == (until is None):
        raise BadValue("for how long?", "mute_alert(name, minutes=60), or until=datetime(...)")
    if until is not None:
        ends = int(until.timestamp() * 1e6)
    else:
        ends = _now() + int(_positive("minutes", minutes) * 60e6) if minutes else 0
    return _switched(AlertSwitched(_now(), name, current_user(), muted_until=ends))


def delete_alert(name: str) -> None:
    """Delete an alert; what it told stays.

    Raises:
        NotFound: No such alert.
    """
    _find(name)
    _apply(AlertDeleted(_now(), name, current_user()))


def _switched(change: AlertSwitched) -> Alert:
    _find(change.name)
    _apply(change)
    return _find(change.name)


def _apply(change: AlertChange, *, create: bool = False) -> None:
    where = connection()
    if not where.keeps:
        return
    where.store(create=create).apply(Batch((change,), command=command_id()))  # type: ignore[arg-type]


# finding ------------------------------------------------------------------------------------------


def alerts(*, inactive: bool = False) -> Lines[Alert]:
    """Return the active alerts by name, with `inactive` all."""
    rows = connection().ready().alerts()
    return Lines(Alert.from_row(row) for row in rows if row.active or inactive)


def _find(name: str) -> Alert:
    found = alerts(inactive=True)
    for one in found:
        if one.name == name:
            return one
    if not connection().keeps:
        return Alert.from_row(AlertRow(name, AlertRule("odd"), (), "auto", "", False, 0, 0, ""))
    known = ", ".join(repr(one.name) for one in found[:10]) or "none yet"
    raise NotFound(f"there is no alert {name!r}", f"there are: {known}")


def _row(name: str) -> AlertRow:
    """Return an alert as the store keeps it, with its secrets where one may know them."""
    _find(name)
    return next(row for row in connection().ready().alerts() if row.name == name)


def alert_history(
    name: str | None = None, *, run: AnyRun | None = None, limit: int = 100
) -> Lines[AlertEvent]:
    """Return what was told, newest first: by an alert, of a run, or all; of deleted alerts too.

    Raises:
        NotFound: No such run.
    """
    store = connection().ready()
    which = None if run is None else resolve(store, id_of(run)).id
    return Lines(map(AlertEvent.from_row, store.events(name, which, limit)))


def preview_alert(*, experiment: str | None = None, runs: int = 200, **waits: Any) -> Preview:
    """Return for which of the newest runs an alert would have fired; nothing is set, and nobody is told.

    Args:
        experiment: Only runs of this experiment.
        runs: Look at so many, those of them that have the metric.
        waits: What it would wait for, as `set_alert` takes it: metric, op, threshold and so on.

    Raises:
        BadValue: Not exactly one thing to wait for, or a value that cannot be.
    """
    from chachaml.alerting.judging import rehearse
    from chachaml.display import condition_text

    rule = msgspec.structs.replace(_rule(**waits), experiment=experiment)
    looked_at, fires = rehearse(connection().ready(), rule, runs, _now())
    found = [
        WouldFire(row.id, row.name, to_datetime(row.started), how.value, how.text, still)
        for row, how, still in fires
    ]
    return Preview(condition_text(rule), looked_at, tuple(found))


# checking and telling -----------------------------------------------------------------------------


def check_alerts() -> AlertCheck:
    """Judge all active alerts now, and tell what is due.

    Alerts on metrics are judged by the newest run that has the metric, others by the newest run and
    those that began or ended since the alert was set.
    """
    from chachaml.alerting.watching import deliver, look

    store = connection().ready(at_once=True)
    found = look(store)
    told = deliver(store)
    events = {row.id: row for row in store.events(limit=len(found.fired) + 1000)} if found.fired else {}
    return AlertCheck(
        [AlertEvent.from_row(events[event]) for event in found.fired],
        checked=found.checked,
        skipped=found.skipped,
        delivered=told.delivered,
        failed=told.failed,
    )


def try_alert(name: str) -> Lines[Delivery]:
    """Tell those whom an alert tells that this is a test, and return how each delivery went; none is kept.

    Raises:
        NotFound: No such alert.
        BadValue: It tells nobody.
    """
    from chachaml.alerting.delivery import send

    row = _row(name)
    if not row.targets:
        raise BadValue(f"alert {name!r} tells nobody", "set it with webhook_url=")
    text = f"This is a test, asked for by {current_user()}."
    about = ("", _now(), name, text, row.rule.level, None, False, row.form, row.secret)
    event = EventRow(0, new_id(), name, *about)
    answers = [(target, send(event, target)) for target in row.targets]
    return Lines(
        Delivery(masked(target), "delivered" if one.ok else "failed", 1, one.outcome)
        for target, one in answers
    )


def alert(title: str, text: str = "", level: str = "info", *, url: str | None = None) -> None:
    """Tell something now, from a training script; returns at once.

    It is kept with the current run, and posted in the background.

    Args:
        title: In a few words.
        text: In more of them.
        level: "info", "warning" or "error".
        url: Where to post it. Default: the setting ``alert_url``; without one it is only kept.

    Raises:
        NoActiveRun: No run is open.
        BadValue: Another level, or a URL that cannot be.
    """
    run = lifecycle.require("alert")
    where = url or setting("alert_url")
    run.log_change(
        AlertRaised(
            run.id,
            _now(),
            new_id(),
            as_text("title", title),
            as_text("text", text),
            _one_of("level", level, ("info", "warning", "error")),
            _targets([where]) if where else (),
        )
    )


def _now() -> int:
    return time.time_ns() // 1000
