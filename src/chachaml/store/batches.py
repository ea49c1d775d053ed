"""The batches of one transaction, in SQL: which of them count, and what is known of each from then on."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from chachaml.core.changes import Batch, Conflicted, JournalInfo, Receipt
from chachaml.store.engine import Db
from chachaml.store.writes import Names, Writes, insert, lots, marks

__all__ = ["apply_all"]


def apply_all(db: Db, names: Names, batches: Sequence[Batch], now: int) -> list[Receipt]:
    """Apply batches; what concerns them all is asked and written once, for a database may be far away.

    Args:
        db: A connection within a transaction.
        names: Numbers known already.
        batches: The batches.
        now: The time.
    """
    journals = _journals(db, [batch.journal for batch in batches if batch.journal], now)
    writes = Writes(db, names, {journal: no for journal, (no, _) in journals.items()})
    writes.load(change for batch in batches for change in batch.changes)
    turns = _Turns(
        _receipts(db, [batch.command for batch in batches if batch.command]),
        {journal: end for journal, (_, end) in journals.items()},
    )
    for batch in batches:
        turns.take(writes, batch)
    writes.save()
    if writes.points:
        db.execute("UPDATE store SET points = points + ?", (writes.points,))
    moved = [(end, now, journals[journal][0]) for journal, end in turns.moved.items()]
    db.executemany("UPDATE journals SET applied_to = ?, drained_at = ? WHERE no = ?", moved)
    receipts = turns.receipts(_told(db, now, turns.taken))
    made = [(command, now, msgspec.msgpack.encode(receipts[at])) for command, at in turns.commands.items()]
    insert(db, "INSERT INTO commands", made)
    return receipts


class _Took(NamedTuple):
    """What came of a batch: how far its journal is applied, the runs that it touched, and conflicts."""

    end: int
    runs: list[int]
    conflicts: tuple[Conflicted, ...]


class _Turns:
    """Takes batches, each in its turn.

    Args:
        known: Receipts of commands that were applied before.
        applied_to: By journal, how far it is applied.
    """

    def __init__(self, known: dict[str, Receipt], applied_to: dict[str, int]) -> None:
        self._known, self._applied_to = known, applied_to
        self._outcomes: list[Receipt | int] = []
        self.taken: list[_Took] = []
        self.moved: dict[str, int] = {}
        """By journal, how far it is applied now."""
        self.commands: dict[str, int] = {}
        """By id of a new command, its place among all batches."""

    def take(self, writes: Writes, batch: Batch) -> None:
        """Take a batch, unless it was applied before or stands wrong."""
        journal = batch.journal.id if batch.journal else ""
        if batch.command in self._known:
            self._outcomes.append(self._known[batch.command])
        elif batch.command in self.commands:
            self._outcomes.append(self._outcomes[self.commands[batch.command]])
        elif journal and batch.start != self._applied_to[journal]:
            self._outcomes.append(Receipt(False, self._applied_to[journal], 0))
        else:
            if batch.command:
                self.commands[batch.command] = len(self._outcomes)
            if journal:
                self._applied_to[journal] = self.moved[journal] = batch.end
            self._outcomes.append(len(self.taken))
            self.taken.append(_Took(batch.end if journal else 0, *writes.take(batch.changes, journal)))

    def receipts(self, cursors: Sequence[int]) -> list[Receipt]:
        """Return the receipt of each batch, given the cursors of those that were taken, and the newest."""
        made = [
            Receipt(True, one.end, at, one.conflicts) for one, at in zip(self.taken, cursors, strict=False)
        ]
        return [
            made[one] if isinstance(one, int) else one if one.applied else replace(one, cursor=cursors[-1])
            for one in self._outcomes
        ]


def _told(db: Db, now: int, taken: Sequence[_Took]) -> list[int]:
    """Write into the feed that there were batches; return their cursors, and the newest one there is."""
    cursors: list[int] = []
    for some in lots([(now, msgspec.json.encode(one.runs).decode()) for one in taken]):
        text = f"INSERT INTO feed (time, runs) VALUES {marks(some)} RETURNING cursor"
        found = db.execute(text, [value for row in some for value in row])
        cursors += sorted(cursor for (cursor,) in found)
    newest: int = cursors[-1] if cursors else db.execute("SELECT coalesce(max(cursor), 0) FROM feed").get
    return [*cursors, newest]


def _receipts(db: Db, commands: list[str]) -> dict[str, Receipt]:
    """Return the receipts of those of some commands that were applied before."""
    if not commands:
        return {}
    query = "SELECT id, receipt FROM commands WHERE id IN (SELECT value FROM json_each(?))"
    found = db.execute(query, (msgspec.json.encode(commands).decode(),))
    return {command: msgspec.msgpack.decode(receipt, type=Receipt) for command, receipt in found}


def _journals(db: Db, infos: list[JournalInfo], now: int) -> dict[str, tuple[int, int]]:
    """Return by id the numbers of journals, and how far they are applied; unknown ones are added."""
    if not infos:
        return {}
    query = "SELECT id, no, applied_to FROM journals WHERE id IN (SELECT value FROM json_each(?))"
    asked = msgspec.json.encode([info.id for info in infos]).decode()
    found = {journal: (no, end) for journal, no, end in db.execute(query, (asked,))}
    insert = """INSERT INTO journals (id, host, boot, pid, pid_started, started, drained_at, applied_to)
        VALUES (?, ?, ?, ?, ?, ?, ?, 0) RETURNING no"""
    for info in infos:
        if info.id not in found:
            row = (info.id, info.host, info.boot, info.pid, info.pid_started, info.time, now)
            found[info.id] = (db.execute(insert, row).get, 0)
    return found
