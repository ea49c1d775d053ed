"""The store in Postgres keeps every promise too, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import pytest
from tests.postgres import fresh_url

from chachaml.store import wire
from chachaml.store.postgres import PostgresStore, open_postgres
from chachaml.store.protocol import Store
from chachaml.testing import StoreContract


class AsSent:
    """A store whose answers are such as a server can send: of the kinds that the protocol names."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)
        if name not in wire.READS:
            return found
        call = wire.call(name)
        return lambda *args, **kwargs: call.unpack_result(call.pack_result(found(*args, **kwargs)))


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def store(self) -> Iterator[Store]:
        with closing(open_postgres(fresh_url())) as store:
            yield cast(Store, AsSent(store))

    def reopen(self, store: Store) -> Store:
        address = store.info().location
        store.close()
        return cast(Store, AsSent(open_postgres(address)))
