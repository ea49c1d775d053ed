"""However a script ends: its run says how, and its exit code is the one that it has without chachaml."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

import chachaml as ml
from tests.faults.processes import await_line, finish, run, started
from tests.seeds import SOAK

pytestmark = pytest.mark.usefixtures("folder")

BLOCK = """
import chachaml as ml, time
with ml.start_run(name="ends"):
    for step in range(10**9):
        ml.log_metric("loss", step)
        if step == 1000:
            print("logging")
        if step > 1000:
            time.sleep(0.001)
"""
PLAIN = """
import chachaml as ml, time
ml.start_run(name="ends")
for step in range(10**9):
    ml.log_metric("loss", step)
    if step == 1000:
        print("logging")
    if step > 1000:
        time.sleep(0.001)
"""
HANDLED = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"


@pytest.mark.parametrize("script", [BLOCK, PLAIN], ids=["block", "plain"])
@pytest.mark.parametrize(
    ("sent", "status"),
    [("SIGINT", "interrupted"), ("SIGTERM", "crashed"), ("SIGHUP", "crashed"), ("SIGKILL", "crashed")],
)
def test_a_signal_ends_the_script_as_ever_and_the_run_says_so(
    folder: Path, script: str, sent: str, status: str
) -> None:
    with started(script, cwd=folder) as process:
        await_line(process)
        process.send_signal(signal.Signals[sent])
        asked = time.monotonic()
        ended = finish(process)
    assert time.monotonic() - asked < 6
    assert ended.code == -signal.Signals[sent]
    assert not ended.said
    found = ml.run(_only())
    assert found.status == status
    assert found.summaries["loss"].count > 1000


def test_a_handler_of_the_user_s_decides(folder: Path) -> None:
    with started(HANDLED + BLOCK, cwd=folder) as process:
        await_line(process)
        process.send_signal(signal.SIGTERM)
        assert finish(process).code == 9
    found = ml.run(_only())
    assert found.status == "failed"
    assert found.error is not None and found.error.type == "SystemExit"


@pytest.mark.parametrize("script", [BLOCK, PLAIN], ids=["block", "plain"])
def test_ctrl_c_again_and_again_neither_hangs_nor_loses(folder: Path, script: str) -> None:
    for number in range(20 if SOAK else 2):
        with started(script, cwd=folder) as process:
            await_line(process)
            while process.poll() is None:
                process.send_signal(signal.SIGINT)
                time.sleep(0.002 * (number + 1))
            ended = finish(process)
        assert ended.code == -signal.SIGINT, ended
        assert "chachaml" not in ended.err.partition("KeyboardInterrupt")[0].partition("Traceback")[0]
    assert {found.status for found in ml.runs()} <= {"interrupted", "crashed"}
    assert all(found.summaries["loss"].count > 1000 for found in ml.runs())


ENDINGS = {
    "the end": ("", 0, "completed"),
    "sys.exit(0)": ("import sys; sys.exit(0)", 0, "completed"),
    "an exception": ("1 / 0", 1, "failed"),
    "os._exit": ("import os; os._exit(5)", 5, "crashed"),
    "os.abort": (
        "import os, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.abort()",
        -signal.SIGABRT,
        "crashed",
    ),
    "sys.exit in a thread": (
        "import sys, threading; t = threading.Thread(target=sys.exit, args=(4,)); t.start(); t.join()",
        0,
        "completed",
    ),
    "an exception in atexit": ("import atexit; atexit.register(lambda: 1 / 0)", 0, "completed"),
    "end_run in atexit": ("import atexit; atexit.register(ml.end_run, 'failed')", 0, "failed"),
    "a log call in atexit": ("import atexit; atexit.register(ml.log_metric, 'loss', 2.0)", 0, "completed"),
    "threads that log on": (
        "import threading\n"
        "def on():\n"
        "    while True: run.log_metric('more', 1.0)\n"
        "for _ in range(4): threading.Thread(target=on, daemon=True).start()",
        0,
        "completed",
    ),
    "SIGPIPE": (
        "import os, signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"
        "r, w = os.pipe(); os.close(r); os.write(w, b'x')",
        -signal.SIGPIPE,
        "crashed",
    ),
}


@pytest.mark.parametrize("how", ENDINGS)
def test_a_plain_run_ends_with_its_script(folder: Path, how: str) -> None:
    last, code, status = ENDINGS[how]
    began = time.monotonic()
    ended = run(
        "import chachaml as ml\nrun = ml.start_run()\n"
        "for step in range(1000): ml.log_metric('loss', step)\n" + last,
        cwd=folder,
    )
    assert time.monotonic() - began < 8
    assert ended.code == code, ended.err
    assert "chachaml" not in ended.err, ended.err
    found = ml.run(_only())
    assert found.status == status
    assert found.summaries["loss"].count >= 1000


def test_a_failed_script_keeps_its_reason(folder: Path) -> None:
    run(
        "import chachaml as ml; ml.start_run(); ml.log_metric('x', 1); raise ValueError('odd \\ud800 \\0')",
        cwd=folder,
    )
    error = ml.run(_only()).error
    assert error is not None
    assert (error.type, error.message) == ("ValueError", "odd \\ud800 \\0")


def test_a_full_pipe_to_nowhere_does_not_matter(folder: Path) -> None:
    # stdout and stderr closed, as under some schedulers: nothing to warn to, and nothing to fail on.
    ended = run(
        "import os; os.close(1); os.close(2)\nimport chachaml as ml\n"
        "with ml.start_run(): ml.log_metric('x', 1)\nos._exit(3)",
        cwd=folder,
    )
    assert ended.code == 3
    assert ml.run(_only()).status == "completed"


def _only() -> str:
    (found,) = ml.runs()
    return found.id
