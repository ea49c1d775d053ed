"""``make image-test``: builds the image, and runs the server from it as compose.yaml would.

With Docker or Podman the whole of it runs in a container. Buildah alone builds, and runs what is inside.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMAGE = "localhost/chachaml:test"
NAME = "chachaml-image-test"
LIMIT = 600_000_000
"""Bytes that the image may have, unpacked."""


def main() -> None:
    tool = _engine() or shutil.which("buildah")
    if tool is None:
        sys.exit("an engine is needed (docker or podman), or buildah: apt-get install buildah")
    build = [tool, *(["bud"] if tool.endswith("buildah") else ["build"]), "-t", IMAGE]
    subprocess.run([*build, str(ROOT)], check=True)
    if tool.endswith("buildah"):
        _in_a_working_container(tool)
    else:
        _in_containers(tool)
    print("the image is well")


def _engine() -> str | None:
    """Return an engine that answers."""
    for name in ("docker", "podman"):
        found = shutil.which(name)
        if found and not subprocess.run([found, "info"], capture_output=True, check=False).returncode:
            return found
    return None


def _in_containers(tool: str) -> None:
    size = int(_said(tool, "image", "inspect", "--format", "{{.Size}}", IMAGE))
    assert size < LIMIT, f"{size:,} bytes"
    volume = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--volume", f"{NAME}:/data"]
    locked = ["--security-opt", "no-new-privileges", "--env", "CHACHAML_URL=http://localhost:18080"]
    try:
        token = _said(tool, "run", "--rm", *volume, *locked, IMAGE, "admin", "create", "ada")
        port = ["--publish", "127.0.0.1:18080:8080"]
        _said(tool, "run", "--detach", "--name", NAME, *volume, *locked, *port, IMAGE)
        _await("http://localhost:18080/readyz")
        _log_a_run("http://localhost:18080", token)
        (ids,) = {_said(tool, "exec", NAME, "id", "-u")}
        assert ids == "10001", ids
        _said(tool, "stop", "--time", "20", NAME)
        assert _said(tool, "inspect", "--format", "{{.State.ExitCode}}", NAME) == "0"
    finally:
        subprocess.run([tool, "rm", "--force", NAME], capture_output=True, check=False)
        subprocess.run([tool, "volume", "rm", "--force", NAME], capture_output=True, check=False)


def _in_a_working_container(tool: str) -> None:
    """Without an engine: look into the image, and run its commands."""
    made = _said(tool, "from", IMAGE)
    try:
        about = json.loads(_said(tool, "inspect", "--type", "image", IMAGE))["OCIv1"]["config"]
        assert about["User"] == "10001:10001"
        assert about["Entrypoint"] == ["chachaml"]
        inside = [tool, "run", "--isolation", "chroot", "--network", "host", made]
        assert _said(*inside, "id", "-u") == "10001"
        token = _said(*inside, "chachaml", "admin", "create", "ada")
        server = subprocess.Popen(
            [*inside, "env", "PORT=18080", "CHACHAML_URL=http://localhost:18080", "chachaml", *about["Cmd"]]
        )
        try:
            _await("http://localhost:18080/readyz")
            _log_a_run("http://localhost:18080", token)
        finally:
            server.terminate()
            server.wait(30)
    finally:
        _said(tool, "rm", made)


def _log_a_run(url: str, token: str) -> None:
    asked = urllib.request.Request(
        f"{url}/api/w/runs",
        b'{"experiment": "image"}',
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        assert json.load(answer)["experiment"] == "image"


def _await(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        assert time.monotonic() < deadline, f"nothing answers at {url}"
        time.sleep(0.2)


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    main()
