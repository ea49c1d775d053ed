"""The rules of access, as pure functions; every store runs them inside its transaction."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable

from chachaml.core.changes import AccountSet, Audited, TokenIssued, TokenRevoked
from chachaml.core.model import AccountRow, TokenRow

__all__ = [
    "LIFETIME",
    "MOST_SESSIONS",
    "audited",
    "digest_of",
    "may_issue",
    "may_revoke",
    "may_set",
    "new_token",
]

LIFETIME = 90 * 86_400_000_000
"""Microseconds that a token is good for, unless said otherwise."""

_PREFIX = "chm_"
"""How tokens begin, so that they are found where they should not be."""

MOST_SESSIONS = 50
"""Browsers in which one account is signed in; the oldest has to make room."""


def new_token() -> str:
    """Return a fresh secret of 256 bits."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """Return what is kept of a token: with so much in it that cannot be guessed, a plain SHA-256 will do."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def may_set(change: AccountSet, accounts: Iterable[AccountRow]) -> str:
    """Return why an account may not be set so ('' if it may): somebody must stay who can set others."""
    admins = {one.name for one in accounts if one.role == "admin" and one.active}
    stays = change.role == "admin" and change.active
    return f"{change.name!r} is the last admin" if admins == {change.name} and not stays else ""


def may_issue(change: TokenIssued, account: AccountRow | None, known: bool) -> str:
    """Return why a token may not be issued ('' if it may).

    Args:
        change: The token.
        account: Its account, None if there is none.
        known: Whether there is a token of that id or secret.
    """
    if account is None:
        return f"there is no account {change.account!r}"
    if not account.active:
        return f"account {change.account!r} is not active"
    return "there is such a token" if known else ""


def may_revoke(change: TokenRevoked, token: TokenRow | None) -> str:
    """Return why a token may not be revoked ('' if it may)."""
    return f"there is no token {change.id!r}" if token is None else ""


def audited(change: AccountSet | TokenIssued | TokenRevoked | Audited) -> tuple[int, str, str, str, str]:
    """Return what the audit log keeps of a change: time, by, action, target, details."""
    match change:
        case AccountSet():
            roles = [
                *([change.role] if change.role else []),
                *(f"{e}: {r}" for e, r in change.grants.items()),
            ]
            details = ", ".join(roles) if change.active else "switched off"
            about = ("account set", change.name, f"{change.kind}; {details or 'no role'}")
        case TokenIssued():
            what = "signed in" if change.session else "token issued"
            about = (what, change.account, f"{change.id} {change.label}".strip())
        case TokenRevoked():
            about = ("token revoked", change.id, "")
        case Audited():
            about = (change.action, change.target, change.details)
    return (change.time, change.by, *about)
