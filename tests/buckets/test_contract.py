"""Every place for bytes keeps every promise: a folder, and buckets of real object stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from chachaml.artifacts.blobs import LocalBlobs
from chachaml.artifacts.kept import Kept
from chachaml.artifacts.objects import ObjectBlobs
from chachaml.artifacts.opening import open_bucket
from chachaml.testing.blobs import BlobContract
from tests.buckets.conftest import fresh


class TestFolder(BlobContract):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> LocalBlobs:
        return LocalBlobs(tmp_path / "artifacts")

    def another(self, blobs: LocalBlobs) -> LocalBlobs:
        return LocalBlobs(blobs.root)

    def spoil(self, blobs: LocalBlobs, digest: str) -> None:
        path = blobs.path(digest)
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1] + b"?")


class Buckets(BlobContract):
    """The contract over a bucket, in whose pieces all but the smallest blobs are several."""

    server = ""

    @pytest.fixture
    def blobs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
    ) -> LocalBlobs:
        self.folder, self.bucket = (
            tmp_path,
            fresh(request.getfixturevalue(self.server), monkeypatch, request),
        )
        return self.another(None)

    def another(self, blobs: LocalBlobs | None) -> LocalBlobs:
        root = self.folder / ("here" if blobs is None else "there")
        return ObjectBlobs(root, open_bucket(self.bucket), lambda: "a" * 32, piece=1 << 20)

    def spoil(self, blobs: LocalBlobs, digest: str) -> None:
        bucket = open_bucket(self.bucket)
        marker = next(bucket.list(f"large/{digest}/"))
        piece = next(bucket.list(Kept.large(marker).folder))
        bucket.put(piece.key, b"?" * piece.size)


class TestSeaweed(Buckets):
    server = "seaweed"


class TestRclone(Buckets):
    server = "rclone"
