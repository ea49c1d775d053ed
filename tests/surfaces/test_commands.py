"""The commands that search, compare, export, change and delete, each in a process of its own."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.surfaces.test_cli import chachaml, document, run

TRAINING = """
import chachaml as ml
for number, lr in enumerate((0.1, 0.01)):
    with ml.start_run("iris", name=f"lr={lr}", tags={"kind": "sweep"}) as made:
        ml.log_params({"lr": lr, "batch": 32})
        for step in range(5):
            ml.log_metric("loss", (1 + number) / (step + 1), step)
        ml.log_text("notes/a.md", "# a")
        ml.log_artifact("model", {"weights": [1, 2]})
with ml.start_run("wine", name="printer", console=True):
    print("hello")
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder with a fresh store of three runs in it."""
    run([sys.executable, "-c", TRAINING], tmp_path)
    return tmp_path


def ids(folder: Path, *arguments: str) -> list[str]:
    return [found["id"] for found in document(folder, "runs", *arguments)["runs"]]


def test_search_takes_the_language_and_shows_mistakes(store: Path) -> None:
    found = document(store, "search", "metrics.loss < 0.3 and params.lr >= 0.1")
    assert [one["name"] for one in found["runs"]] == ["lr=0.1"]
    ordered = document(store, "search", "tags.kind = 'sweep'", "--order", "params.lr")["runs"]
    assert [one["name"] for one in ordered] == ["lr=0.01", "lr=0.1"]
    error = chachaml(store, "search", "metrics.loss <", code=2)
    assert "column 15" in error
    assert error.splitlines()[2].strip() == "^"


def test_runs_are_compared_and_diffed(store: Path) -> None:
    one, other = ids(store, "-e", "iris")
    compared = document(store, "compare", one[-8:], other)
    assert compared["params"]["differ"] == {"lr": [0.01, 0.1]}
    assert "lr  0.01  0.1" in chachaml(store, "compare", one, other)
    text = run([sys.executable, "-m", "chachaml", "diff", one, other], store, code=1).stdout
    assert text.splitlines()[:3] == ["params.lr", "  - 0.01", "  + 0.1"]
    assert chachaml(store, "diff", one, one) == ""


def test_everything_is_exported(store: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(chachaml(store, "export"))))
    assert [row["name"] for row in rows] == ["printer", "lr=0.01", "lr=0.1"]
    assert chachaml(store, "export", "out.parquet", "--filter", "params.lr > 0").strip() == "out.parquet"
    assert (store / "out.parquet").stat().st_size > 0
    lines = chachaml(store, "export", "--format", "jsonl", "-e", "iris").splitlines()
    assert [json.loads(line)["lr"] for line in lines] == [0.01, 0.1]
    assert "name a path" in chachaml(store, "export", "--format", "parquet", code=2)


def test_sql_is_asked_and_changes_nothing(store: Path) -> None:
    found = document(store, "query", "--sql", "SELECT name FROM runs ORDER BY name")
    assert found["rows"][0] == {"name": "lr=0.01"}
    assert "3 rows" in chachaml(store, "query", "--sql", "SELECT name FROM runs")
    assert "only SELECT" in chachaml(store, "query", "--sql", "DELETE FROM main.runs", code=2)


def test_artifacts_are_listed_and_got(store: Path) -> None:
    newest = ids(store, "-e", "iris")[0]
    assert [one["name"] for one in document(store, "artifacts", "ls", newest)] == ["model", "notes/a.md"]
    assert "text/markdown" in chachaml(store, "artifacts", "ls", newest, "notes/")
    chachaml(store, "artifacts", "get", newest, "notes", "-o", "out")
    assert (store / "out" / "notes" / "a.md").read_text() == "# a"
    assert "there already" in chachaml(store, "artifacts", "get", newest, "notes", "-o", "out", code=2)
    assert "no artifact" in chachaml(store, "artifacts", "get", newest, "modl", code=3)


def test_runs_are_tagged_noted_and_renamed(store: Path) -> None:
    newest = ids(store)[0]
    assert chachaml(store, "tag", newest, "team=vision", "a=b=c").splitlines() == ["a=b=c", "team=vision"]
    assert document(store, "tag", newest, "--remove", "a") == {"team": "vision"}
    chachaml(store, "note", newest, "# Why")
    assert document(store, "show", newest)["tags"]["note"] == "# Why"
    chachaml(store, "rename", newest, "better")
    assert document(store, "show", newest)["name"] == "better"
    assert "name: printer -> better" in chachaml(store, "history", newest)
    assert "better -> printer" in chachaml(store, "undo")
    assert "KEY=VALUE" in chachaml(store, "tag", newest, "team", code=2)


def test_runs_are_archived_restored_and_deleted(store: Path) -> None:
    assert "which runs" in chachaml(store, "archive", code=2)
    assert "2 runs would be archived" in chachaml(store, "archive", "-e", "iris", "--dry-run")
    chachaml(store, "archive", "-e", "iris")
    assert len(ids(store)) == 1
    assert len(ids(store, "-s", "archived")) == 2
    chachaml(store, "restore", "--filter", "params.lr = 0.1")
    assert len(ids(store)) == 2
    asked = run([sys.executable, "-m", "chachaml", "delete", "--archived"], store, code=130)
    assert "1 run would be deleted" in asked.stderr
    done = document(store, "delete", "--archived", "--yes")
    assert (len(done["runs"]), done["dry_run"]) == (1, False)
    assert [one["name"] for one in document(store, "experiments")] == ["iris", "wine"]
    assert "1 row" in chachaml(store, "query", "--sql", "SELECT * FROM runs WHERE experiment = 'iris'")


def test_what_a_run_printed_is_shown(store: Path) -> None:
    assert chachaml(store, "show", ids(store, "-e", "wine")[0], "--console") == "hello\n"


def test_a_running_run_is_watched_until_it_ends(tmp_path: Path) -> None:
    script = (
        "import chachaml as ml, sys\n"
        "with ml.start_run(name='long'):\n"
        "    ml.log_metric('loss', 1.0)\n    ml.flush()\n"
        "    print('on', flush=True)\n    sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as training:
        assert training.stdin and training.stdout
        assert training.stdout.readline() == "on\n"
        command = [sys.executable, "-m", "chachaml", "watch", "--json"]
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as watching:
            assert watching.stdout
            assert json.loads(watching.stdout.readline())["status"] == "running"
            training.stdin.write("\n")
            training.stdin.close()
            lines = watching.stdout.read().splitlines()
            assert json.loads(lines[-1])["status"] == "completed"
        assert watching.returncode == 0


def test_settings_are_printed_with_where_they_come_from(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.chachaml]\nstore = "runs/all.db"\nconsole = true\n')
    (tmp_path / "inner").mkdir()
    by_name = {
        row["name"]: row
        for row in json.loads(
            chachaml(tmp_path / "inner", "config", "--json", CHACHAML_STRICT="on", CHACHAML_SIGNING_KEY="k")
        )
    }
    assert by_name["store"]["set_by"].endswith("pyproject.toml")
    assert by_name["strict"]["set_by"].endswith("CHACHAML_STRICT")
    assert by_name["signing_key"]["value"] == "***"
    assert by_name["journal"]["set_by"] == "the default"


def test_shells_complete_runs_and_options(store: Path) -> None:
    assert "_CHACHAML_COMPLETE" in chachaml(store, "completion", "bash")
    newest = ids(store)[0][-8:]
    for begun, expected in ((newest[:2], newest), ("", newest)):
        words = f"chachaml show {begun}"
        offered = chachaml(store, _CHACHAML_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD="2")
        assert expected in offered
    assert "iris" in chachaml(
        store, _CHACHAML_COMPLETE="bash_complete", COMP_WORDS="chachaml runs -e i", COMP_CWORD="3"
    )


def test_every_command_has_help_with_an_example(tmp_path: Path) -> None:
    listed = chachaml(tmp_path, "--help").partition("Commands:")[2].partition("Examples:")[0]
    names = re.findall(r"^  (\w+)  ", listed, re.MULTILINE)
    assert len(names) > 20
    for name in names:
        text = chachaml(tmp_path, name, "--help")
        assert "Usage: chachaml" in text
        assert "Examples:" in text or name in ("sync", "demo", "completion", "artifacts"), name


def test_ctrl_c_ends_watching_quietly(tmp_path: Path) -> None:
    script = (
        "import chachaml as ml, sys\nml.start_run()\nml.flush()\nprint('on', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as training:
        assert training.stdin and training.stdout
        training.stdout.readline()
        command = [sys.executable, "-m", "chachaml", "watch"]
        with subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as watching:
            assert watching.stdout and watching.stderr
            assert b"running" in watching.stdout.readline()
            watching.send_signal(signal.SIGINT)
            assert b"Traceback" not in watching.stderr.read()
        assert watching.returncode == 130
        training.stdin.close()
