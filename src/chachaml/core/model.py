"""What reads return: frozen structs that compare by content and print well.

Times are int64 microseconds since 1970, UTC; None where there is none (yet).
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from chachaml.core.kinds import (
    AccountKind,
    AlertLevel,
    AlertRule,
    AnyRole,
    Conflicted,
    Role,
    RunError,
    Stage,
    StepStatus,
)
from chachaml.core.upkeep import RetentionRule

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from chachaml.core.query.expressions import Expression, Order

__all__ = [
    "STATUSES",
    "Access",
    "AccountRow",
    "AlertRow",
    "ArtifactRow",
    "AuditRow",
    "Columns",
    "ConsoleRow",
    "Contents",
    "DatasetRow",
    "DeliveryRow",
    "EventRow",
    "ExperimentRow",
    "Facet",
    "HistoryRow",
    "ModelRow",
    "MoveRow",
    "Page",
    "RecordRow",
    "RetentionRow",
    "RunQuery",
    "RunRow",
    "Series",
    "Status",
    "StepRow",
    "StoreInfo",
    "Summary",
    "TokenRow",
    "UsageRow",
    "VersionRow",
    "ViewRow",
    "WholeRun",
]

Status = Literal["running", "completed", "failed", "interrupted", "crashed"]
STATUSES: tuple[Status, ...] = ("running", "completed", "failed", "interrupted", "crashed")


class Summary(msgspec.Struct, frozen=True):
    """What is known of a series without touching its points.

    ``min``, ``max``, ``sum`` and ``finite`` speak of finite values only; NaN and infinities are
    counted apart. ``first`` and ``last`` are the ends in the order (step, time, arrival) and may be
    anything. ``min`` and ``max`` are None while no value was finite; their steps are those of the
    first point that has the value.
    """

    count: int
    finite: int
    nans: int
    infs: int
    first_step: int
    first_time: int
    first: float
    last_step: int
    last_time: int
    last: float
    min: float | None
    min_step: int | None
    max: float | None
    max_step: int | None
    sum: float

    @property
    def mean(self) -> float | None:
        """The mean of the finite values, or None when there are none."""
        return self.sum / self.finite if self.finite else None

    @classmethod
    def of_point(cls, step: int, time: int, value: float) -> Summary:
        """Return the summary of a series of one point."""
        if isfinite(value):
            return cls(1, 1, 0, 0, step, time, value, step, time, value, value, step, value, step, value)
        nan = value != value
        ends = (step, time, value)
        return cls(1, 0, int(nan), int(not nan), *ends, *ends, None, None, None, None, 0.0)


class ArtifactRow(msgspec.Struct, frozen=True):
    """A named artifact of a run. ``digest`` is the SHA-256 of its bytes, in hex; ``size`` is in bytes."""

    name: str
    digest: str
    size: int
    content_type: str
    format: str
    signature: str
    logged: int


class DatasetRow(msgspec.Struct, frozen=True):
    """Data that a run used: what is known of it, without the data."""

    name: str
    role: str
    rows: int | None
    columns: int | None
    features: tuple[str, ...]
    digest: str
    source: str
    logged: int


class RunRow(msgspec.Struct, frozen=True):
    """A run as the store knows it.

    ``owner`` is the id of the journal whose process decides whether the run lives; a run known
    only by what others logged to it has none yet. ``duration`` is in microseconds, summed over
    resumes. ``params`` and ``metrics`` are filled by `Store.get_run` and left empty by `find_runs`
    unless the query asks for them, ``environment`` (facts by key) likewise; ``artifacts`` (by name) and
    ``datasets`` (as logged) by `get_run` alone.
    """

    id: str
    experiment: str
    name: str
    status: Status
    started: int
    created_by: str = ""
    ended: int | None = None
    duration: int | None = None
    parent: str | None = None
    error: RunError | None = None
    archived: int | None = None
    owner: str | None = None
    tags: dict[str, str] = {}
    params: dict[str, Any] = {}
    metrics: dict[str, Summary] = {}
    conflicts: tuple[Conflicted, ...] = ()
    artifacts: tuple[ArtifactRow, ...] = ()
    datasets: tuple[DatasetRow, ...] = ()
    environment: dict[str, Any] = {}


class WholeRun(msgspec.Struct, frozen=True):
    """A run with all that belongs to it but points: its row as `Store.get_run` has it, and more."""

    row: RunRow
    steps: tuple[StepRow, ...] = ()
    console: tuple[ConsoleRow, ...] = ()


class RunQuery(msgspec.Struct, frozen=True):
    """Which runs to find. None means any; every condition must hold.

    ``text_id`` matches runs whose id starts with it, or whose short form (the last 8 digits) does.
    ``archived`` None hides nothing; False, the default, hides archived runs.
    ``filter`` and ``order`` are of the search language (`chachaml.core.query`); what the order leaves
    open, and all without one, is newest first, by (started, id).
    ``cursor`` is the `Page.next` of the page before; ``offset`` skips so many instead, and such a page has
    no ``next``.
    """

    experiment: str | None = None
    status: Status | None = None
    name: str | None = None
    created_by: str | None = None
    parent: str | None = None
    owner: str | None = None
    archived: bool | None = False
    text_id: str | None = None
    filter: Expression | None = None
    order: tuple[Order, ...] = ()
    limit: int = 100
    cursor: str = ""
    with_values: bool = False
    """Fill params and metrics of each run too."""
    offset: int = 0
    keys: tuple[str, ...] | None = None
    """Fill no params and metrics but those of these keys; None fills all."""
    last_only: bool = False
    """Fill metrics as if their last point were the only one, which is read in half the time."""


class HistoryRow(msgspec.Struct, frozen=True):
    """A correction: what it changed (see `chachaml.core.changes.RunEdited`), by whom, from what to what.

    The aspect of a deleted run is "deleted", and before is its name. For a metric, ``before`` and
    ``after`` are numbers of points. ``undone`` is the number of the entry that took this one back.
    """

    no: int
    time: int
    by: str
    run: str
    aspect: str
    key: str = ""
    before: str | None = None
    after: str | None = None
    undone: int | None = None


class ExperimentRow(msgspec.Struct, frozen=True):
    """An experiment: what was said of it, and how many runs it has, archived ones apart."""

    name: str
    description: str
    owner: str
    created: int
    runs: int = 0
    running: int = 0
    archived: int = 0
    last_started: int | None = None


class ViewRow(msgspec.Struct, frozen=True):
    """A page as somebody saved it: the query string of its address; ``experiment`` is '' for all of them."""

    name: str
    experiment: str
    state: str
    by: str
    saved: int


class RecordRow(msgspec.Struct, frozen=True):
    """What an adapter to another tool keeps (see `chachaml.core.records`): JSON by kind and key."""

    kind: str
    key: str
    experiment: str
    value: str
    time: int


class RetentionRow(msgspec.Struct, frozen=True):
    """A rule of retention, and who set it when."""

    name: str
    rule: RetentionRule
    by: str
    set: int


class UsageRow(msgspec.Struct, frozen=True):
    """How much the runs of one user in one experiment take. Bytes are as they are kept, but for indexes.

    ``artifact_bytes`` count each artifact of each run; equal ones are kept once.
    """

    experiment: str
    created_by: str
    runs: int = 0
    points: int = 0
    point_bytes: int = 0
    artifacts: int = 0
    artifact_bytes: int = 0
    console_bytes: int = 0


class Contents(msgspec.Struct, frozen=True):
    """How much some runs hold. ``bytes`` are those of their artifacts, each counted once."""

    runs: int = 0
    params: int = 0
    metrics: int = 0
    points: int = 0
    artifacts: int = 0
    bytes: int = 0


class Facet(msgspec.Struct, frozen=True):
    """What some runs have under a key: how many of them, how many values that differ, and their range.

    ``min`` and ``max`` are of numbers, for metrics of their last values; None without any, and where they are
    infinite. ``points`` is how many points of a metric the run has that has most.
    """

    kind: Literal["metric", "param", "tag"]
    key: str
    runs: int
    distinct: int
    min: float | None = None
    max: float | None = None
    points: int = 0


class Values(msgspec.Struct, frozen=True):
    """The values of some fields of many runs: a column for each, in the order of ``runs``, their ids."""

    runs: list[str]
    columns: list[list[Any]]


class Columns(msgspec.Struct, frozen=True):
    """Many runs, without what belongs to them, and that as columns by key: None where a run lacks it."""

    runs: tuple[RunRow, ...]
    params: dict[str, list[Any]]
    metrics: dict[str, list[float | None]]
    tags: dict[str, list[str | None]]


class ConsoleRow(msgspec.Struct, frozen=True):
    """Some of what a run printed, from line number ``line`` on (see `chachaml.core.changes`)."""

    no: int
    time: int
    stream: str
    line: int
    text: str


class ModelRow(msgspec.Struct, frozen=True):
    """A model: a name for versions, which count from 1. ``newest`` is the highest number ever given."""

    name: str
    description: str
    note: str
    tags: dict[str, str]
    created: int
    created_by: str
    newest: int
    versions: int
    production: int | None
    aliases: dict[str, int]


class VersionRow(msgspec.Struct, frozen=True):
    """A version of a model: an artifact as it was when it was registered, whatever becomes of its run."""

    model: str
    version: int
    id: str
    run: str
    artifact: str
    digest: str
    size: int
    content_type: str
    format: str
    signature: str
    stage: Stage
    description: str
    tags: dict[str, str]
    about: dict[str, Any]
    created: int
    created_by: str
    aliases: tuple[str, ...] = ()


class MoveRow(msgspec.Struct, frozen=True):
    """Something that was done to a model: who, when and why, and what was there before.

    ``what`` is registered, stage, alias, description, note, tag, renamed or deleted; ``key`` is the
    alias's or tag's name. ``version`` is None where the whole model is meant.
    """

    no: int
    time: int
    by: str
    model: str
    version: int | None
    what: str
    key: str
    before: str | None
    after: str | None
    comment: str


class StepRow(msgspec.Struct, frozen=True):
    """How a step of a pipeline stands (see `chachaml.core.changes.StepLogged`)."""

    step: str
    order: int
    status: StepStatus
    needs: tuple[str, ...]
    step_run: str
    started: int | None
    ended: int | None
    attempts: int
    key: str


class AlertRow(msgspec.Struct, frozen=True):
    """An alert: its rule, where it is told (URLs, which are secrets), and how it stands.

    ``set`` is when it was set last, and tells its revisions apart. ``firing`` is the run for which it
    fired last without being resolved, '' for none.
    """

    name: str
    rule: AlertRule
    targets: tuple[str, ...]
    form: str
    secret: str
    active: bool
    muted_until: int
    set: int
    set_by: str
    fired: int | None = None
    firing: str = ""


class DeliveryRow(msgspec.Struct, frozen=True):
    """An event on its way to a target: pending, delivered, failed, or dropped because there were too many."""

    place: int
    target: str
    status: Literal["pending", "delivered", "failed", "dropped"]
    attempts: int = 0
    outcome: str = ""
    next: int = 0


class EventRow(msgspec.Struct, frozen=True):
    """Something that an alert told, or with an empty ``alert`` a script itself; ``text`` is for people."""

    no: int
    id: str
    alert: str
    run: str
    time: int
    title: str
    text: str
    level: AlertLevel
    value: float | None
    resolved: bool
    form: str
    secret: str
    deliveries: tuple[DeliveryRow, ...] = ()


class AccountRow(msgspec.Struct, frozen=True):
    """Who may use a server, and as what: a role in all experiments, and roles in single ones."""

    name: str
    kind: AccountKind
    role: AnyRole
    grants: dict[str, Role]
    active: bool
    created: int
    created_by: str


class TokenRow(msgspec.Struct, frozen=True):
    """A token of an account, known by the digest of its secret; times as in `chachaml.core.changes`."""

    id: str
    account: str
    digest: str
    label: str
    role: AnyRole
    session: bool
    created: int
    expires: int
    revoked: int | None
    used: int | None


class AuditRow(msgspec.Struct, frozen=True):
    """Something that happened about access: who did what to which, and what else is known."""

    no: int
    time: int
    by: str
    action: str
    target: str
    details: str


class Access(msgspec.Struct, frozen=True):
    """All accounts, by name, and their tokens, the oldest first."""

    accounts: tuple[AccountRow, ...] = ()
    tokens: tuple[TokenRow, ...] = ()


class Page(msgspec.Struct, frozen=True):
    """Some of the runs found, and the cursor of the next page ('' at the end)."""

    runs: tuple[RunRow, ...]
    next: str = ""


class Series(msgspec.Struct, frozen=True, eq=False):
    """The points of one series, in the order (step, time, arrival), as columns of equal length.

    When ``sampled``, they are real points picked so that each stretch keeps its first, lowest,
    highest, last and first NaN: an extreme is never hidden. ``total`` counts the points in the
    window before sampling; when sampled it may count whole stretches at the window's two edges.
    """

    run: str
    key: str
    steps: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    total: int
    sampled: bool = False


class StoreInfo(msgspec.Struct, frozen=True):
    """What a store is: its id, where it is, and what it holds."""

    id: str
    backend: str
    location: str
    schema: int
    runs: int = 0
    points: int = 0
