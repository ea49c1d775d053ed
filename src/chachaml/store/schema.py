"""The SQLite schema as a list of numbered migrations; docs/reference/schema.md explains the tables.

To change the schema, append a migration; those that a release contained are never edited. Each
runs in one transaction with its row in the table ``migrations``. A file that exists is copied first.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from threading import get_ident
from typing import NamedTuple

import apsw

from chachaml.core.syncing import sync_file

__all__ = [
    "APPLICATION_ID",
    "MIGRATIONS",
    "Migration",
    "copy_file",
    "create",
    "place",
    "schema_version",
    "upgrade",
]

APPLICATION_ID = 0x63686D6C
"""What the file's header says to whom it belongs: "chml" in ASCII."""


_JOURNAL_MODE, _WAL = slice(18, 20), b"\2\2"
"""Where a SQLite file's header says that it is in WAL mode (https://sqlite.org/fileformat2.html)."""


class Migration(NamedTuple):
    """One step from a schema to the next: what it does, within a transaction, and its name."""

    name: str
    run: Callable[[apsw.Connection], object]


_FIRST = """
CREATE TABLE store (
    id      TEXT NOT NULL,               -- UUID, 32 hex digits; journals name it
    created INTEGER NOT NULL,            -- all times are microseconds since 1970, UTC
    synced  INTEGER NOT NULL DEFAULT 0,
    points  INTEGER NOT NULL DEFAULT 0   -- the sum of series.count
) STRICT;

CREATE TABLE migrations (
    version    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    chachaml   TEXT NOT NULL             -- the version that did it
) STRICT;

CREATE TABLE journals (
    no          INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    host        TEXT NOT NULL,
    boot        TEXT NOT NULL,
    pid         INTEGER NOT NULL,
    pid_started INTEGER NOT NULL,
    started     INTEGER NOT NULL,
    applied_to  INTEGER NOT NULL,        -- everything below this offset is in the store
    drained_at  INTEGER NOT NULL         -- when that moved last
) STRICT;

CREATE TABLE commands (
    id      TEXT PRIMARY KEY,            -- chosen by the client, so that a retry changes nothing
    time    INTEGER NOT NULL,
    receipt BLOB NOT NULL                -- msgpack
) STRICT, WITHOUT ROWID;

CREATE TABLE experiments (
    no          INTEGER PRIMARY KEY,     -- 0: of runs whose start has not arrived yet
    name        TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL DEFAULT '',
    owner       TEXT NOT NULL DEFAULT '',
    created     INTEGER NOT NULL
) STRICT;
INSERT INTO experiments (no, name, created) VALUES (0, '', 0);

CREATE TABLE keys (                      -- names of params, metrics and tags
    no   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE runs (
    no              INTEGER PRIMARY KEY,
    id              TEXT NOT NULL UNIQUE,
    short           TEXT GENERATED ALWAYS AS (substr(id, -8)) VIRTUAL,
    experiment      INTEGER NOT NULL,
    name            TEXT NOT NULL,
    status          TEXT NOT NULL,       -- running, completed, failed, interrupted or crashed
    started         INTEGER NOT NULL,
    ended           INTEGER,
    duration        INTEGER,             -- microseconds by the monotonic clock, over all resumes
    created_by      TEXT NOT NULL,
    parent          TEXT,                -- a run's id
    owner           INTEGER,             -- the journal whose process decides whether the run lives
    error_type      TEXT,
    error_message   TEXT,
    error_traceback TEXT,
    archived        INTEGER              -- when
) STRICT;
CREATE INDEX runs_by_short ON runs (short);
CREATE INDEX runs_by_start ON runs (started);
CREATE INDEX runs_by_experiment ON runs (experiment, started, status);
CREATE INDEX runs_by_status ON runs (status, started);
CREATE INDEX runs_by_name ON runs (name, started);
CREATE INDEX runs_by_creator ON runs (created_by, started);
CREATE INDEX runs_by_parent ON runs (parent, started) WHERE parent IS NOT NULL;
CREATE INDEX runs_by_owner ON runs (owner, started) WHERE owner IS NOT NULL;
CREATE INDEX runs_archived ON runs (archived) WHERE archived IS NOT NULL;

CREATE TABLE participants (              -- whose journals wrote to which runs
    run     INTEGER NOT NULL,
    journal INTEGER NOT NULL,
    PRIMARY KEY (run, journal)
) STRICT, WITHOUT ROWID;
CREATE INDEX participants_by_journal ON participants (journal);

CREATE TABLE params (
    run    INTEGER NOT NULL,
    key    INTEGER NOT NULL,
    value  TEXT NOT NULL,                -- canonical JSON
    number REAL,                         -- the value if it is a number, for comparing; NaN has none
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE tags (
    run   INTEGER NOT NULL,
    key   INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE conflicts (
    no   INTEGER PRIMARY KEY,
    run  INTEGER NOT NULL,
    what TEXT NOT NULL
) STRICT;
CREATE INDEX conflicts_by_run ON conflicts (run);

CREATE TABLE series (
    run        INTEGER NOT NULL,
    key        INTEGER NOT NULL,
    experiment INTEGER NOT NULL,         -- the run's, so that an index alone finds the best run
    started    INTEGER NOT NULL,         -- the run's
    count      INTEGER NOT NULL,
    finite     INTEGER NOT NULL,
    nans       INTEGER NOT NULL,
    infs       INTEGER NOT NULL,
    first_step INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    first      REAL,                     -- there is always a first and a last: NULL is NaN
    last_step  INTEGER NOT NULL,
    last_time  INTEGER NOT NULL,
    last       REAL,
    min        REAL,                     -- of finite values: NULL while there is none
    min_step   INTEGER,
    max        REAL,
    max_step   INTEGER,
    sum        REAL,                     -- NULL is NaN: it overflowed in both directions
    tail       BLOB NOT NULL,            -- up to 16 newest points: int64 step, int64 time, float64 value
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX series_by_key ON series (key, experiment, run, started, min, max);

CREATE TABLE chunks (                    -- older points than the tail's, in the order of arrival
    id       INTEGER PRIMARY KEY,        -- so that a look-up compares keys only, and not whole rows
    run      INTEGER NOT NULL,
    key      INTEGER NOT NULL,
    no       INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    min_step INTEGER NOT NULL,
    max_step INTEGER NOT NULL,
    sketch   BLOB,                       -- before the data: reading it does not walk the data's pages
    data     BLOB NOT NULL,
    UNIQUE (run, key, no)
) STRICT;

CREATE TABLE feed (                      -- one row per applied batch
    cursor INTEGER PRIMARY KEY,
    time   INTEGER NOT NULL,
    runs   TEXT NOT NULL                 -- JSON array of runs.no that the batch touched
) STRICT;
"""


def _first(db: apsw.Connection) -> None:
    db.execute(_FIRST)
    db.execute("INSERT INTO store (id, created) VALUES (?, ?)", (uuid.uuid4().hex, time.time_ns() // 1000))


_ARTIFACTS = """
CREATE TABLE artifacts (
    run          INTEGER NOT NULL,
    name         TEXT NOT NULL,
    digest       TEXT NOT NULL,          -- SHA-256 of the bytes, in hex: where they are kept
    size         INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    format       TEXT NOT NULL,          -- how the bytes become a value again
    signature    TEXT NOT NULL,          -- who vouches for a format that runs code; '' for others
    logged       INTEGER NOT NULL,
    PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX artifacts_by_digest ON artifacts (digest);

CREATE TABLE datasets (
    no       INTEGER PRIMARY KEY,
    run      INTEGER NOT NULL,
    name     TEXT NOT NULL,
    role     TEXT NOT NULL,              -- train, test, ...
    rows     INTEGER,
    columns  INTEGER,
    features TEXT NOT NULL,              -- JSON array of names
    digest   TEXT NOT NULL,
    source   TEXT NOT NULL,
    logged   INTEGER NOT NULL
) STRICT;
CREATE INDEX datasets_by_run ON datasets (run);
CREATE INDEX datasets_by_digest ON datasets (digest);
"""

_SEARCH = """
DROP INDEX series_by_key;
CREATE INDEX series_by_key ON series (key, experiment, run, started, min, max, last);
CREATE INDEX params_by_key ON params (key, number, value);
CREATE INDEX tags_by_key ON tags (key, value);
"""

_CORRECTIONS = """
CREATE TABLE history (                   -- corrections by people, and what was there before
    no     INTEGER PRIMARY KEY,
    time   INTEGER NOT NULL,
    by     TEXT NOT NULL,
    run    TEXT NOT NULL,                -- its id, for the run itself may be gone
    aspect TEXT NOT NULL,                -- name, experiment, archived, param, metric or deleted
    key    TEXT NOT NULL,                -- of a param or metric; a metric's points are kept under key -no
    before TEXT,
    after  TEXT,
    undone INTEGER                       -- number of the entry that took this one back
) STRICT;
CREATE INDEX history_by_run ON history (run);

CREATE TABLE tombstones (                -- deleted runs: what arrives of them later is dropped
    no      INTEGER PRIMARY KEY,         -- runs.no of the run, never given to another
    id      TEXT NOT NULL UNIQUE,
    deleted INTEGER NOT NULL
) STRICT;
"""

_CAPTURE = """
CREATE TABLE environments (              -- distinct ones: many runs share theirs
    no    INTEGER PRIMARY KEY,
    facts TEXT NOT NULL UNIQUE           -- canonical JSON object
) STRICT;
ALTER TABLE runs ADD COLUMN environment INTEGER;
CREATE INDEX runs_by_environment ON runs (environment, started) WHERE environment IS NOT NULL;

CREATE TABLE packages (
    digest   TEXT PRIMARY KEY,           -- which environments name
    packages TEXT NOT NULL               -- JSON object: version by name
) STRICT, WITHOUT ROWID;

CREATE TABLE console (
    no     INTEGER PRIMARY KEY,
    run    INTEGER NOT NULL,
    time   INTEGER NOT NULL,
    stream TEXT NOT NULL,                -- out or err
    line   INTEGER NOT NULL,             -- number of the text's first line; a line told again is replaced
    text   TEXT NOT NULL
) STRICT;
CREATE INDEX console_by_run ON console (run);
"""

_REGISTRY = """
CREATE TABLE models (
    no          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    note        TEXT NOT NULL,           -- Markdown
    tags        TEXT NOT NULL,           -- JSON object
    created     INTEGER NOT NULL,
    created_by  TEXT NOT NULL,
    newest      INTEGER NOT NULL         -- the highest number that a version was given; never given again
) STRICT;

CREATE TABLE versions (
    model        INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    id           TEXT NOT NULL UNIQUE,   -- chosen by the client
    run          TEXT NOT NULL,          -- its id, for the run itself may be gone
    artifact     TEXT NOT NULL,          -- its name; from here on as in artifacts
    digest       TEXT NOT NULL,
    size         INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    format       TEXT NOT NULL,
    signature    TEXT NOT NULL,
    stage        TEXT NOT NULL,          -- none, staging, production or archived
    description  TEXT NOT NULL,
    tags         TEXT NOT NULL,          -- JSON object
    about        TEXT NOT NULL,          -- JSON object: signature of inputs and outputs, requirements
    created      INTEGER NOT NULL,
    created_by   TEXT NOT NULL,
    PRIMARY KEY (model, version)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX versions_in_production ON versions (model) WHERE stage = 'production';
CREATE INDEX versions_by_run ON versions (run);
CREATE INDEX versions_by_digest ON versions (digest);

CREATE TABLE aliases (
    model   INTEGER NOT NULL,
    alias   TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (model, alias)
) STRICT, WITHOUT ROWID;

CREATE TABLE moves (                     -- what was done to models, by whom and why
    no      INTEGER PRIMARY KEY,
    time    INTEGER NOT NULL,
    by      TEXT NOT NULL,
    model   TEXT NOT NULL,               -- its name, for the model itself may be gone
    version INTEGER,
    what    TEXT NOT NULL,               -- registered, stage, alias, description, note, tag or deleted
    key     TEXT NOT NULL,               -- the alias's or tag's name
    before  TEXT,
    after   TEXT,
    comment TEXT NOT NULL
) STRICT;
CREATE INDEX moves_by_model ON moves (model, version);
"""

_STEPS = """
CREATE TABLE steps (                     -- of pipelines, whose runs these are
    run      INTEGER NOT NULL,
    step     TEXT NOT NULL,
    place    INTEGER NOT NULL,           -- from 0
    status   TEXT NOT NULL,
    needs    TEXT NOT NULL,              -- JSON array of steps
    step_run TEXT NOT NULL,              -- id of the run that did it; '' while there is none
    started  INTEGER,
    ended    INTEGER,
    attempts INTEGER NOT NULL,
    key      TEXT NOT NULL,              -- what the result depends on, as a digest; '' for nothing
    PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;
CREATE INDEX steps_by_key ON steps (key, ended) WHERE key != '';
"""

_ALERTS = """
CREATE TABLE alerts (
    name        TEXT PRIMARY KEY,
    rule        TEXT NOT NULL,           -- JSON object
    targets     TEXT NOT NULL,           -- JSON array of URLs, which are secrets
    form        TEXT NOT NULL,           -- auto, slack or json
    secret      TEXT NOT NULL,           -- signs what is sent
    active      INTEGER NOT NULL,
    muted_until INTEGER NOT NULL,
    set_at      INTEGER NOT NULL,        -- when it was set last: tells its revisions apart
    set_by      TEXT NOT NULL,
    fired       INTEGER,                 -- when last
    firing      TEXT NOT NULL            -- id of the run for which it did, until that is resolved
) STRICT, WITHOUT ROWID;

CREATE TABLE events (                    -- what alerts told
    no       INTEGER PRIMARY KEY,
    id       TEXT NOT NULL UNIQUE,
    alert    TEXT NOT NULL,              -- its name; '' for what a script told itself
    revision INTEGER NOT NULL,           -- alerts.set_at
    run      TEXT NOT NULL,              -- its id
    time     INTEGER NOT NULL,
    title    TEXT NOT NULL,
    text     TEXT NOT NULL,
    level    TEXT NOT NULL,
    value    TEXT,                       -- as JSON, with NaN and infinities as texts
    resolved INTEGER NOT NULL,
    form     TEXT NOT NULL,
    secret   TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_alert ON events (alert, revision, run);
CREATE INDEX events_by_run ON events (run);
CREATE UNIQUE INDEX events_once ON events (alert, revision, run) WHERE alert != '' AND NOT resolved;

CREATE TABLE deliveries (
    event    INTEGER NOT NULL,
    place    INTEGER NOT NULL,
    target   TEXT NOT NULL,              -- URL
    status   TEXT NOT NULL,              -- pending, delivered, failed or dropped
    attempts INTEGER NOT NULL,
    outcome  TEXT NOT NULL,
    next     INTEGER NOT NULL,           -- not to be tried before
    PRIMARY KEY (event, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (next) WHERE status = 'pending';
"""

_ACCESS = """
CREATE TABLE accounts (                  -- who may use a server of this store
    name       TEXT PRIMARY KEY,
    kind       TEXT NOT NULL,            -- user, service
    role       TEXT NOT NULL,            -- in all experiments; '' for none
    grants     TEXT NOT NULL,            -- JSON object: roles in single experiments
    active     INTEGER NOT NULL,
    created    INTEGER NOT NULL,
    created_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    id      TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    digest  TEXT NOT NULL UNIQUE,        -- SHA-256 of the secret, which is kept nowhere
    label   TEXT NOT NULL,
    role    TEXT NOT NULL,               -- no more than this; '' for all that the account may
    session INTEGER NOT NULL,            -- whether it is a browser's
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    revoked INTEGER,
    used    INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (                     -- nothing here is ever changed or deleted
    no      INTEGER PRIMARY KEY,
    time    INTEGER NOT NULL,
    by      TEXT NOT NULL,
    action  TEXT NOT NULL,
    target  TEXT NOT NULL,
    details TEXT NOT NULL
) STRICT;
"""

_VIEWS = """
CREATE TABLE views (
    name       TEXT NOT NULL,
    experiment TEXT NOT NULL,            -- '' for all
    state      TEXT NOT NULL,            -- the query string of the page
    by         TEXT NOT NULL,
    saved      INTEGER NOT NULL,
    PRIMARY KEY (name, experiment)
) STRICT, WITHOUT ROWID;
"""

_RECORDS = """
CREATE TABLE records (                   -- what adapters to other tools keep
    kind       TEXT NOT NULL,
    key        TEXT NOT NULL,
    experiment TEXT NOT NULL,            -- '' for everybody's
    value      TEXT NOT NULL,            -- JSON
    time       INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
"""

_UPKEEP = """
CREATE TABLE retention (                 -- rules for old runs
    name   TEXT PRIMARY KEY,
    rule   TEXT NOT NULL,                -- JSON object
    by     TEXT NOT NULL,
    set_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (                    -- what one of several processes does for all
    name   TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""


def _secret(db: apsw.Connection) -> None:
    db.execute("ALTER TABLE store ADD COLUMN secret TEXT NOT NULL DEFAULT ''")
    db.execute("UPDATE store SET secret = ?", (secrets.token_hex(32),))


MIGRATIONS = (
    Migration("runs, params, tags, series and the feed", _first),
    Migration("artifacts and data sets", lambda db: db.execute(_ARTIFACTS)),
    Migration("indexes for searching", lambda db: db.execute(_SEARCH)),
    Migration("history of corrections, deleted runs", lambda db: db.execute(_CORRECTIONS)),
    Migration("environments and console", lambda db: db.execute(_CAPTURE)),
    Migration("models", lambda db: db.execute(_REGISTRY)),
    Migration("steps of pipelines", lambda db: db.execute(_STEPS)),
    Migration("alerts", lambda db: db.execute(_ALERTS)),
    Migration("accounts, tokens and the audit log", lambda db: db.execute(_ACCESS)),
    Migration("saved views", lambda db: db.execute(_VIEWS)),
    Migration("records of adapters", lambda db: db.execute(_RECORDS)),
    Migration("rules of retention", lambda db: db.execute(_UPKEEP)),
    Migration("a secret of the servers", _secret),
)


def schema_version(db: apsw.Connection) -> int:
    """Return the number of the last migration that was run; 0 for an empty file."""
    return int(db.execute("PRAGMA user_version").get)


def place(path: Path, migrations: Sequence[Migration]) -> None:
    """Put a new store at `path`, whole; if there is a file meanwhile, or no way to do so, do nothing.

    Built in memory and written at once: creating the tables on disk would wait for it ten times.
    """
    with closing(apsw.Connection(":memory:")) as db:
        create(db, migrations)
        image = bytearray(db.serialize("main"))
    image[_JOURNAL_MODE] = _WAL
    unfinished = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.tmp")
    try:
        with unfinished.open("wb") as file:
            file.write(image)
            file.flush()
            sync_file(file.fileno())
        os.link(unfinished, path)
    except OSError:
        return  # somebody else's, or no hard links here, or no room: `create` goes on, or says why not
    finally:
        unfinished.unlink(missing_ok=True)


def create(db: apsw.Connection, migrations: Sequence[Migration]) -> None:
    """Bring an empty file to the newest schema, in one transaction; nothing if somebody else did."""
    with _Immediate(db):
        if schema_version(db) == 0:
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            for number, migration in enumerate(migrations, 1):
                _run(db, number, migration)


def upgrade(db: apsw.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    """Bring an existing file to the newest schema, after copying it to ``<name>.v<version>.bak``.

    Several processes may do this at once: each migration is run by one of them.
    """
    copied = False
    while schema_version(db) < len(migrations):
        with _Immediate(db):
            done = schema_version(db)
            if done >= len(migrations):
                return
            if not copied:
                copy_file(path, path.with_name(f"{path.name}.v{done}.bak"))
                copied = True
            _run(db, done + 1, migrations[done])


def _run(db: apsw.Connection, number: int, migration: Migration) -> None:
    migration.run(db)
    # Not by importlib.metadata: it takes 30 ms to import, in everybody's first run.
    version: str = sys.modules["chachaml"].__version__
    ledger = (number, migration.name, time.time_ns() // 1000, version)
    db.execute("INSERT INTO migrations VALUES (?, ?, ?, ?)", ledger)
    db.execute(f"PRAGMA user_version = {number}")


def copy_file(path: Path, copy: Path) -> None:
    """Copy a store as it is at one moment; whoever writes to it meanwhile does not wait."""
    unfinished = copy.with_name(f"{copy.name}.{os.getpid()}.tmp")
    with closing(apsw.Connection(str(path))) as source, closing(apsw.Connection(str(unfinished))) as target:
        target.execute("PRAGMA fullfsync = ON")  # for macOS alone, as in `chachaml.core.syncing`
        with target.backup("main", source, "main") as backup:
            backup.step()
        # The copy is for keeping: one file, not three.
        target.execute("PRAGMA journal_mode = DELETE")
    unfinished.replace(copy)


class _Immediate:
    """A transaction that takes the write lock at once."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._db.execute("COMMIT")
        elif self._db.in_transaction:
            self._db.execute("ROLLBACK")
