"""What waits in the folder gets into the bucket as it was logged, or not at all."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
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


def put_under_way(front: Front, do: Callable[[], object]) -> None:
    """Do something once, when the third piece is on its way."""
    seen: list[str] = []

    def refuse(method: str, path: str) -> None:
        if method == "PUT" and "/pieces/" in path and path not in seen:
            seen.append(path)
            if len(seen) == 3:
                do()

    front.refuse = refuse


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
    assert objects(bucket, "large") == objects(bucket, "pieces") == []
    assert blobs.path(blob.digest).exists()
    right = ObjectBlobs(tmp_path / "there", open_bucket(bucket), lambda: "a" * 32, piece=PIECE)
    right.put(io.BytesIO(DATA))
    right.deliver([blob.digest])
    copy_to(right, blob, back := io.BytesIO())
    assert back.getvalue() == DATA


def test_what_changes_while_it_is_sent_does_not_get_there(tmp_path: Path, bucket: str, front: Front) -> None:
    blobs = opened(tmp_path, bucket)
    blob = blobs.put(io.BytesIO(DATA))
    put_under_way(front, lambda: change(blobs.path(blob.digest)))
    blobs.deliver([blob.digest])
    assert objects(bucket, "large") == objects(bucket, "pieces") == []
    assert blobs.path(blob.digest).exists()


def test_what_is_logged_again_while_it_is_sent_gets_there(tmp_path: Path, bucket: str, front: Front) -> None:
    """By another process, which renews what waits."""
    blobs = opened(tmp_path, bucket)
    blob = blobs.put(io.BytesIO(DATA))
    put_under_way(front, lambda: opened(tmp_path, bucket).put(io.BytesIO(DATA)))
    blobs.deliver([blob.digest])
    assert not blobs.path(blob.digest).exists()
    copy_to(opened(tmp_path, bucket), blob, back := io.BytesIO())
    assert back.getvalue() == DATA


def test_a_process_that_is_killed_while_it_sends_leaves_nothing_wrong(
    tmp_path: Path, bucket: str, front: Front
) -> None:
    """The next one sends what is missing, and nothing twice."""
    code = f"""
import io, random
from pathlib import Path
from tests.buckets.test_staged import DATA, opened
blobs = opened(Path({str(tmp_path)!r}), {bucket!r})
digest = blobs.put(io.BytesIO(DATA)).digest
print(digest, flush=True)
blobs.deliver([digest])
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as sending:
        put_under_way(front, lambda: os.kill(sending.pid, signal.SIGKILL))
        assert sending.stdout is not None
        digest = sending.stdout.readline().strip()
    assert sending.returncode == -signal.SIGKILL
    there = set(objects(bucket, "pieces"))
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
