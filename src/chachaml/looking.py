"""Printing at the prompt: a table of runs, or one thing in full."""

from __future__ import annotations

from typing import Any

from chachaml.curves import small_curves
from chachaml.display import carried, run_text, sparkline
from chachaml.live import LiveRun
from chachaml.model_lookup import models, versions
from chachaml.registered import Model
from chachaml.results import Run
from chachaml.tracker import run as read_run
from chachaml.tracker import runs

__all__ = ["inspect", "runs_table", "sparks"]


def runs_table(filter: str | None = None, **conditions: Any) -> None:
    """Print runs as a table; takes what `chachaml.runs` takes."""
    print(carried(str(runs(filter, **conditions))))


def sparks(run: Run) -> dict[str, str]:
    """Return a tiny chart of each metric that is a curve."""
    curves = [key for key, summary in sorted(run.summaries.items()) if summary.count > 2]
    return {key: sparkline(values) for key, values in small_curves(run.id, curves).items()}


def inspect(what: object) -> None:
    """Print one thing in full: a run, by its id or as an object, with its curves; a model, by its name or
    as an object, with its versions; or anything else.

    Raises:
        NotFound: A text that is neither a run's id nor a model's name.
    """  # noqa: D205 - one sentence
    known = {model.name: model for model in models()} if isinstance(what, str) else {}
    if isinstance(what, str) and what in known:
        what = known[what]
    if isinstance(what, (str, LiveRun, Run)):
        found = read_run(what)
        print(carried(run_text(found, sparks=sparks(found))))
    elif isinstance(what, Model):
        print(carried("\n".join(map(str, (what, *versions(what.name))))))
    else:
        print("nothing to inspect" if what is None else carried(str(what)))
