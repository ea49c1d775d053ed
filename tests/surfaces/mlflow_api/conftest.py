"""A server, and clients that speak MLflow's REST API to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.served import SESSION, Served, served
from tests.surfaces.mlflow_api.client import Mlflow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "runs.db") as server:
        yield server


@pytest.fixture
def mlflow(server: Served) -> Iterator[Mlflow]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield Mlflow(client)


@pytest.fixture
def owner(server: Served) -> Iterator[Mlflow]:
    """Who started the server."""
    headers = {"Authorization": f"Bearer {SESSION}"}
    with httpx.Client(base_url=server.url, timeout=30, headers=headers) as client:
        yield Mlflow(client)
