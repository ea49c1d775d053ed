"""The integration with scikit-learn, on data that it ships."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

import chachaml as ml
from chachaml.core.errors import BadValue, NoActiveRun
from chachaml.integrations import sklearn as sk


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Path:
    ml.connect(tmp_path / "chachaml.db")
    return tmp_path


def split(load: Any) -> Any:
    return train_test_split(*load(return_X_y=True), test_size=0.3, random_state=0)


def test_row_106_a_model_is_fitted_judged_kept_and_registered(store: Path) -> None:
    x_train, x_test, y_train, y_test = split(load_iris)
    with ml.start_run("sklearn-iris") as run:
        done = sk.train_and_evaluate(
            LogisticRegression(max_iter=200),
            x_train,
            y_train,
            x_test,
            y_test,
            register_as="iris-classifier",
            stage="staging",
        )
    found = ml.run(run.id)
    predicted = done.model.predict(x_test)
    assert (done.predictions == predicted).all()
    likely = done.model.predict_proba(x_test)
    expected = {
        "accuracy": reference.accuracy_score(y_test, predicted),
        "precision": reference.precision_score(y_test, predicted, average="macro"),
        "recall": reference.recall_score(y_test, predicted, average="macro"),
        "f1": reference.f1_score(y_test, predicted, average="macro"),
        "log_loss": reference.log_loss(y_test, likely),
        "roc_auc": reference.roc_auc_score(y_test, likely, multi_class="ovr"),
    }
    assert done.metrics == pytest.approx(expected)
    assert {key: found.metrics[key] for key in expected} == pytest.approx(expected)
    assert found.metrics["fit_time_ms"] > 0
    assert found.metrics["predict_time_ms"] > 0
    assert found.params["max_iter"] == 200
    assert [data.role for data in found.datasets] == ["train", "test"]
    names = [artifact.name for artifact in found.artifacts]
    assert names == ["confusion_matrix", "confusion_matrix.png", "model", "model.about.json"]
    version = ml.registry.version("iris-classifier", "staging")
    assert (version.run, version.format) == (run.id, "skops")
    code = (
        "import chachaml as ml, numpy as np\n"
        f"model = ml.load_model('iris-classifier', 'staging')\n"
        f"print((model.predict(np.array({x_test.tolist()})) == np.array({predicted.tolist()})).all())"
    )
    done_there = subprocess.run(
        [sys.executable, "-c", code], cwd=store, capture_output=True, text=True, timeout=120
    )
    assert done_there.stdout == "True\n", done_there.stderr


def test_two_classes_are_judged_by_the_second() -> None:
    x_train, x_test, y_train, y_test = split(load_breast_cancer)
    model = make_pipeline(StandardScaler(), LinearSVC(random_state=0))
    with ml.start_run() as run:
        fitted = sk.tracked_fit(model, x_train, y_train)
        found = sk.evaluate(fitted, x_test, y_test, prefix="test/")
        train = sk.evaluate(fitted, x_train, y_train, prefix="train/")
    predicted = fitted.predict(x_test)
    assert found["precision"] == pytest.approx(reference.precision_score(y_test, predicted))
    assert found["roc_auc"] == pytest.approx(
        reference.roc_auc_score(y_test, fitted.decision_function(x_test))
    )
    assert "log_loss" not in found
    assert train["accuracy"] > 0.97
    assert ml.run(run.id).metrics["test/accuracy"] == found["accuracy"]
    names = [artifact.name for artifact in ml.list_artifacts(run.id)]
    assert "train/confusion_matrix.png" in names


def test_the_confusion_matrix_counts() -> None:
    x_train, x_test, y_train, y_test = split(load_iris)
    with ml.start_run() as run:
        model = sk.tracked_fit(SVC(), x_train, y_train)
        sk.evaluate(model, x_test, y_test)
    path = ml.artifact_path(run.id, "confusion_matrix")
    counts = reference.confusion_matrix(y_test, model.predict(x_test))
    text = path.read_text()
    for row in counts.tolist():
        assert ",".join(map(str, row)) in "".join(text.split())


def test_a_regressor_is_judged_by_its_errors() -> None:
    x_train, x_test, y_train, y_test = split(load_diabetes)
    with ml.start_run() as run:
        done = sk.train_and_evaluate(LinearRegression(), x_train, y_train, x_test, y_test)
    predicted = done.model.predict(x_test)
    assert done.metrics == pytest.approx(
        {
            "r2": reference.r2_score(y_test, predicted),
            "mae": reference.mean_absolute_error(y_test, predicted),
            "rmse": np.sqrt(np.mean((y_test - predicted) ** 2)),
        }
    )
    assert ml.load_artifact(run.id, "residuals.png").format == "PNG"
    assert ml.registry.models() == ()


def test_params_that_the_run_has_go_under_another_name() -> None:
    x_train, _, y_train, _ = split(load_diabetes)
    with ml.start_run() as run:
        ml.log_params({"alpha": "mine"})
        sk.tracked_fit(Ridge(alpha=1.0), x_train, y_train)
        sk.tracked_fit(Ridge(alpha=2.0), x_train, y_train)
        sk.tracked_fit(Ridge(alpha=2.0), x_train, y_train)
    params = ml.run(run.id).params
    assert (params["alpha"], params["Ridge.alpha"], params["Ridge2.alpha"]) == ("mine", 1.0, 2.0)
    assert params["fit_intercept"] is True
    assert not any(key.startswith("Ridge3") for key in params)


def test_models_without_a_target_and_odd_params() -> None:
    x, _ = load_iris(return_X_y=True)
    with ml.start_run() as run:
        fitted = sk.tracked_fit(make_pipeline(StandardScaler(), KMeans(3, random_state=0)), x)
        assert len(set(sk.tracked_predict(fitted, x))) == 3
        with pytest.raises(BadValue, match="neither a classifier nor a regressor"):
            sk.evaluate(KMeans(3).fit(x), x, x)
        with pytest.raises(BadValue, match="task must be"):
            sk.evaluate(fitted, x, x, task="ranking")  # type: ignore[arg-type]
    params = ml.run(run.id).params
    assert params["kmeans__n_clusters"] == 3
    assert params["standardscaler"] == "StandardScaler()"
    with ml.start_run() as quiet:
        sk.tracked_fit(KMeans(3, random_state=0), x, log_params=False)
    assert ml.run(quiet.id).params == {}


def test_a_run_is_needed() -> None:
    with pytest.raises(NoActiveRun, match="tracked_fit"):
        sk.tracked_fit(KMeans(3), [[1.0]])


def test_row_107_without_scikit_learn_the_install_line_is_named(store: Path) -> None:
    code = (
        "import sys\n"
        "class Gone:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('sklearn', 'skops'): raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Gone())\n"
        "import importlib.util\n"
        "genuine = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'sklearn' else genuine(name, *a)\n"
        "import chachaml as ml\n"
        "from chachaml.integrations import sklearn as sk\n"
        "with ml.start_run():\n"
        "    ml.log_metric('loss', 1)\n"
        "    try: sk.tracked_fit(None, [])\n"
        "    except ml.ChachamlError as error: print(type(error).__name__, error.hint)\n"
        "print(ml.runs()[0].status)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=store, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["MissingExtra pip install 'chachaml[sklearn]'", "completed"], (
        done.stderr
    )
