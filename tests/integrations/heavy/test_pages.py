"""Runs the pages of documentation that want heavy libraries, as tests/docs runs the others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_examples import HEAVY, ROOT, blocks, script

PAGES = sorted(HEAVY.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_as_written(page: Path, folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    (folder / "page.py").write_text(script(page))
    command = [sys.executable, "-m", "tests.integrations.heavy.without_operators", "page.py"]
    run(command, folder, environment)
    for _, code in blocks(page, "bash"):
        run(["bash", "-euo", "pipefail", "-c", code], folder, environment)


def run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "could not be logged" not in done.stderr, done.stderr
