"""Real S3 servers on this machine, from wheels: SeaweedFS, which knows all of it, and rclone, the least.

Emulators stand for the other object stores.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import httpx
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from chachaml.artifacts.opening import open_bucket
from chachaml.core.errors import StoreUnavailable
from tests.buckets.front import fronted
from tests.faults.wires import free_port

__all__ = ["KEY", "SECRET", "ObjectStore", "azurite", "gcs", "rclone", "seaweed"]

KEY, SECRET = "chachaml-key", "chachaml-secret"
AZURITE = os.environ.get("CHACHAML_AZURITE", "")
FAKE_GCS = os.environ.get("CHACHAML_FAKE_GCS", "")
_BIN = Path(sys.executable).parent


class ObjectStore(NamedTuple):
    """An object store that is up.

    Args:
        url: Its bucket.
        endpoint: Where it listens.
        environment: The usual variables that lead to it.
        process: Its process.
    """

    url: str
    endpoint: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def _start(
    url: str,
    endpoint: str,
    environment: dict[str, str],
    command: list[str | Path],
    make: Callable[[], None] = lambda: None,
) -> ObjectStore:
    """Start a server; return it once it keeps what it is sent, in the bucket that `make` makes."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started = ObjectStore(url, endpoint, environment, process)
    deadline = time.monotonic() + 60
    with mock.patch.dict(os.environ, environment):
        bucket = open_bucket(url)
        while process.poll() is None:
            try:
                make()
                bucket.put("up", b"")
                return started
            except (StoreUnavailable, FileNotFoundError, httpx.TransportError):
                if time.monotonic() > deadline:
                    started.stop()
                    raise
                time.sleep(0.1)
    raise AssertionError(f"{command[0]} ended with {process.returncode}")


def _for_s3(port: int, scheme: str = "http") -> tuple[str, dict[str, str]]:
    endpoint = f"{scheme}://127.0.0.1:{port}"
    given = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": endpoint}
    return endpoint, given


def certify(folder: Path) -> dict[str, str]:
    """Write a certificate for this machine and its key into a folder; return what has clients trust it."""
    authority = trustme.CA()
    ours = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    ours.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    return {"SSL_CERT_FILE": str(folder / "authority.pem")}


def seaweed(folder: Path, bucket: str = "bucket", *, tls: bool = False) -> ObjectStore:
    """Start SeaweedFS, whose S3 is whole: conditions, ranges, metadata, signed addresses."""
    folder.mkdir(parents=True, exist_ok=True)
    who = {"accessKey": KEY, "secretKey": SECRET}
    about = {"identities": [{"name": "tests", "credentials": [who], "actions": ["Admin"]}]}
    (folder / "s3.json").write_text(json.dumps(about))
    ports = [
        f"-{one}={free_port()}" for part in ("master", "volume", "filer", "admin") for one in _ports(part)
    ]
    port = free_port()
    off = ["-webdav=false", "-admin.ui=false", "-master.telemetry=false"]
    off += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false"]
    command = [_BIN / "weed", "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *ports, *off]
    command += [f"-s3.port={port}", f"-s3.port.grpc={free_port()}", f"-bucket={bucket}"]
    command += [f"-s3.config={folder / 's3.json'}"]
    endpoint, given = _for_s3(port)
    if tls:
        given |= certify(folder)
        endpoint, secure = _for_s3(port := free_port(), "https")
        given |= secure
        both = folder / "both.pem"
        command += [f"-s3.port.https={port}", f"-s3.cert.file={both}", f"-s3.key.file={both}"]
    return _start(f"s3://{bucket}", endpoint, given, command)


def _ports(part: str) -> tuple[str, str]:
    return f"{part}.port", f"{part}.port.grpc"


def rclone(folder: Path, bucket: str = "bucket") -> ObjectStore:
    """Start rclone, whose S3 is the least that there is: it answers ranges with all of an object."""
    (folder / bucket).mkdir(parents=True)
    port = free_port()
    command = [_BIN / "rclone", "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}"]
    command += ["--config", os.devnull, "--vfs-cache-mode", "off", str(folder)]
    return _start(f"s3://{bucket}", *_for_s3(port), command)


def azurite(folder: Path, container: str = "bucket") -> ObjectStore:
    """Start Microsoft's own emulator of Azure, which comes from npm; CHACHAML_AZURITE says where it is."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}/{_ACCOUNT}"
    given = {"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{port}"}
    command: list[str | Path] = [AZURITE, "--blobPort", str(port), "--silent"]
    command += ["--location", folder, "--skipApiVersionCheck"]
    return _start(f"az://{container}", endpoint, given, command, lambda: _make_container(endpoint, container))


_ACCOUNT = "devstoreaccount1"
_ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""What the emulator is known by; Microsoft's documentation has it."""


def _make_container(endpoint: str, container: str) -> None:
    date, version = formatdate(usegmt=True), "2021-12-02"
    what = f"/{_ACCOUNT}/{_ACCOUNT}/{container}\nrestype:container"
    signed = f"PUT{chr(10) * 12}x-ms-date:{date}\nx-ms-version:{version}\n{what}".encode()
    mac = base64.b64encode(hmac.digest(base64.b64decode(_ACCOUNT_KEY), signed, "sha256")).decode()
    headers = {
        "x-ms-date": date,
        "x-ms-version": version,
        "Authorization": f"SharedKey {_ACCOUNT}:{mac}",
    }
    made = httpx.put(f"{endpoint}/{container}?restype=container", headers=headers)
    assert made.status_code in (201, 409), made.text


@contextmanager
def gcs(bucket: str = "bucket") -> Iterator[ObjectStore]:
    """Within it there is fake-gcs-server, which comes from a wheel; CHACHAML_FAKE_GCS says where it is.

    It takes bytes by a plain PUT at signed addresses alone, and tells their tag in JSON. With Google a token
    does as well, which obstore sends, and the tag is a header: a line in front makes the one of the other.
    """
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with fronted(endpoint) as front:
        front.renamed, front.headers = _as_if_signed, _tag
        host = front.url.removeprefix("http://")
        command: list[str | Path] = [FAKE_GCS, "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1"]
        command += ["-port", str(port), "-public-host", host]
        given = {"GOOGLE_SERVICE_ACCOUNT_KEY": _service_account(front.url)}
        started = _start(f"gs://{bucket}", front.url, given, command, lambda: _make_bucket(endpoint, bucket))
        try:
            yield started
        finally:
            started.stop()


def _as_if_signed(method: str, path: str) -> str:
    mark = "X-Goog-Algorithm"
    return f"{path}?{mark}=none" if method == "PUT" and mark not in path else path


def _tag(method: str, answer: httpx.Response) -> dict[str, str]:
    return {"ETag": answer.json()["etag"]} if method == "PUT" and answer.is_success else {}


def _service_account(endpoint: str) -> str:
    """Return a key as Google makes them: tokens and addresses are signed with it here."""
    key = rsa.generate_private_key(65537, 2048)
    kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    about = {"type": "service_account", "client_email": "tests@example.org", "private_key_id": "1"}
    return json.dumps({**about, "private_key": key.private_bytes(*kind).decode(), "gcs_base_url": endpoint})


def _make_bucket(endpoint: str, bucket: str) -> None:
    made = httpx.post(f"{endpoint}/storage/v1/b", params={"project": "tests"}, json={"name": bucket})
    assert made.status_code in (200, 409), made.text
