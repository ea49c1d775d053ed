"""Sweeps: a function tried with many params, each trial a run."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import chachaml as ml
from chachaml.core.errors import BadValue, MissingExtra, NotFound


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Path:
    ml.connect(tmp_path / "chachaml.db")
    return tmp_path


def bowl(params: dict[str, Any]) -> float:
    return (params["x"] - 3) ** 2 + params.get("y", 0)


def test_a_grid_tries_all_combinations() -> None:
    found = ml.sweep(bowl, {"x": range(5), "y": [1, 0]}, method="grid")
    assert (found.best_params, found.best_value, found.failed) == ({"x": 3, "y": 0}, 0, 0)
    tried = [(run.params["x"], run.params["y"]) for run in found.trials]
    assert tried == [(x, y) for x in range(5) for y in (1, 0)]
    assert found.best is not None
    assert found.best.parent == found.id
    assert ml.run(found.id).params["method"] == "grid"
    assert repr(found).splitlines()[1].startswith("best objective 0: x=3, y=0")
    assert len(ml.children(found.id)) == 10


def test_at_random_the_same_seed_tries_the_same() -> None:
    space = {"x": (-10.0, 10.0), "n": (1, 4), "rate": (1e-4, 1.0, "log"), "kind": ["a", "b"]}
    tried = [
        [run.params for run in ml.sweep(bowl, space, 8, method="random", seed=s).trials] for s in (1, 1, 2)
    ]
    assert tried[0] == tried[1] != tried[2]
    for params in tried[0]:
        assert -10 <= params["x"] <= 10
        assert params["n"] in (1, 2, 3, 4)
        assert 1e-4 <= params["rate"] <= 1
        assert params["kind"] in ("a", "b")


def test_the_value_is_returned_or_logged() -> None:
    def logs(params: dict[str, Any]) -> None:
        for step in range(3):
            ml.log_metric("accuracy", params["x"] + step / 10, step)

    found = ml.sweep(logs, {"x": [1, 3, 2]}, direction="max", method="grid", metric="accuracy", name="digits")
    assert (found.best_params, found.best_value, found.name) == ({"x": 3}, 3.2, "digits")
    assert {run.experiment for run in found.trials} == {"digits"}
    assert ml.best_run(experiment="digits", metric="accuracy").params["x"] == 3  # type: ignore[union-attr]


def test_a_trial_that_fails_does_not_end_the_sweep() -> None:
    def fails(params: dict[str, Any]) -> float:
        if params["x"] == 1:
            raise ValueError("bad x")
        return float("nan") if params["x"] == 2 else params["x"]

    found = ml.sweep(fails, {"x": [0, 1, 2]}, method="grid")
    assert (found.failed, found.best_value) == (1, 0)
    assert [run.status for run in found.trials] == ["completed", "failed", "completed"]
    with pytest.raises(ValueError, match="bad x"):
        ml.sweep(fails, {"x": [1]}, method="grid")
    assert ml.sweep(fails, {"x": [2]}, method="grid").best is None


def test_trials_run_side_by_side() -> None:
    together = threading.Barrier(3, timeout=20)

    def waits(params: dict[str, Any]) -> float:
        together.wait()
        return params["x"]

    found = ml.sweep(waits, {"x": [5, 4, 6]}, method="grid", workers=3)
    assert (found.best_value, [run.params["x"] for run in found.trials]) == (4, [5, 4, 6])


def test_a_sweep_goes_on() -> None:
    first = ml.sweep(bowl, {"x": (0.0, 6.0)}, 3, method="random")
    more = ml.sweep(bowl, {"x": (0.0, 6.0)}, 5, method="random", resume=first.id)
    assert (more.id, len(more.trials)) == (first.id, 5)
    assert [run.id for run in more.trials][:3] == [run.id for run in first.trials]
    ordinary = ml.start_run()
    ordinary.end()
    with pytest.raises(NotFound, match="is no sweep"):
        ml.sweep(bowl, {"x": [1]}, resume=ordinary.id)


WORKER = """
import sys, time
import chachaml as ml

def slow(params):
    time.sleep(0.02)
    return params["x"]

ml.sweep(slow, {"x": list(range(24))}, method="grid", resume=sys.argv[1])
"""


def test_processes_that_resume_one_sweep_share_its_trials(store: Path) -> None:
    begun = ml.sweep(bowl, {"x": list(range(24))}, 1, method="grid")
    command = [sys.executable, "-c", WORKER, begun.id]
    workers = [subprocess.Popen(command, cwd=store) for _ in range(4)]
    assert [worker.wait(120) for worker in workers] == [0] * 4
    done = [run for run in ml.children(begun.id) if "trial" in run.tags]
    assert sorted(run.params["x"] for run in done) == list(range(24))
    assert len({run.tags["trial"] for run in done}) == 24


@pytest.mark.parametrize(
    ("space", "about", "why"),
    [
        ({}, {}, "params to vary"),
        ({"x": []}, {}, "no values"),
        ({"x": (0.0, 1.0, "log")}, {}, "above 0"),
        ({"x": (2, 1)}, {}, "is no range"),
        ({"x": (0.0, 1.0)}, {"method": "grid"}, "can be counted"),
        ({"x": [1]}, {"direction": "up"}, "direction must be"),
        ({"x": [1]}, {"method": "magic"}, "no method 'magic'"),
        ({"x": [1]}, {"trials": 0}, "trials is a number"),
        ({"x": [1]}, {"method": "grid", "pruner": "median"}, "prunes nothing"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(space: Any, about: Any, why: str) -> None:
    with pytest.raises(BadValue, match=why):
        ml.sweep(bowl, space, **about)
    assert len(ml.runs()) == 0


def test_without_optuna_the_install_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra) as error:
        ml.sweep(bowl, {"x": [1]}, method="tpe")
    assert error.value.hint == "pip install 'chachaml[optuna]', or method='random'"


# Optuna -------------------------------------------------------------------------------------------


def test_optuna_learns_from_trials_also_those_before() -> None:
    space = {"x": (-10.0, 10.0), "n": (1, 8), "rate": (1e-4, 1.0, "log"), "kind": ["a", 1, True]}
    first = ml.sweep(bowl, space, 15, method="tpe", seed=3)
    assert first.best_value is not None
    assert {type(run.params["kind"]) for run in first.trials} <= {str, int, bool}
    more = ml.sweep(bowl, space, 40, method="tpe", seed=4, resume=first.id)
    assert more.best_value is not None
    assert more.best_value <= first.best_value
    early = sum(bowl(run.params) for run in list(more.trials)[:10]) / 10
    late = sum(bowl(run.params) for run in list(more.trials)[-10:]) / 10
    assert late < early


def test_a_pruner_gives_trials_up_by_what_they_logged() -> None:
    def slow(params: dict[str, Any], trial: Any) -> None:
        for step in range(20):
            ml.log_metric("objective", params["x"] + 1 / (step + 1), step)
            if trial.should_prune():
                raise ml.Pruned

    found = ml.sweep(slow, {"x": (0.0, 10.0)}, 15, method="tpe", pruner="median")
    assert found.pruned > 0
    assert found.failed == 0
    pruned = [run for run in found.trials if "pruned" in run.tags]
    assert all(run.status == "completed" for run in pruned)
    assert all(run.summaries["objective"].count < 20 for run in pruned)


def test_the_command_sweeps_a_function_of_a_file(store: Path) -> None:
    (store / "train.py").write_text("def loss(params):\n    return (params['x'] - 3) ** 2 + params['k']\n")
    command = [sys.executable, "-m", "chachaml", "sweep", "train.py:loss", "-p", "x=1..5", "-p", "k=2,1.5"]
    done = subprocess.run(
        [*command, "--method", "grid"], cwd=store, capture_output=True, text=True, check=True, timeout=60
    )
    assert "best objective 1.5: x=3, k=1.5" in done.stdout
    wrong = subprocess.run(
        [*command[:4], "gone.py:loss", "-p", "x=1"], cwd=store, capture_output=True, text=True, timeout=60
    )
    assert (wrong.returncode, "FILE:FUNCTION" in wrong.stderr) == (2, True)


def test_a_trial_may_log_params_besides_those_of_the_space(folder: Path) -> None:
    def fn(params: dict[str, Any]) -> float:
        ml.log_param("epochs", 3)
        return float(params["x"]) ** 2

    found = ml.sweep(fn, {"x": (-1.0, 1.0)}, trials=5, method="tpe")
    assert len(found.trials) == 5
    assert found.best is not None and found.best.params["epochs"] == 3
