"""The store in Postgres keeps every promise too, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.postgres import fresh_url

from chachaml.store.postgres import PostgresStore, open_postgres
from chachaml.store.protocol import Store
from chachaml.testing import StoreContract


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def store(self) -> Iterator[Store]:
        with closing(open_postgres(fresh_url())) as store:
            yield store

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, PostgresStore)
        address = store.info().location
        store.close()
        return open_postgres(address)
