"""What the process prints: kept, live, and still printed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import chachaml as ml
from chachaml.capture.console import Console, fold, lines_of

pytestmark = pytest.mark.usefixtures("folder")


def printed_by(script: str) -> tuple[str, str]:
    """Run a script; return what reached its terminal, and what was kept."""
    Path("script.py").write_text(script)
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, check=False)
    run = ml.last_run()
    assert run is not None
    return done.stdout + done.stderr, ml.console(run)


def test_both_streams_are_kept_and_still_printed() -> None:
    shown, kept = printed_by(
        "import chachaml as ml, sys, warnings\n"
        "print('before')\n"
        "with ml.start_run(console=True):\n"
        "    print('hello', 'wörld')\n    print('oops', file=sys.stderr)\n"
        "    sys.stdout.write('no newline')\n"
        "print('after')\n"
    )
    assert kept.splitlines() == ["hello wörld", "oops", "no newline"]
    assert {"before", "hello wörld", "no newlineafter", "oops"} <= set(shown.splitlines())


def test_a_traceback_of_a_failing_script_is_printed_once() -> None:
    shown, kept = printed_by(
        "import chachaml as ml\n"
        "with ml.start_run(console=True):\n    print('x')\n    raise ValueError('bad')\n"
    )
    assert shown.count("ValueError: bad") == 1
    assert kept == "x\n"
    assert ml.last_run().error.message == "bad"  # type: ignore[union-attr]


def test_a_progress_bar_keeps_its_last_state() -> None:
    shown, kept = printed_by(
        "import chachaml as ml, sys\nwith ml.start_run(console=True):\n"
        "    for i in range(1000): sys.stderr.write(f'\\r{i / 10:.0f}% done')\n"
        "    sys.stderr.write('\\n')\n    print('end')\n"
    )
    assert kept.splitlines() == ["100% done", "end"]
    assert shown.count("%") == 1000


def test_the_setting_turns_it_on_and_the_limit_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHACHAML_CONSOLE", "on")
    monkeypatch.setenv("CHACHAML_CONSOLE_LIMIT", "500")
    shown, kept = printed_by(
        "import chachaml as ml\nwith ml.start_run():\n    for i in range(1000): print('line', i)\n"
    )
    assert len(shown.splitlines()) == 1000
    assert kept.splitlines()[-1] == "... more was printed than is kept"
    assert len(kept) < 600


def test_it_is_read_while_the_run_runs() -> None:
    with ml.start_run(console=True) as run:
        print("first")
        sys.stdout.write("50%")
        deadline = time.monotonic() + 10
        while "50%" not in ml.console(run):
            assert time.monotonic() < deadline
        sys.stdout.write("\r99%\n")
        assert ml.console(run).startswith("first\n")
    assert ml.console(run) == "first\n99%\n"
    assert "chachaml" not in type(sys.stdout).__module__


def test_nested_runs_each_keep_their_own() -> None:
    with ml.start_run(console=True) as outer:
        print("outer")
        with ml.start_run(console=True) as inner:
            print("inner")
        print("outer again")
    assert ml.console(inner) == "inner\n"
    assert ml.console(outer) == "outer\ninner\nouter again\n"


@pytest.mark.parametrize(
    ("line", "left"),
    [("abc", "abc"), ("abc\rd", "dbc"), ("abc\r", "abc"), ("a\rbb\rccc", "ccc"), ("10%\r100%", "100%")],
)
def test_a_carriage_return_writes_over(line: str, left: str) -> None:
    assert fold(line) == left


def test_however_it_is_cut_what_is_kept_is_the_same() -> None:
    """Text in random pieces, told at random moments, on both streams."""
    text = "one\ntwo\rTWO\nbar 1%\rbar 20%\rbar 300%\n\nlast " + "x" * 300
    expected = ["one", "TWO", "bar 300%", "", "last " + "x" * 300]
    random.seed(3)
    for _ in range(200):
        chunks: list[tuple[str, int, str]] = []
        console = Console(lambda *chunk, chunks=chunks: chunks.append(chunk), 10_000)  # type: ignore[misc]
        rest = text
        while rest:
            size = random.randint(1, 12)
            console.take("out", rest[:size])
            rest = rest[size:]
            if random.random() < 0.3:
                console._tell()
        console.stop()
        assert [line for _, line in lines_of(chunks)] == expected
