"""What was captured of runs, in SQL: environments, packages, what they printed."""

from __future__ import annotations

from typing import Any

import apsw
import msgspec

from chachaml.core.changes import ConsoleWritten, EnvironmentCaptured, PackagesSeen
from chachaml.core.model import ConsoleRow

__all__ = ["add_console", "add_packages", "console_of", "environment_of", "packages_of", "set_environment"]

_encode = msgspec.json.Encoder(order="sorted").encode


def set_environment(db: apsw.Connection, run: int, change: EnvironmentCaptured) -> None:
    """Add facts to those that are known of a run, which must be in its table."""
    if change.like:
        shared = "UPDATE runs SET environment = (SELECT environment FROM runs WHERE id = ?) WHERE no = ?"
        db.execute(shared, (change.like, run))
    if not change.facts:
        return
    facts = _encode({**environment_of(db, run), **change.facts}).decode()
    db.execute("INSERT OR IGNORE INTO environments (facts) VALUES (?)", (facts,))
    update = "UPDATE runs SET environment = (SELECT no FROM environments WHERE facts = ?) WHERE no = ?"
    db.execute(update, (facts, run))


def environment_of(db: apsw.Connection, run: int) -> dict[str, Any]:
    """Return the facts that are known of a run."""
    query = "SELECT facts FROM environments WHERE no = (SELECT environment FROM runs WHERE no = ?)"
    facts = db.execute(query, (run,)).get
    return {} if facts is None else msgspec.json.decode(facts)


def add_packages(db: apsw.Connection, change: PackagesSeen) -> None:
    """Keep a list of packages."""
    row = (change.digest, _encode(change.packages).decode())
    db.execute("INSERT OR IGNORE INTO packages VALUES (?, ?)", row)


def packages_of(db: apsw.Connection, digest: str) -> dict[str, str]:
    """Return versions by name; {} for an unknown digest."""
    found = db.execute("SELECT packages FROM packages WHERE digest = ?", (digest,)).get
    return {} if found is None else msgspec.json.decode(found, type=dict[str, str])


def add_console(db: apsw.Connection, run: int, change: ConsoleWritten) -> None:
    """Keep what a run printed."""
    row = (run, change.time, change.stream, change.line, change.text)
    db.execute("INSERT INTO console (run, time, stream, line, text) VALUES (?, ?, ?, ?, ?)", row)


def console_of(db: apsw.Connection, run: str, after: int) -> list[ConsoleRow]:
    """Return what a run printed, as it arrived, beyond the row numbered `after`."""
    query = """SELECT no, time, stream, line, text FROM console
        WHERE run = (SELECT no FROM runs WHERE id = ?) AND no > ? ORDER BY no"""
    return [ConsoleRow(*row) for row in db.execute(query, (run, after))]
