"""Optuna: trials as runs, by the callback, by the storage and by autolog."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import chachaml as ml
from chachaml.integrations.optuna import ChachamlCallback, ChachamlStorage


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(optuna.logging.INFO)


def objective(trial: Any) -> float:
    x = trial.suggest_float("x", -1, 1)
    kind = trial.suggest_categorical("kind", ["a", "b"])
    for step in range(3):
        trial.report(x + step, step)
    trial.set_user_attr("seen", kind)
    if trial.number == 1:
        raise optuna.TrialPruned
    if trial.number == 2:
        raise ValueError("no such thing")
    return float(x * x)


def study(**more: Any) -> Any:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), **more)


def by_number(parent: Any = None) -> list[Any]:
    found = ml.children(parent) if parent else ml.runs("tags.trial is not null")
    return sorted((ml.run(run.id) for run in found), key=lambda run: int(run.tags["trial"]))


def judge(trials: list[Any], done: Any) -> None:
    assert [run.status for run in trials] == ["completed", "completed", "failed", "completed"]
    for run, trial in zip(trials, done.trials, strict=True):
        assert run.params == trial.params
        assert ml.metric(run.id, "intermediate").values.tolist() == list(trial.intermediate_values.values())
    assert [run.metrics.get("value") for run in trials] == [trial.value for trial in done.trials]
    assert trials[1].tags["pruned"] == "yes"
    assert trials[0].tags["seen"] == done.trials[0].params["kind"]


def test_the_callback_makes_each_trial_a_run() -> None:
    done = study()
    with ml.start_run("tuning") as run:
        done.optimize(objective, n_trials=4, callbacks=[ChachamlCallback()], catch=(ValueError,))
    trials = by_number(run.id)
    assert {trial.experiment for trial in trials} == {"tuning"}
    judge(trials, done)


def test_what_an_objective_logs_goes_to_its_trial() -> None:
    tracker = ChachamlCallback()

    def logs(trial: Any) -> float:
        ml.log_metric("inner", trial.number)
        return objective(trial)

    done = study(study_name="alone")
    done.optimize(tracker.track(logs), n_trials=4, callbacks=[tracker], catch=(ValueError,))
    trials = by_number()
    assert {run.experiment for run in trials} == {"alone"}
    assert [run.metrics["inner"] for run in trials] == [0, 1, 2, 3]
    assert trials[2].error.message == "no such thing"
    assert [run.status for run in trials] == ["completed", "completed", "failed", "completed"]
    assert ml.current_run() is None


def test_an_objective_that_raises_fails_its_run_and_the_study() -> None:
    tracker = ChachamlCallback()
    with pytest.raises(ValueError, match="no such thing"):
        study().optimize(tracker.track(objective), n_trials=4, callbacks=[tracker])
    assert [run.status for run in by_number()] == ["completed", "completed", "failed"]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_several_values_have_names() -> None:
    done = study(directions=["minimize", "maximize"])
    done.optimize(lambda trial: (1.0, 2.0), n_trials=1, callbacks=[ChachamlCallback()])
    done.set_metric_names(["loss", "speed"])
    done.optimize(lambda trial: (3.0, 4.0), n_trials=1, callbacks=[ChachamlCallback()])
    first, second = by_number()
    assert first.metrics == {"value_0": 1.0, "value_1": 2.0}
    assert second.metrics == {"loss": 3.0, "speed": 4.0}


def test_the_storage_finds_a_study_again(folder: Path) -> None:
    first = study(storage=ChachamlStorage(), study_name="kept", direction="maximize")
    first.optimize(objective, n_trials=4, catch=(ValueError,))
    (above,) = ml.runs(name="kept")
    judge(by_number(above.id), first)
    with pytest.raises(optuna.exceptions.DuplicatedStudyError):
        study(storage=ChachamlStorage(), study_name="kept")
    again = study(storage=ChachamlStorage(), study_name="kept", load_if_exists=True)
    assert again.direction == optuna.study.StudyDirection.MAXIMIZE
    for new, old in zip(again.trials, first.trials, strict=True):
        assert (new.state, new.value, new.params) == (old.state, old.value, old.params)
        assert new.distributions == old.distributions
        assert (new.intermediate_values, new.user_attrs) == (old.intermediate_values, old.user_attrs)
    again.optimize(lambda trial: trial.suggest_float("x", -1, 1), n_trials=1)
    code = (
        "import optuna\nfrom chachaml.integrations.optuna import ChachamlStorage\n"
        "study = optuna.load_study(study_name='kept', storage=ChachamlStorage())\n"
        "print(len(study.trials), study.best_value)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.stdout == f"5 {again.best_value}\n", done.stderr


def test_trials_of_the_storage_in_threads_and_those_enqueued() -> None:
    done = study(storage=ChachamlStorage(), study_name="threads")
    done.enqueue_trial({"x": 0.5})
    done.optimize(lambda trial: trial.suggest_float("x", -1, 1), n_trials=8, n_jobs=2)
    trials = by_number()
    assert trials[0].params == {"x": 0.5}
    assert [run.metrics["value"] for run in trials] == [trial.value for trial in done.trials]


def test_autolog_puts_trials_into_a_run_and_models_into_trials() -> None:
    ml.autolog()
    x, y = load_iris(return_X_y=True)

    def fits(trial: Any) -> float:
        model = LogisticRegression(C=trial.suggest_float("C", 0.1, 10, log=True), max_iter=500)
        return float(model.fit(x, y).score(x, y))

    done = study(study_name="iris", direction="maximize")
    done.optimize(fits, n_trials=2)
    (above,) = ml.runs(name="iris")
    assert (above.status, above.metrics["best_value"]) == ("completed", done.best_value)
    assert above.params["best.C"] == done.best_params["C"]
    for run, trial in zip(by_number(above.id), done.trials, strict=True):
        assert (run.params["C"], run.params["max_iter"]) == (trial.params["C"], 500)
        assert run.metrics["training_score"] == run.metrics["value"] == trial.value
    assert ml.count_runs() == 3
