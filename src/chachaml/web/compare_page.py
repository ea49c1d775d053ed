"""Runs side by side: what they share, in what they differ, and by how much from one of them."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

import chachaml as ml
from chachaml.analysis.goals import direction_of
from chachaml.comparison import Comparison, Section, compare_runs, same, section
from chachaml.core.errors import BadValue, NotFound
from chachaml.core.model import Summary
from chachaml.display.words import duration, value_text
from chachaml.results import Run
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route
from chachaml.web.pages import framed
from chachaml.web.rendering import brief

__all__ = ["routes"]

MOST = 100
"""Runs on one page."""

_MOST_CELLS = 4_000
"""Cells of one group that are shown before all of them are asked for."""

_PICTURED = 24
"""Runs whose pictures and tables stand side by side."""

_FACTS = ("status", "experiment", "created by", "started", "duration", "parent", "error")
_STEP = re.compile(r"\d+(?!.*\d)")
_TABLES = ("application/vnd.chachaml.table+json", "text/csv", "application/vnd.apache.parquet")


class Cell(NamedTuple):
    """What one run has. ``delta`` is how far it is from the baseline, ``tone`` whether that is better."""

    text: str
    whole: str
    delta: str = ""
    tone: str = ""
    odd: bool = False
    other: bool = False


class Row(NamedTuple):
    """One key of all runs. ``goal`` is which value of a metric is the best."""

    key: str
    cells: list[Cell]
    goal: str = ""


class Entry(NamedTuple):
    """One key of all runs, before it is made a row: None stands for what a run does not have."""

    key: str
    values: list[Any]
    differs: bool


class Group(NamedTuple):
    """Rows of one kind; ``left`` counts those that are not shown."""

    name: str
    rows: list[Row]
    all: int
    left: int


class Asked(msgspec.Struct, frozen=True):
    """What the page is to show."""

    ids: tuple[str, ...]
    base: str
    everything: bool
    of: str
    find: str
    more: str


def routes() -> list[Route]:
    """Return the routes of the page."""
    return [Route("GET", "/compare", "read", show)]


async def show(request: Request) -> Response:
    """Show runs side by side, or how to choose them."""
    given = request.query()
    ids = tuple(dict.fromkeys(one for one in given.get("ids", "").split(",") if one))
    if len(ids) < 2:
        return await request.work(partial(_choice, request, ids))
    if len(ids) > MOST:
        raise BadValue(f"at most {MOST} runs are compared at once, not {len(ids)}", "take some out of ?ids=")
    of = given.get("of", "last")
    asked = Asked(
        ids,
        given.get("base", ""),
        given.get("all") == "1",
        of if of in ("last", "min", "max") else "last",
        given.get("find", ""),
        given.get("more", ""),
    )
    return await request.work(partial(_page, request, asked))


def _choice(request: Request, chosen: tuple[str, ...]) -> Response:
    """Return the page on which runs are chosen; the one that is chosen already stands first."""
    runs = [*(ml.run(one) for one in chosen), *ml.runs(limit=8)]
    newest = list({run.id: run for run in runs}.values())
    picked = newest[0].id if chosen else ""
    told = {"section": "/runs", "picked": picked, "newest": newest}
    return framed(request, "compare_none.html", title="Compare", status=400, **told)


def _page(request: Request, asked: Asked) -> Response:
    found = compare_runs(_baseline_first(asked))
    runs = found.runs
    if len(runs) < 2:
        raise BadValue("comparing takes two runs at least", "these ids are all of the same run")
    groups = [_group(name, kind, asked) for name, kind in _kinds(found, asked.of)]
    shown = [_with_artifacts(run) for run in runs[:_PICTURED]]
    return framed(
        request,
        "compare.html",
        title=f"{len(runs)} runs compared",
        section="/runs",
        runs=runs,
        groups=[group for group in groups if group.rows],
        asked=asked,
        media=list(_media(shown)),
        pictured=shown,
        link=partial(_link, request.service.options.prefix, asked),
    )


def _link(prefix: str, asked: Asked, **other: Any) -> str:
    """Return the address of the page with something else."""
    now = msgspec.structs.replace(asked, **other)
    given = {
        "ids": ",".join(now.ids),
        "base": now.base,
        "all": "1" if now.everything else "",
        "of": "" if now.of == "last" else now.of,
        "find": now.find,
        "more": now.more,
    }
    return f"{prefix}/compare?{urlencode({name: text for name, text in given.items() if text}, safe=',')}"


def _baseline_first(asked: Asked) -> list[str]:
    """Return the ids with the chosen baseline before all others; without a choice, as they are."""
    return sorted(asked.ids, key=lambda one: not (asked.base and one.endswith(asked.base)))


def _with_artifacts(run: Run) -> Run:
    try:
        return ml.run(run.id)
    except NotFound:  # deleted meanwhile: the rest is still worth showing
        return run


# rows ---------------------------------------------------------------------------------------------


def _kinds(found: Comparison, of: str) -> Iterator[tuple[str, Section]]:
    yield "run", section([_facts(run) for run in found.runs], operator.eq)
    yield "params", found.params
    yield "metrics", found.metrics if of == "last" else _other_metrics(found, of)
    tags = [{key: text for key, text in run.tags.items() if key != "note"} for run in found.runs]
    yield "tags", section(tags, operator.eq)
    yield "git", found.git
    yield "packages", found.packages
    notes = [run.note.strip() for run in found.runs]
    yield "notes", section([{"note": note} if note else {} for note in notes], operator.eq)


def _other_metrics(found: Comparison, of: str) -> Section:
    return section([{key: _value(one, of) for key, one in run.summaries.items()} for run in found.runs], same)


def _value(summary: Summary, of: str) -> float:
    value = summary.min if of == "min" else summary.max
    return math.nan if value is None else value


def _group(name: str, found: Section, asked: Asked) -> Group:
    """Return the rows that are asked for, and no more than a page bears."""
    entries = sorted(_entries(found, len(asked.ids)), key=lambda entry: entry.key)
    if name == "run":
        entries.sort(key=lambda entry: _FACTS.index(entry.key))
    wanted = [
        entry
        for entry in entries
        if (entry.differs or asked.everything) and asked.find.lower() in entry.key.lower()
    ]
    most = len(wanted) if asked.more == name else max(20, _MOST_CELLS // len(asked.ids))
    make = {"metrics": _metric_row, "notes": _note_row}.get(name, _row)
    return Group(name, [make(entry) for entry in wanted[:most]], len(entries), max(0, len(wanted) - most))


def _entries(found: Section, many: int) -> Iterator[Entry]:
    yield from (Entry(key, [value] * many, False) for key, value in found.same.items())
    yield from (Entry(key, values, True) for key, values in (found.differ | found.partial).items())


def _row(entry: Entry) -> Row:
    base = entry.values[0]
    return Row(entry.key, [_cell(value, base, entry.differs) for value in entry.values])


def _note_row(entry: Entry) -> Row:
    return Row(entry.key, [Cell(value or "", value or "") for value in entry.values])


def _cell(value: Any, base: Any, differs: bool) -> Cell:
    if value is None:
        return Cell("", "")
    return Cell(value_text(value), str(value), other=differs and not same(value, base))


def _metric_row(entry: Entry) -> Row:
    goal = direction_of(entry.key)
    return Row(entry.key, [_measured(value, entry.values[0], goal) for value in entry.values], goal)


def _facts(run: Run) -> dict[str, str]:
    facts = {
        "status": run.status,
        "experiment": run.experiment,
        "created by": run.created_by,
        "started": run.started.strftime("%Y-%m-%d %H:%M:%S"),
        "duration": "" if run.duration is None else duration(run.duration),
        "parent": run.parent or "",
        "error": f"{run.error.type}: {run.error.message}" if run.error else "",
    }
    return {name: text for name, text in facts.items() if text}


def _measured(value: float | None, base: float | None, goal: str) -> Cell:
    if value is None:
        return Cell("", "")
    shown = Cell(brief(value), repr(value), odd=not math.isfinite(value))
    if base is None or value == base or not (math.isfinite(value) and math.isfinite(base)):
        return shown
    change = value - base
    share = f" ({change / abs(base):+.1%})" if base and abs(change / base) < 100 else ""
    better = (change > 0) == (goal == "max")
    sign = "+" if change > 0 else ""
    return shown._replace(
        whole=f"{value!r}, {sign}{change:.6g}{share}, {'better' if better else 'worse'} than the baseline",
        delta=f"{'▲' if change > 0 else '▼'} {brief(abs(change))}",
        tone="better" if better else "worse",
        other=True,
    )


# pictures and tables ------------------------------------------------------------------------------


class Medium(NamedTuple):
    """Artifacts of one name in several runs: for each run its names by step, '' where there is one alone."""

    name: str
    kind: str
    steps: list[int]
    runs: dict[str, dict[str, str]]


def _media(runs: Sequence[Run]) -> Iterator[Medium]:
    """Return what can be looked at side by side: pictures and tables that two runs have at least."""
    names = {one.name for run in runs for one in run.artifacts}
    series: dict[str, set[str]] = {}
    for name in names:
        series.setdefault(_STEP.sub("#", name, count=1), set()).add(name)
    found: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    for run in runs:
        for one in run.artifacts:
            if kind := _kind(one.content_type):
                pattern = _STEP.sub("#", one.name, count=1)
                step = _STEP.search(one.name) if len(series[pattern]) > 1 else None
                name, number = (pattern, str(int(step[0]))) if step else (one.name, "")
                found.setdefault((kind, name), {}).setdefault(run.id, {})[number] = one.name
    for (kind, name), by_run in sorted(found.items()):
        if len(by_run) > 1:
            steps = sorted({int(step) for each in by_run.values() for step in each if step})
            yield Medium(name, kind, steps, by_run)


def _kind(content_type: str) -> str:
    plain = content_type.partition(";")[0]
    if plain.startswith("image/"):
        return "image"
    return "table" if plain in _TABLES else ""
