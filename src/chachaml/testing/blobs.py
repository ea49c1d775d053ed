"""Bytes under their digest: what every blob store keeps of its word."""

# ruff: noqa: S101 - these are tests

from __future__ import annotations

import io
import time
from collections.abc import Iterable
from hashlib import sha256

import pytest

from chachaml.artifacts.blobs import Blob, LocalBlobs, copy_to, read_all
from chachaml.artifacts.collect import collect, faults, release
from chachaml.core.errors import ArtifactDamaged, BadValue, Conflict, NotFound

__all__ = ["BlobContract"]

LARGE = bytes(range(256)) * (3 << 12) + b"end"
"""Three megabytes and a bit: several pieces of a store that cuts them, and no whole number of them."""


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of some bytes."""
    return sha256(data).hexdigest()


class BlobContract:
    """All that a blob store promises.

    Override the fixture ``blobs``; `another`, a second store in front of the same place, as another
    process or machine has it; and `spoil`, which changes the bytes that are kept behind the store's back.
    """

    @pytest.fixture
    def blobs(self) -> LocalBlobs:
        """Return an empty store."""
        pytest.fail("a suite that runs the contract overrides the fixture `blobs`")

    def another(self, blobs: LocalBlobs) -> LocalBlobs:  # noqa: ARG002 - for who overrides it
        """Return another store in front of the same place."""
        pytest.fail("a suite that runs the contract overrides `another`")

    def spoil(self, blobs: LocalBlobs, digest: str) -> None:  # noqa: ARG002 - as above
        """Change bytes that are kept."""
        pytest.fail("a suite that runs the contract overrides `spoil`")

    def kept(self, blobs: LocalBlobs, data: bytes) -> Blob:
        """Keep bytes for good."""
        blob = blobs.put(io.BytesIO(data))
        blobs.sync()
        blobs.deliver([blob.digest])
        return blob

    @pytest.mark.parametrize("data", [b"", b"x", LARGE], ids=["none", "one", "large"])
    def test_what_is_put_comes_back(self, blobs: LocalBlobs, data: bytes) -> None:
        """Under its SHA-256, to this process and to others."""
        assert self.kept(blobs, data) == (digest_of(data), len(data))
        assert blobs.put_bytes(data) == (digest_of(data), len(data))
        for each in (blobs, self.another(blobs)):
            assert read_all(each, Blob(digest_of(data), len(data))) == data
            assert each.size_of(digest_of(data)) == len(data)

    def test_it_can_be_read_before_it_is_delivered(self, blobs: LocalBlobs) -> None:
        """By the process that put it."""
        assert read_all(blobs, blobs.put_bytes(b"waits")) == b"waits"

    def test_any_stretch_can_be_read(self, blobs: LocalBlobs) -> None:
        """As a server does for ranges."""
        blob = self.kept(blobs, LARGE)
        with self.another(blobs).open(blob.digest) as file:
            for start, length in ((0, 10), (1 << 20, 1 << 20), (len(LARGE) - 5, 100), (7, 2 << 20)):
                file.seek(start)
                assert file.read(length) == LARGE[start : start + length]

    def test_it_can_be_had_as_a_file(self, blobs: LocalBlobs) -> None:
        """For plain tools."""
        blob, other = self.kept(blobs, LARGE), self.another(blobs)
        other.fetch(blob.digest)
        assert other.path(blob.digest).read_bytes() == LARGE

    def test_what_is_not_there(self, blobs: LocalBlobs) -> None:
        """Is said."""
        nothing = "0" * 64
        with pytest.raises(NotFound):
            blobs.open(nothing)
        with pytest.raises(NotFound):
            blobs.fetch(nothing)
        assert (blobs.size_of(nothing), blobs.put_at(nothing), blobs.delete(nothing)) == (None, 0.0, 0)
        blobs.deliver([nothing])

    def test_changed_bytes_are_never_given_as_good(self, blobs: LocalBlobs) -> None:
        """Bit-rot, a torn write, somebody's hand."""
        blob = self.kept(blobs, LARGE)
        self.spoil(blobs, blob.digest)
        other = self.another(blobs)
        with pytest.raises(ArtifactDamaged):
            read_all(other, blob)
        with pytest.raises(ArtifactDamaged):
            copy_to(other, blob, io.BytesIO())
        assert [blob.digest in fault for fault in faults(other)] == [True]

    def test_pieces_become_one_blob(self, blobs: LocalBlobs) -> None:
        """Though each may come through another process, and a line may break between them."""
        digest, cut = digest_of(LARGE), 1_500_000
        assert blobs.gathered("up") is None
        assert blobs.gather("up", 0, len(LARGE), io.BytesIO(LARGE[:cut])) == cut
        other = self.another(blobs)
        assert other.gathered("up") == cut
        with pytest.raises(Conflict):
            other.gather("up", 0, len(LARGE), io.BytesIO(LARGE[:cut]))
        assert other.gather("up", cut, len(LARGE), io.BytesIO(LARGE[cut:])) == len(LARGE)
        assert blobs.gather("up", len(LARGE), len(LARGE), io.BytesIO()) == len(LARGE)
        assert blobs.keep_gathered("up", digest) == (digest, len(LARGE))
        assert read_all(other, Blob(digest, len(LARGE))) == LARGE
        assert blobs.gathered("up") is None

    def test_pieces_of_something_else_are_forgotten(self, blobs: LocalBlobs) -> None:
        """Nobody can put bytes under a digest that is not theirs."""
        blobs.gather("up", 0, len(LARGE), io.BytesIO(LARGE))
        with pytest.raises(BadValue):
            blobs.keep_gathered("up", digest_of(b"other"))
        assert blobs.size_of(digest_of(b"other")) is None
        assert blobs.gathered("up") is None
        with pytest.raises(BadValue):
            blobs.gather("up", 0, 3, io.BytesIO(b"more than three"))

    def test_orphans_go_and_what_is_used_stays(self, blobs: LocalBlobs) -> None:
        """Only once they are old; a dry run deletes nothing."""
        used, orphan = self.kept(blobs, b"used"), self.kept(blobs, b"orphan")

        def in_use(digests: Iterable[str]) -> set[str]:
            return {used.digest}.intersection(digests)

        assert collect(blobs, in_use) == (0, 0)
        assert collect(blobs, in_use, grace=-60, dry_run=True) == (1, 6)
        assert {digest for digest, _, _ in blobs.digests()} == {used.digest, orphan.digest}
        assert collect(blobs, in_use, grace=-60) == (1, 6)
        assert [digest for digest, _, _ in self.another(blobs).digests()] == [used.digest]

    def test_deleted_artifacts_give_their_bytes_back(self, blobs: LocalBlobs) -> None:
        """At once, unless somebody put the same bytes again."""
        logged = int(time.time() * 1e6)
        blob = self.kept(blobs, b"gone")
        assert release(blobs, {blob.digest: (blob.size, logged + 1_000_000)}, lambda _: set()) == (1, 4)
        assert blobs.size_of(blob.digest) is None
        again = self.kept(blobs, b"again")
        assert release(blobs, {again.digest: (again.size, logged - 60_000_000)}, lambda _: set()) == (0, 0)
