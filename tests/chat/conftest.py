"""A provider on a socket, set up as each of the three kinds, and some runs to ask about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import chachaml as ml
from tests.chat.stub import Stub, stubbed

KEYS = {"anthropic": "sk-ant-of-the-tests", "openai": "sk-of-the-tests", "compatible": "key-of-the-tests"}


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    with stubbed() as stub:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", stub.url)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{stub.url}/v1")
        yield stub


@pytest.fixture(params=["anthropic", "openai", "compatible"])
def provider(request: pytest.FixtureRequest, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each provider in turn, with a key in the environment."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEYS["anthropic"])
    monkeypatch.setenv("OPENAI_API_KEY", KEYS["openai"])
    monkeypatch.setenv("CHACHAML_CHAT_KEY", KEYS["compatible"])
    monkeypatch.setenv("CHACHAML_CHAT_URL", f"{stub.url}/v1")
    name: str = request.param
    monkeypatch.setenv("CHACHAML_CHAT_PROVIDER", name)
    return name


@pytest.fixture
def runs(folder: Path) -> list[str]:
    """The short ids of three runs of iris, the last of which is the best, and of one that failed."""
    for number, lr in enumerate((0.1, 0.01, 0.001)):
        with ml.start_run("iris", name=f"lr {lr}"):
            ml.log_params({"lr": lr, "optimizer": "adam"})
            for step in range(4):
                ml.log_metrics(
                    {"accuracy": 0.8 + number / 20 + step / 100, "val/loss": lr + 1 / (step + 1)}, step
                )
    with pytest.raises(MemoryError), ml.start_run("digits", name="wide"):
        raise MemoryError("too wide")
    return [run.short_id for run in reversed(ml.runs())]
