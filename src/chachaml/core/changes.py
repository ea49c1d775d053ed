"""The whole write vocabulary: whatever changes a store is one of these structs.

They are what the journal holds (as msgpack, tagged by class name), what a batch carries and
what the rules judge. Times are int64 microseconds since 1970, UTC.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from chachaml.core.copies import Packed, RowsCopied, RunCopied, SeriesCopied
from chachaml.core.kinds import (
    AccountKind,
    AlertKind,
    AlertLevel,
    AlertRule,
    AnyRole,
    Aspect,
    Conflicted,
    EndStatus,
    Fact,
    Role,
    RunError,
    Stage,
    StepStatus,
)
from chachaml.core.records import RecordKept
from chachaml.core.registry import (
    AliasMoved,
    ModelDeleted,
    ModelDescribed,
    ModelRenamed,
    RegistryChange,
    StageMoved,
    VersionRegistered,
)
from chachaml.core.upkeep import LeaseTaken, RetentionDeleted, RetentionRule, RetentionSet, UpkeepChange
from chachaml.core.views import ViewChange, ViewDeleted, ViewSaved

__all__ = [
    "AccessChange",
    "AccountKind",
    "AccountSet",
    "AlertChange",
    "AlertDeleted",
    "AlertFired",
    "AlertKind",
    "AlertLevel",
    "AlertRaised",
    "AlertRule",
    "AlertSet",
    "AlertSwitched",
    "AliasMoved",
    "AnyRole",
    "ArtifactLogged",
    "Aspect",
    "Audited",
    "Batch",
    "Change",
    "Conflicted",
    "ConsoleWritten",
    "DatasetLogged",
    "DeliveryClaimed",
    "DeliveryTried",
    "EndStatus",
    "EnvironmentCaptured",
    "ExperimentDescribed",
    "Fact",
    "JournalInfo",
    "LeaseTaken",
    "ModelDeleted",
    "ModelDescribed",
    "ModelRenamed",
    "OwnerLost",
    "PackagesSeen",
    "Packed",
    "ParamsLogged",
    "PointsLogged",
    "Receipt",
    "RecordKept",
    "RegistryChange",
    "RetentionDeleted",
    "RetentionRule",
    "RetentionSet",
    "Role",
    "RowsCopied",
    "RunCopied",
    "RunDeleted",
    "RunEdited",
    "RunEnded",
    "RunError",
    "RunJoined",
    "RunResumed",
    "RunStarted",
    "SeriesCopied",
    "Stage",
    "StageMoved",
    "StepLogged",
    "StepStatus",
    "TagsRemoved",
    "TagsSet",
    "TokenIssued",
    "TokenRevoked",
    "TokenUsed",
    "UpkeepChange",
    "VersionRegistered",
    "ViewChange",
    "ViewDeleted",
    "ViewSaved",
    "decode_change",
    "encode_change",
    "time_of",
]


class _Change(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    run: str


class RunStarted(_Change, frozen=True):
    """A run began; the journal that says so owns it."""

    time: int
    experiment: str
    name: str
    created_by: str
    parent: str | None = None
    tags: dict[str, str] = {}


class RunResumed(_Change, frozen=True):
    """An ended run goes on; the journal that says so owns it from now on."""

    time: int


class RunJoined(_Change, frozen=True):
    """Another process writes to the run from now on, without owning it."""

    time: int


class RunEnded(_Change, frozen=True):
    """A participant is done; said by the owner's journal, it ends the run."""

    time: int
    status: EndStatus
    error: RunError | None = None
    duration: int | None = None
    """Microseconds by the monotonic clock since this process started or resumed the run."""


class ParamsLogged(_Change, frozen=True):
    """Params by key, each value as canonical JSON (see `chachaml.core.values.canonical`)."""

    time: int
    params: dict[str, str]


class TagsSet(_Change, frozen=True):
    """Tags by key; a later value replaces an earlier one."""

    time: int
    tags: dict[str, str]


class TagsRemoved(_Change, frozen=True):
    """Tags that are gone."""

    time: int
    keys: tuple[str, ...]


class PointsLogged(_Change, frozen=True):
    """Points of one metric, as three little-endian columns of equal length.

    ``steps`` and ``times`` (microseconds) are int64, ``values`` float64: 8 bytes an entry.
    Bytes, so that a change is immutable, compares by content, and needs numpy only to compute.
    Without ``steps`` the store gives them: one more than the highest so far, from 0.
    """

    key: str
    steps: bytes
    times: bytes
    values: bytes

    def __len__(self) -> int:
        return len(self.values) // 8

    def numbered(self, top: int) -> PointsLogged:
        """Return the change with the steps that follow `top`, unless it has steps."""
        if self.steps or not self.values:
            return self
        steps = [
            min(top + no, 2**63 - 1).to_bytes(8, "little", signed=True) for no in range(1, len(self) + 1)
        ]
        return msgspec.structs.replace(self, steps=b"".join(steps))


class ArtifactLogged(_Change, frozen=True):
    """A named artifact of the run; its bytes were in the blob store before this was said."""

    time: int
    name: str
    digest: str
    """SHA-256 of the bytes, 64 hex digits."""
    size: int
    content_type: str
    format: str
    """How its bytes become a value again (see `chachaml.artifacts.formats`)."""
    signature: str = ""
    """Who vouches for a format that runs code when loaded (see `chachaml.artifacts.signing`)."""
    overwrite: bool = False


class DatasetLogged(_Change, frozen=True):
    """Data that the run used, described; a run may use any number."""

    time: int
    name: str
    role: str
    rows: int | None = None
    columns: int | None = None
    features: tuple[str, ...] = ()
    digest: str = ""
    source: str = ""


class StepLogged(_Change, frozen=True):
    """How a step of a pipeline stands; the run is the pipeline's. A later word replaces an earlier one."""

    time: int
    step: str
    order: int
    status: StepStatus
    needs: tuple[str, ...] = ()
    step_run: str = ""
    """Id of the run that did it, or whose result was taken."""
    started: int | None = None
    ended: int | None = None
    attempts: int = 0
    key: str = ""
    """What its result depends on, as a digest; '' if it is not to be taken by others."""


class EnvironmentCaptured(_Change, frozen=True):
    """Facts about where and from what the run was made, by key; later ones replace earlier ones.

    ``like`` is a run whose facts are this one's too: a sweep need not repeat them.
    """

    time: int
    facts: dict[str, Fact] = {}
    like: str = ""


class ConsoleWritten(_Change, frozen=True):
    """What the process printed: lines from number `line` on; a line that is told again is replaced."""

    time: int
    stream: Literal["out", "err"]
    line: int
    text: str


class PackagesSeen(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Versions of installed packages by name, which an environment names by their digest."""

    time: int
    digest: str
    packages: dict[str, str]


class RunEdited(_Change, frozen=True):
    """A person corrects what was recorded; the store keeps who did it and what was there before.

    ``value`` by aspect: a new name; another experiment; the id of a parent; "yes" for archived; a param's
    canonical JSON; for a metric the number of the history entry that took it away. None takes the thing away.
    """

    time: int
    by: str
    aspect: Aspect
    value: str | None
    key: str = ""
    """Of a param or metric."""
    undoes: int = 0
    """The number of the history entry that this takes back."""


class RunDeleted(_Change, frozen=True):
    """A person deletes the run and all that belongs to it; whatever arrives of it later is dropped."""

    time: int
    by: str


class ExperimentDescribed(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """What an experiment is about, and whose it is; None leaves what is there."""

    time: int
    name: str
    description: str | None = None
    owner: str | None = None


class AlertChange(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """What is done to an alert, or what it does: when, and to which."""

    time: int
    name: str


class AlertSet(AlertChange, frozen=True):
    """A person sets an alert; one of that name is replaced, and may fire anew."""

    by: str
    rule: AlertRule
    targets: tuple[str, ...] = ()
    """URLs, which are secrets."""
    form: Literal["auto", "slack", "json"] = "auto"
    secret: str = ""
    """Signs what is sent."""


class AlertSwitched(AlertChange, frozen=True):
    """A person switches an alert off or on, or mutes it until a time (0: no longer); None leaves it."""

    by: str
    active: bool | None = None
    muted_until: int | None = None


class AlertDeleted(AlertChange, frozen=True):
    """A person deletes an alert; what it told stays."""

    by: str


class AlertFired(AlertChange, frozen=True):
    """What an alert waits for has come, or with `resolved` has gone again; the rules say if it counts."""

    id: str
    run: str
    text: str
    value: float | None = None
    resolved: bool = False


class DeliveryClaimed(AlertChange, frozen=True):
    """Somebody is about to deliver an event to a target, and has until a time to say how it went."""

    id: str
    place: int
    until: int


class DeliveryTried(AlertChange, frozen=True):
    """How it went; `next` is when to try again, 0 for never."""

    id: str
    place: int
    ok: bool
    outcome: str
    next: int = 0


class AlertRaised(_Change, frozen=True):
    """A training script tells something itself."""

    time: int
    id: str
    title: str
    text: str
    level: AlertLevel
    targets: tuple[str, ...] = ()


class AccessChange(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """What is done about who may do what: when, and by whom."""

    time: int
    by: str


class AccountSet(AccessChange, frozen=True):
    """Who may use a server, and as what; an account of that name is replaced."""

    name: str
    kind: AccountKind = "user"
    role: AnyRole = ""
    """In all experiments; '' for none."""
    grants: dict[str, Role] = {}
    """Roles in single experiments, beyond that."""
    active: bool = True


class TokenIssued(AccessChange, frozen=True):
    """A secret by which an account is known; the store keeps its digest alone."""

    id: str
    account: str
    digest: str
    """SHA-256 of the secret, 64 hex digits."""
    expires: int
    label: str = ""
    role: AnyRole = ""
    """No more than this, whatever the account may; '' for all that it may."""
    session: bool = False
    """Whether it is a browser's, made when somebody signs in."""


class TokenRevoked(AccessChange, frozen=True):
    """A token is good for nothing any more."""

    id: str


class TokenUsed(AccessChange, frozen=True):
    """A token was used; told now and then."""

    id: str


class Audited(AccessChange, frozen=True):
    """Something happened that an admin may want to know of."""

    action: str
    target: str = ""
    details: str = ""


class OwnerLost(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The process behind a journal is gone: the runs that it still owns have crashed."""

    journal: str
    time: int


Change = (
    RunStarted
    | RunResumed
    | RunJoined
    | RunEnded
    | ParamsLogged
    | TagsSet
    | TagsRemoved
    | PointsLogged
    | ArtifactLogged
    | DatasetLogged
    | StepLogged
    | EnvironmentCaptured
    | ConsoleWritten
    | PackagesSeen
    | RunEdited
    | RunDeleted
    | ExperimentDescribed
    | VersionRegistered
    | ModelDescribed
    | StageMoved
    | AliasMoved
    | ModelRenamed
    | ModelDeleted
    | AlertSet
    | AlertSwitched
    | AlertDeleted
    | AlertFired
    | DeliveryClaimed
    | DeliveryTried
    | AlertRaised
    | AccountSet
    | TokenIssued
    | TokenRevoked
    | TokenUsed
    | Audited
    | ViewSaved
    | ViewDeleted
    | RecordKept
    | RetentionSet
    | RetentionDeleted
    | LeaseTaken
    | RunCopied
    | SeriesCopied
    | RowsCopied
    | OwnerLost
)

_decoder: msgspec.msgpack.Decoder[Change] = msgspec.msgpack.Decoder(Change)
encode_change = msgspec.msgpack.Encoder().encode


def decode_change(data: bytes | memoryview) -> Change:
    """Return the change that `data` (msgpack) holds; raises `msgspec.MsgspecError` if it holds none."""
    return _decoder.decode(data)


def time_of(change: Change) -> int:
    """Return when `change` was made, in microseconds; for points, the first one's time."""
    if isinstance(change, PointsLogged):
        return int.from_bytes(change.times[:8], "little", signed=True)
    return change.time


class JournalInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who writes a journal: enough to tell whether its owner still lives."""

    id: str
    store: str
    """The id of the store that the journal belongs to."""
    host: str = ""
    boot: str = ""
    """The machine's boot id: a pid of an earlier boot is nobody."""
    pid: int = 0
    pid_started: int = 0
    """The process's start time in clock ticks since boot: a reused pid is somebody else."""
    time: int = 0


class Batch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one transaction applies.

    Either a stretch of a journal (`journal`, and the logical offsets `start` <= `end`), or a
    command, known by a client's own id `command` so that a retry changes nothing.
    """

    changes: tuple[Change, ...]
    journal: JournalInfo | None = None
    start: int = 0
    end: int = 0
    command: str = ""


class Receipt(msgspec.Struct, frozen=True):
    """What `Store.apply` did.

    ``applied`` is false when the batch did not start at the journal's ``applied_to`` (another
    drainer was faster, or an answer was lost): nothing was changed, go on from ``applied_to``.
    ``cursor`` is the feed's position after the batch.
    """

    applied: bool
    applied_to: int
    cursor: int
    conflicts: tuple[Conflicted, ...] = ()
