"""Runs every Python block of README and docs, and every command that they show."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.buckets import store as buckets
from tests.faults.wires import Server

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUN = {"python", "sh", "bash"}
HEAVY = ROOT / "docs" / "guide" / "integrations"
"""Pages that want heavy libraries: tests/integrations/heavy runs them."""

PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if page.parent != HEAVY and RUN & {match[1] for match in BLOCK.finditer(page.read_text())}
]
EXAMPLES = [path for path in sorted((ROOT / "examples").glob("*.py")) if path.stem != "distributed"]
ADDRESS = "http://localhost:8080"
CLAIM = re.compile(r"^(\S.*?)  # => (.*)$")
PRELUDE = (
    "def claim(value, text, _strip=lambda t: ''.join(t.split())):"
    " assert _strip(repr(value)) == _strip(text), f'{value!r} is not {text}'"
)


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """Return the blocks of a page with the number of the line that each begins on."""
    text = page.read_text()
    return [
        (text.count("\n", 0, match.start(2)), match[2])
        for match in BLOCK.finditer(text)
        if match[1] == language
    ]


def script(page: Path) -> str:
    """Return the page's Python on the lines where it stands, so that tracebacks point there."""
    lines = [""] * (page.read_text().count("\n") + 1)
    for start, code in blocks(page, "python"):
        for offset, line in enumerate(code.splitlines()):
            lines[start + offset] = CLAIM.sub(_claim, line)
    lines[0] = PRELUDE
    return "\n".join(lines)


def _claim(match: re.Match[str]) -> str:
    return f"claim(({match[1]}), {match[2]!r})"


def run(command: list[str], folder: Path) -> str:
    others = ("CHACHA", "ANTHROPIC_", "OPENAI_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(others)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    environment["PYTHONWARNINGS"] = "error"
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_runs_as_written(page: Path, tmp_path: Path) -> None:
    with _bucket_for(page, tmp_path), _server_for(page, tmp_path) as here:
        (tmp_path / page.with_suffix(".py").name).write_text(here(script(page)))
        run([sys.executable, page.with_suffix(".py").name], tmp_path)
        for _, code in blocks(page, "sh"):
            for line in code.splitlines():
                if line.startswith("chachaml "):
                    assert run(shlex.split(line, comments=True), tmp_path)
        for _, code in blocks(page, "bash"):
            assert run(["bash", "-euo", "pipefail", "-c", here(_without_broken_pipes(code))], tmp_path)


@contextmanager
def _server_for(page: Path, folder: Path) -> Iterator[Callable[[str], str]]:
    """Serve what a page talks to, if it does; give what puts the server's address into its text."""
    if ADDRESS not in page.read_text():
        yield lambda text: text
        return
    server = Server(folder / "served.db")
    server.start()
    try:
        yield lambda text: text.replace(ADDRESS, server.url)
    finally:
        server.kill()


@contextmanager
def _bucket_for(page: Path, folder: Path) -> Iterator[None]:
    """Serve the bucket that a page keeps artifacts in, if it does."""
    if "s3://my-bucket" not in page.read_text():
        yield
        return
    store = buckets.rclone(folder / "s3", "my-bucket")
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in store.environment.items():
                patch.setenv(name, value)
            yield
    finally:
        store.stop()


def _without_broken_pipes(code: str) -> str:
    """Let a command be cut off by `head`, and by a time limit, as a person would see no fault in it."""
    return re.sub(r"^(curl -sN .*)$", r"(\1) || true", code, flags=re.MULTILINE)


def test_the_client_in_go_sends_what_the_server_takes(tmp_path: Path) -> None:
    """There is no Go here: what it posts is read off its text and sent by curl."""
    page = ROOT / "docs" / "guide" / "http.md"
    ((_, code),) = blocks(page, "go")
    calls = re.findall(r'post\("([^"]*)"(?:\+run\+"([^"]*)")?, `(.*?)`\)', code)
    assert len(calls) == 4
    with _server_for(page, tmp_path) as here:
        ident = ""
        for before, after, body in calls:
            url = here(ADDRESS) + "/api/w/" + before + (ident + after if after else "")
            said = run(
                ["curl", "-sf", "-X", "POST", url, "-H", "Content-Type: application/json", "-d", body],
                tmp_path,
            )
            ident = ident or json.loads(said)["id"]
        assert json.loads(said)["status"] == "completed"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_runs_and_records(example: Path, tmp_path: Path) -> None:
    run([sys.executable, str(example)], tmp_path)
    assert '"status": "completed"' in run(["chachaml", "runs", "--json"], tmp_path)


def test_a_false_claim_fails(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n```python\n1 + 1  # => 3\n```\n")
    with pytest.raises(AssertionError, match="2 is not 3"):
        test_a_page_runs_as_written(page, tmp_path)
