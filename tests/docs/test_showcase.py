"""The twenty-five use cases, run as users run them; what they found is judged by other means than theirs."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from examples.showcase import USE_CASES
from examples.showcase.page import PAGE, calls, text
from sklearn import datasets, linear_model, metrics, model_selection, preprocessing

import chachaml as ml

ROOT = Path(__file__).parents[2]
KEY = "of the showcase"
"""What signs models, here and in the processes that make them."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh folder in which all use cases ran."""
    made = tmp_path_factory.mktemp("showcase")
    showcase(made)
    return made


def showcase(folder: Path, *arguments: str) -> str:
    environment = {
        **os.environ,
        "CHACHAML_SIGNING_KEY": KEY,
        "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}",
    }
    command = [sys.executable, "-W", "error::RuntimeWarning", "-m", "examples.showcase", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (folder / "printed").write_text(done.stdout)
    return done.stdout


@pytest.fixture(autouse=True)
def store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHACHAML_SIGNING_KEY", KEY)
    ml.connect(folder / "chachaml.db")


def only(number: int, **more: Any) -> ml.Run:
    """Return the run of a use case, or the one of that name."""
    experiment = next(one.name for one in ml.experiments() if one.name.startswith(f"{number:02}-"))
    found = ml.runs(experiment=experiment, **more)
    assert len(found) == 1, experiment
    return ml.run(found[0].id)


def values(run: ml.Run, key: str) -> Any:
    return ml.metric(run, key).values


def test_row_115_all_use_cases_run_and_are_summed_up(folder: Path) -> None:
    assert len(USE_CASES) == 25
    names = [one.name for one in ml.experiments()]
    assert [name[:2] for name in names] == [f"{number:02}" for number in range(1, 26)]
    printed = (folder / "printed").read_text()
    assert "25 rows" in printed
    assert "breast-cancer  2 versions" in printed
    assert f"{len(ml.export_runs())} runs in" in printed
    assert {run.status for run in ml.runs(limit=1000)} == {"completed"}
    assert all("category" in run.tags for run in ml.runs(limit=1000))


def test_one_use_case_runs_by_its_number(tmp_path: Path) -> None:
    assert "03-stump" in showcase(tmp_path, "3")
    assert (tmp_path / "chachaml.db").exists()


@pytest.mark.parametrize("name", USE_CASES)
def test_the_calls_that_a_use_case_names_find_something(name: str) -> None:
    known: dict[str, Any] = {"ml": ml}
    for line in calls(name):
        if " = " in line.partition("(")[0] or line.startswith(("run = ", "parent = ", "runs = ")):
            exec(line, known)
            continue
        found = eval(line, known)
        if not line.startswith("print"):
            assert found is not None
            assert not (hasattr(found, "__len__") and len(found) == 0), line


def test_the_page_of_patterns_says_what_the_files_say() -> None:
    assert PAGE.read_text() == text(), "python -m examples.showcase.page writes it anew"


# what they found ----------------------------------------------------------------------------------


def cancer() -> Any:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    parts = model_selection.train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    scaler = preprocessing.StandardScaler().fit(parts[0])
    return scaler.transform(parts[0]), scaler.transform(parts[1]), parts[2], parts[3]


def test_01_logistic_regression_reads_as_well_as_scikit_learns() -> None:
    run = only(1)
    x_train, x_test, y_train, y_test = cancer()
    theirs = linear_model.LogisticRegression().fit(x_train, y_train).score(x_test, y_test)
    assert run.metrics["accuracy"] == pytest.approx(theirs, abs=0.03)
    assert (np.diff(values(run, "loss")) < 0).all()
    assert len(values(run, "loss")) == 100
    assert values(run, "loss")[0] == pytest.approx(math.log(2))
    assert [data.role for data in run.datasets] == ["train", "test"]
    assert ml.registry.version("breast-cancer", 1).stage == "staging"


def test_02_each_class_has_a_recall_of_its_own() -> None:
    run = only(2)
    recalls = [value for key, value in run.metrics.items() if key.startswith("recall/")]
    assert len(recalls) == 3
    assert run.metrics["accuracy"] > 0.95
    assert min(recalls) > 0.9


def test_03_one_question_tells_setosa_apart() -> None:
    run = only(3)
    iris = datasets.load_iris()
    column = iris.data[:, iris.feature_names.index(run.params["feature"])]
    assert ((column <= run.params["threshold"]) == (iris.target == 0)).all()
    assert (run.metrics["accuracy"], run.metrics["gini_after"]) == (1, 0)
    assert run.metrics["gini_before"] == pytest.approx(1 - (1 / 3) ** 2 - (2 / 3) ** 2)


def test_04_a_forest_is_kept_with_a_gini_for_each_tree() -> None:
    run = only(4)
    assert ml.metric(run, "gini").steps.tolist() == list(range(50))
    assert run.metrics["accuracy"] > 0.92
    assert run.metrics["oob_accuracy"] == pytest.approx(run.metrics["accuracy"], abs=0.06)
    x, y = datasets.load_breast_cancer(return_X_y=True)
    assert ml.load_model("breast-cancer", 2).score(x, y) > 0.95


def test_05_neighbours_read_digits() -> None:
    run = only(5)
    counts = ml.load_artifact(run.id, "confusion")
    assert counts.sum() == 450
    assert run.metrics["accuracy"] == pytest.approx(np.trace(counts) / counts.sum())
    assert run.metrics["accuracy"] > 0.97


def test_06_priors_are_the_shares_of_the_classes() -> None:
    run = only(6)
    shares = np.bincount(datasets.load_wine().target) / 178
    assert [run.params[f"prior/class_{number}"] for number in range(3)] == pytest.approx(shares.tolist())
    assert run.metrics["accuracy"] == pytest.approx(0.97, abs=0.02)


def test_07_the_margin_settles_and_the_loss_is_near_the_best() -> None:
    run = only(7)
    x_train, _, y_train, _ = cancer()
    best = linear_model.SGDClassifier(loss="hinge", alpha=0.01, max_iter=5000, tol=None, random_state=1)
    lowest = metrics.hinge_loss(y_train, best.fit(x_train, y_train).decision_function(x_train))
    assert run.summaries["hinge_loss"].last == pytest.approx(lowest, abs=0.05)
    assert run.metrics["accuracy"] > 0.94
    margins = values(run, "margin")
    assert np.ptp(margins[-5:]) < 0.2 * margins[-1]


def test_08_gradient_descent_finds_what_least_squares_finds() -> None:
    run = only(8)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3))
    y = x @ np.array(run.params["true_weights"]) + rng.normal(0, 0.1, 500)
    exact = np.linalg.lstsq(x, y, rcond=None)[0]
    assert ml.load_artifact(run.id, "weights") == pytest.approx(exact, abs=1e-6)
    assert ml.metric(run, "mse").steps.tolist() == list(range(0, 201, 20))
    assert run.metrics["rmse"] == pytest.approx(0.1, abs=0.01)


def test_09_a_cubic_is_fitted_best_by_a_cubic() -> None:
    best = ml.best_run(experiment="09-polynomial", metric="rmse", direction="min")
    assert best is not None
    assert best.params["degree"] == 3
    assert best.metric_value == pytest.approx(0.3, abs=0.05)
    assert len(ml.runs("params.degree <= 2", experiment="09-polynomial")) == 2


def test_10_the_best_strength_is_that_of_another_implementation() -> None:
    run = only(10)
    x, y = datasets.load_diabetes(return_X_y=True)
    theirs = linear_model.RidgeCV(run.params["lambdas"], cv=10, scoring="neg_mean_squared_error").fit(x, y)
    assert run.params["best_lambda"] == pytest.approx(theirs.alpha_)
    errors = values(run, "cv_mse")
    assert errors.argmin() not in (0, len(errors) - 1)


def test_11_coordinates_descend_to_the_lasso() -> None:
    run = only(11)
    x, y = datasets.load_diabetes(return_X_y=True)
    x = preprocessing.StandardScaler().fit_transform(x)
    exact = linear_model.Lasso(2.0, tol=1e-10).fit(x, y - y.mean()).coef_
    found = ml.load_artifact(run.id, "coefficients")
    assert found == pytest.approx(exact, abs=1e-3)
    assert run.metrics["zero_coefficients"] == (exact == 0).sum() > 0


def leaves(tree: dict[str, Any]) -> int:
    return 1 if "value" in tree else leaves(tree["low"]) + leaves(tree["high"])


def test_12_the_tree_is_kept_as_it_is() -> None:
    run = only(12)
    tree = ml.load_artifact(run.id, "tree")
    assert leaves(tree) == run.metrics["leaves"]
    assert run.metrics["depth"] == 3
    assert tree["feature"] in ("bmi", "s5")  # see 21
    assert 0.2 < run.metrics["cv_r2"] < 0.5


def test_13_three_clusters_of_iris_have_the_inertia_that_is_known() -> None:
    run = only(13)
    assert run.metrics["inertia"] == pytest.approx(78.85, abs=0.01)  # as in many textbooks
    assert sum(run.metrics[f"size/{number}"] for number in range(3)) == 150
    assert run.metrics["converged_at"] == ml.metric(run, "inertia").steps[-1]
    assert (np.diff(values(run, "inertia")) <= 1e-9).all()


def test_14_density_tells_two_moons_apart() -> None:
    run = only(14)
    labels = ml.load_artifact(run.id, "labels")
    assert (run.metrics["clusters"], len(labels)) == (2, 420)
    assert run.metrics["adjusted_rand"] > 0.95
    assert run.metrics["noise"] == (labels == -1).sum() > 5


def test_15_components_explain_what_singular_values_say() -> None:
    run = only(15)
    x, _ = datasets.load_digits(return_X_y=True)
    singular = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    assert values(run, "explained") == pytest.approx(singular[:20] / singular.sum())
    assert run.metrics["explained_in_all"] == pytest.approx(0.894, abs=0.002)
    assert ml.load_artifact(run.id, "components").shape == (20, 64)


def test_16_spikes_are_found() -> None:
    run = only(16)
    scores = run.metrics
    assert scores["recall"] == 1
    assert scores["precision"] > 0.8
    assert scores["f1"] == pytest.approx(2 * scores["precision"] / (1 + scores["precision"]))
    assert len(ml.load_artifact(run.id, "detected")) == scores["detected"]


def test_17_folds_are_children_and_the_parent_sums_them_up() -> None:
    parent = only(17, name="5 folds")
    folds = [run.metrics["accuracy"] for run in ml.children(parent)]
    assert len(folds) == 5
    assert parent.metrics["mean_accuracy"] == pytest.approx(np.mean(folds))
    assert parent.metrics["std_accuracy"] == pytest.approx(np.std(folds))
    assert parent.metrics["mean_accuracy"] > 0.96
    assert ml.experiment("17-cross-validation").owner == "showcase"


def test_18_the_best_of_twelve_is_on_the_parent() -> None:
    parent = only(18, name="grid")
    cells = ml.children(parent)
    best = max(cells, key=lambda run: run.metrics["accuracy"])
    assert len({(run.params["lr"], run.params["epochs"]) for run in cells}) == 12
    assert parent.metrics["best_accuracy"] == best.metrics["accuracy"] > 0.93
    assert (parent.params["best_lr"], parent.params["best_epochs"]) == (
        best.params["lr"],
        best.params["epochs"],
    )


def test_19_a_tag_is_set_after_the_run_has_ended() -> None:
    run = only(19)
    scores = {key.removeprefix("accuracy/"): value for key, value in run.metrics.items()}
    assert run.tags["winner"] == max(scores, key=lambda name: scores[name])
    assert run.tags["reviewed"] == "yes"
    assert min(scores.values()) > 0.94


def test_20_a_vote_beats_most_of_its_members() -> None:
    run = only(20)
    members = sorted(value for key, value in run.metrics.items() if key.startswith("member/"))
    assert run.metrics["accuracy"] > members[1]
    x, y = datasets.load_digits(return_X_y=True)
    assert ml.load_artifact(run.id, "model").score(x / 16, y) > 0.9


def test_21_what_matters_is_what_is_known_to_matter() -> None:
    """Body mass and serum triglycerides, as Efron et al. (2004) found."""
    run = only(21)
    ranked = sorted(run.metrics, key=lambda key: -run.metrics[key])
    assert set(ranked[:2]) <= {"importance/bmi", "importance/s5", "importance/bp", "importance/s1"}
    assert {"importance/bmi", "importance/s5"} & set(ranked[:2])
    assert len(ranked) == 10


def test_22_the_forecast_follows_the_trend() -> None:
    run = only(22)
    actual, forecast = ml.metric(run, "actual"), ml.metric(run, "forecast")
    assert actual.steps.tolist() == forecast.steps.tolist() == list(range(80, 100))
    assert run.metrics["mae"] == pytest.approx(np.abs(actual.values - forecast.values).mean())
    assert run.metrics["mae"] < run.metrics["mae_of_last_value"] / 2


def test_23_words_tell_what_a_text_is_about() -> None:
    run = only(23)
    assert run.metrics["accuracy"] > run.metrics["accuracy_of_the_commonest"] + 0.15
    keywords = ml.load_artifact(run.id, "keywords")
    assert {"iris", "petal", "sepal", "fisher", "plant"} & set(keywords["iris"])
    assert run.params["vocabulary"] > 100


def test_24_what_is_hidden_is_recommended() -> None:
    run = only(24)
    assert run.metrics["hit_rate"] > 2 * run.metrics["hit_rate_at_random"]
    alike = ml.load_artifact(run.id, "similarity")
    assert alike == pytest.approx(alike.T)
    assert np.diag(alike) == pytest.approx(np.ones(40))


def test_25_the_paired_test_is_right() -> None:
    run = only(25)
    differences = values(run, "accuracy/B") - values(run, "accuracy/A")
    t = differences.mean() / (differences.std(ddof=1) / math.sqrt(10))
    assert run.metrics["t"] == pytest.approx(t)
    assert run.params["winner"] == "B"
    assert run.metrics["p_value"] < 1e-5
    assert r"\bar d" in run.note
