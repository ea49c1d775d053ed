"""The commands that serve: what they print, refuse, open and leave behind."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.faults.wires import Server, free_port


def chachaml(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chachaml", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


@contextmanager
def up(command: list[str], folder: Path, **environment: str) -> Iterator[str]:
    """Run a server within the block; give the first line that it prints. It has to stop well."""
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline()
    finally:
        process.terminate()
        process.stdout.close()
        assert process.wait(20) == 0


def sessions() -> Path:
    return Path(os.environ["XDG_STATE_HOME"]) / "chachaml" / "servers"


def test_ui_serves_an_empty_folder_and_leaves_nothing_behind(tmp_path: Path) -> None:
    server = Server(tmp_path / "new.db")
    server.start()
    kept = sessions() / str(server.port)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert httpx.get(f"{server.url}/api/runs").json() == {"runs": [], "next": None}
    assert "<title>" in httpx.get(server.url + "/", follow_redirects=True).text
    assert server.stop() == 0
    assert not kept.exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"new.db", "new-journal", "state", "config"}


def test_ui_listens_to_this_machine_alone(tmp_path: Path) -> None:
    server = Server(tmp_path / "own.db")
    server.start()
    bound = subprocess.run(["cat", "/proc/net/tcp", "/proc/net/tcp6"], capture_output=True, text=True).stdout
    ours = [
        line.split()[1] for line in bound.splitlines() if f":{server.port:04X} " in line and " 0A " in line
    ]
    assert ours
    assert all(address.startswith(("0100007F:", "00000000000000000000000001000000:")) for address in ours), (
        ours
    )
    server.stop()


def test_the_next_free_port_is_taken_unless_one_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        named = chachaml(tmp_path, "ui", "--no-browser", "--port", port)
        assert named.returncode == 5
        assert f"--port {int(port) + 1}" in named.stderr
        by_variable = chachaml(tmp_path, "ui", "--no-browser", PORT=port)
        assert by_variable.returncode == 5
    assert chachaml(tmp_path, "ui", "--no-browser", PORT="many").returncode == 2


def test_the_browser_is_opened_signed_in_by_a_link_that_works_once(tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}\n')
    browser.chmod(0o755)
    port = free_port()
    command = [sys.executable, "-m", "chachaml", "ui", "x.db", str(port)]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "BROWSER": f"{browser} %s"},
    )
    assert process.stdout is not None
    assert "is served at" in process.stdout.readline()
    while not (opened.exists() and opened.read_text()):
        assert process.poll() is None
    link = opened.read_text()
    with httpx.Client() as client:
        done = client.get(link)
        assert (done.status_code, done.headers["location"]) == (303, "/")
        assert "samesite=strict" in done.headers["set-cookie"].lower()
        assert client.get(f"http://localhost:{port}/api/me").json()["role"] == "admin"
    assert httpx.get(link).status_code == 401
    process.terminate()
    process.stdout.close()
    assert process.wait(20) == 0


@pytest.mark.parametrize("command", [("ui", "--no-browser"), ("serve",)], ids=" ".join)
def test_where_no_browser_opens_a_link_to_sign_in_is_printed(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    port = free_port()
    words = [sys.executable, "-m", "chachaml", *command, "--port", str(port)]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "is served at" in process.stdout.readline()
    link = process.stdout.readline().split()[-1]
    with httpx.Client() as client:
        assert client.get(link).status_code == 303
        assert client.get(f"http://localhost:{port}/api/me").json()["role"] == "admin"
    process.terminate()
    process.stdout.close()
    assert process.wait(20) == 0


def test_a_shared_machine_can_ask_everybody(tmp_path: Path) -> None:
    server = Server(tmp_path / "own.db", "--require-token")
    server.start()
    assert httpx.get(f"{server.url}/api/runs").status_code == 401
    assert httpx.post(f"{server.url}/api/w/runs").status_code == 401
    done = chachaml(tmp_path, "--store", server.url, "runs", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"runs": [], "next": None}
    server.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_silent_lines_leave_room_for_others_however_few_files_there_may_be(tmp_path: Path) -> None:
    port, errors = free_port(), tmp_path / "errors"
    serve = f"exec {sys.executable} -m chachaml serve --port {port} 2> {errors}"
    with up(["sh", "-c", f"ulimit -n 64; {serve}"], tmp_path), contextlib.ExitStack() as lines:
        for _ in range(300):
            line = lines.enter_context(socket.create_connection(("127.0.0.1", port)))
            line.sendall(b"GET /healthz HTTP/1.1\r\nHo")
        began = time.monotonic()
        assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code == 200
        assert time.monotonic() - began < 5
    assert "Traceback" not in errors.read_text()


@pytest.mark.parametrize("store", ["http://localhost:8080", "https://tracker.example", "spool:///tmp/x"])
def test_only_files_are_served(tmp_path: Path, store: str) -> None:
    """A server that asked another one, or itself, would go round in circles."""
    done = chachaml(tmp_path, "ui", store, "--no-browser")
    assert done.returncode == 2
    assert "error:" in done.stderr


# teams --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "127.0.0.1.evil.example"])
def test_nothing_is_served_to_others_before_it_is_known_who_they_are(tmp_path: Path, host: str) -> None:
    bare = chachaml(tmp_path, "serve", "--host", host, "--port", "0")
    assert bare.returncode != 0
    assert "--url" in bare.stderr
    known = chachaml(tmp_path, "serve", "--host", host, "--port", "0", "--url", "https://tracker.example")
    assert known.returncode != 0
    assert "chachaml admin create" in known.stderr


def test_a_server_for_all_has_to_be_asked_for_by_its_name(tmp_path: Path) -> None:
    both = chachaml(tmp_path, "serve", "--url", "http://x", "--team", "--insecure-no-auth")
    assert (both.returncode, "--insecure-no-auth" in both.stderr) == (2, True)
    nameless = chachaml(tmp_path, "serve", "--host", "0.0.0.0", "--insecure-no-auth")
    assert (nameless.returncode, "--url" in nameless.stderr) == (2, True)
    port = free_port()
    url = f"http://127.0.0.2:{port}"
    command = [sys.executable, "-m", "chachaml", "serve", "--host", "0.0.0.0", "--port", str(port)]
    with up([*command, "--url", url, "--insecure-no-auth"], tmp_path) as said:
        assert url in said
        run = httpx.post(f"{url}/api/w/runs").json()["id"]
        assert httpx.post(f"{url}/api/delete", json={"run_ids": [run]}).status_code == 401
        assert httpx.get(f"{url}/api/runs", headers={"Host": "evil.example"}).status_code == 421
        assert httpx.get(f"{url}/api/runs", headers={"Origin": "http://evil.example"}).status_code == 403


@pytest.mark.parametrize("url", ["tracker.example", "ftp://x", "https://", "https://u@x", "https://x/?below"])
def test_an_address_is_an_origin(tmp_path: Path, url: str) -> None:
    assert chachaml(tmp_path, "admin", "create", "ada").returncode == 0
    assert chachaml(tmp_path, "serve", "--url", url, "--port", "0").returncode == 2


def test_a_team_works_from_another_address_with_tokens(tmp_path: Path) -> None:
    """A second loopback address stands for a second machine."""
    store, port = str(tmp_path / "team.db"), free_port()
    made = chachaml(tmp_path, "--store", store, "admin", "create", "ada")
    admin = made.stdout.strip()
    assert admin.startswith("chm_")
    for words in (["set", "bob", "--grant", "iris=writer"], ["token", "bob", "--label", "laptop"]):
        done = chachaml(tmp_path, "--store", store, "admin", *words)
        assert done.returncode == 0, done.stderr
    bob = done.stdout.strip()
    url = f"http://127.0.0.2:{port}"
    command = [sys.executable, "-m", "chachaml", "serve", store, "--host", "127.0.0.2", "--port", str(port)]
    with up([*command, "--url", url], tmp_path) as said:
        assert url in said
        _use_as_a_team(tmp_path, url, admin, bob)
    told = chachaml(tmp_path, "--store", store, "admin", "audit").stdout
    assert "token revoked" in told


def _use_as_a_team(tmp_path: Path, url: str, admin: str, bob: str) -> None:
    script = """
import sys, chachaml as ml
with ml.start_run(experiment=sys.argv[1]) as run:
    ml.log_metric("loss", 1)
print(ml.run(run.id).created_by)
"""
    logged = subprocess.run(
        [sys.executable, "-c", script, "iris"],
        capture_output=True,
        text=True,
        env={**os.environ, "CHACHAML_STORE": url, "CHACHAML_TOKEN": bob},
        cwd=tmp_path,
    )
    assert logged.stdout.strip() == "bob", logged.stderr
    listed = chachaml(tmp_path, "--store", url, "admin", "--json", CHACHAML_TOKEN=admin)
    tokens = json.loads(listed.stdout)["tokens"]
    assert [token["account"] for token in tokens] == ["ada", "bob"]
    assert bob not in listed.stdout
    mine = next(token["id"] for token in tokens if token["account"] == "bob")
    assert (
        chachaml(tmp_path, "--store", url, "admin", "revoke", mine[-8:], CHACHAML_TOKEN=admin).returncode == 0
    )
    refused = chachaml(tmp_path, "--store", url, "runs", CHACHAML_TOKEN=bob)
    assert refused.returncode == 5
    assert "revoked" in refused.stderr
    assert httpx.get(f"{url}/api/runs").status_code == 401
    assert httpx.get(f"{url}/api/runs", headers={"Host": "tracker.example"}).status_code == 421


def test_a_switch_of_safety_that_is_mistyped_starts_no_server(tmp_path: Path) -> None:
    """Rather than one that is more open than was meant."""
    command = ("ui", "--no-browser", f"--port={free_port()}")
    done = chachaml(tmp_path, *command, CHACHAML_REQUIRE_TOKEN="perhaps")
    assert done.returncode == 2
    assert "must be on or off" in done.stderr


def test_a_server_is_not_put_in_front_of_another_one_or_itself(tmp_path: Path) -> None:
    port = free_port()
    done = chachaml(tmp_path, "ui", f"http://127.0.0.1:{port}", f"--port={port}", "--no-browser")
    assert done.returncode == 2
    assert "is a server already" in done.stderr


def test_a_cookie_for_https_belongs_to_this_host_alone() -> None:
    from chachaml.surfaces.http.service import Options

    assert Options(("https://runs.example.org",), team=True).cookie == "__Host-chachaml"
    assert Options(("http://127.0.0.1:8080",)).cookie == "chachaml_8080"


@pytest.mark.parametrize(
    "words",
    [
        ["create", "a b"],
        ["token", "nobody"],
        ["revoke", "zzz"],
        ["set", "ada", "--grant", "iris"],
        ["set", "ada", "--role", "reader"],
        ["create", "ada"],
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_told(tmp_path: Path, words: list[str]) -> None:
    chachaml(tmp_path, "admin", "create", "ada")
    done = chachaml(tmp_path, "admin", *words)
    assert done.returncode in (2, 3, 4), done.stderr
    assert "error:" in done.stderr
    assert "Traceback" not in done.stderr
