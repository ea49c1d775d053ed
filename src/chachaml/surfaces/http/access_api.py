"""Signing in, and who may do what: accounts, tokens, and the log of what was done about them."""

from __future__ import annotations

import secrets
import time
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta
from starlette.responses import RedirectResponse, Response

from chachaml.core.access import LIFETIME, digest_of, new_token
from chachaml.core.changes import (
    AccountKind,
    AccountSet,
    AnyRole,
    Audited,
    Batch,
    Change,
    Role,
    TokenIssued,
    TokenRevoked,
)
from chachaml.core.errors import Conflict, NotFound, NotSignedIn
from chachaml.core.ids import command_id, new_id
from chachaml.core.settings import current_user
from chachaml.core.values import as_text
from chachaml.surfaces.http.actors import RANKS, SESSION, Actor
from chachaml.surfaces.http.answers import answer
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route
from chachaml.surfaces.http.shapes import schema_of
from chachaml.web.pages import bare_page

__all__ = ["routes"]

_DAY = 86_400_000_000
_FORM = "application/x-www-form-urlencoded"

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[\w.@+-]+$")]


class Account(msgspec.Struct, forbid_unknown_fields=True):
    """Who may use this server. ``role`` is for all experiments, ``grants`` for single ones."""

    name: Name
    kind: AccountKind = "user"
    role: AnyRole = ""
    grants: dict[str, Role] = {}
    active: bool = True


class NewToken(msgspec.Struct, forbid_unknown_fields=True):
    """A token to be made: of which account, for what, with no more than which role, for how many days."""

    account: Name
    label: Annotated[str, Meta(max_length=100)] = ""
    role: AnyRole = ""
    days: Annotated[float, Meta(gt=0, le=3650)] = LIFETIME / _DAY


def routes() -> list[Route]:
    """Return the routes of access."""
    token = {"name": "token", "in": "path", "required": True, "schema": {"type": "string"}}
    return [
        Route("GET", "/login", "open", login),
        Route("POST", "/login", "open", sign_in, limit=10_000),
        Route("POST", "/logout", "open", sign_out, limit=10_000),
        Route("POST", "/api/login-link", "manage", make_link, limit=10_000),
        Route("GET", "/api/me", "read", me, _said("who_am_i", "Tell who asks, and what they may.")),
        Route(
            "GET",
            "/api/accounts",
            "manage",
            accounts,
            _said("list_accounts", "List accounts, and their tokens."),
        ),
        Route(
            "POST", "/api/accounts", "manage", set_account, _said("set_account", "Set an account.", Account)
        ),
        Route(
            "POST",
            "/api/tokens",
            "manage",
            issue,
            _said("issue_token", "Make a token; it is shown once.", NewToken),
        ),
        Route(
            "DELETE",
            "/api/tokens/{token}",
            "manage",
            revoke,
            _said("revoke_token", "Revoke a token.", path=[token]),
        ),
        Route("GET", "/api/audit", "manage", audit, _said("get_audit", "List what was done about access.")),
    ]


# signing in ---------------------------------------------------------------------------------------


async def login(request: Request) -> Response:
    """Show the page to sign in with a token, or take a one-time link."""
    code = request.query().get("code", "")
    if not code:
        return _asked(request)
    request.service.logins.take(request.client)
    good_until = request.service.links.pop(digest_of(code), 0.0)
    if time.monotonic() > good_until:
        return _asked(request, failed=True)
    return _signed_in(request, request.service.options.session)


async def sign_in(request: Request) -> Response:
    """Take a token from the page, and give the browser a session."""
    service = request.service
    service.logins.take(request.client)
    request.expect(_FORM)
    token = dict(parse_qsl(request.data.decode("ascii", "replace"))).get("token", "").strip()
    if service.options.team:
        actor = await request.work(lambda: service.directory.actor(token))
        if actor is None or not actor.may("read"):
            await request.work(lambda: _note_refusal(request))
            return _asked(request, failed=True)
        return _signed_in(request, await request.work(lambda: service.directory.start_session(actor)))
    if not secrets.compare_digest(token.encode(), service.options.session.encode()):
        return _asked(request, failed=True)
    return _signed_in(request, service.options.session)


def _asked(request: Request, *, failed: bool = False) -> Response:
    options = request.service.options
    return bare_page("login.html", options, status=401 if failed else 200, team=options.team, failed=failed)


def _note_refusal(request: Request) -> None:
    noted = Audited(_now(), "", "sign-in refused", request.client)
    request.service.store.apply(Batch((noted,), command=new_id()))


def _signed_in(request: Request, secret: str) -> Response:
    """Return to the start page, with the cookie; an address to go to is taken from nobody."""
    options = request.service.options
    response = RedirectResponse(options.prefix + "/", 303)
    response.set_cookie(
        options.cookie,
        secret,
        max_age=SESSION // 1_000_000,
        httponly=True,
        secure=options.secure,
        # A link from a chat to a team's page should work; nothing outside this machine links to it here.
        samesite="lax" if options.team else "strict",
    )
    return response


async def sign_out(request: Request) -> Response:
    """End the browser's session."""
    options = request.service.options
    try:
        actor = request.service.actor(request.headers)
    except NotSignedIn:
        actor = Actor()
    if options.team and actor.token:
        revoked = TokenRevoked(_now(), actor.name, actor.token)
        await request.work(lambda: request.service.store.apply(Batch((revoked,), command=new_id())))
        request.service.directory.forget()
    response = RedirectResponse(options.prefix + "/login", 303)
    response.delete_cookie(options.cookie, secure=options.secure, httponly=True)
    return response


async def make_link(request: Request) -> Response:
    """Make a link by which a browser on this machine is signed in, once."""
    if request.service.options.team:
        raise NotFound("a team's members sign in with their tokens", "open /login")
    return answer({"path": request.service.one_time_link()})


async def me(request: Request) -> Response:
    """Tell who asks, and what they may."""
    actor = request.actor
    names = {rank: role for role, rank in RANKS.items()}
    grants = {experiment: names[actor.rank_in(experiment)] for experiment in actor.grants}
    name = actor.name or current_user()
    return answer(
        {
            "name": name,
            "role": names[actor.everywhere],
            "grants": grants,
            "team": request.service.options.team,
        }
    )


# accounts and tokens ------------------------------------------------------------------------------


async def accounts(request: Request) -> Response:
    """List all accounts and their tokens; secrets are not known here."""
    found = await request.work(request.service.store.access)
    tokens = [
        {k: v for k, v in _plain(one).items() if k != "digest"} for one in found.tokens if not one.session
    ]
    return answer({"accounts": found.accounts, "tokens": tokens})


async def set_account(request: Request) -> Response:
    """Set an account; one of that name is replaced."""
    request.json()
    given = request.decode(Account)
    for experiment in given.grants:
        as_text("experiment", experiment)
    about = (given.name, given.kind, given.role, given.grants, given.active)
    await _change(request, AccountSet(_now(), _by(request), *about))
    return answer({"ok": True})


async def issue(request: Request) -> Response:
    """Make a token. The answer is the only place where it ever stands."""
    request.json()
    given = request.decode(NewToken)
    secret, token = new_token(), new_id()
    expires = _now() + int(given.days * _DAY)
    about = (token, given.account, digest_of(secret), expires, as_text("label", given.label), given.role)
    await _change(request, TokenIssued(_now(), _by(request), *about))
    made = await request.work(request.service.store.access)
    if not any(one.id == token for one in made.tokens):
        raise Conflict("this Idempotency-Key made a token before, which was shown then", "use another key")
    return answer({"token": secret, "id": token, "account": given.account, "expires": expires})


async def revoke(request: Request) -> Response:
    """Revoke a token, by its id."""
    await _change(request, TokenRevoked(_now(), _by(request), as_text("token", request.path["token"])))
    return answer({"ok": True})


async def _change(request: Request, change: Change) -> None:
    receipt = await request.work(lambda: request.service.store.apply(Batch((change,), command=command_id())))
    request.service.directory.forget()
    for refused in receipt.conflicts:
        raise Conflict(refused.what, "chachaml admin list shows accounts and tokens")


async def audit(request: Request) -> Response:
    """List what was done about access, newest first."""
    return answer(await request.work(lambda: request.service.store.audit(limit=1000)))


def _by(request: Request) -> str:
    return request.actor.name or current_user()


def _plain(row: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(row)


def _now() -> int:
    return time.time_ns() // 1000


def _said(name: str, summary: str, body: Any = None, path: Any = ()) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "parameters": list(path),
        "responses": {"200": {"description": "Done.", "content": {"application/json": {}}}},
    }
    if body is not None:
        said["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema_of(body)}}}
    return said
