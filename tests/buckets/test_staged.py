"""What waits in the folder gets into the bucket as it was logged, or not at all."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from chachaml.artifacts.blobs import LocalBlobs, copy_to
from chachaml.artifacts.objects import ObjectBlobs
from chachaml.artifacts.opening import open_bucket
from chachaml.core.errors import StoreUnavailable
from tests.buckets.front import Front
from tests.buckets.test_bucket import objects

PIECE = 1 << 20
DATA = random.Random(1).randbytes(9 * PIECE + 5)
"""Ten pieces, and more than is hashed at once."""


def opened(folder: Path, bucket: str) -> ObjectBlobs:
    """Return the blobs as a process has them that has just started."""
    return ObjectBlobs(folder / "here", open_bucket(bucket), lambda: "a" * 32, piece=PIECE)


def change(path: Path) -> None:
    """Change one byte of a file."""
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(5 * PIECE)
        byte = file.read(1)[0]
        file.seek(5 * PIECE)
        file.write(bytes([byte ^ 1]))


def when_put(front: Front, do: Callable[[], object]) -> None:
    """Do something when the last piece comes, which never does while bytes are still written.

    It has to be sent a second time.
    """
    lock = threading.Lock()

    def refuse(method: str, path: str) -> tuple[int, str] | None:
        if method == "PUT" and path.endswith(f"/{9 * PIECE:020}") and lock.acquire(blocking=False):
            do()
            return 503, "SlowDown"
        return None

    front.refuse = refuse


def assert_right(bucket: str, pieces: list[str]) -> None:
    """Pieces are those of the bytes, as somebody may go on with them."""
    place = open_bucket(bucket)
    for key in pieces:
        start = int(key.rpartition("/")[2])
        assert b"".join(place.stream(key)[0]) == DATA[start : start + PIECE]


def test_what_is_hashed_beside_writing_has_the_right_digest(tmp_path: Path) -> None:
    for size in (0, 1, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, len(DATA)):
        data = DATA[:size]
        blobs = LocalBlobs(tmp_path / str(size))
        blob = blobs.put(io.BytesIO(data))
        assert blob == (sha256(data).hexdigest(), size)
        assert blobs.path(blob.digest).read_bytes() == data


def test_files_are_kept_by_a_process_that_ends(tmp_path: Path) -> None:
    """Though it can begin no more threads."""
    code = """
import atexit, io
from pathlib import Path
from chachaml.artifacts.blobs import LocalBlobs
atexit.register(lambda: print(LocalBlobs(Path("kept")).put(io.BytesIO(b"x" * (9 << 20))).digest))
"""
    command = [sys.executable, "-W", "error", "-c", code]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == [sha256(b"x" * (9 << 20)).hexdigest()]


@pytest.mark.parametrize("restarted", [False, True], ids=["here", "after a restart"])
def test_what_changed_before_it_was_sent_is_not_sent(tmp_path: Path, bucket: str, restarted: bool) -> None:
    """Nor is any piece of it, which somebody with the right bytes could go on with."""
    blobs = opened(tmp_path, bucket)
    blob = blobs.put(io.BytesIO(DATA))
    change(blobs.path(blob.digest))
    if restarted:
        blobs = opened(tmp_path, bucket)
    blobs.deliver([blob.digest])
    assert objects(bucket, "large") == []
    assert_right(bucket, objects(bucket, "pieces"))
    assert blobs.path(blob.digest).exists()
    right = ObjectBlobs(tmp_path / "there", open_bucket(bucket), lambda: "a" * 32, piece=PIECE)
    right.put(io.BytesIO(DATA))
    right.deliver([blob.digest])
    copy_to(right, blob, back := io.BytesIO())
    assert back.getvalue() == DATA


def test_what_changes_while_it_is_sent_does_not_get_there(tmp_path: Path, bucket: str, front: Front) -> None:
    front.refuse = lambda method, path: (403, "AccessDenied") if "/pieces/" in path else None
    blobs = opened(tmp_path, bucket)
    blob = blobs.put(io.BytesIO(DATA))
    lock, changed = threading.Lock(), threading.Event()

    def change_first(method: str, path: str) -> None:
        """Have no piece pass before the file has changed: there are more of them than are read by then."""
        if method == "PUT" and "/pieces/" in path:
            with lock:
                if not changed.is_set():
                    change(blobs.path(blob.digest))
                    changed.set()

    front.refuse = change_first
    blobs.deliver([blob.digest])
    assert changed.is_set()
    assert objects(bucket, "large") == objects(bucket, "pieces") == []
    assert blobs.path(blob.digest).exists()


def test_what_is_logged_again_while_it_is_sent_gets_there(tmp_path: Path, bucket: str, front: Front) -> None:
    """By another process, which renews what waits."""
    blobs = opened(tmp_path, bucket)
    blob = blobs.put(io.BytesIO(DATA))
    when_put(front, lambda: opened(tmp_path, bucket).put(io.BytesIO(DATA)))
    blobs.deliver([blob.digest])
    assert not blobs.path(blob.digest).exists()
    copy_to(opened(tmp_path, bucket), blob, back := io.BytesIO())
    assert back.getvalue() == DATA


def test_a_process_that_is_killed_while_it_sends_leaves_nothing_wrong(
    tmp_path: Path, bucket: str, front: Front
) -> None:
    """The next one sends what is missing, and nothing twice that went while it was written or later."""
    code = f"""
import io, sys
from pathlib import Path
from tests.buckets.test_staged import DATA, opened
blobs = opened(Path({str(tmp_path)!r}), {bucket!r})
digest = blobs.put(io.BytesIO(DATA)).digest
print(digest, flush=True)
sys.stdin.readline()
blobs.deliver([digest])
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes, text=True) as sending:
        assert sending.stdin is not None
        assert sending.stdout is not None
        digest = sending.stdout.readline().strip()
        when_put(front, lambda: os.kill(sending.pid, signal.SIGKILL))
        sending.stdin.write("\n")
        sending.stdin.flush()
    assert sending.returncode == -signal.SIGKILL
    there = set(objects(bucket, "pieces"))
    assert 0 < len(there) < 10
    assert objects(bucket, "large") == []
    blobs = opened(tmp_path, bucket)
    front.refuse = lambda method, path: None
    front.asked.clear()
    blobs.deliver([digest])
    put = [path for method, path in front.asked if method == "PUT" and "/pieces/" in path]
    assert len(put) <= 10 - len(there)
    assert not any(path.endswith(tuple(there)) for path in put)
    with blobs.open(digest) as file:
        assert file.read() == DATA


@pytest.mark.parametrize("restarted", [False, True], ids=["here", "after a restart"])
def test_what_waits_for_the_bucket_is_sent_later(
    tmp_path: Path, bucket: str, front: Front, restarted: bool
) -> None:
    blobs = opened(tmp_path, bucket)
    blob = blobs.put(io.BytesIO(DATA))
    front.refuse = lambda method, path: (403, "ExpiredToken") if "/pieces/" in path else None
    with pytest.raises(StoreUnavailable):
        blobs.deliver([blob.digest])
    front.refuse = lambda method, path: None
    if restarted:
        blobs = opened(tmp_path, bucket)
    blobs.deliver([blob.digest])
    copy_to(blobs, blob, back := io.BytesIO())
    assert back.getvalue() == DATA


# while it is written -------------------------------------------------------------------------------------


def test_writing_does_not_wait_for_the_bucket(tmp_path: Path, bucket: str, front: Front) -> None:
    """Which answers nothing; and what waits for it in memory does not grow."""
    held = threading.Event()
    front.refuse = lambda method, path: None if "/pieces/" not in path or held.wait(60) else (503, "SlowDown")
    blobs = opened(tmp_path, bucket)
    blob = blobs.put(io.BytesIO(DATA))
    for number in range(3):
        blobs.put(io.BytesIO(DATA[number + 1 :]))
    assert objects(bucket, "pieces") == []
    held.set()
    blobs.deliver([blob.digest])
    assert len(objects(bucket, "pieces")) == 10
    assert len([path for method, path in front.asked if method == "PUT" and "/pieces/" in path]) == 10
    copy_to(blobs, blob, back := io.BytesIO())
    assert back.getvalue() == DATA


def test_chunks_of_any_size_are_cut_into_the_same_pieces(tmp_path: Path, bucket: str) -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or -1, 700_001))

    blobs = opened(tmp_path, bucket)
    blob = blobs.put(Trickle(DATA))
    blobs.deliver([blob.digest])
    pieces = objects(bucket, "pieces")
    assert len(pieces) == 10
    assert_right(bucket, pieces)


@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE])
def test_what_is_one_piece_is_sent_when_it_is_known(tmp_path: Path, bucket: str, size: int) -> None:
    blobs = opened(tmp_path, bucket)
    blob = blobs.put(io.BytesIO(DATA[:size]))
    blobs.deliver([blob.digest])
    assert [len(objects(bucket, kind)) for kind in ("blobs", "large", "pieces")] == [1, 0, 0]


def test_what_was_there_already_leaves_no_pieces(tmp_path: Path, bucket: str) -> None:
    """Such as a data set that every run logs."""
    for folder in ("one", "two", "two"):
        blobs = opened(tmp_path / folder, bucket)
        blob = blobs.put(io.BytesIO(DATA))
        blobs.deliver([blob.digest])
        assert [len(objects(bucket, kind)) for kind in ("large", "pieces")] == [1, 10]
        assert not [path for path in (tmp_path / folder / "here" / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize("first", ["one", "two"])
def test_processes_that_write_the_same_leave_it_once(tmp_path: Path, bucket: str, first: str) -> None:
    one, two = opened(tmp_path, bucket), opened(tmp_path, bucket)
    blob = one.put(io.BytesIO(DATA))
    for blobs in (one, two, two):
        blobs.put(io.BytesIO(DATA))
    for blobs in (one, two) if first == "one" else (two, one):
        blobs.deliver([blob.digest])
    assert [len(objects(bucket, kind)) for kind in ("large", "pieces")] == [1, 10]
    copy_to(two, blob, back := io.BytesIO())
    assert back.getvalue() == DATA


def test_pieces_that_are_gone_before_the_end_are_sent_again(
    tmp_path: Path, bucket: str, front: Front
) -> None:
    """Somebody may have taken them for those of an upload that was given up."""
    blobs = opened(tmp_path, bucket)
    blob = blobs.put(io.BytesIO(DATA))
    place = open_bucket(bucket)
    when_put(front, lambda: place.delete(objects(bucket, "pieces")[:1]))
    with pytest.raises(StoreUnavailable, match="are gone"):
        blobs.deliver([blob.digest])
    assert objects(bucket, "large") == []
    blobs.deliver([blob.digest])
    copy_to(blobs, blob, back := io.BytesIO())
    assert back.getvalue() == DATA


def test_what_is_deleted_before_it_was_sent_leaves_nothing(tmp_path: Path, bucket: str) -> None:
    blobs = opened(tmp_path, bucket)
    blob = blobs.put(io.BytesIO(DATA))
    assert blobs.delete(blob.digest) == len(DATA)
    blobs.deliver([blob.digest])
    assert objects(bucket, "pieces") == objects(bucket, "large") == []
