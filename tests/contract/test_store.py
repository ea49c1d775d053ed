"""Every backend keeps every promise."""

from __future__ import annotations

import pytest

from chachaml.store.memory import MemoryStore
from chachaml.testing import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
