"""Bytes under their SHA-256, in a folder: written whole or not at all, never changed.

    <root>/blobs/ab/ab12...     the bytes, read-only; identical ones once
    <root>/<run id>/<name>      a view of them for people and plain tools (see `chachaml.artifacts.view`)

docs/adr/0005 tells why writing does not wait for the disk.
"""

from __future__ import annotations

import contextlib
import os
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from chachaml.core.errors import ArtifactDamaged, BadValue, Conflict, NotFound
from chachaml.core.syncing import sync_file, sync_paths

__all__ = ["Address", "Blob", "BlobStore", "LocalBlobs"]

CHUNK = 4 << 20
"""Bytes read and hashed at once."""

RESUMABLE = 86_400.0
"""Seconds in which whoever sends bytes piece by piece may go on."""


class Blob(NamedTuple):
    """Bytes that are kept: their SHA-256 in hex and how many they are."""

    digest: str
    size: int


class Address(NamedTuple):
    """Where bytes of a blob can be read or put for a while by whoever knows it."""

    url: str
    headers: Mapping[str, str]
    """What has to be sent along."""
    start: int
    """Where in the blob they begin."""
    size: int = 0
    """How many they are, where they are to be read."""
    whole: int = 0
    """How many all of the blob are."""


class BlobStore(Protocol):
    """Where bytes are kept."""

    def put(self, source: BinaryIO, progress: Callable[[int], object] | None = None) -> Blob:
        """Keep all that `source` still holds; `progress` hears how many bytes each chunk had."""
        ...

    def put_bytes(self, data: bytes) -> Blob:
        """Keep `data`."""
        ...

    def open(self, digest: str) -> BinaryIO:
        """Return the bytes to read.

        Raises:
            NotFound: They are not here.
        """
        ...

    def sync(self) -> None:
        """Return once everything put so far survives a power failure."""
        ...

    def deliver(self, digests: Iterable[str]) -> None:
        """Return once blobs that were put are where they stay."""
        ...

    def digests(self) -> Iterator[tuple[str, int, float]]:
        """Yield digest, size and the time when last put, in seconds since 1970, of all blobs."""
        ...

    def put_at(self, digest: str) -> float:
        """Return when a blob was last put, in seconds since 1970; 0 if it is not here."""
        ...

    def delete(self, digest: str) -> int:
        """Delete a blob; return how many bytes came back, 0 if it was not there."""
        ...


class LocalBlobs:
    """Blobs in a folder of this machine.

    Args:
        root: The folder of artifacts; made when first needed.
    """

    shows = True
    """Whether artifacts are shown under their names in the folder as soon as they are logged."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder = root / "blobs"
        self._made: set[Path] = set()
        self._unsynced: list[Path] = []
        self._lock = threading.Lock()

    def path(self, digest: str) -> Path:
        """Return where a blob is, or would be."""
        return self._folder / digest[:2] / digest

    def put(self, source: BinaryIO, progress: Callable[[int], object] | None = None) -> Blob:
        """Keep all that `source` still holds.

        Args:
            source: A file open for reading bytes.
            progress: Called with the size of each chunk.

        Raises:
            OSError: There is no room, or no permission; nothing is kept.
        """
        return self._write(iter(lambda: source.read(CHUNK), b""), progress)

    def put_bytes(self, data: bytes) -> Blob:
        """Keep `data`.

        Raises:
            OSError: There is no room, or no permission; nothing is kept.
        """
        digest = sha256(data).hexdigest()
        if self._renew(self.path(digest)):
            return Blob(digest, len(data))
        return self._keep([data], lambda: digest)

    def _write(self, chunks: Iterator[bytes], progress: Callable[[int], object] | None = None) -> Blob:
        hasher = sha256()
        return self._keep(_hashing(chunks, hasher.update), hasher.hexdigest, progress)

    def _keep(
        self,
        chunks: Iterable[bytes],
        digest: Callable[[], str],
        progress: Callable[[int], object] | None = None,
    ) -> Blob:
        """Keep chunks; `digest` tells their SHA-256 once all of them have come."""
        self._make(self._folder)
        size = 0
        fd, name = tempfile.mkstemp(prefix=".new-", dir=self._folder)
        unfinished = Path(name)
        try:
            with open(fd, "wb", buffering=0) as file:
                for chunk in chunks:
                    _write_all(file, chunk)
                    size += len(chunk)
                    if progress:
                        progress(len(chunk))
            _finish(unfinished)
            blob = Blob(digest(), size)
            self._settle(unfinished, self.path(blob.digest))
        finally:
            remove_file(unfinished)
        return blob

    def part(self, name: str) -> Path:
        """Return where bytes are gathered that come piece by piece; `adopt` keeps them."""
        self._make(self._folder)
        return self._folder / f".part-{name}"

    def gathered(self, name: str) -> int | None:
        """Return how many bytes have come of what is sent piece by piece, None if none did."""
        try:
            return self.part(name).stat().st_size
        except FileNotFoundError:
            return None

    def gather(self, name: str, at: int, whole: int, source: BinaryIO) -> int:
        """Keep the next piece; return how many bytes there are now.

        Args:
            name: What the piece is of.
            at: Where it begins.
            whole: How many bytes there will be in all.
            source: The piece.

        Raises:
            Conflict: What came before ends elsewhere.
            BadValue: More comes than there should be.
        """
        path = self.part(name)
        with path.open("ab") as file:
            path.chmod(0o600)
            if (there := file.tell()) != at:
                raise Conflict(f"{there:,} bytes are here", "go on from there")
            while piece := source.read(CHUNK):
                if file.tell() + len(piece) > whole:
                    raise BadValue(f"more than {whole:,} bytes came", "Upload-Length says how many there are")
                file.write(piece)
            return int(file.tell())

    def keep_gathered(self, name: str, digest: str) -> Blob:
        """Keep what has come, if it is what it should be; forget it either way.

        Raises:
            BadValue: Its bytes have another SHA-256.
        """
        return self.adopt(self.part(name), digest)

    def adopt(self, unfinished: Path, digest: str) -> Blob:
        """Keep a file of this folder that was written elsewhere, if it is what it should be; else delete it.

        Raises:
            BadValue: Its bytes have another SHA-256.
        """
        hasher = sha256()
        with unfinished.open("rb") as file:
            while chunk := file.read(CHUNK):
                hasher.update(chunk)
        if hasher.hexdigest() != digest:
            unfinished.unlink(missing_ok=True)
            raise another(hasher.hexdigest(), digest)
        size = unfinished.stat().st_size
        _finish(unfinished)
        self._settle(unfinished, self.path(digest))
        remove_file(unfinished)
        return Blob(digest, size)

    def _settle(self, unfinished: Path, path: Path) -> None:
        self._make(path.parent)
        if self._renew(path):
            return
        unfinished.replace(path)
        with self._lock:
            self._unsynced.append(path)

    def _renew(self, path: Path) -> bool:
        """Tell whether a blob is there; if so it is as good as new, and not for the collector."""
        try:
            os.utime(path)
        except OSError:
            return False
        return True

    def _make(self, folder: Path) -> None:
        if folder not in self._made:
            make_private(folder, self.root)
            self._made.add(folder)

    def open(self, digest: str) -> BinaryIO:
        """Return the bytes to read.

        Raises:
            NotFound: They are not here.
        """
        try:
            fd = os.open(
                self.path(digest), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
            )
        except OSError as error:
            raise NotFound(
                f"the bytes of artifact {digest[:12]}... are not in {self._folder}: {error.strerror}",
                "move the artifacts' folder together with the store, or name it: CHACHAML_ARTIFACTS",
            ) from None
        return open(fd, "rb")

    def fetch(self, digest: str) -> None:
        """Have the bytes in the folder, at `path`.

        Raises:
            NotFound: They are not here.
        """
        self.open(digest).close()

    def take(self, digest: str, chunks: Iterator[bytes]) -> None:
        """Keep bytes that come from elsewhere, if they are what they should be.

        Raises:
            BadValue: They have another SHA-256; nothing is kept.
        """
        blob = self._write(chunks)
        if blob.digest != digest:
            LocalBlobs.delete(self, blob.digest)
            raise another(blob.digest, digest)

    def deliver(self, digests: Iterable[str]) -> None:
        """Return once blobs that were put are where they stay: here they are."""

    def is_shared(self) -> bool:
        """Tell whether other stores keep bytes here, too, that are not to be taken for nobody's."""
        return False

    def address(self, digest: str, at: int) -> Address | None:  # noqa: ARG002 - as in others
        """Return where anybody may read the part of a blob that holds byte `at`, None if nowhere."""
        return None

    def address_of_piece(self, name: str, at: int) -> Address | None:  # noqa: ARG002 - as in others
        """Return where anybody may put the piece that begins at `at`, None if nowhere."""
        return None

    @property
    def place(self) -> str:
        """Where blobs are, for people."""
        return str(self.root)

    def exists(self) -> bool:
        """Tell whether there may be anything."""
        return self.root.is_dir()

    def size_of(self, digest: str) -> int | None:
        """Return how many bytes a blob has, None if it is not here."""
        try:
            return self.path(digest).lstat().st_size
        except FileNotFoundError:
            return None

    def sync(self) -> None:
        """Return once everything put so far survives a power failure."""
        with self._lock:
            waiting, self._unsynced = self._unsynced, []
        sync_paths((*waiting, *{path.parent for path in waiting}))

    def digests(self) -> Iterator[tuple[str, int, float]]:
        """Yield digest, size and the time when last put, in seconds since 1970, of all blobs."""
        for path in self._folder.glob("??/*"):
            with contextlib.suppress(OSError):
                found = path.lstat()
                yield path.name, found.st_size, found.st_mtime

    def put_at(self, digest: str) -> float:
        """Return when a blob was last put, in seconds since 1970; 0 if it is not here."""
        try:
            return self.path(digest).lstat().st_mtime
        except FileNotFoundError:
            return 0.0

    def delete(self, digest: str) -> int:
        """Delete a blob; return how many bytes came back, 0 if it was not there."""
        path = self.path(digest)
        try:
            size = path.lstat().st_size
        except FileNotFoundError:
            return 0
        remove_file(path)
        return size

    def sweep(self, older: float) -> int:
        """Delete what writers that died left unfinished, if older than `older` seconds; return the bytes."""
        freed = 0
        for path in (*self._folder.glob(".new-*"), *self._folder.glob(".part-*")):
            with contextlib.suppress(OSError):
                found = path.lstat()
                if time.time() - found.st_mtime > (older if path.name.startswith(".new-") else RESUMABLE):
                    remove_file(path)
                    freed += found.st_size
        return freed


def read_all(blobs: BlobStore, blob: Blob) -> bytes:
    """Return a blob's bytes, after checking them.

    Raises:
        NotFound: They are gone.
        ArtifactDamaged: They are not those that were put.
    """
    with blobs.open(blob.digest) as file:
        data = file.read()
    if sha256(data).hexdigest() != blob.digest:
        raise damaged(blob)
    return data


def copy_to(
    blobs: BlobStore, blob: Blob, target: BinaryIO, progress: Callable[[int], object] | None = None
) -> None:
    """Write a blob's bytes to `target`, checking them on the way.

    Raises:
        NotFound: They are gone.
        ArtifactDamaged: They are not those that were put; `target` holds them all the same.
    """
    hasher = sha256()
    with blobs.open(blob.digest) as file:
        for chunk in _hashing(iter(lambda: file.read(CHUNK), b""), hasher.update):
            target.write(chunk)
            if progress:
                progress(len(chunk))
    if hasher.hexdigest() != blob.digest:
        raise damaged(blob)


def another(found: str, digest: str) -> BadValue:
    """Return the error of bytes that are not what they were said to be."""
    return BadValue(f"the bytes have the SHA-256 {found[:12]}..., not {digest[:12]}...", "send them anew")


def damaged(blob: Blob) -> ArtifactDamaged:
    """Return the error of bytes that have changed."""
    return ArtifactDamaged(
        f"the bytes kept as {blob.digest[:12]}... have changed since they were logged",
        "bring the file back from a backup; chachaml doctor lists all that are damaged",
    )


def make_private(folder: Path, root: Path) -> None:
    """Make a folder and those above it up to `root`, for this user alone whatever the umask."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        if folder == root:
            break
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)


def _hashing(chunks: Iterable[bytes], update: Callable[[bytes], object]) -> Iterator[bytes]:
    """Yield chunks, hashing each, while it is used and the next one is read if there are several."""
    given: queue.Queue[bytes | None] = queue.Queue(1)
    thread = None
    try:
        for number, chunk in enumerate(chunks):
            if number == 1:  # most files are of one chunk, which is not worth a thread
                thread = _hasher(given, update)
            if thread is None:
                update(chunk)
            else:
                given.put(chunk)
            yield chunk
    finally:
        if thread is not None:
            given.put(None)
            thread.join()


def _hasher(given: queue.Queue[bytes | None], update: Callable[[bytes], object]) -> threading.Thread | None:
    """Return a thread that hashes what it is given until that is None; None where threads begin no more."""

    def work() -> None:
        while (chunk := given.get()) is not None:
            update(chunk)

    thread = threading.Thread(target=work, name="chachaml-hash")
    try:
        thread.start()
    except RuntimeError:  # the process ends
        return None
    return thread


def _finish(path: Path) -> None:
    """Make read-only what is written; where that cannot be synced later, sync it now."""
    if os.name == "nt":
        with path.open("r+b") as file:
            sync_file(file.fileno())
    path.chmod(0o400)


def remove_file(path: Path) -> None:
    """Delete a file, if it is there, that may be read-only."""
    if os.name == "nt":
        with contextlib.suppress(FileNotFoundError):
            path.chmod(0o600)
    path.unlink(missing_ok=True)


def _write_all(file: BinaryIO, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]
