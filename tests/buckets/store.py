"""A real S3 server on this machine: rclone, which comes as a wheel."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.faults.wires import free_port

KEY, SECRET = "chachaml-key", "chachaml-secret"


class ObjectStore(NamedTuple):
    """A server that is up, and the folder that its buckets are folders of."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    def environment(self) -> dict[str, str]:
        """Return the usual variables that lead to it."""
        return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": self.url}


def start(folder: Path, bucket: str = "bucket") -> ObjectStore:
    (folder / bucket).mkdir(parents=True)
    port = free_port()
    command = [str(Path(sys.executable).with_name("rclone")), "serve", "s3", "--addr", f"127.0.0.1:{port}"]
    command += ["--auth-key", f"{KEY},{SECRET}", "--config", os.devnull, str(folder)]
    command += ["--no-cleanup", "--vfs-cache-mode", "off", "--dir-cache-time", "0s", "--log-level", "ERROR"]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            break
        except OSError:
            time.sleep(0.05)
    return ObjectStore(f"http://127.0.0.1:{port}", folder, process)


def stop(store: ObjectStore) -> None:
    store.process.kill()
    store.process.wait()
