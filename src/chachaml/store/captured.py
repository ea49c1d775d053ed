"""What was captured of runs, in SQL: environments, packages, what they printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from chachaml.core.changes import ConsoleWritten, EnvironmentCaptured, PackagesSeen
from chachaml.core.model import ConsoleRow
from chachaml.store.engine import Db

__all__ = ["add_console", "add_packages", "console_of", "packages_of", "set_environments"]

_encode = msgspec.json.Encoder(order="sorted").encode


def set_environments(db: Db, changes: Sequence[tuple[int, EnvironmentCaptured]]) -> None:
    """Add facts to those that are known of runs, given by their numbers, which must be in their table."""
    now: dict[int, int | None] = {}
    for run, change in changes:
        if change.like:
            alike = db.execute("SELECT no, environment FROM runs WHERE id = ?", (change.like,)).fetchone()
            now[run] = now.get(alike[0], alike[1]) if alike else None
        if change.facts:
            before = now[run] if run in now else _environment(db, run)
            now[run] = _number(db, {**_facts(db, before), **change.facts})
    db.executemany("UPDATE runs SET environment = ? WHERE no = ?", [(no, run) for run, no in now.items()])


def _number(db: Db, facts: dict[str, Any]) -> int:
    """Return the number of an environment, kept if it is new."""
    text = _encode(facts).decode()
    db.execute("INSERT INTO environments (facts) VALUES (?) ON CONFLICT DO NOTHING", (text,))
    no: int = db.execute("SELECT no FROM environments WHERE facts = ?", (text,)).get
    return no


def _environment(db: Db, run: int) -> int | None:
    no: int | None = db.execute("SELECT environment FROM runs WHERE no = ?", (run,)).get
    return no


def _facts(db: Db, environment: int | None) -> dict[str, Any]:
    facts = db.execute("SELECT facts FROM environments WHERE no = ?", (environment,)).get
    return {} if facts is None else msgspec.json.decode(facts)


def add_packages(db: Db, change: PackagesSeen) -> None:
    """Keep a list of packages."""
    row = (change.digest, _encode(change.packages).decode())
    db.execute("INSERT INTO packages VALUES (?, ?) ON CONFLICT DO NOTHING", row)


def packages_of(db: Db, digest: str) -> dict[str, str]:
    """Return versions by name; {} for an unknown digest."""
    found = db.execute("SELECT packages FROM packages WHERE digest = ?", (digest,)).get
    return {} if found is None else msgspec.json.decode(found, type=dict[str, str])


def add_console(db: Db, run: int, change: ConsoleWritten) -> None:
    """Keep what a run printed."""
    row = (run, change.time, change.stream, change.line, change.text)
    db.execute("INSERT INTO console (run, time, stream, line, text) VALUES (?, ?, ?, ?, ?)", row)


def console_of(db: Db, run: str, after: int) -> list[ConsoleRow]:
    """Return what a run printed, as it arrived, beyond the row numbered `after`."""
    query = """SELECT no, time, stream, line, text FROM console
        WHERE run = (SELECT no FROM runs WHERE id = ?) AND no > ? ORDER BY no"""
    return [ConsoleRow(*row) for row in db.execute(query, (run, after))]
