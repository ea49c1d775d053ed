"""Artifacts in a bucket as their user has them: by one argument, through outages, and behind servers."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import httpx
import pytest

import chachaml as ml
from chachaml import connection as connections
from chachaml.artifacts.bucket import open_bucket
from chachaml.core.errors import BadValue, StoreUnavailable
from tests.buckets.store import ObjectStore
from tests.faults.wires import Server

LARGE = os.urandom(1 << 20) * 20


def objects(rclone: ObjectStore, bucket: str, below: str) -> list[Path]:
    return [one for one in (rclone.folder / bucket.removeprefix("s3://") / below).rglob("*") if one.is_file()]


def waiting(folder: Path) -> list[Path]:
    return list((folder / "chachaml-artifacts" / "blobs").glob("??/*"))


def test_one_argument_puts_artifacts_into_a_bucket(folder: Path, rclone: ObjectStore, bucket: str) -> None:
    (folder / "weights.bin").write_bytes(LARGE)
    ml.connect("runs.db", artifacts=bucket)
    with ml.start_run(experiment="digits") as run:
        ml.log_artifact("config", {"layers": [64, 10]})
        ml.log_file("weights.bin")
    ml.flush()
    assert len(objects(rclone, bucket, "blobs")) == 2
    assert not list((folder / "runs-artifacts" / "blobs").glob("??/*"))
    assert ml.load_artifact(run, "config") == {"layers": [64, 10]}
    assert ml.artifact_path(run, "weights.bin").read_bytes() == LARGE
    assert ml.download_artifact(run, "weights.bin", "out").read_bytes() == LARGE
    assert ml.doctor().well
    connections.close_all()
    ml.delete(run.id, confirm=True) if hasattr(ml, "delete") else None


def test_a_setting_puts_artifacts_into_a_bucket(
    folder: Path, rclone: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections.close_all()
    monkeypatch.setenv("CHACHAML_ARTIFACTS", bucket)
    ml.connect("others.db")
    with ml.start_run() as run:
        ml.log_text("note", "kept")
    assert ml.load_artifact(run, "note") == "kept"
    assert [one.read_text() for one in objects(rclone, bucket, "blobs")] == ["kept"]


def test_a_killed_process_loses_no_artifact(folder: Path, rclone: ObjectStore, bucket: str) -> None:
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
    run = ml.runs()[0]
    assert ml.load_artifact(run.id, "config") == [1, 2]
    assert len(objects(rclone, bucket, "blobs")) == 1
    assert not waiting(folder)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("ExpiredToken", "the credentials are over"),
        ("RequestTimeTooSkewed", "this machine's clock is wrong"),
        ("AccessDenied", "may not do that"),
    ],
)
@pytest.mark.filterwarnings("always")
def test_what_a_bucket_does_not_take_waits(
    folder: Path, rclone: ObjectStore, bucket: str, code: str, told: str
) -> None:
    """It is told, and brought in once the trouble is over."""
    with fronted(rclone) as front:
        os.environ["AWS_ENDPOINT_URL"] = front.url  # `bucket` puts it back
        front.answer = lambda method: (403, code) if method == "PUT" else None
        where = ml.connect(artifacts=bucket)
        with ml.start_run() as run:
            ml.log_metric("loss", 0.5)
            ml.log_text("note", code)
        with pytest.raises(StoreUnavailable, match=told):
            ml.flush()
        front.answer = lambda method: None
        ml.flush()
        assert where.waiting() == 0
        assert ml.load_artifact(run, "note") == code


def test_a_bucket_that_slows_down_is_asked_again(folder: Path, rclone: ObjectStore, bucket: str) -> None:
    with fronted(rclone) as front:
        os.environ["AWS_ENDPOINT_URL"] = front.url
        busy = iter([True, False, True, True, False, True] * 100)
        front.answer = lambda method: (503, "SlowDown") if next(busy) else None
        ml.connect(artifacts=bucket)
        with ml.start_run() as run:
            ml.log_artifact("large", LARGE)
        ml.flush()
        assert ml.load_artifact(run, "large") == LARGE
        assert front.refused >= 3


@pytest.mark.filterwarnings("always")
def test_two_stores_cannot_share_a_place(folder: Path, bucket: str) -> None:
    """Each would take the other's bytes for nobody's."""
    ml.connect("one.db", artifacts=bucket)
    with ml.start_run():
        ml.log_text("note", "one")
    ml.flush()
    ml.connect("two.db", artifacts=bucket)
    with ml.start_run():
        ml.log_text("note", "two")
    with pytest.raises((BadValue, StoreUnavailable), match="another store"):
        ml.flush()
    connections.connection().close(wait=0.1)


@pytest.mark.parametrize(
    "address", ["s3://", "s3:///x", "s3://bucket/../other", "s3://bucket/a?b", "s3://bucket/%2e%2e/x"]
)
def test_odd_addresses_are_refused(address: str) -> None:
    with pytest.raises(BadValue):
        open_bucket(address)


def test_a_profile_gives_credentials(
    folder: Path, rclone: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    given = rclone.environment()
    keys = f"aws_access_key_id = {given['AWS_ACCESS_KEY_ID']}\n"
    keys += f"aws_secret_access_key = {given['AWS_SECRET_ACCESS_KEY']}\n"
    Path("credentials").write_text(f"[team]\n{keys}[default]\naws_access_key_id = a\n")
    Path("config").write_text(f"[profile team]\nendpoint_url = {rclone.url}\nregion = eu-central-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "credentials")
    monkeypatch.setenv("AWS_CONFIG_FILE", "config")
    monkeypatch.setenv("CHACHAML_S3_PROFILE", "team")
    open_bucket(bucket).put("a", b"x", {})
    assert b"".join(open_bucket(bucket).read("a")) == b"x"
    monkeypatch.setenv("CHACHAML_S3_PROFILE", "nobody")
    with pytest.raises(BadValue, match="nobody"):
        open_bucket(bucket)


def test_no_client_of_a_server_names_a_bucket(folder: Path) -> None:
    with pytest.raises(BadValue, match="its owner says"):
        ml.connect("http://127.0.0.1:9", artifacts="s3://bucket/x")
    with pytest.raises(BadValue, match="its folder"):
        ml.connect(f"spool://{folder}/spool", artifacts="s3://bucket/x")


# behind servers -----------------------------------------------------------------------------------


@contextmanager
def serving(folder: Path, bucket: str, *, direct: bool = False) -> Iterator[Server]:
    os.environ |= {"CHACHAML_ARTIFACTS": bucket, "CHACHAML_ARTIFACTS_DIRECT": "on" if direct else "off"}
    server = Server(folder / "served.db")
    try:
        server.start()
        del os.environ["CHACHAML_ARTIFACTS"]
        yield server
    finally:
        server.stop()
        os.environ.pop("CHACHAML_ARTIFACTS", None)
        os.environ.pop("CHACHAML_ARTIFACTS_DIRECT", None)


@pytest.mark.parametrize("direct", [False, True], ids=["through it", "directly"])
def test_a_server_keeps_artifacts_in_a_bucket(
    folder: Path, rclone: ObjectStore, bucket: str, direct: bool
) -> None:
    with serving(folder, bucket, direct=direct) as server:
        ml.connect(server.url)
        with ml.start_run() as run:
            ml.log_artifact("large", LARGE)
            ml.log_text("note", "small")
        ml.flush()
        assert len(objects(rclone, bucket, "blobs")) == 2
        assert not objects(rclone, bucket, "incoming")
        for kept in (folder / "state").rglob("blobs/??/*"):
            kept.unlink()
        assert ml.load_artifact(run, "large") == LARGE
        given = httpx.get(
            f"{server.url}/api/artifacts/{run.id}/large/download", headers={"Range": "bytes=5-9"}, timeout=60
        )
        assert (given.status_code, given.content) == (206, LARGE[5:10])
        assert given.headers["content-disposition"].startswith("attachment")
        digest = ml.list_artifacts(run)[0].digest
        address = httpx.get(f"{server.url}/api/blobs/{digest}/address")
        if direct:
            with urlopen(address.json()["address"]) as file:
                assert file.read() == LARGE
        else:
            assert address.status_code == 409


def test_bytes_put_directly_are_checked(folder: Path, rclone: ObjectStore, bucket: str) -> None:
    """Whoever was given an address may put anything there, and none of it becomes an artifact's bytes."""
    digest = "ab" * 32
    with serving(folder, bucket, direct=True) as server:
        ml.connect(server.url)
        token = connections.connection()._shown()
        asked = {"Authorization": f"Bearer {token}", "Upload-Offset": "0", "Upload-Length": "4"}
        place = f"{server.url}/api/blobs/{digest}"
        address = httpx.post(f"{place}/address", headers=asked, timeout=60).json()["address"]
        urlopen(Request(address, data=b"evil", method="PUT")).close()
        joined = httpx.patch(place, headers={**asked, "Upload-Offset": "4"}, timeout=60)
        assert joined.status_code == 400
        assert not objects(rclone, bucket, "blobs")
        assert not objects(rclone, bucket, "incoming")


# a front that makes trouble -------------------------------------------------------------------------


class Front:
    """A line to the object store that answers for it when told to."""

    url = ""
    refused = 0
    answer: Callable[[str], tuple[int, str] | None] = staticmethod(lambda method: None)


@contextmanager
def fronted(rclone: ObjectStore) -> Iterator[Front]:
    front, client = Front(), httpx.Client(base_url=rclone.url)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            if trouble := front.answer(self.command):
                front.refused += 1
                said = f"<Error><Code>{trouble[1]}</Code><Message>no</Message></Error>".encode()
                return self.give(trouble[0], {}, said)
            answer = client.request(self.command, self.path, content=body, headers=dict(self.headers))
            return self.give(answer.status_code, dict(answer.headers), answer.content)

        def give(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            length = headers.get("content-length", "0") if self.command == "HEAD" else str(len(body))
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(body if self.command != "HEAD" else b"")

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    front.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield front
    finally:
        server.shutdown()
        server.server_close()
        client.close()
