"""Every operating system gives what stores stand on: locks, files that can go, processes told apart."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import pytest

import chachaml as ml
from chachaml import connection as connections
from chachaml.artifacts import signing
from chachaml.artifacts.blobs import LocalBlobs
from chachaml.core import settings
from chachaml.core.changes import JournalInfo
from chachaml.core.errors import NotFound
from chachaml.journal import liveness

WAITS = """
import sys
from pathlib import Path
from chachaml.journal import liveness
lock = liveness.hold(Path(sys.argv[1]))
print("held" if lock else "refused", flush=True)
sys.stdin.read()
"""


def _other(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WAITS, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_lock_keeps_others_out_until_its_process_ends(tmp_path: Path) -> None:
    with _other(tmp_path) as first:
        assert _said(first) == "held"
        assert liveness.hold(tmp_path) is None
        first.communicate("")
    lock = liveness.hold(tmp_path)
    assert lock is not None
    assert lock.real
    with _other(tmp_path) as second:
        assert _said(second) == "refused"
        second.communicate("")
    lock.drop()
    lock.drop()


def test_whether_a_process_lives_is_told_without_harm(tmp_path: Path) -> None:
    me = liveness.whoami("a" * 32, "", 1)
    assert liveness.lives(me) is True
    with _other(tmp_path) as other:
        assert _said(other) == "held"
        pid = other.pid
        it = JournalInfo(me.id, "", me.host, me.boot, pid, 0, 1)
        assert liveness.lives(it) is True
        assert other.poll() is None
        other.communicate("")
    assert liveness.lives(it) is False


def test_bytes_put_twice_are_kept_once_and_can_be_deleted(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "artifacts")
    first = blobs.put(io.BytesIO(b"weights"))
    assert blobs.put(io.BytesIO(b"weights")) == first
    blobs.sync()
    assert [digest for digest, *_ in blobs.digests()] == [first.digest]
    assert blobs.delete(first.digest) == first.size
    with pytest.raises(NotFound):
        blobs.open(first.digest)


def test_ones_own_signature_is_believed() -> None:
    signature = signing.sign("d" * 64, "a" * 32, "model")
    assert signature
    assert signing.is_ours(signature, "d" * 64, "a" * 32, "model")


def test_what_is_drained_leaves_no_journal(folder: Path) -> None:
    with ml.start_run(experiment="here") as run:
        run.log_metric("loss", 0.5)
        run.log_artifact("config", {"rate": 0.1})
    connections.connection().close()
    assert not settings.journals_beside(folder / "chachaml.db").exists()
    assert ml.metric(ml.run(run.id), "loss").values.tolist() == [0.5]


@pytest.mark.parametrize("path", [Path, PureWindowsPath])
def test_addresses_are_told_from_files(path: type[Path]) -> None:
    assert settings.server_url(path("http:/10.0.0.1:8000")) == "http://10.0.0.1:8000"
    assert settings.database(path("postgresql:/ada@db/runs")) is not None
    assert settings.spool_folder(path("spool:/shared/runs")) == Path("/shared/runs")
    assert not settings.is_elsewhere(path("runs/chachaml.db"))
