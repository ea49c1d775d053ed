"""A run: what went in, what came out, what it printed and made, and what it hangs together with."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.responses import RedirectResponse, Response

import chachaml as ml
from chachaml.connection import connection
from chachaml.core.errors import NotFound
from chachaml.core.ids import short
from chachaml.core.model import RunQuery
from chachaml.ops.lineage import Relative, get_run_lineage
from chachaml.results import Run
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route
from chachaml.web.pages import framed
from chachaml.web.prose import as_markup
from chachaml.web.tracebacks import stretches

__all__ = ["command_of", "routes"]

TABS = {
    "": "Overview",
    "charts": "Charts",
    "system": "System",
    "console": "Console",
    "artifacts": "Artifacts",
    "code": "Code",
    "lineage": "Lineage",
}
"""What stands behind the run in a path, and what it is called."""

SYSTEM = "system/"
"""How the keys begin of what was measured of the machine."""

_LAST_LINES = 40
"""Of what a failed run printed, beside its error."""

_DIFF = "code/uncommitted.diff"


class Relations(NamedTuple):
    """What the header tells of other runs."""

    parent: Relative | None
    children: int


def routes() -> list[Route]:
    """Return the routes of the page."""
    return [
        Route("GET", "/runs/{run_id}", "read", show),
        Route("GET", "/runs/{run_id}/{tab}", "read", show),
    ]


async def show(request: Request) -> Response:
    """Show a run, or the runs that might have been meant."""
    tab, asked = request.path.get("tab", ""), request.path["run_id"]
    if tab not in TABS:
        raise NotFound(f"a run has no tab {tab[:40]!r}", "there are: " + ", ".join(filter(None, TABS)))
    try:
        run = await request.work(lambda: ml.run(asked))
    except NotFound as error:
        return await _missing(request, asked, error)
    if asked != run.id:
        path = f"/runs/{run.id}/{tab}".rstrip("/")
        return RedirectResponse(request.service.options.prefix + path, 302)
    given = await request.work(lambda: _given(run, tab))
    title = f"{run.name or short(run.id)}{tab and ' - '}{TABS[tab] if tab else ''}"
    return framed(request, "run.html", title=title, section="/runs", run=run, tab=tab, tabs=TABS, **given)


async def _missing(request: Request, asked: str, error: NotFound) -> Response:
    near = await request.work(lambda: _near(asked))
    told = {"message": error.message, "near": near, "asked": asked}
    return framed(request, "run_missing.html", title="No such run", section="/runs", status=404, **told)


def _near(asked: str) -> list[Relative]:
    """Return the runs that somebody might have meant: of an id that begins so, or else the newest."""
    store = connection().ready()
    for size in (12, 8, 4):
        query = RunQuery(text_id=asked[:size].lower(), archived=None, limit=6)
        if len(asked) >= size and (found := store.find_runs(query).runs):
            return [Relative.of(row) for row in found]
    return [Relative.of(row) for row in store.find_runs(RunQuery(limit=6)).runs]


def _given(run: Run, tab: str) -> dict[str, Any]:
    """Return what the header and a tab need besides the run."""
    store = connection().ready()
    parent = store.bare_runs([run.parent]).get(run.parent) if run.parent else None
    children = store.count_runs(RunQuery(parent=run.id, archived=None))
    relations = Relations(Relative.of(parent) if parent else None, children)
    return {"relations": relations, **_of_tab(run, tab)}


def _of_tab(run: Run, tab: str) -> dict[str, Any]:
    match tab:
        case "charts":
            return {}
        case "system":
            return {"measured": any(key.startswith(SYSTEM) for key in run.summaries)}
        case "console":
            return {"printed": ml.console(run.id)}
        case "artifacts":
            return {"total": sum(one.size for one in run.artifacts)}
        case "code":
            has_diff = any(one.name == _DIFF for one in run.artifacts)
            return {"again": command_of(run.environment), "diff": _DIFF if has_diff else ""}
        case "lineage":
            return {"family": get_run_lineage(run.id)}
    failed = run.error is not None
    printed = ml.console(run.id).splitlines()[-_LAST_LINES:] if failed else []
    return {
        "note": as_markup(run.note) if run.note else "",
        "metrics": {key: one for key, one in sorted(run.summaries.items()) if not key.startswith(SYSTEM)},
        "trace": stretches(run.error.traceback) if run.error else [],
        "printed": "\n".join(printed),
    }


def command_of(environment: Mapping[str, Any]) -> str:
    """Return what to type to run again what made a run; '' if that is not known."""
    script, argv = environment.get("script"), environment.get("argv")
    if not isinstance(script, str) or not isinstance(argv, list) or not argv:
        return ""
    lines = [f"cd {shlex.quote(str(environment['cwd']))}"] if environment.get("cwd") else []
    if sha := environment.get("git.sha"):
        lines.append(f"git checkout {shlex.quote(str(sha))}")
    lines.append(shlex.join(["python", script, *map(str, argv[1:])]))
    return "\n".join(lines)
