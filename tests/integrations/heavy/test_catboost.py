"""CatBoost: the callback, alone and by autolog."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor, Pool
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV, train_test_split

import chachaml as ml
from chachaml.integrations.catboost import ChachamlCallback, log_trained
from tests.integrations.heavy import whole

X, X_TEST, Y, Y_TEST = train_test_split(*load_breast_cancer(return_X_y=True), random_state=0)
QUIET: Any = {"verbose": False, "allow_writing_files": False, "thread_count": 1, "random_seed": 0}


def test_the_callback_logs_each_iteration() -> None:
    model = CatBoostClassifier(iterations=5, depth=3, **QUIET)
    with ml.start_run() as run:
        model.fit(X, Y, eval_set=(X_TEST, Y_TEST), callbacks=[ChachamlCallback()])
        log_trained(model)
    for data in ("learn", "validation"):
        series = ml.metric(run, f"{data}/Logloss")
        assert series.steps.tolist() == list(range(5))
        assert np.allclose(series.values, model.evals_result_[data]["Logloss"])
    assert whole(run).params["depth"] == 3
    rows = ml.load_artifact(run, "feature_importances")["rows"]
    assert rows[0][1] == pytest.approx(max(model.feature_importances_))


def test_autolog_of_models_pools_and_searches() -> None:
    ml.autolog()
    model = CatBoostRegressor(iterations=4, depth=2, **QUIET).fit(Pool(X, Y), eval_set=Pool(X_TEST, Y_TEST))
    (run,) = ml.runs()
    found = whole(run)
    assert (found.name, found.status, found.params["iterations"]) == ("CatBoostRegressor", "completed", 4)
    assert found.metrics["best_iteration"] == model.best_iteration_
    assert found.datasets[0].rows == len(X)
    assert len(ml.metric(run, "validation/RMSE").values) == 4
    GridSearchCV(CatBoostClassifier(iterations=2, **QUIET), {"depth": [1, 2]}, cv=2).fit(X, Y)
    assert sorted(each.name for each in ml.runs())[:2] == ["CatBoostRegressor", "GridSearchCV"]
    assert ml.count_runs() == 4
    with pytest.raises(Exception, match="Length"):
        CatBoostClassifier(iterations=2, **QUIET).fit(X, Y[:-1])
    assert ml.runs()[0].status == "failed"
    ml.autolog(disable=True)
    CatBoostClassifier(iterations=2, **QUIET).fit(X, Y)
    assert ml.count_runs() == 5


def test_the_callback_without_a_run_does_not_stop_the_training(trouble: set[str]) -> None:
    with pytest.warns(ml.ChachamlWarning, match="no run is open"):
        model = CatBoostClassifier(iterations=3, **QUIET).fit(X, Y, callbacks=[ChachamlCallback()])
    assert model.tree_count_ == 3
    trouble.add("catboost")
