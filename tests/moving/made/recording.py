"""Records what a server answers to chachaml's reader of it: python -m tests.moving.made.recording URL FILE."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import httpx

from chachaml.moving.account import Tally
from chachaml.moving.sources import mlflow_server


def record(url: str, path: Path) -> None:
    """Read all of a server once, and keep each question with its answer."""
    heard: list[dict[str, Any]] = []
    ask = mlflow_server.Server._ask

    def listen(self: Any, method: str, path: str, /, **given: Any) -> httpx.Response:
        answer = ask(self, method, path, **given)
        body = base64.b64encode(answer.content).decode()
        heard.append({"method": method, "path": path, "given": given, "body": body})
        return answer

    mlflow_server.Server._ask = listen  # type: ignore[method-assign]
    source = mlflow_server.Server(url, Tally())
    for run in source.runs():
        list(run.points())
        for file in run.files:
            if callable(file.data):
                file.data()
    list(source.versions())
    source.close()
    path.write_text(json.dumps(heard, indent=1))


if __name__ == "__main__":
    record(sys.argv[1], Path(sys.argv[2]))
