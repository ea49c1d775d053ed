"""Every backend keeps every promise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chachaml.store.memory import MemoryStore
from chachaml.store.protocol import Store
from chachaml.store.sqlite import open_sqlite
from chachaml.testing import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestSQLiteStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with closing(open_sqlite(tmp_path / "runs.db")) as store:
            yield store

    def reopen(self, store: Store) -> Store:
        path = store.info().location
        store.close()
        return open_sqlite(path)
