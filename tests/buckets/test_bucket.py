"""Artifacts in a bucket as their user has them: by one argument, through outages, tidied, moved."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

import chachaml as ml
from chachaml import connection as connections
from chachaml.artifacts.objects import PIECE
from chachaml.artifacts.opening import open_bucket
from chachaml.core.errors import BadValue, StoreUnavailable
from tests.buckets import store as stores
from tests.buckets.front import Front, fronted
from tests.buckets.store import KEY, SECRET, ObjectStore

LARGE = os.urandom(1 << 20) * 18
"""Two pieces."""


def objects(bucket: str, below: str) -> list[str]:
    """Return the keys of the objects that there are."""
    return [one.key for one in open_bucket(bucket).list(f"{below}/")]


def waiting(folder: Path, name: str = "chachaml-artifacts") -> list[Path]:
    return list((folder / name / "blobs").glob("??/*"))


def logged(bucket: str, store: str = "chachaml.db", *, note: str = "kept", large: bool = False) -> ml.Run:
    """Return a run with artifacts that are in the bucket."""
    ml.connect(store, artifacts=bucket)
    with ml.start_run(experiment="digits") as run:
        ml.log_text("note", note)
        if large:
            ml.log_artifact("large", LARGE)
    ml.flush()
    return run


def test_one_argument_puts_artifacts_into_a_bucket(folder: Path, bucket: str) -> None:
    (folder / "weights.bin").write_bytes(LARGE)
    ml.connect("runs.db", artifacts=bucket)
    with ml.start_run(experiment="digits") as run:
        ml.log_artifact("config", {"layers": [64, 10]})
        ml.log_file("weights.bin")
    ml.flush()
    assert [len(objects(bucket, kind)) for kind in ("blobs", "large", "pieces")] == [1, 1, 2]
    assert not waiting(folder, "runs-artifacts")
    assert ml.load_artifact(run, "config") == {"layers": [64, 10]}
    assert ml.artifact_path(run, "weights.bin").read_bytes() == LARGE
    assert ml.download_artifact(run, "weights.bin", "out").read_bytes() == LARGE
    assert ml.doctor().well


def test_a_setting_puts_artifacts_into_a_bucket(
    folder: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections.close_all()
    monkeypatch.setenv("CHACHAML_ARTIFACTS", bucket)
    ml.connect("others.db")
    with ml.start_run() as run:
        ml.log_text("note", "kept")
    assert ml.load_artifact(run, "note") == "kept"
    assert len(objects(bucket, "blobs")) == 1


def test_a_killed_process_loses_no_artifact(folder: Path, bucket: str) -> None:
    code = f"""
import os, signal
import chachaml as ml
ml.connect("chachaml.db", artifacts={bucket!r})
ml.start_run(name="killed")
ml.log_artifact("config", [1, 2])
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", code], check=False)
    assert ended.returncode == -signal.SIGKILL
    ml.connect("chachaml.db", artifacts=bucket)
    assert ml.load_artifact(ml.runs()[0].id, "config") == [1, 2]
    assert len(objects(bucket, "blobs")) == 1
    assert not waiting(folder)


def test_a_process_that_ends_at_once_sends_what_it_can(folder: Path, bucket: str) -> None:
    """Though it can begin no more threads."""
    code = f"""
import chachaml as ml
ml.connect("chachaml.db", artifacts={bucket!r})
with ml.start_run():
    for i in range(20):
        ml.log_artifact(f"config{{i}}", i)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
    assert len(objects(bucket, "blobs")) == 20
    assert not waiting(folder)


def test_what_a_forked_process_logs_is_sent_by_the_one_that_forked_it(folder: Path, bucket: str) -> None:
    """What asks the bucket has threads, which no forked process has."""
    code = f"""
import os
import chachaml as ml
ml.connect("chachaml.db", artifacts={bucket!r})
with ml.start_run() as run:
    ml.log_text("parent", "p")
    ml.flush()
    if not (child := os.fork()):
        with ml.start_run(name="forked"):
            ml.log_text("child", "c")
        raise SystemExit
    assert os.waitpid(child, 0)[1] == 0
    (forked,) = [one for one in ml.runs() if one.name == "forked"]
    assert ml.load_artifact(forked.id, "child") == "c"
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)
    assert len(objects(bucket, "blobs")) == 2


# trouble --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("ExpiredToken", "the credentials are over"),
        ("RequestTimeTooSkewed", "this machine's clock is wrong"),
        ("AccessDenied", "may not do that"),
    ],
)
@pytest.mark.filterwarnings("ignore:chachaml")
def test_what_a_bucket_does_not_take_waits(
    folder: Path, bucket: str, front: Front, code: str, told: str
) -> None:
    """It is told, and brought in once the trouble is over."""
    front.refuse = lambda method, path: (403, code) if method == "PUT" else None
    where = ml.connect(artifacts=bucket)
    with ml.start_run() as run:
        ml.log_metric("loss", 0.5)
        ml.log_text("note", code)
    with pytest.raises(StoreUnavailable, match=told):
        ml.flush()
    assert told in " ".join(ml.doctor().problems)
    front.refuse = lambda method, path: None
    ml.flush()
    assert where.waiting() == 0
    assert ml.load_artifact(run, "note") == code


def test_a_bucket_that_slows_down_is_asked_again(folder: Path, bucket: str, front: Front) -> None:
    busy = iter([True, False, False, True, False, False] * 100)
    refused = []

    def refuse(method: str, path: str) -> tuple[int, str] | None:
        return (503, "SlowDown") if next(busy) and not refused.append(path) else None

    front.refuse = refuse
    run = logged(bucket, large=True)
    assert ml.load_artifact(run, "large") == LARGE
    assert len(refused) >= 4


@pytest.mark.filterwarnings("ignore:chachaml")
def test_an_upload_that_broke_goes_on_with_the_piece_that_is_missing(
    folder: Path, bucket: str, front: Front
) -> None:
    """And what was broken off is never seen as a whole."""
    at = f"{16 << 20:020}"
    front.refuse = lambda method, path: (403, "ExpiredToken") if path.endswith(at) else None
    ml.connect(artifacts=bucket)
    with ml.start_run() as run:
        ml.log_artifact("large", LARGE)
    with pytest.raises(StoreUnavailable):
        ml.flush()
    assert (len(objects(bucket, "pieces")), objects(bucket, "large")) == (1, [])
    front.refuse = lambda method, path: None
    front.asked.clear()
    ml.flush()
    assert [path[-20:] for method, path in front.asked if method == "PUT" and "/pieces/" in path] == [at]
    assert ml.load_artifact(run, "large") == LARGE


def test_a_line_that_breaks_is_taken_up_again(folder: Path, bucket: str, front: Front) -> None:
    """Where it broke, in the middle of a piece."""
    run = logged(bucket, large=True)
    broken: list[str] = []
    front.cut = lambda method, path: "/pieces/" in path and path not in broken and not broken.append(path)  # type: ignore[func-returns-value]
    assert ml.load_artifact(run, "large") == LARGE
    assert len(broken) == 2


@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "plain"])
def test_bytes_are_hashed_to_be_signed_only_where_nothing_else_keeps_them(
    folder: Path, seaweed: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    """Once more than for their digest, that is."""
    trust = stores.certify(folder)
    with fronted(seaweed.endpoint, folder / "both.pem" if tls else None) as front:
        for name, value in {**trust, "AWS_ENDPOINT_URL": front.url}.items():
            monkeypatch.setenv(name, value)
        run = logged(bucket, large=True)
        assert ml.load_artifact(run, "large") == LARGE
        assert front.url.startswith("https://") is tls
        pieces = {sha256(LARGE[at : at + PIECE]).hexdigest() for at in (0, PIECE)}
        assert (pieces <= set(front.signed)) is not tls
        assert ("UNSIGNED-PAYLOAD" in front.signed) is tls


# who may ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["s3://", "s3:///x", "s3://bucket/../other", "s3://bucket/a?b", "s3://bucket/%2e%2e/x"]
)
def test_odd_addresses_are_refused(folder: Path, address: str) -> None:
    with pytest.raises(BadValue, match="is no address of a bucket"):
        ml.connect(artifacts=address)


def test_a_profile_gives_credentials(
    folder: Path, seaweed: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in seaweed.environment:
        monkeypatch.delenv(name)
    keys = f"aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    Path("credentials").write_text(f"[team]\n{keys}[default]\naws_access_key_id = a\n")
    Path("config").write_text(f"[profile team]\nendpoint_url = {seaweed.endpoint}\nregion = eu-central-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "credentials")
    monkeypatch.setenv("AWS_CONFIG_FILE", "config")
    monkeypatch.setenv("CHACHAML_S3_PROFILE", "team")
    open_bucket(bucket).put("a", b"x")
    assert b"".join(open_bucket(bucket).stream("a")[0]) == b"x"
    monkeypatch.setenv("CHACHAML_S3_PROFILE", "nobody")
    with pytest.raises(BadValue, match="nobody"):
        open_bucket(bucket)


def test_no_client_of_a_server_names_a_bucket(folder: Path) -> None:
    with pytest.raises(BadValue, match="its owner says"):
        ml.connect("http://127.0.0.1:9", artifacts="s3://bucket/x")
    with pytest.raises(BadValue, match="its folder"):
        ml.connect(f"spool://{folder}/spool", artifacts="s3://bucket/x")


# tidying and moving -------------------------------------------------------------------------------------


def test_deleting_a_run_gives_its_bytes_back(folder: Path, bucket: str) -> None:
    run = logged(bucket, large=True)
    ml.delete_runs([run.id])
    assert [objects(bucket, kind) for kind in ("blobs", "large", "pieces")] == [[], [], []]


def test_a_store_in_the_same_place_keeps_its_bytes(folder: Path, bucket: str) -> None:
    """Neither store takes the other's bytes for nobody's."""
    logged(bucket, "one.db", note="one")
    run = logged(bucket, "two.db", note="two")
    ml.delete_runs([run.id])
    assert len(objects(bucket, "blobs")) == 2
    assert ["other stores" in one for one in ml.doctor(repair=True).problems] == [True]
    assert len(objects(bucket, "blobs")) == 2


def test_doctor_tells_of_damage_and_loss(folder: Path, bucket: str) -> None:
    logged(bucket, large=True)
    place = open_bucket(bucket)
    piece, small = next(place.list("pieces/")), next(place.list("blobs/"))
    place.put(piece.key, b"?" * piece.size)
    place.delete([small.key])
    lost, changed = ml.doctor().problems
    assert (small.name in lost, "not in s3://" in lost) == (True, True)
    assert (piece.key.split("/")[1] in changed, "have changed" in changed) == (True, True)


def test_artifacts_of_a_folder_move_into_a_bucket(folder: Path, bucket: str) -> None:
    """When the store is repaired, those that are older than an hour."""
    ml.connect()
    with ml.start_run() as run:
        ml.log_text("note", "old")
    ml.flush()
    for path in waiting(folder):
        os.utime(path, (time.time() - 7200,) * 2)
    ml.connect(artifacts=bucket)
    assert ml.load_artifact(run, "note") == "old"
    ml.doctor(repair=True)
    assert (len(objects(bucket, "blobs")), waiting(folder)) == (1, [])
    assert ml.load_artifact(run, "note") == "old"


def test_backups_and_moves_go_from_bucket_to_bucket(folder: Path, bucket: str) -> None:
    run = logged(f"{bucket}/one", large=True)
    assert ml.backup("saved").verified
    assert len(waiting(folder / "saved")) == 2
    where = connections.at(folder / "back.db")
    where.keep_artifacts(f"{bucket}/two")
    ml.restore_backup("saved", where)
    assert len(objects(f"{bucket}/two", "large")) == 1
    third = connections.at(folder / "third.db")
    third.keep_artifacts(f"{bucket}/three")
    assert ml.migrate(where, third).verified
    ml.connect("third.db")
    assert ml.load_artifact(run.id, "large") == LARGE
    assert len(objects(f"{bucket}/three", "pieces")) == 2


def test_a_spool_is_brought_into_a_bucket(folder: Path, bucket: str) -> None:
    code = f"""
import chachaml as ml
ml.connect("spool://{folder}/spool")
with ml.start_run():
    ml.log_text("note", "spooled")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    ml.connect(artifacts=bucket)
    ml.sync(folder / "spool")
    assert ml.load_artifact(ml.runs()[0].id, "note") == "spooled"
    assert len(objects(bucket, "blobs")) == 1
