"""XGBoost and LightGBM: their callbacks, and what autolog makes of them."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV, train_test_split

import chachaml as ml
from chachaml.core.errors import NoActiveRun
from chachaml.integrations.lightgbm import ChachamlCallback as LightGBMCallback
from chachaml.integrations.lightgbm import log_trained
from chachaml.integrations.xgboost import ChachamlCallback as XGBoostCallback

X_TRAIN, X_TEST, Y_TRAIN, Y_TEST = train_test_split(*load_breast_cancer(return_X_y=True), random_state=0)
PARAMS = {"max_depth": 2, "objective": "binary:logistic", "nthread": 1}
LIGHT = {"objective": "binary", "num_leaves": 4, "verbosity": -1, "num_threads": 1, "metric": "auc"}


def trained(**more: Any) -> tuple[Any, dict[str, Any]]:
    train, test = xgboost.DMatrix(X_TRAIN, Y_TRAIN), xgboost.DMatrix(X_TEST, Y_TEST)
    history: dict[str, Any] = {}
    watched = [(train, "train"), (test, "test")]
    model = xgboost.train(PARAMS, train, 6, evals=watched, evals_result=history, verbose_eval=False, **more)
    return model, history


def lit(**more: Any) -> Any:
    train = lightgbm.Dataset(X_TRAIN, Y_TRAIN)
    return lightgbm.train(LIGHT, train, 6, valid_sets=[train.create_valid(X_TEST, Y_TEST)], **more)


def test_the_callback_of_xgboost_logs_each_round() -> None:
    with ml.start_run() as run:
        model, history = trained(callbacks=[XGBoostCallback(log_model=True)])
    found = ml.run(run.id)
    for data in ("train", "test"):
        series = ml.metric(run.id, f"{data}/logloss")
        assert series.steps.tolist() == list(range(6))
        assert series.values.tolist() == history[data]["logloss"]
    names = {artifact.name for artifact in found.artifacts}
    assert names >= {"xgboost_config.json", "feature_importances", "model"}
    data = xgboost.DMatrix(X_TEST)
    assert (ml.load_artifact(run.id, "model").predict(data) == model.predict(data)).all()


def test_xgboost_without_a_run_gets_one_and_stops_early() -> None:
    stop = xgboost.callback.EarlyStopping(rounds=2, metric_name="logloss", data_name="test", min_delta=0.5)
    trained(callbacks=[XGBoostCallback(), stop])
    (run,) = ml.runs()
    assert (run.name, run.status) == ("xgboost", "completed")
    assert ml.run(run.id).metrics["best_iteration"] == 0
    assert len(ml.metric(run.id, "test/logloss").values) == 3


def test_cross_validation_of_xgboost_logs_means_and_deviations() -> None:
    with ml.start_run() as run:
        data = xgboost.DMatrix(X_TRAIN, Y_TRAIN)
        table = xgboost.cv(PARAMS, data, 3, nfold=2, callbacks=[XGBoostCallback()])
    assert np.allclose(ml.metric(run.id, "test/logloss").values, table["test-logloss-mean"])
    assert np.allclose(ml.metric(run.id, "test/logloss_std").values, table["test-logloss-std"])


def test_autolog_of_xgboost() -> None:
    ml.autolog(log_models=True)
    model, history = trained()
    (run,) = ml.runs()
    found = ml.run(run.id)
    assert (found.params["max_depth"], found.params["num_boost_round"]) == (2, 6)
    assert found.metrics["test/logloss"] == history["test"]["logloss"][-1]
    assert found.datasets[0].rows == len(X_TRAIN)
    assert "model" in {artifact.name for artifact in found.artifacts}
    ml.autolog(disable=True)
    assert xgboost.train.__module__ == "xgboost.training"
    trained()
    assert ml.count_runs() == 1


def test_autolog_of_an_estimator_of_xgboost_logs_rounds_too() -> None:
    ml.autolog()
    model = xgboost.XGBClassifier(n_estimators=4, max_depth=2, n_jobs=1)
    model.fit(X_TRAIN, Y_TRAIN, eval_set=[(X_TEST, Y_TEST)], verbose=False)
    (run,) = ml.runs()
    found = ml.run(run.id)
    assert (found.name, found.params["n_estimators"]) == ("XGBClassifier", 4)
    assert len(ml.metric(run.id, "validation_0/logloss").values) == 4
    assert found.metrics["training_score"] == model.score(X_TRAIN, Y_TRAIN)


def test_autolog_of_an_estimator_of_lightgbm_logs_rounds_too() -> None:
    ml.autolog()
    model = lightgbm.LGBMClassifier(n_estimators=4, num_leaves=4, verbosity=-1, n_jobs=1)
    model.fit(X_TRAIN, Y_TRAIN, eval_X=(X_TEST,), eval_y=(Y_TEST,))
    (run,) = ml.runs()
    found = ml.run(run.id)
    assert (found.name, found.params["n_estimators"]) == ("LGBMClassifier", 4)
    assert ml.metric(run.id, "valid_0/binary_logloss").steps.tolist() == [0, 1, 2, 3]


def test_autolog_of_a_search_over_boosters_logs_no_rounds() -> None:
    ml.autolog()
    model = lightgbm.LGBMClassifier(n_estimators=3, num_leaves=4, verbosity=-1, n_jobs=1)
    GridSearchCV(model, {"num_leaves": [3, 4]}, cv=2).fit(X_TRAIN, Y_TRAIN)
    assert sorted(run.name for run in ml.runs()) == ["GridSearchCV", "candidate 0", "candidate 1"]


def test_the_callback_of_lightgbm_logs_each_round() -> None:
    history: dict[str, Any] = {}
    with ml.start_run() as run:
        model = lit(callbacks=[LightGBMCallback(), lightgbm.record_evaluation(history)])
        log_trained(model)
    series = ml.metric(run.id, "valid_0/auc")
    assert series.values.tolist() == history["valid_0"]["auc"]
    found = ml.run(run.id)
    assert (found.params["num_leaves"], found.metrics["best/valid_0/auc"]) == (4, series.values[-1])
    assert "feature_importances" in {artifact.name for artifact in found.artifacts}


def test_cross_validation_of_lightgbm() -> None:
    with ml.start_run() as run:
        found = lightgbm.cv(
            LIGHT, lightgbm.Dataset(X_TRAIN, Y_TRAIN), 3, nfold=2, callbacks=[LightGBMCallback()]
        )
    assert ml.metric(run.id, "valid/auc").values.tolist() == found["valid auc-mean"]
    assert ml.metric(run.id, "valid/auc_std").values.tolist() == found["valid auc-stdv"]


def test_autolog_of_lightgbm() -> None:
    ml.autolog(log_models=True)
    model = lit(callbacks=[lightgbm.early_stopping(2, verbose=False)])
    (run,) = ml.runs()
    found = ml.run(run.id)
    assert (found.status, found.name, found.params["num_leaves"]) == ("completed", "lightgbm", 4)
    assert found.metrics["best_iteration"] == model.best_iteration
    assert found.datasets[0].rows == len(X_TRAIN)
    assert (ml.load_artifact(run.id, "model").predict(X_TEST) == model.predict(X_TEST)).all()


def test_the_callback_of_lightgbm_without_a_run_disturbs_nothing(trouble: set[str]) -> None:
    with pytest.warns(ml.ChachamlWarning, match="no run is open"):
        assert lit(callbacks=[LightGBMCallback()]).num_trees() == 6
    trouble.add("lightgbm")
    with pytest.raises(NoActiveRun):
        log_trained(lit())
