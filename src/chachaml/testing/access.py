"""The contract of access: accounts, tokens, and the log of what was done about them."""

# ruff: noqa: S101 - these are tests

from __future__ import annotations

from typing import Any

from chachaml.core.changes import (
    AccountSet,
    Audited,
    Batch,
    Change,
    RecordKept,
    TokenIssued,
    TokenRevoked,
    TokenUsed,
    ViewDeleted,
    ViewSaved,
)
from chachaml.core.ids import new_id
from chachaml.core.model import Access, AccountRow, RecordRow, ViewRow
from chachaml.store.protocol import Store
from chachaml.testing.material import Fixtures

__all__ = ["AccessContract"]


def _apply(store: Store, *changes: Change) -> list[str]:
    return [one.what for one in store.apply(Batch(changes, command=new_id())).conflicts]


def _token(place: int, account: str = "ada", **about: Any) -> TokenIssued:
    return TokenIssued(10 + place, "ada", f"t{place}", account, f"{place:064x}", 1_000, **about)


class AccessContract(Fixtures):
    """Who may use a server of the store, and as what."""

    def test_views_are_saved_replaced_and_deleted(self, store: Store) -> None:
        """By name and experiment."""
        _apply(store, ViewSaved(1, "ada", "best", "", "?a"), ViewSaved(2, "bob", "best", "iris", "?b"))
        _apply(store, ViewSaved(3, "eve", "best", "", "?c"), ViewDeleted(4, "eve", "none", ""))
        assert store.views() == [
            ViewRow("best", "", "?c", "eve", 3),
            ViewRow("best", "iris", "?b", "bob", 2),
        ]
        _apply(store, ViewDeleted(5, "eve", "best", ""))
        assert [view.experiment for view in store.views()] == ["iris"]

    def test_records_are_kept_replaced_and_forgotten(self, store: Store) -> None:
        """By kind and key."""
        _apply(store, *(RecordKept(1, kind, key, "1", "iris") for kind in ("a", "b") for key in ("y", "x")))
        _apply(store, RecordKept(2, "a", "x", '{"n":"\u00fc"}'), RecordKept(3, "b", "x", None))
        _apply(store, RecordKept(4, "b", "none", None))
        x, y = RecordRow("a", "x", "", '{"n":"\u00fc"}', 2), RecordRow("a", "y", "iris", "1", 1)
        assert store.records("a") == [x, y]
        assert store.records("a", ["y", "z"]) == [y]
        assert [row.key for row in store.records("b")] == ["y"]
        assert store.records("c") == store.records("a", []) == []
        assert [(row.kind, row.key) for row in store.records()] == [("a", "x"), ("a", "y"), ("b", "y")]

    def test_a_new_store_has_no_accounts(self, store: Store) -> None:
        """No default user, no default secret."""
        assert store.access() == Access()
        assert store.audit() == []

    def test_accounts_are_set_and_replaced(self, store: Store) -> None:
        """Who made one, and when, stays."""
        _apply(store, AccountSet(1, "root", "bob", grants={"iris": "writer"}), AccountSet(2, "root", "ada"))
        _apply(store, AccountSet(3, "ada", "bob", "service", "reader", active=False))
        ada, bob = store.access().accounts
        assert ada == AccountRow("ada", "user", "", {}, True, 2, "root")
        assert bob == AccountRow("bob", "service", "reader", {}, False, 1, "root")

    def test_the_last_admin_stays_one(self, store: Store) -> None:
        """Or nobody could mend it."""
        assert _apply(store, AccountSet(1, "", "ada", role="admin")) == []
        for lower in (AccountSet(2, "ada", "ada"), AccountSet(2, "ada", "ada", role="admin", active=False)):
            assert _apply(store, lower) == ["'ada' is the last admin"]
        _apply(store, AccountSet(3, "ada", "bob", role="admin"))
        assert _apply(store, AccountSet(4, "bob", "ada", role="reader")) == []

    def test_tokens_are_issued_used_and_revoked(self, store: Store) -> None:
        """A second one of an id or a secret is refused; revoking twice keeps the first time."""
        _apply(store, AccountSet(1, "", "ada", role="admin"))
        assert _apply(store, _token(1, label="laptop", role="reader"), _token(2)) == []
        assert _apply(store, _token(1)) == ["there is such a token"]
        assert _apply(store, _token(3, "eve")) == ["there is no account 'eve'"]
        _apply(store, TokenUsed(50, "", "t1"), TokenUsed(40, "", "t1"), TokenUsed(1, "", "unknown"))
        assert _apply(store, TokenRevoked(60, "ada", "t2"), TokenRevoked(70, "ada", "t2")) == []
        assert _apply(store, TokenRevoked(60, "ada", "t9")) == ["there is no token 't9'"]
        one, two = store.access().tokens
        assert (one.id, one.label, one.role, one.used, one.revoked) == ("t1", "laptop", "reader", 50, None)
        assert (two.id, two.created, two.expires, two.revoked) == ("t2", 12, 1_000, 60)

    def test_an_account_that_is_off_gets_no_tokens(self, store: Store) -> None:
        """Those that it has stay in the list; the server asks whether it is active."""
        _apply(store, AccountSet(1, "", "ada", active=False))
        assert _apply(store, _token(1)) == ["account 'ada' is not active"]

    def test_sessions_make_room(self, store: Store) -> None:
        """Those that are over go, and of many the oldest; other tokens stay."""
        _apply(store, AccountSet(1, "", "ada", role="admin"), _token(0))
        _apply(store, *(_token(place, session=True) for place in range(1, 60)))
        tokens = store.access().tokens
        assert [one.id for one in tokens] == ["t0", *(f"t{place}" for place in range(10, 60))]
        late = TokenIssued(5_000, "ada", "late", "ada", "f" * 64, 9_000, session=True)
        _apply(store, late)
        assert {one.id for one in store.access().tokens} == {"t0", "late"}

    def test_all_of_it_is_in_the_audit_log(self, store: Store) -> None:
        """But for what was refused, and that a token was used."""
        _apply(store, AccountSet(1, "root", "ada", role="admin", grants={"iris": "reader"}))
        _apply(store, _token(1, label="laptop"), _token(1), TokenUsed(50, "", "t1"))
        _apply(store, TokenRevoked(60, "ada", "t1"), Audited(70, "eve", "refused", "/api/w/runs", "no token"))
        rows = store.audit()
        assert [(row.no, row.time, row.by, row.action, row.target, row.details) for row in rows] == [
            (4, 70, "eve", "refused", "/api/w/runs", "no token"),
            (3, 60, "ada", "token revoked", "t1", ""),
            (2, 11, "ada", "token issued", "ada", "t1 laptop"),
            (1, 1, "root", "account set", "ada", "user; admin, iris: reader"),
        ]
        assert [row.no for row in store.audit(before=3, limit=1)] == [2]
