"""Bytes under their SHA-256 in a bucket of S3 and its compatibles, of GCS or of Azure.

    <bucket>/<prefix>/blobs/ab12...            the bytes
    <bucket>/<prefix>/renewed/ab12...          empty: they were put again, and somebody is about to name them
    <bucket>/<prefix>/incoming/<name>/<from>   pieces that are being sent, until they are checked and joined
    <bucket>/<prefix>/chachaml.json            which store it belongs to

A folder of this machine is in front of it: what is logged waits there until the bucket has it, so that
training waits for no network. docs/adr/0018 tells more.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import msgspec

from chachaml.artifacts.blobs import CHUNK, RESUMABLE, Blob, LocalBlobs, another
from chachaml.artifacts.bucket import Bucket
from chachaml.core.errors import BadValue, Conflict, NotFound, StoreUnavailable

if TYPE_CHECKING:
    from obstore import ObjectMeta

__all__ = ["ObjectBlobs"]

_PART = 8 << 20
"""Bytes of one part of a large upload: what a broken line costs at most."""

_FRESH = 1800.0
"""Seconds for which bytes that are there already count as just put; well below what the collector waits."""

_GOOD_FOR = timedelta(minutes=10)
"""How long an address that is handed out can be used."""

_TRIES = 3

_SAVED = {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"}
"""Told to whoever opens an object's own address: a browser must not show it."""


class ObjectBlobs(LocalBlobs):
    """Blobs in a bucket, with a folder of this machine in front of it.

    Args:
        root: The folder.
        bucket: The bucket.
        owner: Gives the id of the store whose bytes these are.
    """

    shows = False

    def __init__(self, root: Path, bucket: Bucket, owner: Callable[[], str]) -> None:
        super().__init__(root)
        self._bucket, self._owner, self._is_ours = bucket, owner, False

    def __repr__(self) -> str:
        return f"<blobs in {self._bucket.url}>"

    def _claim(self) -> None:
        """Make sure that no other store uses the same place, for each would delete the other's bytes.

        Raises:
            BadValue: Another store uses the place.
        """
        if self._is_ours:
            return
        key, owner = "chachaml.json", self._owner()
        if self._bucket.about(key) is None:
            self._bucket.put(key, msgspec.json.encode({"store": owner}), {})
        known = msgspec.json.decode(b"".join(self._bucket.read(key)))["store"]
        if known != owner:
            raise BadValue(
                f"{self._bucket.url} has the artifacts of another store ({known[:8]})",
                "choose another prefix: CHACHAML_ARTIFACTS=s3://bucket/prefix",
            )
        self._is_ours = True

    # reading ----------------------------------------------------------------------------------------

    def open(self, digest: str) -> BinaryIO:
        """Return the bytes to read: of the folder if they are there, else from the bucket as they come.

        Raises:
            NotFound: They are in neither.
            StoreUnavailable: The bucket cannot be read just now.
        """
        if self.path(digest).exists():
            with contextlib.suppress(NotFound):  # sent and deleted a moment ago
                return super().open(digest)
        return cast("BinaryIO", io.BufferedReader(_Reader(self._bucket, _key(digest), digest), CHUNK))

    def fetch(self, digest: str) -> None:
        """Have the bytes in the folder.

        Raises:
            NotFound: They are not in the bucket.
            BadValue: They are not those that were put.
        """
        if self.path(digest).exists():
            return
        with self.open(digest) as source:
            blob = self.put(source)
        if blob.digest != digest:
            super().delete(blob.digest)
            raise another(blob.digest, digest)

    def where(self, digest: str) -> str:
        """Return where a blob is, for people."""
        return f"{self._bucket.url}/{_key(digest)}"

    def exists(self) -> bool:
        """Tell whether there may be anything."""
        return True

    def size_of(self, digest: str) -> int | None:
        """Return how many bytes a blob has, None if the bucket does not have it."""
        found = self._bucket.about(_key(digest))
        return found["size"] if found else None

    def put_at(self, digest: str) -> float:
        """Return when a blob was last put, in seconds since 1970; 0 if the bucket does not have it."""
        told = self._bucket.attributes(_key(digest))
        if told is None:
            return 0.0
        about, attributes = told
        put = float(attributes.get("putat") or about["last_modified"].timestamp())
        again = self._bucket.about(f"renewed/{digest}")
        return max(put, again["last_modified"].timestamp()) if again else put

    def digests(self) -> Iterator[tuple[str, int, float]]:
        """Yield digest, size and the time when last put, in seconds since 1970, of all blobs."""
        waiting = {digest: (size, put) for digest, size, put in super().digests()}
        yield from ((digest, *about) for digest, about in waiting.items())
        again = {_name(one): one["last_modified"].timestamp() for one in self._bucket.list("renewed/")}
        for one in self._bucket.list("blobs/"):
            if (digest := _name(one)) not in waiting:
                yield digest, one["size"], max(one["last_modified"].timestamp(), again.get(digest, 0.0))

    # writing ----------------------------------------------------------------------------------------

    def deliver(self, digest: str) -> None:
        """Return once the bucket has bytes that wait in the folder; they no longer do then.

        Raises:
            StoreUnavailable: The bucket does not take them just now.
            ArtifactDamaged: They changed while they waited.
        """
        path = self.path(digest)
        try:
            found = path.stat()
        except FileNotFoundError:
            return
        self._claim()
        kept = self._bucket.about(_key(digest))
        if kept is None or kept["size"] != found.st_size:
            with super().open(digest) as file:
                pieces = iter(lambda: file.read(_PART), b"")
                self._keep(digest, _checked(pieces, digest), found.st_size, found.st_mtime)
        elif time.time() - kept["last_modified"].timestamp() > _FRESH:
            self._bucket.put(f"renewed/{digest}", b"", {})
        path.unlink(missing_ok=True)

    def _keep(self, digest: str, pieces: Iterator[bytes], size: int, put: float) -> None:
        about = {**_SAVED, "putat": f"{put:.6f}"}
        if size <= _PART:
            self._bucket.put(_key(digest), b"".join(pieces), about)
        else:
            self._bucket.put_parts(_key(digest), pieces, about, _PART)

    def delete(self, digest: str) -> int:
        """Delete a blob; return how many bytes came back, 0 if it was not there."""
        here, there = super().delete(digest), self.size_of(digest)
        if there is None:
            return here
        self._claim()
        self._bucket.delete([_key(digest), f"renewed/{digest}"])
        return there

    def sweep(self, older: float) -> int:
        """Delete what was left unfinished, and send what waits in the folder; return the bytes that went."""
        freed = super().sweep(older)
        before = time.time() - RESUMABLE
        self._claim()
        for prefix in ("incoming/", "renewed/"):
            old = [one for one in self._bucket.list(prefix) if one["last_modified"].timestamp() < before]
            self._bucket.delete([one["path"] for one in old])
            freed += sum(one["size"] for one in old)
        for digest, _, put in list(super().digests()):
            if time.time() - put > older:
                self.deliver(digest)
        return freed

    # pieces, which may come to one server after the other --------------------------------------------

    def gathered(self, name: str) -> int | None:
        """Return how many bytes have come of what is sent piece by piece, None if none did."""
        pieces = self._pieces(name)
        return sum(one["size"] for one in pieces) if pieces else None

    def _pieces(self, name: str) -> list[ObjectMeta]:
        """Return the pieces that follow each other from the first one on."""
        joined, end = [], 0
        for one in sorted(self._bucket.list(f"incoming/{name}/"), key=lambda one: one["path"]):
            if int(_name(one)) == end:
                joined.append(one)
                end += one["size"]
        return joined

    def gather(self, name: str, at: int, whole: int, source: BinaryIO) -> int:
        """Keep the next piece; return how many bytes there are now. See `LocalBlobs.gather`."""
        if (there := self.gathered(name) or 0) != at:
            raise Conflict(f"{there:,} bytes are here", "go on from there")
        came = 0
        while piece := _filled(source, whole - at - came):
            self._bucket.put(_piece(name, at + came), piece, {})
            came += len(piece)
        return at + came

    def keep_gathered(self, name: str, digest: str) -> Blob:
        """Keep what has come, if it is what it should be; forget it either way. See `LocalBlobs`."""
        pieces = self._pieces(name)
        parts = (part for one in pieces for part in self._bucket.read(one["path"]))
        # By way of the folder: obstore cannot be asked from within what it is given to read.
        blob = self._write(parts)
        if blob.digest == digest:
            self.deliver(digest)
        else:
            super().delete(blob.digest)
        self._bucket.delete([one["path"] for one in self._bucket.list(f"incoming/{name}/")])
        if blob.digest != digest:
            raise another(blob.digest, digest)
        return blob

    # addresses ----------------------------------------------------------------------------------------

    def address(self, digest: str) -> str:
        """Return an address where anybody may read a blob for ten minutes."""
        return self._bucket.sign("GET", _key(digest), _GOOD_FOR)

    def address_of_piece(self, name: str, at: int) -> str:
        """Return an address where anybody may put the piece that begins at `at`, for ten minutes."""
        return self._bucket.sign("PUT", _piece(name, at), _GOOD_FOR)


class _Reader(io.RawIOBase):
    """Reads an object from start to end, or from where it is told to; goes on where a line broke.

    Args:
        bucket: Where it is.
        key: Its key.
        digest: Its SHA-256, for people.

    Raises:
        NotFound: There is none.
    """

    def __init__(self, bucket: Bucket, key: str, digest: str) -> None:
        self._bucket, self._key = bucket, key
        self._at, self._stream, self._rest = 0, None, memoryview(b"")
        self._stream, size = bucket.stream(key, 0)
        if size is None:
            raise NotFound(
                f"the bytes of artifact {digest[:12]}... are not in {bucket.url}",
                "name the place where they are: CHACHAML_ARTIFACTS",
            )
        self._size = size

    _stream: Iterator[bytes] | None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if at != self._at:
            self._at, self._stream, self._rest = at, None, memoryview(b"")
        return at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._size:
            return 0
        if not self._rest:
            self._rest = memoryview(self._next())
        taken = min(len(buffer), len(self._rest))
        buffer[:taken], self._rest = self._rest[:taken], self._rest[taken:]
        self._at += taken
        return taken

    def _next(self) -> bytes:
        """Return the next piece.

        Raises:
            StoreUnavailable: The line broke again and again.
        """
        for tried in range(1, _TRIES + 1):
            try:
                if self._stream is None:
                    self._stream, _ = self._bucket.stream(self._key, self._at)
                if piece := next(self._stream, b""):
                    return piece
                raise StoreUnavailable(f"{self._bucket.url} ended an answer too early", "try again")
            except StoreUnavailable:
                self._stream = None
                if tried == _TRIES:
                    raise
        raise AssertionError


def _key(digest: str) -> str:
    return f"blobs/{digest}"


def _piece(name: str, at: int) -> str:
    return f"incoming/{name}/{at:020}"


def _name(about: ObjectMeta) -> str:
    return about["path"].rpartition("/")[2]


def _checked(pieces: Iterator[bytes], digest: str) -> Iterator[bytes]:
    """Yield pieces; raise behind the last if they are not what they should be, so that none is kept."""
    hasher = sha256()
    for piece in pieces:
        hasher.update(piece)
        yield piece
    if hasher.hexdigest() != digest:
        raise another(hasher.hexdigest(), digest)


def _filled(source: BinaryIO, most: int) -> bytes:
    """Return the next `_PART` bytes of what comes in pieces of any size; fewer at its end.

    Raises:
        BadValue: More than `most` come.
    """
    held = bytearray()
    while len(held) < _PART and (piece := source.read(CHUNK)):
        held += piece
        if len(held) > most:
            raise BadValue("more bytes came than were announced", "Upload-Length says how many there are")
    return bytes(held)
