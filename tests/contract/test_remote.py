"""The store behind a server keeps every promise too, over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.served import SESSION, served

from chachaml.store.protocol import Store
from chachaml.store.remote import RemoteStore, open_remote
from chachaml.testing import StoreContract


class TestRemoteStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with served(tmp_path / "runs.db", keep=False) as server:
            with closing(open_remote(server.url, SESSION)) as store:
                yield store

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, RemoteStore)
        store.close()
        return open_remote(store.line.url, SESSION)
