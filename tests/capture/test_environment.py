"""What is captured of code, machine and packages, from real repositories and real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import chachaml as ml
from chachaml.capture import git, machine, packages
from chachaml.results import Run


@pytest.fixture(autouse=True)
def capturing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHACHAML_CAPTURE", "on")


def in_git(*arguments: str, at: Path) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=at, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit on the branch work."""
    root = tmp_path / "code"
    root.mkdir()
    in_git("init", "-b", "work", at=root)
    (root / "train.py").write_text("print(1)\n")
    in_git("add", ".", at=root)
    in_git("commit", "-m", "first", at=root)
    in_git("remote", "add", "origin", "https://user:secret@example.com/team/code.git", at=root)
    return root


def captured_by(script: str, at: Path) -> Run:
    """Run a script in a process of its own and return its run."""
    (at / "script.py").write_text(script)
    subprocess.run(
        [sys.executable, "script.py", "--lr=1", "--api-key=abc", "--token", "xyz"], cwd=at, check=True
    )
    ml.connect(at / "chachaml.db")
    run = ml.last_run()
    assert run is not None
    return ml.run(run.id)


SHORT = "import chachaml as ml\nwith ml.start_run(): ml.log_metric('a', 1)\n"


def test_a_script_that_ends_at_once_is_captured(repository: Path) -> None:
    """Git sha, branch and dirty, Python, host, packages, by themselves."""
    run = captured_by(SHORT, repository)
    facts = run.environment
    assert facts["git.sha"] == in_git("rev-parse", "HEAD", at=repository)
    assert (facts["git.branch"], facts["git.dirty"]) == ("work", False)
    assert facts["git.remote"] == "https://example.com/team/code.git"
    assert facts["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert facts["script"] == str(repository / "script.py")
    assert facts["argv"] == ["script.py", "--lr=1", "--api-key=***", "--token", "***"]
    assert ml.packages(run)["msgspec"] == packages.installed()["msgspec"]
    assert "secret" not in str(facts)


def test_runs_are_found_by_what_was_captured(repository: Path) -> None:
    (repository / "train.py").write_text("print(2)\n")
    run = captured_by(SHORT, repository)
    sha = run.environment["git.sha"]
    for text in (f"git.sha = '{sha}'", "git.dirty = true", "git.branch = 'work' and python ~ '^3'"):
        assert [found.id for found in ml.runs(text)] == [run.id]
    assert not ml.runs("git.branch = 'main' or git.dirty = false")


def test_many_runs_share_one_environment(repository: Path) -> None:
    run = captured_by(
        "import chachaml as ml\nfor i in range(50):\n    with ml.start_run(): ml.log_metric('a', i)\n",
        repository,
    )
    assert ml.sql("SELECT count(DISTINCT environment) AS n FROM main.runs")["n"][0] <= 2
    assert all(found.environment["git.sha"] == run.environment["git.sha"] for found in ml.runs())


def test_what_is_not_committed_is_kept_when_asked_for(repository: Path) -> None:
    (repository / "train.py").write_text("print('changed')\n")
    script = (
        "import chachaml as ml, time\n"
        "with ml.start_run(capture_diff=True) as run:\n"
        "    while not ml.list_artifacts(run): time.sleep(0.01)\n"
    )
    run = captured_by(script, repository)
    assert "+print('changed')" in ml.load_artifact(run, "code/uncommitted.diff")


def test_compared_runs_show_what_of_their_code_differs(repository: Path) -> None:
    one = captured_by(SHORT, repository)
    in_git("commit", "--allow-empty", "-m", "second", at=repository)
    two = captured_by(SHORT, repository)
    compared = ml.compare(one, two)
    assert compared.git.differ["sha"] == [one.environment["git.sha"], two.environment["git.sha"]]
    assert compared.git.same["branch"] == "work"
    assert "msgspec" in compared.packages.same


@pytest.mark.parametrize("setting", ["off", "argument"])
def test_nothing_is_captured_where_it_is_not_wanted(
    setting: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if setting == "off":
        monkeypatch.setenv("CHACHAML_CAPTURE", "off")
    with ml.start_run(capture=None if setting == "off" else False) as run:
        pass
    assert ml.run(run.id).environment == {}
    assert not [thread for thread in threading.enumerate() if thread.name == "chachaml-capture"]


# git ----------------------------------------------------------------------------------------------


def test_linked_work_trees_packed_refs_and_detached_heads_are_understood(repository: Path) -> None:
    sha = in_git("rev-parse", "HEAD", at=repository)
    in_git("pack-refs", "--all", at=repository)
    found = git.find(repository)
    assert found
    assert git.facts(found)["git.sha"] == sha
    linked = repository.parent / "linked"
    in_git("worktree", "add", "-b", "other", str(linked), at=repository)
    (linked / "inner").mkdir()
    inner = git.find(linked / "inner")
    assert inner
    assert (git.facts(inner)["git.sha"], git.facts(inner)["git.branch"]) == (sha, "other")
    in_git("checkout", "--detach", at=repository)
    assert git.facts(found) == {"git.sha": sha, "git.remote": "https://example.com/team/code.git"}


def test_a_repository_without_commits_and_broken_ones_are_no_trouble(tmp_path: Path) -> None:
    in_git("init", "-b", "main", at=tmp_path)
    found = git.find(tmp_path)
    assert found
    assert git.facts(found) == {"git.branch": "main"}
    (tmp_path / ".git" / "HEAD").write_bytes(b"\xff\xfe")
    assert git.facts(found) == {}
    assert git.find(Path("/nonexistent")) is None


def test_a_hostile_repository_runs_nothing(repository: Path, tmp_path: Path) -> None:
    trap, sprung = tmp_path / "trap.sh", tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\ntouch {sprung}\n")
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "diff.external", "core.pager", "filter.x.clean"):
        in_git("config", key, str(trap), at=repository)
    (repository / "train.py").write_text("print(3)\n")
    found = git.find(repository)
    assert found
    assert git.is_dirty(found) is True
    assert "print(3)" in git.diff(found)
    assert not sprung.exists()


def test_git_that_hangs_or_is_missing_costs_nothing(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = git.find(repository)
    assert found
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(git, "PATIENCE", 0.2)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    assert git.is_dirty(found) is None
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert git.is_dirty(found) is None
    assert git.facts(found)["git.branch"] == "work"


def test_packages_are_those_that_python_finds() -> None:
    from importlib.metadata import version

    found = packages.installed()
    for name in ("msgspec", "numpy", "pytest", "ruff"):
        assert found[name] == version(name)


def test_the_environments_variables_are_never_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "very-secret")
    assert "very-secret" not in str(machine.facts())


def test_a_seed_is_set_everywhere_and_kept(folder: Path) -> None:
    import random

    import numpy as np

    drawn = []
    for _ in range(2):
        with ml.start_run() as run:
            ml.set_seed(7)
            drawn.append((random.random(), float(np.random.rand())))
    assert drawn[0] == drawn[1]
    assert ml.run(run.id).environment["seed"] == 7
    with pytest.raises(ml.errors.BadValue):
        ml.set_seed(-1)


def test_a_fork_while_capturing_is_no_trouble(repository: Path) -> None:
    script = (
        "import chachaml as ml, os\n"
        "with ml.start_run() as run:\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        with ml.start_run(): ml.log_metric('b', 1)\n"
        "        raise SystemExit\n"
        "    os.waitpid(child, 0)\n"
    )
    captured_by(script, repository)
    assert [run.status for run in ml.runs()] == ["completed", "completed"]
    assert all(run.environment["git.branch"] == "work" for run in ml.runs())
