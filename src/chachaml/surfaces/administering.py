"""Commands about who may use a server: admin create, set, token, revoke, list, audit."""

from __future__ import annotations

import re
import time
from typing import Any, cast

import click

import chachaml as ml
from chachaml.connection import connection
from chachaml.core.access import LIFETIME, digest_of, new_token
from chachaml.core.changes import AccountKind, AccountSet, AnyRole, Change, Role, TokenIssued, TokenRevoked
from chachaml.core.errors import BadValue, Conflict, NotFound
from chachaml.core.ids import new_id
from chachaml.core.settings import current_user
from chachaml.results import to_datetime
from chachaml.surfaces import output
from chachaml.surfaces.commands import Listing, cli, examples, reads, writes

__all__: list[str] = []

_DAY = 86_400_000_000
_NAME = re.compile(r"[\w.@+-]{1,100}")
_ROLES = click.Choice(["reader", "writer", "admin"])
_DAYS = click.option(
    "--days", type=click.FloatRange(0, 3650, min_open=True), help="Days that it is good for.  [default: 90]"
)


@cli.group(cls=Listing, epilog=examples("chachaml admin create ada", "chachaml admin set bob --role reader"))
def admin() -> None:
    """Say who may use this store's server: accounts, their roles, their tokens."""


@admin.command(epilog=examples("chachaml admin create ada"))
@click.argument("name")
@_DAYS
@writes
def create(name: str, days: float | None, as_json: bool) -> None:
    """Make an admin, and print a token: once, for it is kept nowhere."""
    found = connection().ready().access().accounts if connection().store(create=True) else ()
    if any(one.name == name for one in found):
        raise Conflict(f"there is an account {name!r} already", f"another token: chachaml admin token {name}")
    _apply(AccountSet(_now(), current_user(), _checked(name), role="admin"))
    _issue(name, "made by admin create", None, days, as_json)


@admin.command("set", epilog=examples("chachaml admin set bob --role reader --grant iris=writer"))
@click.argument("name")
@click.option("--role", type=_ROLES, help="In all experiments. Default: as it was, or none.")
@click.option(
    "--grant", "grants", multiple=True, metavar="EXPERIMENT=ROLE", help="In one; no role takes it away."
)
@click.option("--service", is_flag=True, help="It is a program's, not a person's.")
@click.option("--off/--on", default=False, help="Whether it is good for nothing for now.")
@reads
def set_(
    name: str, role: str | None, grants: tuple[str, ...], service: bool, off: bool, as_json: bool
) -> None:
    """Make an account, or set what it may."""
    old = next((one for one in connection().ready().access().accounts if one.name == name), None)
    kept = dict(old.grants) if old else {}
    for experiment, given in map(_grant, grants):
        kept.pop(experiment, None)
        if given:
            kept[experiment] = cast(Role, given)
    everywhere = cast(AnyRole, role or (old.role if old else ""))
    kind: AccountKind = "service" if service or (old is not None and old.kind == "service") else "user"
    _apply(AccountSet(_now(), current_user(), _checked(name), kind, everywhere, kept, not off))
    _list(as_json)


@admin.command(epilog=examples("chachaml admin token bob --label laptop --days 30"))
@click.argument("name")
@click.option("--label", default="", help="What it is for.")
@click.option("--role", type=_ROLES, help="No more than this, whatever the account may.")
@_DAYS
@reads
def token(name: str, label: str, role: str | None, days: float | None, as_json: bool) -> None:
    """Make a token for an account, and print it: once, for it is kept nowhere."""
    _issue(name, label, role, days, as_json)


@admin.command(epilog=examples("chachaml admin revoke 3f9a1c42"))
@click.argument("token_id")
@reads
def revoke(token_id: str, as_json: bool) -> None:
    """Revoke a token, by the id that list shows or the end of it; servers know within a second."""
    fitting = [one.id for one in connection().ready().access().tokens if one.id.endswith(token_id)]
    if len(fitting) != 1:
        raise NotFound(
            f"{len(fitting) or 'no'} tokens have an id that ends with {token_id!r}", "chachaml admin list"
        )
    _apply(TokenRevoked(_now(), current_user(), fitting[0]))
    _list(as_json)


@admin.command("ls", epilog=examples("chachaml admin", "chachaml admin ls --json"))
@reads
def ls(as_json: bool) -> None:
    """List accounts and tokens."""
    _list(as_json)


@admin.command(epilog=examples("chachaml admin audit"))
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many."
)
@reads
def audit(limit: int, as_json: bool) -> None:
    """List what was done about access, newest first."""
    rows = connection().ready().audit(limit=limit)
    if as_json:
        output.print_json(rows)
        return
    _print(
        {
            "no": one.no,
            "when": _when(one.time),
            "by": one.by,
            "what": one.action,
            "whom": one.target,
            "more": one.details,
        }
        for one in rows
    )


def _issue(name: str, label: str, role: str | None, days: float | None, as_json: bool) -> None:
    secret, token_id = new_token(), new_id()
    expires = _now() + (LIFETIME if days is None else int(days * _DAY))
    about = (token_id, name, digest_of(secret), expires, label, cast(AnyRole, role or ""))
    _apply(TokenIssued(_now(), current_user(), *about))
    if as_json:
        output.print_json({"token": secret, "id": token_id, "account": name, "expires": expires})
        return
    click.echo(secret)
    click.echo(f"The token of {name}, good until {_when(expires)}. It is not shown again.", err=True)
    click.echo("Use it: export CHACHAML_TOKEN=...", err=True)


def _list(as_json: bool) -> None:
    found = connection().ready().access()
    tokens = [one for one in found.tokens if not one.session]
    if as_json:
        hidden = [
            {name: getattr(one, name) for name in one.__struct_fields__ if name != "digest"} for one in tokens
        ]
        output.print_json({"accounts": found.accounts, "tokens": hidden})
        return
    _print(
        {
            "account": one.name,
            "kind": one.kind,
            "role": one.role or "-",
            "grants": ", ".join(f"{experiment}={role}" for experiment, role in one.grants.items()) or "-",
            "state": "on" if one.active else "off",
        }
        for one in found.accounts
    )
    click.echo()
    _print(
        {
            "token": one.id[-8:],
            "account": one.account,
            "label": one.label,
            "at most": one.role or "-",
            "good until": "revoked" if one.revoked else _when(one.expires),
            "used": _when(one.used) if one.used else "never",
        }
        for one in tokens
    )


def _print(rows: Any) -> None:
    found = list(rows)
    if not found:
        click.echo("none")
        return
    click.echo(output.table(ml.Table({key: [row[key] for row in found] for key in found[0]})))


def _grant(text: str) -> tuple[str, str]:
    experiment, equals, role = text.rpartition("=")
    if not equals or not experiment or role not in ("", "reader", "writer", "admin"):
        raise BadValue(
            f"{text!r} is no grant", "EXPERIMENT=reader, =writer or =admin; EXPERIMENT= takes it away"
        )
    return experiment, role


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadValue(f"an account cannot be called {name!r}", "letters, digits, and . @ + - _")
    return name


def _apply(change: Change) -> None:
    for refused in connection().command(change).conflicts:
        raise Conflict(refused.what, "chachaml admin lists accounts and tokens")


def _when(time: int) -> str:
    return f"{to_datetime(time):%Y-%m-%d %H:%M} UTC"


def _now() -> int:
    return time.time_ns() // 1000
