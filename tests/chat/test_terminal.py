"""`chachaml ask`: the answer as it comes, y or N before anything changes; nothing commands the terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

import chachaml as ml
from tests.chat.stub import Fail, Say, Stub

TAG = {"key": "reviewed", "value": "yes"}


@pytest.fixture(autouse=True)
def set_up(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHACHAML_CHAT_URL", f"{stub.url}/v1")
    monkeypatch.setenv("CHACHAML_CHAT_KEY", "key-of-the-tests")


def ask(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    ml.flush()
    command = [sys.executable, "-m", "chachaml", "ask", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )


def in_terminal(folder: Path, answer: str, *arguments: str) -> str:
    """Return what a terminal shows while somebody answers the question whether to go on."""
    ml.flush()
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "chachaml", "ask", *arguments]
    asked = subprocess.Popen(command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown, until = b"", time.monotonic() + 60
    while time.monotonic() < until:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                shown += os.read(ours, 65536)
            except OSError:
                break
        if answer and b"[y/N]" in shown:
            os.write(ours, f"{answer}\n".encode())
            answer = ""
    assert asked.wait(10) == 0, shown
    os.close(ours)
    return shown.decode()


def test_the_answer_is_on_one_stream_and_all_else_on_the_other(
    stub: Stub, runs: list[str], folder: Path
) -> None:
    best = ("best_run", {"metric": "accuracy"})
    stub.says(
        Say("Let me look.", [best, ("best_run", {})]), Say("It is **\x1b]52;c;evil\x07that**\n\n- one\n- two")
    )
    done = ask(folder, "Which", "is", "best?")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stdout.startswith("Let me look.\n")
    assert "that**\n\n- one\n- two\n" in done.stdout
    assert 'best_run {"metric": "accuracy"}' in done.stderr
    assert "missing required field" in done.stderr
    assert "2 calls, 200 tokens in, 20 out" in done.stderr
    assert "asking compatible, tiny" in done.stderr
    assert stub.seen[0].body["messages"][1]["content"] == "Which is best?"


def test_json_is_one_document(stub: Stub, runs: list[str], folder: Path) -> None:
    stub.says(Say("Fine."))
    done = ask(folder, "Well?", "--json", "--model", "large")
    found = json.loads(done.stdout)
    assert (found["answer"], found["model"], found["iterations"]) == ("Fine.", "large", 0)


def test_what_goes_wrong_is_told_without_the_key(stub: Stub, runs: list[str], folder: Path) -> None:
    stub.says(Fail(400, "invalid_request_error", "key-of-the-tests is bad"))
    done = ask(folder, "Well?")
    assert done.returncode == 1
    assert "refuses (400): *** is bad" in done.stderr


@pytest.mark.parametrize("answer", ["y", "n"])
def test_a_person_says_yes_or_no(stub: Stub, runs: list[str], folder: Path, answer: str) -> None:
    stub.says(Say("", [("add_tag", {"run_id": runs[0], **TAG})]), Say("So be it."))
    shown = in_terminal(folder, answer, "Tag the first run.")
    assert f'add_tag {{"run_id": "{runs[0]}", "key": "reviewed", "value": "yes"}}' in shown
    assert "So be it." in shown
    assert ("reviewed" in ml.get_tags(runs[0])) == (answer == "y")


def test_without_a_person_no_tool_that_writes_is_offered(stub: Stub, runs: list[str], folder: Path) -> None:
    stub.says(Say("Fine."))
    ask(folder, "Well?")
    assert "add_tag" not in json.dumps(stub.seen[0].body["tools"])


def test_without_the_sdks_it_says_what_to_install(runs: list[str], folder: Path) -> None:
    ml.flush()
    code = (
        "import sys; sys.modules['openai'] = None; from chachaml.surfaces.cli import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "ask", "Well?"], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "pip install 'chachaml[agents]'" in done.stderr


def test_a_key_may_lie_in_the_keyring(
    stub: Stub, runs: list[str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library is not needed, and asks a service of the desktop that a test has none of."""
    library = tmp_path / "library" / "keyring"
    library.mkdir(parents=True)
    (library / "errors.py").write_text("class KeyringError(Exception): pass")
    (library / "__init__.py").write_text(
        "def get_password(*names): return {('chachaml', 'openai'): 'sk-of-the-keyring'}.get(names)"
    )
    monkeypatch.setenv("PYTHONPATH", str(library.parent))
    monkeypatch.delenv("CHACHAML_CHAT_URL")
    stub.says(Say("Fine."))
    assert "Fine." in ask(folder, "Well?").stdout
    assert stub.seen[0].headers["authorization"] == "Bearer sk-of-the-keyring"
