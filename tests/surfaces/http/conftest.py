"""A server for each test, and clients that are no browsers, are its owner, or are other pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.served import SESSION, Served, served


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "runs.db") as server:
        yield server


@pytest.fixture
def http(server: Served) -> Iterator[httpx.Client]:
    """A client without a token."""
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.fixture
def owner(server: Served) -> Iterator[httpx.Client]:
    """A client with the session's token."""
    with httpx.Client(
        base_url=server.url, timeout=30, headers={"Authorization": f"Bearer {SESSION}"}
    ) as client:
        yield client


@pytest.fixture
def run(http: httpx.Client) -> str:
    """The id of a run under way."""
    return start(http)


def start(http: httpx.Client, **given: object) -> str:
    answer = http.post("/api/w/runs", json={"experiment": "iris", "name": "one", **given})
    assert answer.status_code == 200, answer.text
    run: str = answer.json()["id"]
    return run
