"""What clients of several versions really sent: sent again, it is answered as it was.

``python -m tests.surfaces.mlflow_api.real --skinny --record`` writes it down anew; look at what changed.
What MLflow's clients in Java and R sent was written down once, in the same way.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.served import SESSION, Served
from tests.surfaces.mlflow_api.recording import Exchange

RECORDED = sorted(Path(__file__).with_name("recorded").glob("*.jsonl"))
MADE = re.compile(r"m-[0-9a-f]{32}|[0-9a-f]{32}|\d{18}|\b[a-z]+-[a-z]+-\d+\b")
"""What servers make up: ids of models, of runs and of experiments, and names of runs."""


class Again:
    """Sends requests again, with the ids that are made up now in place of those of then."""

    def __init__(self, http: httpx.Client) -> None:
        self.http, self.now = http, dict[str, str]()

    def text(self, text: str) -> str:
        return MADE.sub(lambda found: self.now.get(found[0], found[0]), text)

    def send(self, one: Exchange) -> None:
        headers = {"Content-Type": one.kind, "User-Agent": one.agent}
        headers = {name: value for name, value in headers.items() if value}
        body = self.text(one.body).encode()
        answer = self.http.request(one.method, self.text(one.path), content=body, headers=headers)
        assert answer.status_code == one.status, (one.method, one.path, answer.text)
        if "json" not in answer.headers.get("content-type", ""):
            assert answer.text == one.answer
            return
        told, then = answer.json(), json.loads(one.answer)
        self.learn(then, told)
        assert _timeless(told) == _timeless(json.loads(self.text(one.answer))), (one.method, one.path)

    def learn(self, then: Any, now: Any) -> None:
        """Take which id of now is which of then off two answers."""
        if isinstance(then, dict) and isinstance(now, dict):
            for key in then.keys() & now.keys():
                self.learn(then[key], now[key])
        elif isinstance(then, list) and isinstance(now, list):
            for one, other in zip(then, now, strict=False):
                self.learn(one, other)
        elif isinstance(then, str) and isinstance(now, str):
            for one, other in zip(MADE.findall(then), MADE.findall(now), strict=False):
                self.now.setdefault(one, other)


def _timeless(answer: Any) -> Any:
    """Return an answer without what depends on when it was asked for, and on who asked."""
    if isinstance(answer, dict):
        kept = {key: value for key, value in answer.items() if "time" not in key and key != "next_page_token"}
        return {key: _timeless(value) for key, value in kept.items()}
    return [_timeless(one) for one in answer] if isinstance(answer, list) else answer


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_what_clients_sent_is_answered_as_it_was(path: Path, server: Served) -> None:
    exchanges = [Exchange.of(line) for line in path.read_text().splitlines()]
    assert len(exchanges) > 70
    headers = {"Authorization": f"Bearer {SESSION}"}
    with httpx.Client(base_url=server.url, timeout=30, headers=headers) as http:
        again = Again(http)
        for one in exchanges:
            again.send(one)


def test_there_are_recordings_of_old_and_new_clients_and_of_other_languages() -> None:
    assert {path.stem.split(".")[0] for path in RECORDED} == {"2", "3", "java", "r"}
