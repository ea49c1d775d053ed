"""What a sweep found, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chachaml.display.tables import table_text
from chachaml.display.words import Paint, count, number, pairs, plain, safe, value_text

if TYPE_CHECKING:
    from chachaml.sweeps.api import Sweep

__all__ = ["sweep_text"]


def sweep_text(sweep: Sweep, *, paint: Paint = plain) -> str:
    """Return the best trial, and a table of all."""
    facts = [count(len(sweep.trials), "trial")]
    facts += [f"{sweep.failed} failed"] if sweep.failed else []
    facts += [f"{sweep.pruned} pruned"] if sweep.pruned else []
    lines = [f"{paint(f'sweep of {safe(sweep.name)}', 'strong')} ({sweep.id[-8:]}): {', '.join(facts)}"]
    if sweep.best is not None and sweep.best_value is not None:
        params = pairs((key, value_text(value)) for key, value in sweep.best_params.items())
        best = f"best {safe(sweep.metric)} {number(sweep.best_value)}"
        lines.append(f"{paint(best, 'completed')}: {params}  (run {sweep.best.short_id})")
    return "\n".join([*lines, table_text(sweep.to_table(), paint=paint)])
