"""Settings: how pages look in this browser, who asks, who else may, and what the store is."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from starlette.responses import Response

import chachaml
from chachaml import retention
from chachaml.core.model import Access, AuditRow, StoreInfo, TokenRow
from chachaml.core.settings import current_user
from chachaml.results import to_datetime
from chachaml.surfaces.http.actors import RANKS
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route
from chachaml.web.pages import framed

__all__ = ["routes"]

_AUDITED = 200
_MAY = (
    ("read", "look at runs, models, pipelines and alerts"),
    ("write", "log, tag, promote and put right"),
    ("destroy", "delete"),
    ("manage", "set alerts, accounts and tokens"),
)


class Store(NamedTuple):
    """What the store is, and how large."""

    info: StoreInfo
    experiments: int
    models: int
    size: int | None


class People(NamedTuple):
    """Accounts with their tokens, and what was done about access."""

    access: Access
    tokens: list[TokenRow]
    audit: list[AuditRow]


def routes() -> list[Route]:
    """Return the routes of the page."""
    return [Route("GET", "/settings", "read", show)]


async def show(request: Request) -> Response:
    """Show the page."""
    return await request.work(partial(_page, request))


def _page(request: Request) -> Response:
    actor = request.actor
    manages = request.service.options.team and actor.may("manage")
    return framed(
        request,
        "settings.html",
        title="Settings",
        section="/settings",
        me=actor.name or current_user(),
        role=_role(request),
        may=[about for permission, about in _MAY if actor.may(permission)],  # type: ignore[arg-type]
        grants={one: _named(actor.rank_in(one)) for one in sorted(actor.grants)},
        owner=actor.token == "session",  # noqa: S105 - what kind of token, not one
        people=_people(request) if manages else None,
        held=_store(request),
        rules=[retention.Rule.from_row(row) for row in request.store.retention()],
        days=_days,
        version=chachaml.__version__,
        now=time.time_ns() // 1000,
        when=_when,
    )


def _role(request: Request) -> str:
    return _named(request.actor.everywhere) or "none in all experiments"


def _named(rank: int) -> str:
    return next(name for name, one in RANKS.items() if one == rank)


def _when(microseconds: int | None) -> Any:
    return None if microseconds is None else to_datetime(microseconds)


def _days(days: float | None) -> str:
    return "" if days is None else "1 day" if days == 1 else f"{days:g} days"


def _people(request: Request) -> People:
    access = request.service.store.access()
    tokens = [one for one in reversed(access.tokens) if not one.session]
    return People(access, tokens, request.service.store.audit(limit=_AUDITED))


def _store(request: Request) -> Store:
    info = request.store.info()
    size = None
    if info.backend == "sqlite":
        with suppress(OSError):
            size = sum(path.stat().st_size for path in _files(Path(info.location)))
    return Store(info, len(request.store.experiments()), len(request.store.models()), size)


def _files(path: Path) -> list[Path]:
    """Return the file of a store, and what was written lately beside it."""
    wal = path.with_name(path.name + "-wal")
    return [path, *([wal] if wal.exists() else [])]
