"""Clients that nobody here wrote, against the server: the protocol's conformance suite, and its Inspector.

``make mcp-conformance`` runs this. Both come from npm; the suite needs Node 22, which comes from there too.
The suite knows no tokens, so they are put into its requests on their way in; all else is the server as it is.
Scenarios that need tools of the suite's own test server (``test_simple_text`` and so on) are left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send

import chachaml as ml
from chachaml.surfaces.http.application import Application
from chachaml.surfaces.http.everything import all_routes
from chachaml.surfaces.http.service import Options, Service
from chachaml.surfaces.http.serving import listen, origins_of

SCENARIOS = (
    "server-initialize", "ping", "completion-complete", "tools-list", "resources-list", "prompts-list",
    "server-sse-polling", "server-sse-multiple-streams", "dns-rebinding-protection",
)  # fmt: skip

NODE = ["npx", "--yes", "--package", "node@22", "--package", "@modelcontextprotocol/conformance", "--"]
INSPECTOR = ["npx", "--yes", "@modelcontextprotocol/inspector", "--cli"]
TOKEN = "chm_of-the-suite"


class Running:
    """A server, and the address at which it needs no token to be shown."""

    def __init__(self, url: str, store: Path, run: str) -> None:
        self.url, self.store, self.run = url, store, run


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    where = ml.connect(folder / "runs.db")
    with ml.start_run("iris", name="one") as run:
        ml.log_params({"lr": 0.1})
        for step in range(20):
            ml.log_metric("loss", 1 / (step + 1), step)
    ml.set_note(run.id, "A note.")
    ml.flush()
    sockets = listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    service = Service(where, Options(origins_of("127.0.0.1", port), session=TOKEN))
    application = Application(service, all_routes())

    async def with_token(scope: Scope, receive: Receive, send: Send) -> None:
        shown = (b"authorization", f"Bearer {TOKEN}".encode())
        await application({**scope, "headers": [*scope["headers"], shown]}, receive, send)

    server = uvicorn.Server(uvicorn.Config(with_token, lifespan="off", log_level="error"))
    thread = threading.Thread(target=server.run, args=(sockets,), daemon=True)
    thread.start()
    try:
        yield Running(f"http://127.0.0.1:{port}/mcp", folder / "runs.db", run.id)
    finally:
        server.should_exit = True
        thread.join(10)
        service.close()


def said(command: list[str]) -> tuple[bool, str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def suite(server: Running) -> bool:
    passed = True
    for scenario in SCENARIOS:
        ok, text = said([*NODE, "conformance", "server", "--url", server.url, "--scenario", scenario])
        passed &= ok
        print(f"{'passed' if ok else 'FAILED'}  suite      http   {scenario}")
        if not ok:
            print(text)
    return passed


def inspector(server: Running) -> bool:
    ways = {
        "http": [server.url, "--transport", "http"],
        "stdio": [str(Path(sys.executable).parent / "chachaml"), "mcp", str(server.store)],
    }
    asked: list[tuple[str, list[str]]] = [
        ("tools/list", []),
        ("tools/call", ["--tool-name", "list_runs", "--tool-arg", "limit=1"]),
        ("tools/call", ["--tool-name", "get_run", "--tool-arg", f"run_id={server.run}"]),
        (
            "tools/call",
            ["--tool-name", "draw_series", "--tool-arg", f'run_ids=["{server.run}"]', "metric=loss"],
        ),
        ("resources/list", []),
        ("resources/read", ["--uri", f"chachaml://run/{server.run}"]),
        ("resources/templates/list", []),
        ("prompts/list", []),
        ("prompts/get", ["--prompt-name", "suggest_next", "--prompt-args", "experiment=iris"]),
    ]
    passed = True
    for way, target in ways.items():
        for method, more in asked:
            ok, text = said([*INSPECTOR, *target, "--method", method, *more])
            ok = ok and not parsed(text).get("isError")
            passed &= ok
            print(f"{'passed' if ok else 'FAILED'}  inspector  {way:5}  {method} {' '.join(more[:2])}")
            if not ok:
                print(text[-2_000:])
    return passed


def parsed(text: str) -> Any:
    return json.loads(text[text.index("{") : text.rindex("}") + 1])


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as server:
        passed = [suite(server), inspector(server)]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
