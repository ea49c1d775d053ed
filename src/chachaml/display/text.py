"""Runs as plain text: one in full, many as a table."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from chachaml.display.words import (
    Paint,
    cells,
    code_text,
    count,
    cut,
    duration,
    machine_text,
    moment,
    number,
    pad,
    pairs,
    plain,
    safe,
    size,
    value_text,
)

if TYPE_CHECKING:
    from chachaml.core.changes import RunError
    from chachaml.core.model import Summary
    from chachaml.results import Artifact, BestRun, Dataset, Run, Runs

__all__ = [
    "artifact_text",
    "dataset_text",
    "is_best",
    "run_text",
    "runs_text",
    "shape_text",
    "shared_metrics",
]

GAP = "  "
MAX_ROWS = 60
MAX_ENTRIES = 40
HELD_OUT = ("val", "test", "eval", "dev")


class Column(NamedTuple):
    """One column of a table; a column with a `floor` may shrink to it where room is short."""

    title: str
    values: Sequence[str]
    right: bool = False
    floor: int = 0
    style: str = ""

    @property
    def width(self) -> int:
        """The width that shows every value whole."""
        return max(map(cells, (self.title, *self.values)))


def terminal_width() -> int:
    """Return the width to print in: the terminal's, or ``COLUMNS``, or 100."""
    return shutil.get_terminal_size((100, 24)).columns


def fit(columns: Sequence[Column], room: int) -> list[int]:
    """Return the columns' widths, the widest that may shrink having shrunk until all fit."""
    widths = [column.width for column in columns]
    over = sum(widths) + len(GAP) * (len(columns) - 1) - room
    while over > 0:
        spare = [w - c.floor if c.floor else 0 for c, w in zip(columns, widths, strict=True)]
        if max(spare) <= 0:
            break
        widest = max((w, i) for i, w in enumerate(widths) if spare[i] > 0)[1]
        widths[widest] -= 1
        over -= 1
    return widths


def least_width(columns: Sequence[Column]) -> int:
    """Return the width below which `fit` cannot go."""
    return sum(min(c.floor, c.width) if c.floor else c.width for c in columns) + len(GAP) * (len(columns) - 1)


def table(columns: Sequence[Column], room: int, paint: Paint = plain, indent: str = "") -> Iterator[str]:
    """Yield a table's lines: the titles, then the rows."""
    widths = fit(columns, room - len(indent))
    titles = (pad(cut(c.title, w), w, right=c.right) for c, w in zip(columns, widths, strict=True))
    yield indent + paint(GAP.join(titles).rstrip(), "dim")
    for row in zip(*(column.values for column in columns), strict=True):
        yield (
            indent
            + GAP.join(
                _cell(text, column, width, paint)
                for text, column, width in zip(row, columns, widths, strict=True)
            ).rstrip()
        )


def _cell(text: str, column: Column, width: int, paint: Paint) -> str:
    filled = pad(cut(text, width), width, right=column.right)
    style = text if column.style == "status" else column.style
    return paint(filled, style) if style else filled


def runs_text(
    runs: Runs,
    *,
    width: int | None = None,
    paint: Paint = plain,
    rows: int = MAX_ROWS,
    option: str = "limit=",
) -> str:
    """Return runs as a table, with as many of their shared metrics as fit.

    Args:
        runs: The runs.
        width: Cells to a line; the terminal's when None.
        paint: Adds colour.
        rows: Show at most so many.
        option: How the reader asks for more runs than these.
    """
    if not runs:
        return 'no runs here  (another store: ml.connect("path/to/chachaml.db"))'
    room = width or terminal_width()
    shown = list(runs)[:rows]
    columns = _run_columns(shown)
    while least_width(columns) > room and len(columns) > 1:
        columns.pop()
    for key in shared_metrics(shown):
        column = _metric_column(shown, key)
        # The names keep a readable width: a metric more is worth less than knowing which run it is.
        if least_width([*columns, column]) + 6 > room:
            break
        columns.append(column)
    footer = [paint(line, "dim") for line in _runs_footer(runs, rows, option)]
    return "\n".join([*table(columns, room, paint), *footer])


def _run_columns(runs: Sequence[Run]) -> list[Column]:
    now = datetime.now(UTC)
    experiments = Column("experiment", [safe(run.experiment) or "(not known yet)" for run in runs], floor=10)
    return [
        Column("id", [run.short_id for run in runs], style="strong"),
        Column("name", [safe(run.name) for run in runs], floor=12),
        *([] if one_experiment(runs) else [experiments]),
        Column("status", [run.status for run in runs], style="status"),
        Column("started", [moment(run.started, now=now) for run in runs]),
        Column("duration", [duration(run.duration) for run in runs], right=True),
    ]


def one_experiment(runs: Sequence[Run]) -> str:
    """Return the experiment that all of `runs` belong to; '' if there are several."""
    names = {run.experiment for run in runs}
    return names.pop() if len(names) == 1 else ""


def _metric_column(runs: Sequence[Run], key: str) -> Column:
    values = [number(run.metrics[key]) if key in run.metrics else "" for run in runs]
    return Column(cut(safe(key), 16), values, right=True)


def shared_metrics(runs: Sequence[Run]) -> list[str]:
    """Return the metric keys that most of `runs` have: held-out data first, then the most frequent."""
    seen: dict[str, int] = {}
    for run in runs:
        for key in run.metrics:
            seen[key] = seen.get(key, 0) + 1
    often = [key for key, times in seen.items() if 2 * times >= len(runs)]
    return sorted(often, key=lambda key: (not key.startswith(HELD_OUT), -seen[key], key))


def _runs_footer(runs: Runs, rows: int, option: str) -> Iterator[str]:
    hidden = len(runs) - rows
    if hidden > 0:
        yield f"... and {count(hidden, 'more run')}: slice them, for example runs[{rows}:{2 * rows}]"
    yield summary_line(runs, option)


def summary_line(runs: Runs, option: str = "limit=") -> str:
    """Return what stands under a table: how many runs, of what, and how to get more."""
    experiment = one_experiment(runs)
    of = f" of {cut(safe(experiment), 60)}" if experiment else ""
    more = f"; there are more: ask with {option}{10 * len(runs)}" if runs.more else ""
    return f"{count(len(runs), 'run')}{of}{more}"


def run_text(
    run: Run, *, width: int | None = None, paint: Paint = plain, sparks: Mapping[str, str] | None = None
) -> str:
    """Return one run in full.

    Args:
        run: The run.
        width: Cells to a line; the terminal's when None.
        paint: Adds colour.
        sparks: A small chart to show beside a metric, by key.
    """
    room = width or terminal_width()
    lines = [
        f"{paint(cut(safe(run.name), 60), 'strong')}  {run.short_id}  {paint(run.status, run.status)}",
        *_facts(run, room, paint),
        *_params(run.params, room, paint),
        *_metrics(run, room, paint, sparks or {}),
        *_datasets(run, room, paint),
        *_artifacts(run, room, paint),
        *_note(run, room, paint),
        *_trouble(run, room, paint),
    ]
    return "\n".join(lines)


def _facts(run: Run, room: int, paint: Paint) -> Iterator[str]:
    ended = f", ended {moment(run.ended)}" if run.ended else ""
    facts = {
        "won by": _won(run),
        "experiment": safe(run.experiment) or "(its start has not arrived yet)",
        "started": f"{moment(run.started)}{ended}",
        "duration": duration(run.duration) if run.duration is not None else "",
        "by": safe(run.created_by),
        "id": run.id,
        "parent": run.parent or "",
        "code": code_text(run.environment),
        "ran on": machine_text(run.environment),
        "archived": moment(run.archived) if run.archived else "",
        "tags": pairs((k, v) for k, v in sorted(run.tags.items()) if k != "note"),
    }
    for name, text in facts.items():
        if text:
            yield f"  {paint(pad(name, 11), 'dim')} {cut(text, room - 14)}"


def is_best(run: Run) -> TypeGuard[BestRun]:
    """Tell whether the run won something; by its fields, as its class's module imports this one."""
    return hasattr(run, "metric_value")


def _won(run: Run) -> str:
    if not is_best(run):
        return ""
    return f"{safe(run.metric)} = {number(run.metric_value)} at step {run.metric_step}"


def _heading(title: str, amount: int, paint: Paint) -> str:
    return f"{paint(title, 'accent')} {paint(f'({amount:,})', 'dim')}"


def _params(params: Mapping[str, Any], room: int, paint: Paint) -> Iterator[str]:
    if not params:
        return
    yield _heading("params", len(params), paint)
    shown = sorted(params.items())[:MAX_ENTRIES]
    names = [cut(safe(key), 40) for key, _ in shown]
    widest = max(map(cells, names))
    for name, (_, value) in zip(names, shown, strict=True):
        yield f"  {pad(name, widest)}  {cut(value_text(value), max(room - widest - 4, 20))}"
    yield from _hidden(len(params), "run.params", paint)


def _hidden(amount: int, where: str, paint: Paint) -> Iterator[str]:
    if amount > MAX_ENTRIES:
        yield paint(f"  ... and {amount - MAX_ENTRIES:,} more in {where}", "dim")


def _metrics(run: Run, room: int, paint: Paint, sparks: Mapping[str, str]) -> Iterator[str]:
    if not run.metrics:
        return
    yield _heading("metrics", len(run.metrics), paint)
    shown = sorted(run.metrics)[:MAX_ENTRIES]
    columns = [
        Column("metric", [safe(key) for key in shown], floor=12),
        Column("last", [number(run.metrics[key]) for key in shown], right=True, style="strong"),
    ]
    if run.summaries:
        columns += _extremes([run.summaries.get(key) for key in shown])
    if any(key in sparks for key in shown):
        columns.append(Column("curve", [sparks.get(key, "") for key in shown], style="line0"))
    yield from table(_roomy(columns, room - 2), room, paint, indent="  ")
    yield from _hidden(len(run.metrics), "run.metrics", paint)


def _roomy(columns: list[Column], room: int) -> list[Column]:
    """Return the columns without the steps, and without the curve too, if there is no room for them."""
    for unneeded in ((), ("step",), ("step", "curve")):
        kept = [column for column in columns if column.title not in unneeded]
        if least_width(kept) + 4 <= room:
            break
    return kept


def _extremes(summaries: Sequence[Summary | None]) -> list[Column]:
    many = [s if s is not None and s.count > 1 else None for s in summaries]
    if not any(many):
        return []
    return [
        _bound("min", [s.min if s else None for s in many]),
        _bound("step", [s.min_step if s else None for s in many], "dim"),
        _bound("max", [s.max if s else None for s in many]),
        _bound("step", [s.max_step if s else None for s in many], "dim"),
        Column("points", [_points(s) for s in summaries], right=True),
    ]


def _bound(title: str, values: Sequence[float | None], style: str = "") -> Column:
    return Column(title, ["" if v is None else number(v) for v in values], right=True, style=style)


def _points(summary: Summary | None) -> str:
    if summary is None:
        return ""
    odd = [f"{amount:,} {kind}" for amount, kind in ((summary.nans, "NaN"), (summary.infs, "inf")) if amount]
    return f"{summary.count:,}" + (f" ({', '.join(odd)})" if odd else "")


def _datasets(run: Run, room: int, paint: Paint) -> Iterator[str]:
    if not run.datasets:
        return
    yield _heading("datasets", len(run.datasets), paint)
    shown = run.datasets[:MAX_ENTRIES]
    columns = [
        Column("name", [safe(one.name) for one in shown], floor=12),
        Column("role", [safe(one.role) for one in shown]),
        Column("size", [shape_text(one) for one in shown], right=True),
        Column("hash", [one.digest[:12] for one in shown], style="dim"),
    ]
    yield from table(columns, room, paint, indent="  ")
    yield from _hidden(len(run.datasets), "run.datasets", paint)


def shape_text(data: Dataset) -> str:
    """Return how large data is, as far as that is known."""
    known = [count(data.rows, "row")] if data.rows is not None else []
    known += [count(data.columns, "column")] if data.columns is not None else []
    return ", ".join(known)


def dataset_text(data: Dataset) -> str:
    """Return a data set in a line."""
    facts = (safe(data.role), shape_text(data), data.digest[:12], safe(data.source))
    return f"<data set {safe(data.name) or '(without a name)'}: {', '.join(filter(None, facts))}>"


def _artifacts(run: Run, room: int, paint: Paint) -> Iterator[str]:
    if not run.artifacts:
        return
    yield _heading("artifacts", len(run.artifacts), paint)
    shown = run.artifacts[:MAX_ENTRIES]
    columns = [
        Column("name", [safe(one.name) for one in shown], floor=12),
        Column("size", [size(one.size) for one in shown], right=True),
        Column("type", [safe(one.content_type) for one in shown], floor=10, style="dim"),
    ]
    yield from table(columns, room, paint, indent="  ")
    yield from _hidden(len(run.artifacts), "run.artifacts", paint)


def _note(run: Run, room: int, paint: Paint) -> Iterator[str]:
    if run.note.strip():
        yield paint("note", "accent")
        yield from _block(run.note, room, limit=20)


def _trouble(run: Run, room: int, paint: Paint) -> Iterator[str]:
    if run.error is not None:
        yield paint("error", "failed")
        yield from _block(error_text(run.error), room, limit=8)
        if run.error.traceback:
            yield paint("  the traceback is in run.error.traceback", "dim")
    if run.conflicts:
        yield paint("conflicts", "failed") + " " + paint(f"({len(run.conflicts):,})", "dim")
        for conflict in run.conflicts[:8]:
            yield f"  {cut(safe(conflict.what), room - 2)}"


def error_text(error: RunError) -> str:
    """Return the error as Python would: its class, then its message."""
    return ": ".join(filter(None, (error.type, error.message)))


def _block(text: str, room: int, limit: int) -> Iterator[str]:
    lines = text.strip().splitlines()
    for line in lines[:limit]:
        yield f"  {cut(safe(line.expandtabs(4)), room - 2)}"
    if len(lines) > limit:
        yield f"  ... {count(len(lines) - limit, 'more line')}"


def artifact_text(artifact: Artifact) -> str:
    """Return an artifact in a line."""
    about = f"{safe(artifact.content_type)}, {size(artifact.size)}, of run {artifact.run[-8:]}"
    return f"<artifact {safe(artifact.name)}: {about}>"
