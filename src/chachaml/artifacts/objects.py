"""Bytes under their SHA-256 in a bucket of S3 and its compatibles, of GCS or of Azure.

    <prefix>/blobs/ab12...                        bytes that are one piece
    <prefix>/pieces/ab12.../<try>/<from>          pieces of more bytes
    <prefix>/large/ab12.../<size>.<piece>.<try>   empty: all pieces of that try are there, and are right
    <prefix>/renewed/ab12...                      empty: they were put again, somebody may be naming them
    <prefix>/incoming/<name>/<from>               what is sent to a server, until it is checked
    <prefix>/stores/<id>                          empty: a store that keeps its bytes here

A folder of this machine is in front of it: what is logged waits there until the bucket has it, so that
training waits for no network. docs/adr/0018 tells more.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO, NamedTuple, Self, TypeVar, cast

from chachaml.artifacts.blobs import CHUNK, RESUMABLE, Address, Blob, LocalBlobs, another, remove_file
from chachaml.artifacts.bucket import About, Bucket
from chachaml.core.errors import BadValue, Conflict, NotFound, StoreUnavailable

__all__ = ["PIECE", "ObjectBlobs"]

_T = TypeVar("_T")

PIECE = 16 << 20
"""Bytes of a piece: what is sent anew after a break, and a few of them are what an upload holds in memory."""

_QUICK = 1 << 20
"""Bytes up to which sending them again is quicker than asking whether they are there."""

_AT_ONCE = 3
"""Objects that are on their way at the same time."""

_GOOD_FOR = timedelta(minutes=10)
"""How long an address that is handed out can be used."""

_TRIES = 3
_FROM_FOLDER = "0"
"""The try of whoever has all bytes on disk and knows them to be right: whoever comes next goes on with it."""


class ObjectBlobs(LocalBlobs):
    """Blobs in a bucket, with a folder of this machine in front of it.

    Args:
        root: The folder.
        bucket: The bucket.
        owner: Gives the id of the store whose bytes these are.
        piece: Bytes of a piece.
    """

    shows = False

    def __init__(self, root: Path, bucket: Bucket, owner: Callable[[], str], piece: int = PIECE) -> None:
        super().__init__(root)
        self._bucket, self._owner, self._piece = bucket, owner, piece
        self._has_claimed = False
        self._known: dict[str, _State] = {}
        """Large files of the folder that were right when they were like this."""

    def __repr__(self) -> str:
        return f"<blobs in {self._bucket.url}>"

    def _claim(self) -> None:
        """Tell other stores that bytes here may be this one's."""
        if not self._has_claimed:
            self._bucket.put(f"stores/{self._owner()}", b"")
            self._has_claimed = True

    def is_shared(self) -> bool:
        """Tell whether other stores keep their bytes here, too: none can know which of them are nobody's."""
        return any(one.name != self._owner() for one in self._bucket.list("stores/"))

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
        stream, size = self._bucket.stream(f"blobs/{digest}")
        if size is not None:
            reader = _Reader(self._bucket, _Kept.small(digest, size), stream)
        elif kept := self._find_large(digest):
            reader = _Reader(self._bucket, kept)
        else:
            raise self._nothing(digest)
        return cast("BinaryIO", io.BufferedReader(reader, CHUNK))

    def _find(self, digest: str) -> _Kept | None:
        """Return what the bucket has of a blob, None if it does not have all of it."""
        if about := self._bucket.about(f"blobs/{digest}"):
            return _Kept.small(digest, about.size)
        return self._find_large(digest)

    def _find_large(self, digest: str) -> _Kept | None:
        for one in self._bucket.list(f"large/{digest}/"):
            return _Kept.large(one)
        return None

    def _nothing(self, digest: str) -> NotFound:
        return NotFound(
            f"the bytes of artifact {digest[:12]}... are not in {self._bucket.url}",
            "name the place where they are: CHACHAML_ARTIFACTS",
        )

    def fetch(self, digest: str) -> None:
        """Have the bytes in the folder.

        Raises:
            NotFound: They are not in the bucket.
            BadValue: They are not those that were put.
        """
        if not self.path(digest).exists():
            with self.open(digest) as source:
                self.take(digest, iter(lambda: source.read(CHUNK), b""))

    @property
    def place(self) -> str:
        """Where blobs are, for people."""
        return self._bucket.url

    def exists(self) -> bool:
        """Tell whether there may be anything."""
        return True

    def size_of(self, digest: str) -> int | None:
        """Return how many bytes a blob has, None if it is neither here nor in the bucket."""
        here = super().size_of(digest)
        if here is not None:
            return here
        kept = self._find(digest)
        return kept.size if kept else None

    def put_at(self, digest: str) -> float:
        """Return when a blob was last put, in seconds since 1970; 0 if it is nowhere."""
        if here := super().put_at(digest):
            return here
        kept = self._find(digest)
        about = self._bucket.about(kept.key) if kept else None
        if about is None:
            return 0.0
        again = self._bucket.about(f"renewed/{digest}")
        return max(about.put or about.modified, again.modified if again else 0.0)

    def digests(self) -> Iterator[tuple[str, int, float]]:
        """Yield digest, size and the time when last put, in seconds since 1970, of all blobs."""
        waiting = {digest: (size, put) for digest, size, put in super().digests()}
        yield from ((digest, *about) for digest, about in waiting.items())
        again = {one.name: one.modified for one in self._bucket.list("renewed/")}
        for one in self._bucket.list("blobs/"):
            if one.name not in waiting:
                yield one.name, one.size, max(one.modified, again.get(one.name, 0.0))
        for one in self._bucket.list("large/"):
            if (kept := _Kept.large(one)).digest not in waiting:
                yield kept.digest, kept.size, max(one.modified, again.get(kept.digest, 0.0))

    # writing ----------------------------------------------------------------------------------------

    def deliver(self, digests: Iterable[str]) -> None:
        """Return once the bucket has the blobs that wait in the folder; they no longer do then.

        Raises:
            StoreUnavailable: The bucket does not take them just now.
        """
        sizes = {digest: super(ObjectBlobs, self).size_of(digest) for digest in digests}
        small = [digest for digest, size in sizes.items() if size is not None and size <= self._piece]
        large = [digest for digest, size in sizes.items() if size is not None and size > self._piece]
        if small or large:
            self._claim()
        _in_parallel(self._deliver, small)
        for digest in large:
            self._deliver(digest)

    def _deliver(self, digest: str) -> None:
        path = self.path(digest)
        try:
            found = path.stat()
        except FileNotFoundError:  # another process has sent it
            return
        # What changed on the disk stays there, for `faults` to find; what is gone was sent by somebody else.
        with contextlib.suppress(BadValue, NotFound):
            if found.st_size <= _QUICK or not self._renewed(digest, found.st_size):
                with super().open(digest) as file:
                    pieces = iter(lambda: file.read(self._piece), b"")
                    if found.st_size <= self._piece:
                        pieces = _verified(pieces, digest)
                    else:
                        pieces = self._while_right(pieces, digest, file)
                    self._send(digest, found.st_size, pieces, _FROM_FOLDER, found.st_mtime)
            remove_file(path)
            self._known.pop(digest, None)

    def _settle(self, unfinished: Path, path: Path) -> None:
        state = _State.of(unfinished.stat())
        super()._settle(unfinished, path)
        if state.size > self._piece:
            self._known[path.name] = state

    def _while_right(self, pieces: Iterator[bytes], digest: str, file: BinaryIO) -> Iterator[bytes]:
        """Yield the pieces of a file that is right before and after.

        Before, for whoever comes next goes on with those that went.

        Raises:
            BadValue: It is not.
        """
        self._make_sure(digest, file)
        yield from pieces
        self._make_sure(digest, file)

    def _make_sure(self, digest: str, file: BinaryIO) -> None:
        """Hash a file of the folder, unless it still is as it was when it was written or hashed here."""
        state = _State.of(os.fstat(file.fileno()))
        if self._known.get(digest) == state:
            return
        file.seek(0)
        for _ in _verified(iter(lambda: file.read(CHUNK), b""), digest):
            pass
        file.seek(0)
        self._known[digest] = state

    def _renewed(self, digest: str, size: int) -> bool:
        """Tell whether the bucket has a blob; if so it is as good as new, and not for the collector."""
        kept = self._find(digest)
        if kept is None or kept.size != size:
            return False
        self._bucket.put(f"renewed/{digest}", b"")
        return True

    def _send(self, digest: str, size: int, pieces: Iterator[bytes], tried: str, put: float) -> None:
        """Have the bucket keep pieces of `self._piece` bytes as a blob.

        Raises:
            BadValue: `pieces` raised it, for they are not what they should be; none of them is kept.
        """
        if size <= self._piece:
            self._bucket.put(f"blobs/{digest}", b"".join(pieces), put)
            return
        kept = _Kept(digest, size, self._piece, tried)
        there = {one.key: one.size for one in self._bucket.list(kept.folder)}
        sent: list[str] = []

        def missing() -> Iterator[tuple[str, bytes]]:
            at = 0
            for piece in pieces:
                key = f"{kept.folder}{at:020}"
                if there.get(key) != len(piece):
                    sent.append(key)
                    yield key, piece
                at += len(piece)

        try:
            _in_parallel(lambda one: self._bucket.put(*one), missing())
        except BadValue:
            self._bucket.delete(sent)
            raise
        self._bucket.put(kept.key, b"", put)

    def delete(self, digest: str) -> int:
        """Delete a blob; return how many bytes came back.

        None do if it was not there, or may be another store's.
        """
        here = super().delete(digest)
        kept = self._find(digest)
        if kept is None or self.is_shared():
            return here
        pieces = [one.key for one in self._bucket.list(f"pieces/{digest}/")] if kept.tried else []
        self._bucket.delete([kept.key, *pieces, f"renewed/{digest}"])
        return kept.size

    def sweep(self, older: float) -> int:
        """Delete what was left unfinished, and send what waits in the folder; return the bytes that went."""
        freed = super().sweep(older)
        before = time.time() - RESUMABLE
        old = [*self._bucket.list("incoming/"), *self._bucket.list("renewed/"), *self._unfinished()]
        old = [one for one in old if one.modified < before]
        self._bucket.delete([one.key for one in old])
        waiting = [digest for digest, _, put in super().digests() if time.time() - put > older]
        for digest in waiting:
            if (kept := self._find(digest)) and kept.size == super().size_of(digest):
                super().delete(digest)  # it was fetched to be looked at
        self.deliver(waiting)
        return freed + sum(one.size for one in old)

    def _unfinished(self) -> Iterator[About]:
        """Yield the pieces of tries that were broken off."""
        whole = {_Kept.large(one).folder for one in self._bucket.list("large/")}
        for one in self._bucket.list("pieces/"):
            if one.key.removesuffix(one.name) not in whole:
                yield one

    # pieces, which may come to one server after the other --------------------------------------------

    def gathered(self, name: str) -> int | None:
        """Return how many bytes have come of what is sent piece by piece, None if none did."""
        pieces = self._gathered(name)
        return sum(one.size for one in pieces) if pieces else None

    def _gathered(self, name: str) -> list[About]:
        """Return the pieces that follow each other from the first one on."""
        joined, end = [], 0
        for one in sorted(self._bucket.list(f"incoming/{name}/")):
            if int(one.name) == end:
                joined.append(one)
                end += one.size
        return joined

    def gather(self, name: str, at: int, whole: int, source: BinaryIO) -> int:
        """Keep the next piece; return how many bytes there are now. See `LocalBlobs.gather`."""
        if (there := self.gathered(name) or 0) != at:
            raise Conflict(f"{there:,} bytes are here", "go on from there")
        for piece in _cut(iter(lambda: source.read(CHUNK), b""), self._piece):
            if at + len(piece) > whole:
                raise BadValue(f"more than {whole:,} bytes came", "Upload-Length says how many there are")
            self._bucket.put(_incoming(name, at), piece)
            at += len(piece)
        return at

    def keep_gathered(self, name: str, digest: str) -> Blob:
        """Keep what has come, if it is what it should be; forget it either way. See `LocalBlobs`."""
        came = self._gathered(name)
        size = sum(one.size for one in came)
        parts = _cut((part for one in came for part in self._bucket.stream(one.key)[0]), self._piece)
        self._claim()
        try:
            # What is hashed is what is kept: the addresses of what came may still be in somebody's hands.
            self._send(digest, size, _verified(parts, digest), token_hex(8), time.time())
        except BadValue:
            self._forget(name)
            raise
        self._forget(name)
        return Blob(digest, size)

    def _forget(self, name: str) -> None:
        self._bucket.delete([one.key for one in self._bucket.list(f"incoming/{name}/")])

    # addresses ----------------------------------------------------------------------------------------

    def address(self, digest: str, at: int) -> Address | None:
        """Return where anybody may read the piece of a blob that holds byte `at`, for ten minutes."""
        kept = self._find(digest)
        if kept is None or not 0 <= at <= kept.size:
            raise self._nothing(digest)
        key, start, end = kept.piece_at(at)
        return Address(self._bucket.sign("GET", key, _GOOD_FOR), {}, start, end - start, kept.size)

    def address_of_piece(self, name: str, at: int) -> Address | None:
        """Return where anybody may put the piece that begins at `at`, for ten minutes."""
        return Address(self._bucket.sign("PUT", _incoming(name, at), _GOOD_FOR), self._bucket.put_headers, at)


class _Kept(NamedTuple):
    """A blob that the bucket has."""

    digest: str
    size: int
    piece: int
    tried: str = ""
    """Which try its pieces are of; '' for bytes that are one object."""

    @classmethod
    def small(cls, digest: str, size: int) -> Self:
        return cls(digest, size, max(1, size))

    @classmethod
    def large(cls, about: About) -> Self:
        """Return what the object tells that is put once all pieces are there."""
        size, piece, tried = about.name.split(".")
        return cls(about.key.rsplit("/", 2)[1], int(size), int(piece), tried)

    @property
    def key(self) -> str:
        """What is there once all of it is."""
        if not self.tried:
            return f"blobs/{self.digest}"
        return f"large/{self.digest}/{self.size}.{self.piece}.{self.tried}"

    @property
    def folder(self) -> str:
        """What the keys of its pieces begin with."""
        return f"pieces/{self.digest}/{self.tried}/"

    def piece_at(self, at: int) -> tuple[str, int, int]:
        """Return the object that holds a byte, and from where to where it does."""
        if not self.tried:
            return self.key, 0, self.size
        start = at // self.piece * self.piece
        return f"{self.folder}{start:020}", start, min(self.size, start + self.piece)


class _State(NamedTuple):
    """What tells a file from another one, and from itself once it was written to."""

    inode: int
    size: int
    modified: int

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        return cls(found.st_ino, found.st_size, found.st_mtime_ns)


class _Reader(io.RawIOBase):
    """Reads a blob from start to end, or from where it is told to; goes on where a line broke.

    Args:
        bucket: Where it is.
        kept: What it is there.
        stream: Its bytes, if they are on their way already.
    """

    def __init__(self, bucket: Bucket, kept: _Kept, stream: Iterator[bytes] | None = None) -> None:
        self._bucket, self._kept, self._stream = bucket, kept, stream
        self._at, self._left = 0, kept.size if stream else 0
        """Where the next byte is from, and how many bytes the stream still has."""
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._kept.size}[whence]
        if at != self._at:
            self._at, self._left, self._rest = at, 0, memoryview(b"")
        return at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._kept.size:
            return 0
        if not self._rest:
            self._rest = memoryview(self._next())
        taken = min(len(buffer), len(self._rest))
        buffer[:taken], self._rest = self._rest[:taken], self._rest[taken:]
        self._at += taken
        return taken

    def _next(self) -> bytes:
        """Return what comes next.

        Raises:
            StoreUnavailable: The line broke again and again.
            NotFound: A piece is gone.
        """
        tried = 0
        while True:
            try:
                if not self._left:
                    self._left = self._begin()
                if piece := next(cast("Iterator[bytes]", self._stream), b"")[: self._left]:
                    self._left -= len(piece)
                    return piece
                raise StoreUnavailable(f"{self._bucket.url} ended an answer too early", "try again")
            except StoreUnavailable:
                self._left, tried = 0, tried + 1
                if tried == _TRIES:
                    raise

    def _begin(self) -> int:
        """Ask for the piece that is next; return how many bytes of it are to come."""
        key, start, end = self._kept.piece_at(self._at)
        self._stream, size = self._bucket.stream(key, self._at - start)
        if size is None:
            raise NotFound(
                f"{key} is not in {self._bucket.url} any more", "chachaml doctor says what is missing"
            )
        return end - self._at


def _incoming(name: str, at: int) -> str:
    return f"incoming/{name}/{at:020}"


def _verified(chunks: Iterable[bytes], digest: str) -> Iterator[bytes]:
    """Yield chunks; raise `BadValue` at their end if they have another SHA-256."""
    hasher = sha256()
    for chunk in chunks:
        hasher.update(chunk)
        yield chunk
    if hasher.hexdigest() != digest:
        raise another(hasher.hexdigest(), digest)


def _cut(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield what comes in chunks of any size in pieces of `size` bytes; the last one may have fewer."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)


def _in_parallel(do: Callable[[_T], object], items: Iterable[_T]) -> None:
    """Do something with each of some items, a few at the same time, and no more of them held than that.

    The first error is raised once nothing is under way any more. The process may end meanwhile.
    """
    errors: list[Exception] = []
    free = threading.Semaphore(_AT_ONCE)

    def work(item: _T) -> None:
        try:
            do(item)
        except Exception as error:  # raised below, in the thread that waits
            errors.append(error)
        finally:
            free.release()

    try:
        for item in items:
            free.acquire()
            if errors:
                free.release()
                break
            try:
                threading.Thread(target=work, args=(item,), daemon=True).start()
            except RuntimeError:  # the process ends, and begins no more threads
                work(item)
    finally:
        for _ in range(_AT_ONCE):
            free.acquire()
    if errors:
        raise errors[0]
