"""Who may use a server, in plain dicts: what other backends must agree with."""

from __future__ import annotations

from msgspec.structs import replace

from chachaml.core.access import MOST_SESSIONS, audited, may_issue, may_revoke, may_set
from chachaml.core.changes import (
    AccessChange,
    AccountSet,
    Audited,
    RowsCopied,
    TokenIssued,
    TokenRevoked,
    TokenUsed,
)
from chachaml.core.model import Access, AccountRow, AuditRow, TokenRow

__all__ = ["MemoryAccess"]


class MemoryAccess:
    """Accounts and tokens; the memory store holds its lock around every call."""

    def __init__(self) -> None:
        self._accounts: dict[str, AccountRow] = {}
        self._tokens: dict[str, TokenRow] = {}
        self._audit: list[AuditRow] = []

    def apply(self, change: AccessChange) -> str:
        """Make a change; return why not ('' if it was made)."""
        match change:
            case AccountSet():
                why = may_set(change, self._accounts.values()) or self._set(change)
            case TokenIssued():
                why = self._issue(change)
            case TokenRevoked():
                token = self._tokens.get(change.id)
                why = may_revoke(change, token)
                if token is not None and token.revoked is None:
                    self._tokens[change.id] = replace(token, revoked=change.time)
            case TokenUsed():
                if token := self._tokens.get(change.id):
                    self._tokens[change.id] = replace(token, used=max(token.used or 0, change.time))
                return ""
            case Audited():
                why = ""
            case _:
                raise TypeError(f"{type(change).__name__} is no change of access")
        if not why:
            self._audit.append(AuditRow(len(self._audit) + 1, *audited(change)))
        return why

    def _set(self, change: AccountSet) -> str:
        old = self._accounts.get(change.name)
        made = (old.created, old.created_by) if old else (change.time, change.by)
        about = (change.name, change.kind, change.role, change.grants, change.active)
        self._accounts[change.name] = AccountRow(*about, *made)
        return ""

    def _issue(self, change: TokenIssued) -> str:
        known = any(change.id == one.id or change.digest == one.digest for one in self._tokens.values())
        if why := may_issue(change, self._accounts.get(change.account), known):
            return why
        about = (change.id, change.account, change.digest, change.label, change.role, change.session)
        self._tokens[change.id] = TokenRow(*about, change.time, change.expires, None, None)
        if change.session:
            self._drop_sessions(change)
        return ""

    def _drop_sessions(self, change: TokenIssued) -> None:
        mine = [one for one in self._tokens.values() if one.session and one.account == change.account]
        newest = sorted(mine, key=lambda one: (one.created, one.id))[-MOST_SESSIONS:]
        for one in mine:
            if one.expires < change.time or one not in newest:
                del self._tokens[one.id]

    def copy(self, change: RowsCopied) -> None:
        """Keep rows of another store; those that are here stay as they are."""
        for account in change.accounts:
            self._accounts.setdefault(account.name, account)
        for token in change.tokens:
            if all(token.digest != one.digest for one in self._tokens.values()):
                self._tokens.setdefault(token.id, token)
        known = {replace(row, no=0) for row in self._audit}
        for row in change.audit:
            if replace(row, no=0) not in known:
                self._audit.append(replace(row, no=len(self._audit) + 1))

    def access(self) -> Access:
        """Return all accounts, by name, and their tokens, the oldest first."""
        tokens = sorted(self._tokens.values(), key=lambda one: (one.created, one.id))
        return Access(tuple(self._accounts[name] for name in sorted(self._accounts)), tuple(tokens))

    def audit(self, before: int | None, limit: int) -> list[AuditRow]:
        """Return what happened, newest first: those numbered below `before`."""
        return [row for row in self._audit[::-1] if before is None or row.no < before][:limit]
