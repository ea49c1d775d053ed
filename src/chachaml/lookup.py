"""From what people type to the run that they mean."""

from __future__ import annotations

from chachaml.core.errors import AmbiguousId, BadValue, NotFound
from chachaml.core.ids import is_id, short
from chachaml.core.model import RunQuery, RunRow
from chachaml.live import LiveRun
from chachaml.results import Run
from chachaml.store.protocol import Store

__all__ = ["AnyRun", "id_of", "resolve"]

AnyRun = str | Run | LiveRun
"""A run by its id, the beginning of it or of its short form, or as any object that stands for it."""

_FEWEST = 4


def resolve(store: Store, text: str) -> RunRow:
    """Return the whole run that `text` means: its id, the beginning of it, or of its short form.

    Raises:
        NotFound: No run fits.
        AmbiguousId: Several do.
        BadValue: `text` is too short or not hexadecimal.
    """
    if not isinstance(text, str):
        raise BadValue(f"a run is named by its id, not by {type(text).__name__}: {text!r}")
    text = text.strip().lower()
    if is_id(text):
        return store.get_run(text)
    if len(text) < _FEWEST or not all(c in "0123456789abcdef" for c in text):
        raise NotFound(
            f"no run {text!r}: an id is hexadecimal, {_FEWEST} digits of it at least",
            "chachaml.runs() lists runs with their short ids",
        )
    found = store.find_runs(RunQuery(text_id=text, archived=None, limit=6)).runs
    if not found:
        raise NotFound(f"no run's id starts with {text!r}", "chachaml.runs() lists the newest runs")
    if len(found) > 1:
        some = ", ".join(f"{short(run.id)} ({run.name})" for run in found[:5])
        raise AmbiguousId(f"{text!r} fits several runs: {some}", "give more digits of the id")
    return store.get_run(found[0].id)


def id_of(run: object) -> str:
    """Return the id, or the part of one, by which a run is meant.

    Raises:
        BadValue: Not a run.
    """
    if isinstance(run, str):
        return run
    if isinstance(run, (Run, LiveRun)):
        return run.id
    raise BadValue(f"a run is named by its id or a run object, not by {type(run).__name__}: {run!r}")
