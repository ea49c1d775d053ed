"""The promises of a place for bytes, kept by Azure as Microsoft's emulator has it; for `make azure`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.buckets import store as stores
from tests.buckets.store import ObjectStore
from tests.buckets.test_contract import Buckets


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    started = stores.azurite(tmp_path_factory.mktemp("azurite"))
    yield started
    started.stop()


class TestAzure(Buckets):
    server = "azurite"
