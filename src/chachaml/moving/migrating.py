"""`migrate`: all that a store holds, to another one."""

from __future__ import annotations

import time

from chachaml.connected import Connection
from chachaml.core.errors import BadValue
from chachaml.core.model import RunQuery
from chachaml.moving.account import Moved, Progress, Tally
from chachaml.moving.mirror import Mirror, pages_of
from chachaml.moving.places import Place, place
from chachaml.moving.verifying import verify as verified
from chachaml.store.protocol import Store

__all__ = ["migrate"]

_LOOK_EVERY = 0.5
"""Seconds between two looks at runs that are still written."""


def migrate(
    source: Place,
    target: Place,
    *,
    follow: bool = True,
    verify: bool = True,
    source_token: str | None = None,
    target_token: str | None = None,
    progress: Progress | None = None,
) -> Moved:
    """Bring all that a store holds to another one: a file's, or that of a server.

    Ids, times, corrections, models with their history, alerts, accounts and the audit log stay as they are,
    and so do the bytes of artifacts. What the target holds besides stays. Done again, after it was broken off
    or because there is more at the source, it brings what is new; a run whose points are all there is not
    sent again. Runs that are still written are followed until they end.

    Args:
        source: Path of a store's file, or address of a server.
        target: Likewise; a file is made if there is none.
        follow: Go on until all runs at the source have ended; else bring them as they are now.
        verify: Read both again at the end and compare.
        source_token: What to show the source, if it is a server. Default: ``CHACHAML_TOKEN``.
        target_token: Likewise. An admin's is needed, for what others did is told in their names.
        progress: Called with the number of runs done, of all, and of points.

    Returns:
        What was carried, and by name what was not.

    Raises:
        BadValue: Both are the same store.
        StoreUnavailable: One of them cannot be used.
        AccessDenied: A server does not allow it.
    """
    from_, to = place(source, source_token, there=True), place(target, target_token)
    if from_.path == to.path:
        raise BadValue(f"{from_.place} is the source and the target", "name another target")
    tally = Tally()
    from_.ready(at_once=True)
    to.store(create=True)
    mirror_all(from_, to, tally, follow=follow, progress=progress)
    to.blobs().sync()
    to.store().sync()
    well = verified(from_, to, tally) if verify else None
    return tally.result(from_.place, to.place, verified=well)


def mirror_all(
    from_: Connection, to: Connection, tally: Tally, *, follow: bool, progress: Progress | None = None
) -> None:
    """Bring over all runs, then what changed meanwhile, then all that belongs to no run."""
    source = from_.store()
    cursor = source.newest_change()
    mirror = Mirror(from_, to, tally, progress, source.count_runs(RunQuery(archived=None)))
    for ids in pages_of(source):
        mirror.runs(ids)
    while True:
        from_.ready(at_once=True)
        cursor, changed = _changed(source, cursor)
        if changed:
            mirror.runs(changed)
        elif not follow or not source.count_runs(RunQuery(status="running", archived=None)):
            break
        else:
            time.sleep(_LOOK_EVERY)
    mirror.rest()


def _changed(source: Store, cursor: int) -> tuple[int, list[str]]:
    """Return which runs were touched since a cursor, and the cursor to go on from."""
    runs: dict[str, None] = {}
    while True:
        feed = source.changes_since(cursor)
        for row in feed.rows:
            runs.update(dict.fromkeys(row.runs))
        if not feed.rows:
            return feed.cursor, list(runs)
        cursor = feed.cursor
