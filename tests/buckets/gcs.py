"""The promises of a place for bytes, kept by Google's as a known emulator has it; for `make gcs`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.buckets import store as stores
from tests.buckets.conftest import fresh
from tests.buckets.store import ObjectStore
from tests.buckets.test_contract import Buckets
from tests.buckets.test_served import test_a_server_keeps_artifacts_in_a_bucket  # noqa: F401


@pytest.fixture(scope="session")
def gcs() -> Iterator[ObjectStore]:
    with stores.gcs() as started:
        yield started


@pytest.fixture
def bucket(gcs: ObjectStore, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    return fresh(gcs, monkeypatch, request)


class TestGcs(Buckets):
    server = "gcs"
