"""`export_html`: chosen runs as one page that opens anywhere, without a server and without scripts."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from chachaml.connection import connection
from chachaml.core.errors import BadValue, NotFound
from chachaml.core.model import RunRow
from chachaml.curves import small_curves
from chachaml.display import Curve, chart_svg, run_html, runs_html, safe
from chachaml.lookup import AnyRun
from chachaml.moving.leaving import chosen
from chachaml.results import Run, Runs
from chachaml.store.protocol import Store

__all__ = ["export_html"]

_CHARTS_BYTES, _POINT_BYTES = 2_000_000, 13
"""Bytes that all charts may take together, and that a point of one takes."""

_MOST_CHARTS, _MOST_POINTS, _FEWEST_POINTS = 60, 400, 10
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; margin-bottom: .2em; } h2 { font-size: 1.15em; margin-top: 2em; }
.about { opacity: .65; margin-top: 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(480px, 1fr)); gap: 1em 2em; }
details { border-top: 1px solid color-mix(in srgb, currentColor 14%, transparent); padding: .4em 0; }
summary { cursor: pointer; }
.note { white-space: pre-wrap; border-left: 3px solid #2f8fdd; padding-left: 1em; }
"""


def export_html(
    path: str | os.PathLike[str],
    runs: Sequence[AnyRun] | None = None,
    *,
    filter: str | None = None,
    experiment: str | None = None,
    title: str = "",
    limit: int = 50,
) -> str:
    """Write chosen runs into one HTML file: a table, charts of all metrics, each run in full with its note.

    The file needs nothing else, holds no script, and loads nothing: it may be sent, kept and opened anywhere.
    Charts show as many points as fit into some two megabytes together, and no extreme is lost.

    Args:
        path: The file.
        runs: The runs. Default: the newest that meet the other conditions.
        filter: In the search language; see `chachaml.runs`.
        experiment: Of this experiment.
        title: What the page is called. Default: the experiment's name, or "Runs".
        limit: At most so many runs.

    Returns:
        The path.

    Raises:
        NotFound: No such run, or none that meets the conditions.
        BadValue: A limit below 1, or both runs and conditions.
    """
    if limit < 1:
        raise BadValue(f"limit must be 1 or more, not {limit}")
    store = connection().ready()
    rows = [one.row for some in chosen(store, runs, filter, experiment, False, limit) for one in some]
    if not rows:
        raise NotFound("there is no run to export", "chachaml.runs(filter) shows which there are")
    page = "".join(_page(store, rows, title or experiment or "Runs"))
    Path(path).expanduser().write_text(page, encoding="utf-8")
    return str(path)


def _page(store: Store, rows: Sequence[RunRow], title: str) -> Iterator[str]:
    made = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%d %H:%M UTC")
    name, runs = escape(safe(title)), [Run.from_row(row) for row in rows]
    yield f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<meta name="referrer" content="no-referrer"><style>{_STYLE}</style></head><body><h1>{name}</h1>'
    yield f'<p class="about">{len(runs):,} runs, {made}</p>{runs_html(Runs(runs))}'
    yield from _charts(store, rows)
    yield "<h2>Runs</h2>"
    for run in runs:
        several = [key for key, one in sorted(run.summaries.items()) if one.count > 2]
        curves = small_curves(run.id, several)
        summary = f"{escape(safe(run.name))} &middot; {escape(run.short_id)} &middot; {escape(run.status)}"
        note = f'<div class="note">{escape(run.note)}</div>' if run.note else ""
        yield f"<details><summary>{summary}</summary>{note}{run_html(run, curves)}</details>"
    yield "</body></html>"


def _charts(store: Store, rows: Sequence[RunRow]) -> Iterator[str]:
    """Yield a chart for each metric that any run has several points of."""
    keys = sorted({key for row in rows for key, one in row.metrics.items() if one.count > 1})
    shown = keys[:_MOST_CHARTS]
    if not shown:
        return
    curves = sum(key in row.metrics for key in shown for row in rows)
    most = max(_FEWEST_POINTS, min(_MOST_POINTS, _CHARTS_BYTES // (_POINT_BYTES * curves)))
    yield '<h2>Metrics</h2><div class="charts">'
    for key in shown:
        lines = [_curve(store, row, key, most) for row in rows if key in row.metrics]
        yield chart_svg(lines, title=key, x_label="step", width=520, height=260)
    yield "</div>"
    if len(keys) > len(shown):
        names = ", ".join(escape(safe(key)) for key in keys[len(shown) : len(shown) + 200])
        yield f'<p class="about">Without a chart: {names}</p>'


def _curve(store: Store, row: RunRow, key: str, most: int) -> Curve:
    series = store.read_series(row.id, key, max_points=most)
    return Curve(row.name, series.steps.tolist(), series.values.tolist())
