"""Bytes under their SHA-256 in a bucket of S3 and its compatibles, of GCS or of Azure.

    <prefix>/blobs/ab12...                        bytes that are one piece
    <prefix>/pieces/ab12.../<try>/<from>          pieces of more bytes
    <prefix>/pieces/<try>/<from>                  the same, of a try that began before the digest was known
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
from typing import BinaryIO, NamedTuple, Self, TypeVar, cast

from chachaml.artifacts.ahead import AT_ONCE, Ahead
from chachaml.artifacts.blobs import CHUNK, RESUMABLE, Address, Blob, LocalBlobs, another, remove_file
from chachaml.artifacts.bucket import About, Bucket
from chachaml.artifacts.kept import Kept, Reader, incoming
from chachaml.core.errors import BadValue, Conflict, NotFound, StoreUnavailable

__all__ = ["PIECE", "ObjectBlobs"]

_T = TypeVar("_T")

PIECE = 16 << 20
"""Bytes of a piece: what is sent anew after a break, and a few of them are what an upload holds in memory."""

_QUICK = 1 << 20
"""Bytes up to which sending them again is quicker than asking whether they are there."""

_GOOD_FOR = timedelta(minutes=10)
"""How long an address that is handed out can be used."""

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
        self._begun: dict[str, list[Ahead]] = {}
        """What was sent of blobs while they were written."""
        self._room = threading.Semaphore(AT_ONCE)

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
            reader = Reader(self._bucket, Kept.small(digest, size), stream)
        elif kept := self._find_large(digest):
            reader = Reader(self._bucket, kept)
        else:
            raise self._nothing(digest)
        return cast("BinaryIO", io.BufferedReader(reader, CHUNK))

    def _find(self, digest: str) -> Kept | None:
        """Return what the bucket has of a blob, None if it does not have all of it."""
        if about := self._bucket.about(f"blobs/{digest}"):
            return Kept.small(digest, about.size)
        return self._find_large(digest)

    def _find_large(self, digest: str) -> Kept | None:
        for one in self._bucket.list(f"large/{digest}/"):
            return Kept.large(one)
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
            if (kept := Kept.large(one)).digest not in waiting:
                yield kept.digest, kept.size, max(one.modified, again.get(kept.digest, 0.0))

    # writing ----------------------------------------------------------------------------------------

    def put(self, source: BinaryIO, progress: Callable[[int], object] | None = None) -> Blob:
        """Keep all that `source` still holds, and begin to send it. See `LocalBlobs.put`."""
        ahead = Ahead(self._bucket, self._piece, self._room)
        blob = self._write(ahead.watch(iter(lambda: source.read(CHUNK), b"")), progress)
        if ahead.sent:
            # Another may have begun, or there is no room: what is not named is never gone on with.
            with contextlib.suppress(OSError), self._beside(blob.digest).open("x") as file:
                file.write(ahead.name)
            self._begun.setdefault(blob.digest, []).append(ahead)
        return blob

    def _beside(self, digest: str) -> Path:
        """Return where it stands which try to go on with, also for other processes."""
        return self._folder / f".try-{digest}"

    def _tried(self, digest: str) -> str:
        try:
            return self._beside(digest).read_text() or _FROM_FOLDER
        except FileNotFoundError:
            return _FROM_FOLDER

    def deliver(self, digests: Iterable[str]) -> None:
        """Return once the bucket has the blobs that wait in the folder; they no longer do then.

        Raises:
            StoreUnavailable: The bucket does not take them just now.
        """
        sizes = {digest: super(ObjectBlobs, self).size_of(digest) for digest in digests}
        small = [digest for digest, size in sizes.items() if size is not None and size <= self._piece]
        large = [digest for digest in sizes if (sizes[digest] or 0) > self._piece or digest in self._begun]
        if small or large:
            self._claim()
        _in_parallel(self._deliver, small)
        for digest in large:
            self._deliver(digest)

    def _deliver(self, digest: str) -> None:
        begun = self._begun.pop(digest, [])
        for each in begun:
            each.wait()
        try:
            self._deliver_file(digest)
            self._discard(digest, begun)
        except StoreUnavailable:
            self._begun.setdefault(digest, []).extend(begun)
            raise

    def _deliver_file(self, digest: str) -> None:
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
                    self._send(digest, found.st_size, pieces, self._tried(digest), found.st_mtime)
            remove_file(self._beside(digest))
            _remove_large(path)
            self._known.pop(digest, None)

    def _discard(self, digest: str, begun: list[Ahead]) -> None:
        """Delete what was begun and is no part of what the bucket has."""
        if begun:
            used = {Kept.large(one).tried for one in self._bucket.list(f"large/{digest}/")}
            for each in begun:
                if each.name not in used:
                    each.discard()

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
        kept = Kept(digest, size, self._piece, tried)
        there = self._sizes(kept)
        sent: list[str] = []

        def missing() -> Iterator[tuple[str, bytes]]:
            at = 0
            for piece in pieces:
                key = kept.key_of(at)
                if there.get(key) != len(piece):
                    sent.append(key)
                    yield key, piece
                at += len(piece)

        try:
            _in_parallel(lambda one: self._bucket.put(*one), missing())
        except BadValue:
            self._bucket.delete(sent)
            raise
        if not dict(kept.keys()).items() <= self._sizes(kept).items():
            raise StoreUnavailable(f"pieces of {digest[:12]}... in {self._bucket.url} are gone", "try again")
        self._bucket.put(kept.key, b"", put)

    def _sizes(self, kept: Kept) -> dict[str, int]:
        """Return the sizes of the pieces that are there, by their keys."""
        return {one.key: one.size for one in self._bucket.list(kept.folder)}

    def delete(self, digest: str) -> int:
        """Delete a blob; return how many bytes came back.

        None do if it was not there, or may be another store's.
        """
        here = super().delete(digest)
        remove_file(self._beside(digest))
        for each in self._begun.pop(digest, []):
            each.discard()
        kept = self._find(digest)
        if kept is None or self.is_shared():
            return here
        pieces = {one.key for one in self._bucket.list(f"pieces/{digest}/")} if kept.tried else set()
        pieces.update(self._sizes(kept) if kept.tried else ())
        self._bucket.delete([kept.key, *pieces, f"renewed/{digest}"])
        return kept.size

    def sweep(self, older: float) -> int:
        """Delete what was left unfinished, and send what waits in the folder; return the bytes that went."""
        freed = super().sweep(older)
        before = time.time() - RESUMABLE
        for beside in self._folder.glob(".try-*"):
            with contextlib.suppress(FileNotFoundError):
                if beside.stat().st_mtime < before:
                    remove_file(beside)
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
        whole = {Kept.large(one).folder for one in self._bucket.list("large/")}
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
            self._bucket.put(incoming(name, at), piece)
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
        return Address(self._bucket.sign("PUT", incoming(name, at), _GOOD_FOR), self._bucket.put_headers, at)


class _State(NamedTuple):
    """What tells a file from another one, and from itself once it was written to."""

    inode: int
    size: int
    modified: int

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        return cls(found.st_ino, found.st_size, found.st_mtime_ns)


def _remove_large(path: Path) -> None:
    """Delete a file; nobody waits until the disk has given its room back, which may take a second."""
    if os.name == "nt":  # what is open cannot be deleted there
        remove_file(path)
        return
    with contextlib.suppress(FileNotFoundError):
        file = path.open("rb")
        remove_file(path)
        with contextlib.suppress(RuntimeError):  # the process ends, and so it is closed
            threading.Thread(target=file.close, daemon=True).start()


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
    free = threading.Semaphore(AT_ONCE)

    def work(item: _T) -> None:
        try:
            do(item)
        except Exception as error:  # raised below, in the thread that waits
            errors.append(error)
        finally:
            free.release()

    free.acquire()
    try:
        for item in items:  # one is drawn only when there is room for it
            if errors:
                break
            try:
                threading.Thread(target=work, args=(item,), daemon=True).start()
            except RuntimeError:  # the process ends, and begins no more threads
                work(item)
            free.acquire()
    finally:
        free.release()
        for _ in range(AT_ONCE):
            free.acquire()
    if errors:
        raise errors[0]
