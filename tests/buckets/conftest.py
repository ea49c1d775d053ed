from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest

from tests.buckets import store as stores
from tests.buckets.store import ObjectStore


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    started = stores.start(tmp_path_factory.mktemp("s3"))
    yield started
    stores.stop(started)


@pytest.fixture
def bucket(
    rclone: ObjectStore, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[str]:
    """A fresh place in it, by the usual variables."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in rclone.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", "none")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    yield f"s3://bucket/{zlib.crc32(request.node.nodeid.encode())}"
