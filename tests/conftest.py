"""What all tests share: a fresh folder with a fresh store, and no trace of the developer's own settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from chachaml import connection as connections
from chachaml import current
from tests.seeds import SOAK

# What must pass before a commit fails for its change alone; the long form looks further each time.
# How long an example may take is no promise of ours: a machine that does other things may take any time.
settings.register_profile("short", derandomize=True, deadline=None)
settings.register_profile("long", deadline=None)
settings.load_profile("long" if SOAK else "short")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        ours = name.startswith("CHACHA") and name not in ("CHACHAML_SOAK", "CHACHAML_SEED", "CHACHAML_GOLDEN")
        theirs = name.startswith(("ANTHROPIC_", "OPENAI_", "SLURM_", "OMPI_", "PMI_", "DB_", "JDBC_", "PG"))
        if ours or theirs or name in ("RANK", "LOCAL_RANK"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CHACHAML_CAPTURE", "off")  # tests of capturing turn it on


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder, with the default store in it; whatever is left open is closed after."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    connections.connect()
    yield work
    for run in current.open_runs():
        run.end("interrupted")  # type: ignore[attr-defined]
    connections.close_all()
