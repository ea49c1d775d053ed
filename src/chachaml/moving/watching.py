"""`watch_tensorboard`: event files that are still written, followed live."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from msgspec.structs import replace

from chachaml.moving.account import Moved, Progress, Tally
from chachaml.moving.imported import Imported
from chachaml.moving.importing import Importer
from chachaml.moving.places import Place, place
from chachaml.moving.sources.tensorboard import open_source

__all__ = ["watch_tensorboard"]


def watch_tensorboard(
    folder: str | os.PathLike[str],
    *,
    experiment: str = "",
    store: Place | None = None,
    every: float = 1.0,
    idle: float | None = None,
    progress: Progress | None = None,
) -> Moved:
    """Follow event files: whatever a training writes for TensorBoard is here a moment later.

    Runs are those of ``import_runs("tensorboard", folder)``, with the same ids. They are running while they
    are watched; at the end, or when nothing came for two minutes, they have completed.

    Args:
        folder: What one gives to TensorBoard as --logdir; its event files may come later.
        experiment: What to put the runs in. Default: the folder's name.
        store: Where to. Default: the store in use.
        every: Seconds between two looks.
        idle: End when nothing new came for so many seconds. Default: on Ctrl-C only.
        progress: Called with the number of runs, None, and of points.

    Raises:
        BadValue: There is no folder.
        StoreUnavailable: The store cannot be written.
    """
    tally, to = Tally(), place(store)
    source = open_source(os.fspath(folder), tally, experiment=experiment, empty=True)
    importer = Importer(to, tally)
    live: dict[str, Imported] = {}
    heard, first = time.monotonic(), True
    try:
        while idle is None or time.monotonic() - heard < idle:
            runs = source.new_runs()
            known = [one for one in runs if one.whole.row.id in live]
            new = [one for one in runs if one.whole.row.id not in live]
            importer.bring_runs(new)
            importer.bring_runs(known, fresh=True)
            source.forget()
            live.update((one.whole.row.id, one) for one in runs)
            heard = time.monotonic() if runs or first else heard
            first = False
            if progress and runs:
                progress(len(live), None, tally.points)
            time.sleep(every)
    except KeyboardInterrupt:
        pass
    finally:
        importer.bring_runs(_ended(list(live.values())), fresh=True)
        to.store().sync()
        source.close()
    return tally.result(source.place, to.place)


def _ended(runs: Sequence[Imported]) -> list[Imported]:
    """Return runs that have completed, with nothing else that is new."""
    done = []
    for one in runs:
        row = one.whole.row
        if row.status == "running":
            now = time.time_ns() // 1000
            ended = replace(row, status="completed", ended=now, duration=max(now - row.started, 0))
            done.append(Imported(replace(one.whole, row=ended)))
    return done
