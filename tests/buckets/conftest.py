from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest

from tests.buckets import store as stores
from tests.buckets.front import Front, fronted
from tests.buckets.store import ObjectStore


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    started = stores.seaweed(tmp_path_factory.mktemp("seaweed"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    started = stores.rclone(tmp_path_factory.mktemp("rclone"))
    yield started
    started.stop()


def fresh(store: ObjectStore, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Return a place of its own for a test, and have the usual variables lead there."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "none")
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    return f"{store.url}/{zlib.crc32(request.node.nodeid.encode())}"


@pytest.fixture
def bucket(seaweed: ObjectStore, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    return fresh(seaweed, monkeypatch, request)


@pytest.fixture
def front(seaweed: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    """A line to the object store that breaks when told to."""
    with fronted(seaweed.endpoint) as front:
        monkeypatch.setenv("AWS_ENDPOINT_URL", front.url)
        yield front
