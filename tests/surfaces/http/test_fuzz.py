"""Whatever the API's description allows, and much that it does not: never a 5xx, never another shape.

`make fuzz` sends more than a hundred thousand requests; here it is a few thousand.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faults.wires import Server
from tests.seeds import SOAK, seed
from tests.surfaces.test_serving import sessions

CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance"


@pytest.mark.parametrize("who", ["owner", "anybody"])
def test_no_request_breaks_the_server(tmp_path: Path, who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHACHAML_CHAT", "off")  # nothing goes to a provider
    server = Server(tmp_path / "fuzzed.db")
    server.start()
    token = (sessions() / str(server.port)).read_text()
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{server.url}/api/openapi.json"]
    command += ["--exclude-path", "/api/events", "--checks", CHECKS, "--seed", str(seed()), "--no-color"]
    command += ["--max-examples", "400" if SOAK else "8", "--phases", "coverage,fuzzing,stateful"]
    if who == "owner":
        command += ["--header", f"Authorization: Bearer {token}"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    said = done.stdout[-6000:]
    server.stop()
    assert done.returncode == 0, said
    assert "passed" in said, said
