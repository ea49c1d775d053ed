"""The command line as its users meet it: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

TRAINING = """
import math
import chachaml as ml

with ml.start_run(experiment="iris", name="sweep", tags={"kind": "sweep"}) as sweep:
    for number, lr in enumerate((0.1, 0.01, 0.001)):
        with ml.start_run(name=f"lr={lr}", tags={"note": "Why **not**?"}):
            ml.log_params({"lr": lr, "nothing": math.nan})
            for step in range(40):
                ml.log_metrics({"loss": (1 + number) / (step + 1), "accuracy": lr * step}, step=step)
            ml.log_metric("odd", math.inf)
            ml.log_metric("odd", math.nan)
try:
    with ml.start_run(experiment="wine", name="\\x1b[31mred\\n"):
        raise ValueError("too dry")
except ValueError:
    pass
"""

SPARK = "#:...___"
"""How a curve falls, in ASCII."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store in it."""
    folder = tmp_path_factory.mktemp("runs")
    run([sys.executable, "-c", TRAINING], folder)
    return folder


def run(
    command: list[str], folder: Path, *, code: int = 0, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CHACHA")}
    environment |= {"COLUMNS": "100", "PYTHONWARNINGS": "error"} | variables
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def chachaml(folder: Path, *arguments: str, code: int = 0, **variables: str) -> str:
    """Run the command and return what it printed: its errors if it failed."""
    done = run([sys.executable, "-m", "chachaml", *arguments], folder, code=code, **variables)
    assert "Traceback" not in done.stderr
    if code == 0:
        assert done.stderr == ""
    return done.stderr or done.stdout


def document(folder: Path, *arguments: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(chachaml(folder, *arguments, "--json"), parse_constant=refuse)


def test_runs_are_listed_newest_first(folder: Path) -> None:
    lines = chachaml(folder, "runs").splitlines()
    assert lines[0].split()[:6] == ["id", "name", "experiment", "status", "started", "duration"]
    assert lines[1].split()[1:4] == ["\\x1b[31mred\\n", "wine", "failed"]
    assert [line.split()[1] for line in lines[2:5]] == ["lr=0.001", "lr=0.01", "lr=0.1"]
    assert lines[-1] == "5 runs"


def test_runs_are_filtered(folder: Path) -> None:
    assert [r["name"] for r in document(folder, "runs", "-s", "failed")["runs"]] == ["\x1b[31mred\n"]
    assert len(document(folder, "runs", "-e", "iris")["runs"]) == 4
    sweep = document(folder, "runs", "--name", "sweep")["runs"][0]["id"]
    assert len(document(folder, "runs", "--parent", sweep[-8:])["runs"]) == 3
    assert document(folder, "runs", "--by", "nobody") == {"runs": [], "next": None}
    assert "no runs here" in chachaml(folder, "runs", "--by", "nobody")


def test_a_limit_says_how_to_get_more(folder: Path) -> None:
    few = document(folder, "runs", "-n", "2")
    rest = document(folder, "runs", "--after", few["next"])
    assert (len(few["runs"]), len(rest["runs"]), rest["next"]) == (2, 3, None)
    assert "ask with --limit 20" in chachaml(folder, "runs", "-n", "2")


def test_a_run_is_shown_in_full(folder: Path) -> None:
    best = document(folder, "best", "accuracy")
    text = chachaml(folder, "show", best["id"][-8:])
    for part in ("lr=0.1", "iris", "nothing  NaN", "Why **not**?", "█▃▂▂▂▁"):
        assert part in text
    assert "ValueError: too dry" in chachaml(
        folder, "show", document(folder, "runs", "-n", "1")["runs"][0]["id"]
    )


def test_the_best_run_comes_with_its_value(folder: Path) -> None:
    best = document(folder, "best", "loss", "--min", "-e", "iris")
    assert (best["name"], best["metric"], best["metric_value"], best["metric_step"]) == (
        "lr=0.1",
        "loss",
        0.025,
        39,
    )
    assert document(folder, "best", "loss")["metric_value"] == 3.0
    assert "loss = 0.025 at step 39" in chachaml(folder, "best", "loss", "--min")


def test_json_is_strict(folder: Path) -> None:
    run = document(folder, "best", "loss")
    assert run["params"]["nothing"] == "NaN"
    assert run["metrics"]["odd"] == "NaN"
    assert run["summaries"]["odd"]["first"] == "Infinity"


def told_in(folder: Path, encoding: str) -> dict[str, bytes]:
    """Return what commands that draw or cut print into a pipe of an encoding."""
    ids = [each["id"] for each in document(folder, "runs", "--experiment", "iris")["runs"]][:2]
    wide = "SELECT name, replace(hex(zeroblob(150)), '0', 'x') AS wide FROM runs"
    commands = {
        "show": ("show", ids[0]),
        "plot": ("plot", ids[0], "loss"),
        "plot two": ("plot", *ids, "loss"),
        "compare": ("compare", *ids),
        "runs": ("runs",),
        "query": ("query", "--sql", wide),
    }
    return {name: in_encoding(folder, encoding, "-m", "chachaml", *words) for name, words in commands.items()}


def test_a_pipe_that_cannot_carry_a_sign_gets_one_of_ascii(folder: Path) -> None:
    told = {name: text.decode("cp1252") for name, text in told_in(folder, "cp1252").items()}
    assert not [name for name, text in told.items() if "\\u" in text]
    assert SPARK in told["show"]
    assert "'" in told["plot"] and "----+----" in told["plot"] and " |" in told["plot"]
    assert "o" * 3 in told["plot two"]
    assert "…" in told["query"]  # which it can carry


def test_a_pipe_of_ascii_gets_unicode_and_no_escapes(folder: Path) -> None:
    told = {name: text.decode() for name, text in told_in(folder, "ascii").items()}
    assert not [name for name, text in told.items() if "\\u" in text]
    assert "█" in told["show"] and "┤" in told["plot"]


def test_what_python_prints_is_carried_by_any_stream(folder: Path) -> None:
    code = "import chachaml as ml; ml.inspect(ml.runs(experiment='iris')[0].id); ml.runs_table()"
    assert SPARK in in_encoding(folder, "ascii", "-c", code).decode("ascii")


def test_exported_data_are_never_another_sign(tmp_path: Path) -> None:
    code = "import chachaml as ml; ml.start_run('e', name='a…b')"
    run([sys.executable, "-c", code], tmp_path)
    assert b"a\\u2026b" in in_encoding(tmp_path, "latin-1", "-m", "chachaml", "export", "-")


def in_encoding(folder: Path, encoding: str, *arguments: str) -> bytes:
    """Return what a Python prints into a pipe whose encoding is not UTF-8."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CHACHA")}
    environment |= {"COLUMNS": "100", "PYTHONIOENCODING": encoding, "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def test_curves_of_several_runs_are_drawn_over_each_other(folder: Path) -> None:
    runs = document(folder, "runs", "-e", "iris")["runs"]
    ids = [run["id"] for run in runs if run["metrics"]]
    text = chachaml(folder, "plot", *ids, "loss", "--log", "--height", "8")
    assert len(text.splitlines()) == 1 + 8 + 2 + 3
    assert "++ lr=0.1" in text
    points = document(folder, "plot", *ids, "loss")
    assert [series["total"] for series in points] == [40, 40, 40]
    assert points[0]["steps"] == list(range(40))


def test_sync_and_doctor_report(folder: Path) -> None:
    assert document(folder, "sync")["damaged"] == 0
    assert "drained" in chachaml(folder, "sync")
    assert document(folder, "doctor")["problems"] == []
    assert "none" in chachaml(folder, "doctor")


def test_the_store_is_found_by_option_and_environment(folder: Path, tmp_path: Path) -> None:
    store = str(folder / "chachaml.db")
    for arguments in (("--store", store, "runs"), ("runs", "--store", store)):
        assert "5 runs" in chachaml(tmp_path, *arguments)
    assert "5 runs" in chachaml(tmp_path, "runs", CHACHAML_STORE=store)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["runs"], ["show", "abcd"], ["best", "loss"], ["sync"], ["doctor"]])
def test_reading_makes_no_store_where_there_is_none(command: list[str], tmp_path: Path) -> None:
    told = chachaml(tmp_path, *command, code=5)
    assert told.startswith("error: there is no store at chachaml.db\nhint:  go to the folder")
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_file_is_named_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "chachaml.db").write_text("something else entirely, and quite long, as files go" * 100)
    before = (tmp_path / "chachaml.db").read_bytes()
    assert "chachaml.db" in chachaml(tmp_path, "runs", code=5)
    assert (tmp_path / "chachaml.db").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["show", "ffffffff"], 3, "error: no run"),
        (["best", "nothing"], 3, "hint:  metrics of the newest runs: accuracy, loss, odd"),
        (["best"], 2, "Missing argument 'METRIC'"),
        (["runs", "-n", "0"], 2, "0 is not in the range"),
        (["runs", "-s", "done"], 2, "'done' is not one of"),
        (["rums"], 2, "No such command 'rums'"),
        (["plot", "loss"], 2, "Missing argument"),
    ],
)
def test_errors_say_what_and_exit_by_class(folder: Path, arguments: list[str], code: int, told: str) -> None:
    assert told in chachaml(folder, *arguments, code=code)


def test_a_missing_metric_names_those_there_are(folder: Path) -> None:
    best = document(folder, "best", "loss")["id"]
    assert "accuracy, loss, odd" in chachaml(folder, "plot", best, "nothing", code=3)


@pytest.mark.parametrize("command", ["runs", "show", "best", "plot", "sync", "doctor", "demo", ""])
def test_every_command_explains_itself(command: str, tmp_path: Path) -> None:
    text = chachaml(tmp_path, *command.split(), "--help")
    assert text.startswith("Usage: chachaml")
    if command in ("", "runs", "show", "best", "plot"):
        assert "Examples:\n" in text


def test_the_version_is_told(tmp_path: Path) -> None:
    assert chachaml(tmp_path, "--version").startswith("chachaml ")


def test_a_reader_that_leaves_early_is_no_error(folder: Path) -> None:
    done = run(["sh", "-c", f"{sys.executable} -m chachaml runs --json | head -n 1"], folder)
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_listing_runs_loads_neither_numpy_nor_rich(folder: Path) -> None:
    code = (
        "import sys; from chachaml.surfaces.cli import main; main(['runs']);"
        "print(sorted({'numpy', 'rich'} & set(sys.modules)))"
    )
    assert run([sys.executable, "-c", code], folder).stdout.endswith("[]\n")


def in_terminal(folder: Path, *arguments: str, **variables: str) -> str:
    """Run the command on a pseudo-terminal and return what it wrote there."""
    code = "import pty, sys; sys.exit(pty.spawn([sys.executable, '-m', 'chachaml', *sys.argv[1:]]))"
    return run([sys.executable, "-c", code, *arguments], folder, TERM="xterm", **variables).stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals in the standard library")
def test_colour_is_for_terminals_that_want_it(folder: Path) -> None:
    assert "\x1b[32mcompleted" in in_terminal(folder, "runs", NO_COLOR="")
    assert "\x1b" not in in_terminal(folder, "runs", NO_COLOR="1")
    assert "\x1b" not in chachaml(folder, "runs")


def test_without_scikit_learn_the_demo_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import importlib.util as u, sys; from chachaml.surfaces.cli import main;"
        "sys.path[:] = [p for p in sys.path if 'site-packages' not in p];"
        "import importlib; importlib.invalidate_caches(); sys.exit(main(['demo']))"
    )
    done = run([sys.executable, "-c", code], tmp_path, code=1)
    assert "pip install 'chachaml[sklearn]'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def demo_in_browser(folder: Path) -> tuple[str, str]:
    """Return what the demo prints, and the page that it opens in the browser."""
    opened, browser = folder / "opened", folder / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.part && mv {opened}.part {opened}\n')
    browser.chmod(0o755)
    environment = {**os.environ, "BROWSER": f"{browser} %s"}
    command = [sys.executable, "-m", "chachaml", "demo", "--dir", "here", "--ui"]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not opened.exists():
            assert process.poll() is None, "".join(lines)
            if not any("is served at" in line for line in lines):
                lines.append(process.stdout.readline())
        page = httpx.get(opened.read_text(), follow_redirects=True).text
        process.terminate()
    assert process.returncode == 0
    return "".join(lines), page


def test_the_demo_trains_and_shows_its_runs(tmp_path: Path) -> None:
    text, page = demo_in_browser(tmp_path)
    assert "numpy net" in page
    assert "10 runs with" in text
    assert "val/loss (log)" in text
    assert "Best: " in text
    store = str(tmp_path / "here" / "chachaml.db")
    best = document(tmp_path, "--store", store, "best", "val/accuracy")
    assert best["metric_value"] > 0.95
    losses = document(tmp_path, "--store", store, "plot", best["id"], "val/loss")[0]["values"]
    assert losses[-1] < losses[0]
    kept = {one["name"]: one for one in document(tmp_path, "--store", store, "artifacts", "ls", best["id"])}
    assert kept["confusion.png"]["content_type"] == "image/png"
    assert {"confusion", "confusion.png"} < set(kept)
    assert kept.keys() & {"model", "weights"}
    sweep = document(tmp_path, "--store", store, "search", "name = 'sweep'")["runs"][0]
    shown = document(tmp_path, "--store", store, "show", sweep["id"])
    assert [(data["role"], data["rows"]) for data in shown["datasets"]] == [
        ("train", 1347),
        ("validation", 450),
    ]
    assert len((tmp_path / "here" / "runs.csv").read_text().splitlines()) == 11
