"""Who asks, and what they may: roles, in all experiments or in single ones, and the secrets that show it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from chachaml.core.access import digest_of, new_token
from chachaml.core.changes import AnyRole, Batch, TokenIssued, TokenUsed
from chachaml.core.ids import new_id
from chachaml.core.model import Access, AccountRow, TokenRow
from chachaml.store.protocol import Store

__all__ = ["ANYBODY", "OWNER", "RANKS", "SESSION", "Actor", "Directory", "Permission"]

Permission = Literal["open", "read", "token", "write", "destroy", "manage"]
"""What a route needs.

open: nothing at all. token: to have shown one, on this machine too, with any role. read, write: a role in
some experiment; the store sees to which. destroy: to be admin there. manage: to be admin everywhere, for
secrets, settings and other people's access.
"""

RANKS: dict[AnyRole, int] = {"": 0, "reader": 1, "writer": 2, "admin": 3}
_NEEDED: dict[Permission, int] = {"open": 0, "read": 1, "token": 1, "write": 2, "destroy": 3, "manage": 3}

SESSION = 12 * 3_600_000_000
"""Microseconds that a browser stays signed in."""

_REFRESH = 0.5


class Actor(msgspec.Struct, frozen=True):
    """Who asks.

    ``name`` is '' where nobody has to say who they are. ``rank`` is that of the role in all experiments,
    ``grants`` are those in single ones, and ``cap`` is what the token allows at most.
    """

    name: str = ""
    rank: int = 0
    grants: Mapping[str, int] = {}
    cap: int = 3
    token: str = ""
    """Id of the token that was shown, '' for none."""

    @property
    def everywhere(self) -> int:
        """The rank in all experiments."""
        return min(self.rank, self.cap)

    def rank_in(self, experiment: str) -> int:
        """Return the rank in an experiment."""
        return min(max(self.rank, self.grants.get(experiment, 0)), self.cap)

    def may(self, permission: Permission) -> bool:
        """Tell whether the actor may, in some experiment at least, what needs this permission."""
        if permission == "token" and not self.token:
            return False
        best = self.rank if permission == "manage" else max((self.rank, *self.grants.values()))
        return min(best, self.cap) >= _NEEDED[permission]


ANYBODY = Actor(rank=RANKS["writer"])
"""Who asks from this machine without a token: may read and log."""

OWNER = Actor(rank=RANKS["admin"], token="session")  # noqa: S106 - what kind of token, not one
"""Who shows the session's token: whoever started the server."""


class Directory:
    """The accounts and tokens of a store, as they were half a second ago at most.

    Args:
        store: The store.
        now: The time in microseconds.
    """

    def __init__(self, store: Store, now: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self._store, self._now = store, now
        self._lock = threading.Lock()
        self._read = -1.0
        self._accounts: dict[str, AccountRow] = {}
        self._tokens: dict[str, TokenRow] = {}
        self._used: dict[str, tuple[str, int]] = {}

    def actor(self, token: str) -> Actor | None:
        """Return who shows a token, None if it is good for nothing."""
        self._refresh()
        row = self._tokens.get(digest_of(token))
        if row is None or row.revoked is not None or row.expires <= self._now():
            return None
        account = self._accounts.get(row.account)
        if account is None or not account.active:
            return None
        self._used[row.id] = (row.account, self._now())
        grants = {experiment: RANKS[role] for experiment, role in account.grants.items()}
        cap = RANKS[row.role] if row.role else 3
        return Actor(account.name, RANKS[account.role], grants, cap, row.id)

    def has_admin(self) -> bool:
        """Tell whether there is anybody who can manage the others, and a token by which they are known."""
        found = self._store.access()
        admins = {one.name for one in found.accounts if one.active and one.role == "admin"}
        now = self._now()
        return any(
            one.account in admins and one.revoked is None and one.expires > now for one in found.tokens
        )

    def start_session(self, actor: Actor) -> str:
        """Return a fresh secret for a browser of somebody who has shown a token."""
        secret, now = new_token(), self._now()
        role: AnyRole = next(name for name, rank in RANKS.items() if rank == actor.cap)
        about = (new_id(), actor.name, digest_of(secret), now + SESSION, "browser", role)
        issued = TokenIssued(now, actor.name, *about, session=True)
        self._store.apply(Batch((issued,), command=new_id()))
        self.forget()
        return secret

    def forget(self) -> None:
        """Read all anew at the next question."""
        self._read = -1.0

    def _refresh(self) -> None:
        if time.monotonic() - self._read < _REFRESH:
            return
        with self._lock:
            if time.monotonic() - self._read >= _REFRESH:
                self._take(self._store.access())
                self._read = time.monotonic()

    def _take(self, found: Access) -> None:
        self._accounts = {one.name: one for one in found.accounts}
        self._tokens = {one.digest: one for one in found.tokens}

    def keep_uses(self) -> None:
        """Keep when tokens were used last.

        Raises:
            StoreError: The store cannot be written just now.
        """
        used, self._used = self._used, {}
        changes = tuple(TokenUsed(time, account, token) for token, (account, time) in used.items())
        if changes:
            self._store.apply(Batch(changes, command=new_id()))
