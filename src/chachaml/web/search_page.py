"""One box for everything: runs by the search language or by words, experiments, models and keys."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
from starlette.responses import Response

import chachaml as ml
from chachaml import registry
from chachaml.connection import connection
from chachaml.core.errors import BadQuery, ChachamlError
from chachaml.core.model import RunQuery
from chachaml.core.query import Compare, Expression, Field, Or, fields_of
from chachaml.results import Run
from chachaml.searching import metric_test, narrowed, query
from chachaml.store.protocol import Store
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route
from chachaml.web.pages import framed
from chachaml.web.rendering import brief

__all__ = ["routes"]

OPS = (">", ">=", "<", "<=", "=")

_MOST = 50
_MOST_TAGS = 40
"""Tags that are searched for words: so many different keys, at most."""

_IS_FILTER = re.compile(r"[<>=~]|\b(?:is|in|like|ilike|between)\b", re.IGNORECASE)
_TEXTS = ("name", "experiment", "created_by", "error", "error_type", "git.branch", "host")


class Snippet(NamedTuple):
    """Why something was found: where the words stand in what, cut around them."""

    label: str
    before: str
    match: str
    after: str


class Hit(NamedTuple):
    """Something that was found, its page, and why."""

    name: str
    path: str
    why: list[Snippet]
    run: Run | None = None


class Mistake(NamedTuple):
    """What is wrong with a filter: the text before the mistake, the mistake, and the rest."""

    why: str
    hint: str
    before: str
    at: str
    after: str


class Asked(msgspec.Struct, frozen=True):
    """What is searched for: words or a filter, and the metric of the form below the box."""

    q: str
    experiment: str
    metric_key: str
    op: str
    metric_value: str


class Found(NamedTuple):
    """What was found, or why nothing could be."""

    runs: Sequence[Hit] = ()
    others: Mapping[str, list[Hit]] = MappingProxyType({})
    more: bool = False
    mistake: Mistake | None = None
    hint: str = ""


def routes() -> list[Route]:
    """Return the routes of the page."""
    return [Route("GET", "/search", "read", show)]


async def show(request: Request) -> Response:
    """Show what is found."""
    given = request.query()
    asked = Asked(
        given.get("q", "").strip()[:2000],
        given.get("experiment", ""),
        given.get("metric_key", "").strip(),
        op if (op := given.get("op", ">")) in OPS else ">",
        given.get("metric_value", "").strip(),
    )
    return await request.work(partial(_page, request, asked), slow=True)


def _page(request: Request, asked: Asked) -> Response:
    store = connection().ready()
    return framed(
        request,
        "search.html",
        title=f"{asked.q} - Search" if asked.q else "Search",
        asked=asked,
        ops=OPS,
        found=_search(store, asked),
        keys=store.keys()["metric"][:1000],
        experiments=[one.name for one in ml.experiments()],
    )


def _search(store: Store, asked: Asked) -> Found:
    if not (asked.q or asked.metric_key or asked.experiment):
        return Found()
    try:
        metric = _metric(asked)
        wanted = query(store, asked.q, None, experiment=asked.experiment or None)
    except BadQuery as error:
        if _IS_FILTER.search(asked.q):
            return Found(mistake=_mistake(error, asked.q))
        return _by_words(store, asked, metric)
    except ChachamlError as error:
        return Found(mistake=Mistake(error.message, error.hint, "", "", ""))
    return _by_filter(store, narrowed(wanted, metric))


def _metric(asked: Asked) -> Expression | None:
    if not asked.metric_key:
        return None
    return metric_test(asked.metric_key, asked.op, asked.metric_value, any=False)  # type: ignore[arg-type]


def _mistake(error: BadQuery, text: str) -> Mistake:
    end = re.compile(r"\s").search(text, error.at + 1)
    stop = end.start() if end else len(text)
    return Mistake(error.why, error.hint, text[: error.at], text[error.at : stop], text[stop:])


# by a filter --------------------------------------------------------------------------------------


def _by_filter(store: Store, wanted: RunQuery) -> Found:
    page = store.find_runs(msgspec.structs.replace(wanted, limit=_MOST, with_values=True))
    fields = list(dict.fromkeys(fields_of(wanted.filter))) if wanted.filter else []
    hits = [_run_hit(Run.from_row(row), list(_values(Run.from_row(row), fields))) for row in page.runs]
    return Found(hits, more=bool(page.next), hint="" if hits else _unknown(store, fields))


def _values(run: Run, fields: Iterable[Field]) -> Iterator[Snippet]:
    for field in fields:
        value = _value(run, field)
        if value is not None:
            yield Snippet(str(field), "", brief(value) if isinstance(value, float) else str(value)[:200], "")


def _value(run: Run, field: Field) -> Any:
    if field.kind == "metric":
        summary = run.summaries.get(field.key)
        return getattr(summary, field.part or "last", None) if summary else None
    if field.kind == "param":
        return run.params.get(field.key)
    if field.kind == "tag":
        return run.tags.get(field.key)
    return getattr(run, field.key, None) if field.key not in ("id", "name", "status", "started") else None


def _unknown(store: Store, fields: Iterable[Field]) -> str:
    """Return which key no run has, and what it may have meant; '' if all are known."""
    known = store.keys()
    for field in fields:
        if field.kind in known and field.key not in known[field.kind]:
            near = difflib.get_close_matches(field.key, known[field.kind], 1)
            guess = f"; did you mean {near[0]!r}?" if near else ""
            return f"no run has a {field.kind} {field.key!r}{guess}"
    return ""


# by words -----------------------------------------------------------------------------------------


def _by_words(store: Store, asked: Asked, metric: Expression | None) -> Found:
    words = asked.q
    tags = store.keys()["tag"][:_MOST_TAGS]
    pattern = f"%{words}%"
    fields = [*(Field("attribute", name) for name in ("id", *_TEXTS)), *(Field("tag", key) for key in tags)]
    parts = tuple(Compare(field, "ilike", pattern) for field in fields)
    wanted = RunQuery(experiment=asked.experiment or None, filter=Or(parts), limit=_MOST, with_values=True)
    page = store.find_runs(narrowed(wanted, metric))
    runs = [_run_hit(run, _why(run, words)) for run in map(Run.from_row, page.runs)]
    others = (
        {} if metric or asked.experiment else {name: hits for name, hits in _others(store, words) if hits}
    )
    return Found(runs, others, more=bool(page.next))


def _why(run: Run, words: str) -> list[Snippet]:
    texts = {"name": run.name, "id": run.id, "experiment": run.experiment, "by": run.created_by}
    error = {"error": f"{run.error.type}: {run.error.message}"} if run.error else {}
    facts = {key: str(run.environment[key]) for key in ("git.branch", "host") if key in run.environment}
    tags = {("note" if key == "note" else f"tag {key}"): text for key, text in run.tags.items()}
    return _snippets(texts | error | facts | tags, words)


def _snippets(texts: dict[str, str], words: str) -> list[Snippet]:
    found = []
    for label, text in texts.items():
        at = text.lower().find(words.lower())
        if at >= 0:
            end = at + len(words)
            start = max(0, at - 40)
            before = ("…" if start else "") + text[start:at]
            found.append(Snippet(label, before, text[at:end], text[end : end + 80]))
    return found


def _run_hit(run: Run, why: list[Snippet]) -> Hit:
    return Hit(run.name or run.id[-8:], f"/runs/{run.id}", why, run)


def _others(store: Store, words: str) -> Iterator[tuple[str, list[Hit]]]:
    found = [
        (
            one.name,
            f"/runs?experiment={quote(one.name, '')}",
            {"name": one.name, "description": one.description},
        )
        for one in ml.experiments()
    ]
    yield "Experiments", _hits(found, words)
    models = [
        (
            one.name,
            f"/models/{quote(one.name, '')}",
            {"name": one.name, "about": one.description, "note": one.note},
        )
        for one in registry.models()
    ]
    yield "Models", _hits(models, words)
    keys = [
        (key, f"/search?q={_part(_has(kind, key))}", {kind: key})
        for kind, of_kind in store.keys().items()
        for key in of_kind
    ]
    yield "Keys", _hits(keys, words)


def _has(kind: str, key: str) -> str:
    """Return the filter that runs meet which have a key."""
    escaped = key.replace("`", "``")
    return f"{kind}s.`{escaped}` is not null"


def _part(text: str) -> str:
    """Return a text as one part of an address."""
    return quote(text, "")


def _hits(found: Iterable[tuple[str, str, dict[str, str]]], words: str) -> list[Hit]:
    hits = [Hit(name, path, _snippets(texts, words)) for name, path, texts in found]
    return [hit for hit in hits if hit.why][:_MOST]
