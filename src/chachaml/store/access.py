"""Who may use a server, in SQL: judged and written in one transaction, and read."""
# ruff: noqa: S608 - only names of our own are put into the text of SQL; values are bound

from __future__ import annotations

from typing import Any

import msgspec

from chachaml.core.access import MOST_SESSIONS, audited, may_issue, may_revoke, may_set
from chachaml.core.changes import AccessChange, AccountSet, Audited, TokenIssued, TokenRevoked, TokenUsed
from chachaml.core.model import Access, AccountRow, AuditRow, TokenRow
from chachaml.store.engine import Db

__all__ = ["access", "apply", "audit"]


def apply(db: Db, change: AccessChange) -> str:
    """Make a change; return why not ('' if it was made)."""
    match change:
        case AccountSet():
            why = _set(db, change)
        case TokenIssued():
            why = _issue(db, change)
        case TokenRevoked():
            why = may_revoke(change, _token(db, change.id))
            revoke = "UPDATE tokens SET revoked = coalesce(revoked, ?) WHERE id = ?"
            db.execute(revoke, (change.time, change.id))
        case TokenUsed():
            db.execute(
                "UPDATE tokens SET used = ? WHERE id = ? AND coalesce(used, 0) < ?",
                (change.time, change.id, change.time),
            )
            return ""
        case Audited():
            why = ""
        case _:
            raise TypeError(f"{type(change).__name__} is no change of access")
    if not why:
        insert = "INSERT INTO audit (time, by, action, target, details) VALUES (?, ?, ?, ?, ?)"
        db.execute(insert, audited(change))
    return why


def _set(db: Db, change: AccountSet) -> str:
    if why := may_set(change, _accounts(db)):
        return why
    grants = msgspec.json.encode(change.grants).decode()
    row = (change.name, change.kind, change.role, grants, change.active, change.time, change.by)
    db.execute(
        """INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE
        SET kind = excluded.kind, role = excluded.role, grants = excluded.grants, active = excluded.active""",
        row,
    )
    return ""


def _issue(db: Db, change: TokenIssued) -> str:
    account = next((one for one in _accounts(db) if one.name == change.account), None)
    known = "SELECT 1 FROM tokens WHERE id = ? OR digest = ?"
    if why := may_issue(change, account, bool(db.execute(known, (change.id, change.digest)).fetchone())):
        return why
    row = (change.id, change.account, change.digest, change.label, change.role, change.session)
    insert = "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)"
    db.execute(insert, (*row, change.time, change.expires))
    if change.session:
        old = """DELETE FROM tokens WHERE session AND account = ? AND (expires < ? OR id NOT IN
            (SELECT id FROM tokens WHERE session AND account = ? ORDER BY created DESC, id DESC LIMIT ?))"""
        db.execute(old, (change.account, change.time, change.account, MOST_SESSIONS))
    return ""


def _token(db: Db, token: str) -> TokenRow | None:
    return next((one for one in _tokens(db) if one.id == token), None)


def access(db: Db) -> Access:
    """Return all accounts, by name, and their tokens, the oldest first."""
    return Access(tuple(_accounts(db)), tuple(_tokens(db)))


def _accounts(db: Db) -> list[AccountRow]:
    rows = db.execute("SELECT * FROM accounts ORDER BY name")
    return [
        AccountRow(name, kind, role, msgspec.json.decode(grants), bool(active), *rest)
        for name, kind, role, grants, active, *rest in rows
    ]


def _tokens(db: Db) -> list[TokenRow]:
    rows = db.execute("SELECT * FROM tokens ORDER BY created, id")
    return [_token_of(row) for row in rows]


def _token_of(row: Any) -> TokenRow:
    token, account, digest, label, role, session, created, expires, revoked, used = row
    about = (token, account, digest, label, role, bool(session))
    return TokenRow(*about, created, expires, revoked, used)


def audit(db: Db, before: int | None, limit: int) -> list[AuditRow]:
    """Return what happened, newest first: those numbered below `before`."""
    which, values = ("WHERE no < ?", (before,)) if before is not None else ("", ())
    query = f"SELECT * FROM audit {which} ORDER BY no DESC LIMIT ?"
    return [AuditRow(*row) for row in db.execute(query, (*values, limit))]
