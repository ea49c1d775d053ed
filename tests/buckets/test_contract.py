"""Every place for bytes keeps every promise: a folder, and a bucket of a real S3 server."""

from __future__ import annotations

from pathlib import Path

import pytest

from chachaml.artifacts.blobs import LocalBlobs
from chachaml.artifacts.bucket import open_bucket
from chachaml.artifacts.objects import ObjectBlobs
from chachaml.testing.blobs import BlobContract
from tests.buckets.store import ObjectStore


class TestFolder(BlobContract):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> LocalBlobs:
        return LocalBlobs(tmp_path / "artifacts")

    def another(self, blobs: LocalBlobs) -> LocalBlobs:
        return LocalBlobs(blobs.root)

    def spoil(self, blobs: LocalBlobs, digest: str, data: bytes) -> None:
        path = blobs.path(digest)
        path.chmod(0o600)
        path.write_bytes(data)


class TestBucket(BlobContract):
    @pytest.fixture
    def blobs(self, tmp_path: Path, bucket: str) -> LocalBlobs:
        self.folder, self.bucket = tmp_path, bucket
        return self.another(None)

    def another(self, blobs: LocalBlobs | None) -> LocalBlobs:
        root = self.folder / ("here" if blobs is None else "there")
        return ObjectBlobs(root, open_bucket(self.bucket), lambda: "a" * 32)

    @pytest.fixture(autouse=True)
    def _folder_of_server(self, rclone: ObjectStore) -> None:
        self.served = rclone.folder

    def spoil(self, blobs: LocalBlobs, digest: str, data: bytes) -> None:
        (self.served / self.bucket.removeprefix("s3://") / "blobs" / digest).write_bytes(data)
