"""What a process does: it logs, drains its journal, and ends or is killed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from chachaml.core.changes import (
    Batch,
    Change,
    EndStatus,
    OwnerLost,
    ParamsLogged,
    RunEnded,
    RunJoined,
    RunResumed,
    RunStarted,
    TagsRemoved,
    TagsSet,
)
from chachaml.core.errors import StoreUnavailable
from chachaml.journal.drainer import Drain
from chachaml.journal.format import row_frame

from .world import Disk, DiskSource, FlakyStore, MemoryJournal

KEYS = ("a", "b", "c")
STATUSES: tuple[EndStatus, ...] = ("completed", "failed", "interrupted")
PARAMS = ("1", "2", "1.0", "true")
STRETCHES = (64, 128, 512, 8 << 20)


class Logged(NamedTuple):
    """One point as it should be read back; its value is its own number, never used twice."""

    run: str
    key: str
    step: int
    time: int
    value: float


class Entry:
    """One call that logged something. ``certain`` once the journal has acknowledged it."""

    __slots__ = ("certain", "change", "points")

    def __init__(self, points: tuple[Logged, ...] = (), change: Change | None = None) -> None:
        self.points, self.change, self.certain = points, change, False


class Clock:
    """Microseconds that go on by little, stand still, or jump back; and numbers that never repeat."""

    def __init__(self, random: Random) -> None:
        self._random, self._now, self._values = random, 1_000_000, 0

    def now(self) -> int:
        draw = self._random.random()
        if draw < 0.3:
            self._now += 1
        elif draw < 0.32:
            self._now -= 50
        return self._now

    def value(self) -> float:
        self._values += 1
        return float(self._values)


class Process:
    """A process with a journal, and its own drainer."""

    def __init__(self, number: int, random: Random, clock: Clock, store: FlakyStore) -> None:
        self.id, self.random, self.clock, self.store = f"{number:032x}", random, clock, store
        self.disk = Disk(random, mapped=random.random() < 0.5)
        self.journal = MemoryJournal(self.id, self.disk)
        self.alive, self.gone, self.scarred = True, False, False
        self.runs: list[str] = []
        self.owns: set[str] = set()
        self.entries: list[Entry] = []
        self._held: list[Entry] = []
        self._unsynced: list[Entry] = []
        self._numbers: dict[tuple[str, str], int] = {}
        self._groups: dict[str, int] = {}
        self._new_drain()

    def _new_drain(self) -> None:
        source = DiskSource(self.disk, written=self.journal.end)
        stretch = self.random.choice(STRETCHES)
        self.drain = Drain(source, self.store, verify=self.scarred, stretch=stretch)

    # logging --------------------------------------------------------------------------------------

    def start(self, run: str) -> None:
        tags = {"k": "start"} if self.random.random() < 0.5 else {}
        self._join(run, RunStarted(run, self.clock.now(), "e", "n", "me", tags=tags), owns=True)

    def resume(self, run: str) -> None:
        self._join(run, RunResumed(run, self.clock.now()), owns=True)

    def join(self, run: str) -> None:
        self._join(run, RunJoined(run, self.clock.now()), owns=False)

    def _join(self, run: str, change: Change, *, owns: bool) -> None:
        self.runs.append(run)
        if owns:
            self.owns.add(run)
        self.log(change)

    def end(self, run: str) -> None:
        self.log(RunEnded(run, self.clock.now(), self.random.choice(STATUSES)))
        self.journal.forget(run)
        self.runs.remove(run)
        for key in KEYS:
            self._numbers.pop((run, key), None)
        self._groups.pop(run, None)

    def log(self, change: Change) -> None:
        self._append(self.journal.frame(change), Entry(change=change))

    def log_something(self) -> None:
        run, draw, now = self.random.choice(self.runs), self.random.random(), self.clock.now()
        if draw < 0.6:
            self._append(*self._point(run))
        elif draw < 0.8:
            self._append(*self._row(run))
        elif draw < 0.9:
            value = self.random.choice(PARAMS)
            self.log(ParamsLogged(run, now, {self.random.choice(KEYS): value, f"own {self.id[-2:]}": "1"}))
        elif draw < 0.97:
            self.log(TagsSet(run, now, {"k": str(now)}))
        else:
            self.log(TagsRemoved(run, now, ("k",)))

    def _number(self, run: str, key: str) -> int:
        if (run, key) not in self._numbers:
            number = self.journal.number_series(run, key)
            assert number is not None
            self._numbers[run, key] = number
        return self._numbers[run, key]

    def _point(self, run: str) -> tuple[bytes, Entry]:
        key, step, now = self.random.choice(KEYS), self.random.randint(0, 2), self.clock.now()
        number, value = self._number(run, key), self.clock.value()
        record = self.journal.point(number, step, now * 1000, value)
        return record, Entry((Logged(run, key, step, now, value),))

    def _row(self, run: str) -> tuple[bytes, Entry]:
        if run not in self._groups:
            numbers = [self._number(run, key) for key in KEYS]
            self._groups[run] = self.journal.number_group(run, numbers)
        step, now, values = self.random.randint(0, 2), self.clock.now(), [self.clock.value() for _ in KEYS]
        packed = struct.pack(f"<{len(KEYS)}d", *values)
        record = row_frame(self._groups[run], step, now * 1000, packed, self.journal.salt)
        return record, Entry(tuple(Logged(run, k, step, now, v) for k, v in zip(KEYS, values, strict=True)))

    def _append(self, record: bytes, entry: Entry) -> None:
        self.entries.append(entry)
        self.journal.append(record)
        self._held.append(entry)
        self._acknowledge()

    def _acknowledge(self) -> None:
        """Whatever is in a file now was acknowledged; what is held in memory may be lost."""
        if not self.journal.held:
            for entry in self._held:
                entry.certain = True
            self._unsynced += self._held
            self._held = []

    # what its drainer does --------------------------------------------------------------------------

    def drain_once(self) -> None:
        self.journal.retry()
        self._acknowledge()
        self.drain.step()
        if self.journal.can_release(self.drain.position) and self.random.random() < 0.5:
            self.store.sync()
            self.journal.release(self.drain.position)

    def sync(self) -> None:
        self.journal.sync()
        self._unsynced = []

    def scar(self) -> None:
        """Leave garbage in the journal, as a write that failed and could not be undone."""
        if not self.scarred:
            self.scarred = True
            self._new_drain()
        self.journal.scar(self.random)

    # its end --------------------------------------------------------------------------------------

    def kill(self) -> None:
        """Die, perhaps in the middle of a call."""
        self.alive = False
        if self.random.random() < 0.5 and self.runs and not self.journal.held:
            numbers = dict(self._numbers)
            record, entry = self._point(self.random.choice(self.runs))
            if numbers == self._numbers:
                self.entries.append(entry)
                self.journal.tear(self.random, record)

    def lose_power(self) -> None:
        self.alive = False
        for entry in self._unsynced:
            entry.certain = False
        for segment in self.disk.segments:
            segment.lose_power(self.random)

    def close(self) -> Iterator[None]:
        """Drain to the end and let go of the files, with a pause wherever it could be killed."""
        while not self.journal.retry() or self.drain.position < self.journal.end():
            self._acknowledge()
            yield
            if not self.drain.step() and self.drain.position < self.journal.end():
                raise AssertionError(f"the drainer of {self.id[-2:]} is stuck at {self.drain.position}")
        self._acknowledge()
        yield
        yield from self._lose(self.drain.position)
        self.alive = False

    def bury(self) -> Iterator[None]:
        """Bring in what this dead process left, as another does, which may be killed too."""
        drain = Drain(DiskSource(self.disk), self.store, stretch=self.random.choice(STRETCHES))
        while drain.step():
            yield
        yield from self._lose(drain.position)

    def _lose(self, position: int) -> Iterator[None]:
        lost = OwnerLost(self.id, self.clock.now())
        self.store.apply(Batch((lost,), command=f"lost:{self.id}:{position}"))
        yield
        self.store.sync()
        for segment in tuple(self.disk.segments):
            yield
            segment.unlink()
        self.gone = True


def persist(steps: Iterator[None]) -> bool:
    """Go through `steps` to the end; return False if the store went away in the middle."""
    try:
        for _ in steps:
            pass
    except StoreUnavailable:
        return False
    return True
