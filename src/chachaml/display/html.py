"""Runs as HTML for notebooks: self-contained, and at home on a light or a dark page.

Colours are the page's own (``currentColor``), mixed thinner for rules and secondary text; only
the statuses bring theirs, in tones that read on both. Every text of a user goes through `text`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from chachaml.display.svg import sparkline_svg
from chachaml.display.text import (
    MAX_ENTRIES,
    MAX_ROWS,
    error_text,
    is_best,
    shape_text,
    shared_metrics,
    summary_line,
)
from chachaml.display.words import (
    code_text,
    count,
    cut,
    duration,
    machine_text,
    moment,
    number,
    pairs,
    safe,
    size,
    value_text,
)

if TYPE_CHECKING:
    from chachaml.results import Run, Runs

__all__ = ["document", "html_table", "run_html", "run_title", "runs_html", "text"]

STATUS_COLOURS = {
    "running": "#2f8fdd",
    "completed": "#2da866",
    "failed": "#e05252",
    "interrupted": "#d08a1d",
    "crashed": "#b8408f",
}
METRIC_COLUMNS = 6
STYLE = """<style>
.chachaml { overflow-x: auto; font: 13px/1.5 system-ui, sans-serif; color: inherit;
  font-variant-numeric: tabular-nums; }
.chachaml table { border-collapse: collapse; margin: 0 0 .6em; background: none; }
.chachaml th, .chachaml td { padding: .2em .9em .2em 0; border: 0; text-align: left; vertical-align: baseline;
  border-bottom: 1px solid color-mix(in srgb, currentColor 14%, transparent); background: none;
  white-space: nowrap; max-width: 36em; overflow: hidden; text-overflow: ellipsis; }
.chachaml th { font-weight: 500; opacity: .65; }
.chachaml .num { text-align: right; }
.chachaml td svg { vertical-align: middle; }
.chachaml .soft { opacity: .65; }
.chachaml h4 { font-size: 1.15em; font-weight: 600; margin: 0 0 .4em; }
.chachaml h5 { font-size: 1em; font-weight: 600; margin: .6em 0 .1em; }
.chachaml code { font: 12px ui-monospace, monospace; background: none; color: inherit; padding: 0; }
.chachaml pre { white-space: pre-wrap; margin: .2em 0; font: 12px/1.5 ui-monospace, monospace;
  background: none; color: inherit; max-width: 80em; }
.chachaml .differs { font-weight: 600; border-left: 3px solid #d08a1d; padding-left: .5em; }
.chachaml .partial { border-left: 3px solid color-mix(in srgb, currentColor 30%, transparent);
  padding-left: .5em; }
.chachaml i.dot { display: inline-block; width: .6em; height: .6em; border-radius: 50%; margin-right: .4em; }
</style>"""


def text(value: str, limit: int = 200) -> str:
    """Return a user's text escaped for HTML, without control characters, cut to `limit`."""
    return escape(cut(safe(value), limit))


def document(parts: Iterable[str]) -> str:
    """Return fragments as one piece that brings its own style."""
    return f'<div class="chachaml">{STYLE}{"".join(parts)}</div>'


def run_title(run: Run) -> str:
    """Return what stands above a run's column."""
    colour = STATUS_COLOURS[run.status]
    dot = f'<i class="dot" style="background:{colour}" title="{run.status}"></i>'
    return f"{dot}{text(run.name, 40)}<br><code>{run.short_id}</code>"


def _status(run: Run) -> str:
    return f'<i class="dot" style="background:{STATUS_COLOURS[run.status]}"></i>{run.status}'


def _row(values: Sequence[str], numeric: Sequence[bool], tag: str = "td") -> str:
    """Return one table row of HTML fragments, the `numeric` ones right-aligned."""
    opened = (f'<{tag} class="num">' if right else f"<{tag}>" for right in numeric)
    return "<tr>" + "".join(f"{tag_}{v}</{tag}>" for tag_, v in zip(opened, values, strict=True)) + "</tr>"


def html_table(titles: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[bool]) -> str:
    """Return a table of HTML fragments."""
    head = f"<thead>{_row(titles, numeric, 'th')}</thead>" if titles else ""
    return f"<table>{head}<tbody>{''.join(_row(row, numeric) for row in rows)}</tbody></table>"


def runs_html(runs: Runs) -> str:
    """Return runs as a table, with up to six of their shared metrics."""
    if not runs:
        return document(['<span class="soft">no runs here</span>'])
    shown = list(runs)[:MAX_ROWS]
    keys = shared_metrics(shown)[:METRIC_COLUMNS]
    titles = ["id", "name", "experiment", "status", "started", "duration", *(text(key, 40) for key in keys)]
    numeric = [False] * 5 + [True] * (1 + len(keys))
    parts = [html_table(titles, (_run_row(run, keys) for run in shown), numeric)]
    if len(runs) > MAX_ROWS:
        hidden = count(len(runs) - MAX_ROWS, "more run")
        parts.append(f'<div class="soft">... and {hidden}: slice them, for example '
                     f"<code>runs[{MAX_ROWS}:{2 * MAX_ROWS}]</code></div>")  # fmt: skip
    parts.append(f'<div class="soft">{escape(summary_line(runs))}</div>')
    return document(parts)


def _run_row(run: Run, keys: Sequence[str]) -> list[str]:
    return [
        f"<code>{run.short_id}</code>",
        text(run.name, 60),
        text(run.experiment, 60) or '<span class="soft">not known yet</span>',
        _status(run),
        moment(run.started, now=datetime.now(UTC)),
        duration(run.duration),
        *(number(run.metrics[key]) if key in run.metrics else "" for key in keys),
    ]


def run_html(run: Run, curves: Mapping[str, Sequence[float]] | None = None) -> str:
    """Return one run in full, with a small curve beside each metric whose values are given."""
    return document(
        [
            f'<h4>{text(run.name, 100)} <code class="soft">{run.short_id}</code></h4>',
            html_table((), _facts(run), (False, False)),
            *_section("params", len(run.params), _params(run.params)),
            *_section("metrics", len(run.metrics), _metrics(run, curves or {})),
            *_section("datasets", len(run.datasets), _datasets(run)),
            *_section("artifacts", len(run.artifacts), _artifacts(run)),
            *_note(run),
            *_trouble(run),
        ]
    )


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    ended = f", ended {moment(run.ended)}" if run.ended else ""
    facts = {
        "status": _status(run),
        "won by": f"{text(run.metric)} = {number(run.metric_value)} at step {run.metric_step}"
        if is_best(run)
        else "",
        "experiment": text(run.experiment),
        "started": f"{moment(run.started)}{ended}",
        "duration": duration(run.duration) if run.duration is not None else "",
        "by": text(run.created_by),
        "id": f"<code>{run.id}</code>",
        "parent": f"<code>{run.parent}</code>" if run.parent else "",
        "code": text(code_text(run.environment)),
        "ran on": text(machine_text(run.environment)),
        "archived": moment(run.archived) if run.archived else "",
        "tags": escape(pairs((k, cut(v, 80)) for k, v in sorted(run.tags.items()) if k != "note")),
    }
    return ((f'<span class="soft">{name}</span>', value) for name, value in facts.items() if value)


def _section(title: str, amount: int, table: str) -> Iterator[str]:
    if amount:
        yield f'<h5>{title} <span class="soft">({amount:,})</span></h5>{table}'
    if amount > MAX_ENTRIES:
        yield f'<div class="soft">... and {amount - MAX_ENTRIES:,} more in <code>run.{title}</code></div>'


def _params(params: Mapping[str, Any]) -> str:
    shown = sorted(params.items())[:MAX_ENTRIES]
    rows = ((text(key, 80), f"<code>{text(value_text(v), 160)}</code>") for key, v in shown)
    return html_table((), rows, (False, False))


def _metrics(run: Run, curves: Mapping[str, Sequence[float]]) -> str:
    titles = ("metric", "", "last", "min", "step", "max", "step", "points")
    rows = (
        [name, sparkline_svg(curves.get(key, ())), *numbers]
        for key in sorted(run.metrics)[:MAX_ENTRIES]
        for name, *numbers in (_metric_row(run, key),)
    )
    return html_table(titles, rows, [False, False] + [True] * 6)


def _metric_row(run: Run, key: str) -> list[str]:
    name, last = text(key, 80), f"<b>{number(run.metrics[key])}</b>"
    summary = run.summaries.get(key)
    if summary is None:
        return [name, last, "", "", "", "", ""]
    extremes = (summary.min, summary.min_step, summary.max, summary.max_step)
    return [name, last, *("" if v is None else number(v) for v in extremes), f"{summary.count:,}"]


def _datasets(run: Run) -> str:
    rows = (
        [
            text(one.name, 120),
            text(one.role, 40),
            text(shape_text(one)),
            f"<code>{text(one.digest[:12])}</code>",
        ]
        for one in run.datasets[:MAX_ENTRIES]
    )
    return html_table((), rows, (False, False, True, False))


def _artifacts(run: Run) -> str:
    rows = (
        [text(one.name, 120), text(one.content_type, 60), size(one.size)]
        for one in run.artifacts[:MAX_ENTRIES]
    )
    return html_table((), rows, (False, False, True))


def _note(run: Run) -> Iterator[str]:
    if run.note.strip():
        yield f"<h5>note</h5><pre>{_lines(run.note, 60)}</pre>"


def _trouble(run: Run) -> Iterator[str]:
    if run.error is not None:
        yield f"<h5>error</h5><pre>{_lines(error_text(run.error), 8)}</pre>"
        if run.error.traceback:
            traceback = _lines(run.error.traceback, 200)
            yield f'<details><summary class="soft">traceback</summary><pre>{traceback}</pre></details>'
    if run.conflicts:
        yield f"<h5>conflicts</h5><pre>{'<br>'.join(text(c.what) for c in run.conflicts[:8])}</pre>"


def _lines(block: str, limit: int) -> str:
    lines = block.strip().splitlines()
    more = [f"... {count(len(lines) - limit, 'more line')}"] if len(lines) > limit else []
    return "\n".join([*(text(line, 400) for line in lines[:limit]), *more])
