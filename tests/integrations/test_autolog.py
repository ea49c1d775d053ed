"""`autolog` with scikit-learn: what it logs, what it leaves alone, and that it can be taken back."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.base
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import DBSCAN, KMeans
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import chachaml as ml
from chachaml.core.errors import BadValue
from chachaml.integrations import sklearn as sk
from chachaml.integrations import sklearn_autolog

IRIS = load_iris(as_frame=True)
X, Y = IRIS.data, IRIS.target


def table(run: Any, name: str) -> list[dict[str, Any]]:
    found = ml.load_artifact(run, name)
    return [dict(zip(found["headers"], row, strict=True)) for row in found["rows"]]


def test_a_fit_without_a_run_gets_one_of_its_own() -> None:
    ml.autolog()
    model = RandomForestClassifier(7, random_state=0).fit(X, Y)
    (run,) = ml.runs()
    run = ml.run(run.id)
    assert (run.name, run.status) == ("RandomForestClassifier", "completed")
    assert run.params["n_estimators"] == 7
    assert run.metrics["training_score"] == model.score(X, Y)
    assert run.metrics["fit_time_ms"] > 0
    (data,) = run.datasets
    assert (data.rows, data.columns, data.role) == (150, 4, "train")
    rows = table(run.id, "feature_importances")
    expected = dict(zip(X.columns, model.feature_importances_, strict=True))
    assert {row["feature"]: row["importance"] for row in rows} == pytest.approx(expected)
    assert rows[0]["feature"] == max(expected, key=expected.__getitem__)
    assert ml.current_run() is None


def test_within_a_run_fits_are_logged_to_it_and_parts_of_fits_are_not() -> None:
    ml.autolog("sklearn")
    votes = [("a", LogisticRegression(max_iter=300)), ("b", RandomForestClassifier(3, random_state=0))]
    with ml.start_run("mine") as run:
        make_pipeline(StandardScaler(), VotingClassifier(votes, n_jobs=2)).fit(X, Y)
    assert [each.id for each in ml.runs()] == [run.id]
    found = ml.run(run.id)
    assert found.tags["estimator"] == "Pipeline"
    assert found.params["votingclassifier__a__max_iter"] == 300
    assert len(ml.metric(run.id, "fit_time_ms").values) == 1


def test_a_search_has_a_run_for_each_candidate() -> None:
    ml.autolog()
    pipe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    search = GridSearchCV(pipe, {"logisticregression__C": [0.01, 1.0, 100.0]}, cv=3).fit(X, Y)
    parent = ml.run(next(run.id for run in ml.runs() if run.name == "GridSearchCV"))
    assert parent.metrics["best_score"] == search.best_score_
    assert parent.params["best.logisticregression__C"] == search.best_params_["logisticregression__C"]
    children = ml.children(parent.id)
    assert len(children) == 3
    scores = {run.params["logisticregression__C"]: run.metrics["mean_test_score"] for run in children}
    assert scores == dict(
        zip([0.01, 1.0, 100.0], search.cv_results_["mean_test_score"].tolist(), strict=True)
    )
    best = next(run for run in children if run.metrics["rank_test_score"] == 1)
    assert len(ml.metric(best.id, "split_test_score").values) == 3
    rows = table(parent.id, "cv_results")
    assert [row["param_logisticregression__C"] for row in rows] == [0.01, 1.0, 100.0]
    weights = {row["feature"] for row in table(parent.id, "feature_importances")}
    assert weights == set(X.columns)
    assert ml.count_runs() == 4


def test_of_a_large_search_the_best_become_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sklearn_autolog, "MOST_CHILDREN", 2)
    ml.autolog()
    GridSearchCV(Ridge(), {"alpha": [0.1, 1.0, 1e6]}, cv=2).fit(*load_diabetes(return_X_y=True))
    assert sorted(
        run.params["alpha"] for run in ml.runs("params.alpha < 1e9 and tags.candidate is not null")
    ) == [
        0.1,
        1.0,
    ]


def test_cross_validation_and_what_only_transforms_is_left_alone() -> None:
    ml.autolog()
    StandardScaler().fit(X)
    cross_val_score(LogisticRegression(max_iter=300), X, Y, cv=2)
    assert ml.count_runs() == 0


def test_losses_by_iteration_are_series() -> None:
    ml.autolog()
    with ml.start_run() as boosted:
        model = GradientBoostingClassifier(n_estimators=5).fit(X, Y)
    assert np.allclose(ml.metric(boosted.id, "train_score").values, model.train_score_)
    with ml.start_run() as net, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = MLPClassifier((4,), max_iter=8, random_state=0).fit(X, Y)
    assert np.allclose(ml.metric(net.id, "loss_curve").values, other.loss_curve_)


def test_clusters_frames_arrays_and_keywords() -> None:
    ml.autolog()
    KMeans(3, n_init=1, random_state=0).fit(X.to_numpy())
    DBSCAN().fit_predict(X)
    Ridge().fit(X=X, y=pd.DataFrame({"a": Y, "b": Y}))
    assert [run.name for run in ml.runs()] == ["Ridge", "DBSCAN", "KMeans"]
    assert {run.status for run in ml.runs()} == {"completed"}


def test_a_fit_that_fails_fails_its_run_and_the_next_has_another() -> None:
    ml.autolog()
    with pytest.raises(ValueError, match="inconsistent numbers"):
        LogisticRegression().fit(X, Y[:-1])
    (run,) = ml.runs()
    assert run.status == "failed"
    assert "inconsistent numbers" in ml.run(run.id).error.message
    KMeans(2, n_init=1).fit(X)
    assert ml.count_runs() == 2


def test_estimators_of_ones_own_and_those_made_later() -> None:
    ml.autolog()

    class Constant(ClassifierMixin, BaseEstimator):
        def __init__(self, answer: int = 0) -> None:
            self.answer = answer

        def fit(self, X: Any, y: Any) -> Constant:
            self.classes_ = np.unique(y)
            return self

        def predict(self, X: Any) -> Any:
            return np.full(len(X), self.answer)

    Constant(1).fit(X, Y)
    (run,) = ml.runs()
    assert (run.name, run.params, run.metrics["training_score"]) == (
        "Constant",
        {"answer": 1},
        pytest.approx(1 / 3),
    )


def test_models_are_kept_when_asked_for() -> None:
    ml.autolog(log_models=True, log_datasets=False)
    with ml.start_run() as run:
        model = LogisticRegression(max_iter=300).fit(X, Y)
    assert (ml.load_artifact(run.id, "model").predict(X) == model.predict(X)).all()
    assert ml.run(run.id).datasets == ()


def test_it_can_be_taken_back_whole() -> None:
    def state() -> dict[Any, Any]:
        classes = [BaseEstimator, LogisticRegression, KMeans, GridSearchCV, type(make_pipeline(None))]
        return {(cls, name): vars(cls).get(name) for cls in classes for name in ("fit", "__init_subclass__")}

    before, finders = state(), list(sys.meta_path)
    assert "sklearn" in ml.autolog()
    assert state() != before
    assert "sklearn" not in ml.autolog(disable="sklearn")
    assert state() == before
    KMeans(2, n_init=1).fit(X)
    assert ml.count_runs() == 0
    ml.autolog()
    ml.autolog()
    KMeans(2, n_init=1).fit(X)
    assert ml.count_runs() == 1
    assert ml.autolog(disable=True) == ()
    assert state() == before
    assert sys.meta_path == finders


def test_which_libraries_are_meant() -> None:
    everything = ml.autolog()
    assert {"sklearn", "xgboost", "lightgbm", "optuna"} <= set(everything)
    assert ml.autolog(disable=["xgboost", "optuna"]) == tuple(
        name for name in everything if name not in ("xgboost", "optuna")
    )
    ml.autolog(disable=True)
    assert ml.autolog(disable="sklearn") == tuple(name for name in everything if name != "sklearn")
    ml.autolog(disable=True)
    assert ml.autolog("sklearn") == ("sklearn",)
    assert ml.autolog(disable="sklearn") == ()
    assert ml.autolog(disable=True) == ()


def test_what_somebody_else_wrapped_is_left_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    ml.autolog()
    ours = vars(KMeans.__base__)["fit"] if "fit" not in vars(KMeans) else vars(KMeans)["fit"]
    monkeypatch.setattr(KMeans, "fit", lambda self, *args: ours(self, *args))
    ml.autolog(disable=True)
    KMeans(2, n_init=1).fit(X)
    assert ml.count_runs() == 0


def test_trouble_of_ours_is_told_once_and_fails_no_fit(
    trouble: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(sklearn_autolog, "log_params", broken)
    ml.autolog()
    with pytest.warns(ml.ChachamlWarning, match="not all that sklearn does could be logged.*no room") as told:
        first = LogisticRegression(max_iter=300).fit(X, Y)
        LogisticRegression(max_iter=300).fit(X, Y)
    assert first.score(X, Y) > 0.9
    assert len(told) == 1
    assert [run.status for run in ml.runs()] == ["completed", "completed"]
    trouble.add("sklearn")


def test_an_unknown_library_is_named() -> None:
    with pytest.raises(BadValue, match="knows no library 'sklaern'"):
        ml.autolog("sklaern")


def test_it_imports_nothing_and_hears_of_what_is_imported_later(folder: Path) -> None:
    code = (
        "import sys, chachaml as ml\n"
        "ml.autolog()\n"
        "heavy = ('sklearn', 'xgboost', 'lightgbm', 'numpy', 'optuna', 'torch')\n"
        "print([name for name in heavy if name in sys.modules])\n"
        "from sklearn.linear_model import Ridge\n"
        "Ridge(alpha=3.0).fit([[0.0], [1.0]], [0.0, 1.0])\n"
        "print(ml.runs()[0].name, ml.run(ml.runs()[0].id).params['alpha'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True
    )
    assert done.stdout == "[]\nRidge 3.0\n", done.stderr
    assert done.stderr == ""


def test_learning_curves() -> None:
    with ml.start_run() as run:
        sk.log_learning_curve(LogisticRegression(max_iter=300), X, Y, sizes=(0.5, 1.0), cv=3)
    curve = ml.metric(run.id, "learning_curve/test")
    assert curve.steps.tolist() == [50, 100]
    assert 0.8 < curve.values[-1] <= 1
    assert set(ml.run(run.id).metrics) == {f"learning_curve/{key}" for key in ("train", "test", "test_std")}


def test_fits_in_two_threads_have_runs_of_their_own() -> None:
    from concurrent.futures import ThreadPoolExecutor

    ml.autolog()

    def fit(alpha: float) -> None:
        with ml.start_run(name=f"thread {alpha}"):
            Ridge(alpha=alpha).fit(X, Y)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fit, (1.0, 2.0)))
    assert {(run.name, run.params["alpha"]) for run in ml.runs()} == {
        ("thread 1.0", 1.0),
        ("thread 2.0", 2.0),
    }


def test_models_fitted_under_it_are_pickled_as_ever() -> None:
    import pickle

    ml.autolog()
    model = pickle.loads(pickle.dumps(LogisticRegression(max_iter=300).fit(X, Y)))
    ml.autolog(disable=True)
    assert model.fit(X, Y).score(X, Y) > 0.9
    assert sklearn.base.clone(model).max_iter == 300
