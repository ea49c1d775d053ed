"""scikit-learn: models fitted, judged and kept within the current run.

    from chachaml.integrations import sklearn as sk

    with ml.start_run("iris"):
        sk.train_and_evaluate(model, X_train, y_train, X_test, y_test, register_as="iris-classifier")

Needs ``pip install 'chachaml[sklearn]'``; figures need matplotlib, and are left out without it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from chachaml import lifecycle, registry
from chachaml.core.errors import BadValue, MissingExtra
from chachaml.integrations import recording
from chachaml.registered import ModelVersion
from chachaml.results import Artifact

if TYPE_CHECKING:
    from chachaml.live import LiveRun

__all__ = [
    "Trained",
    "evaluate",
    "log_learning_curve",
    "tracked_fit",
    "tracked_predict",
    "train_and_evaluate",
]

Task = Literal["classification", "regression"]


class Trained(NamedTuple):
    """What `train_and_evaluate` gives.

    ``kept`` is the version if the model was registered, else the artifact; None where nothing is kept.
    """

    model: Any
    metrics: dict[str, float]
    predictions: Any
    kept: Artifact | ModelVersion | None


def tracked_fit(model: Any, X: Any, y: Any = None, *, log_params: bool = True) -> Any:
    """Fit a model within the current run.

    Logs the metric ``fit_time_ms``, and the model's params: plain values as they are, others as their
    text. One that the run has with another value goes under the name of the model's class before it.

    Args:
        model: An estimator, or a pipeline of them.
        X: The features.
        y: The target; None for models without one.
        log_params: Log the model's params.

    Returns:
        The fitted model.

    Raises:
        NoActiveRun: No run is open.
        MissingExtra: scikit-learn is not installed.
    """
    run = _run("tracked_fit")
    if log_params:
        recording.log_params(run, type(model).__name__, model.get_params())
    began = time.perf_counter()
    fitted = model.fit(X) if y is None else model.fit(X, y)
    run.log_metric("fit_time_ms", (time.perf_counter() - began) * 1e3)
    return fitted


def tracked_predict(model: Any, X: Any) -> Any:
    """Return what a model predicts, and log the metric ``predict_time_ms`` to the current run.

    Raises:
        NoActiveRun: No run is open.
        MissingExtra: scikit-learn is not installed.
    """
    run = _run("tracked_predict")
    began = time.perf_counter()
    predicted = model.predict(X)
    run.log_metric("predict_time_ms", (time.perf_counter() - began) * 1e3)
    return predicted


def evaluate(
    model: Any,
    X: Any,
    y: Any,
    *,
    task: Task | None = None,
    y_pred: Any = None,
    prefix: str = "",
) -> dict[str, float]:
    """Judge a fitted model within the current run, and return the metrics.

    Of a classifier: accuracy, precision, recall and f1 (of the second class if there are two, else the
    unweighted mean over classes), roc_auc and log_loss where the model gives scores and probabilities;
    and the artifacts ``confusion_matrix``, a table, and ``confusion_matrix.png``. Of a regressor: r2, mae
    and rmse, and ``residuals.png``.

    Args:
        model: The model.
        X: Features that it has not seen.
        y: What is right.
        task: "classification" or "regression". Default: what the model is.
        y_pred: What the model predicts for X, if that is known.
        prefix: Before the names of metrics and artifacts, such as "test/".

    Raises:
        NoActiveRun: No run is open.
        BadValue: Another task, or a model that is neither.
        MissingExtra: scikit-learn is not installed.
    """
    run = _run("evaluate")
    kind = _task_of(model, task)
    predicted = model.predict(X) if y_pred is None else y_pred
    if kind == "classification":
        metrics = _classified(model, X, y, predicted)
        _log_confusion(run, y, predicted, prefix)
    else:
        metrics = _regressed(y, predicted)
        _log_residuals(run, y, predicted, prefix)
    run.log_metrics({f"{prefix}{name}": value for name, value in metrics.items()})
    return metrics


def train_and_evaluate(
    model: Any,
    X_train: Any,
    y_train: Any,
    X_test: Any,
    y_test: Any,
    *,
    task: Task | None = None,
    log_params: bool = True,
    artifact_name: str = "model",
    register_as: str | None = None,
    stage: Literal["none", "staging", "production", "archived"] = "none",
) -> Trained:
    """Fit a model, judge it by what it has not seen, keep it, and register it if told so.

    What identifies both parts of the data is kept as data sets of the run.

    Args:
        model: The model.
        X_train: Features to learn from.
        y_train: What is right for them.
        X_test: Features to judge by.
        y_test: What is right for them.
        task: As in `evaluate`.
        log_params: As in `tracked_fit`.
        artifact_name: What to keep the model as.
        register_as: The name of a model of which this becomes the next version.
        stage: The stage of that version.

    Returns:
        The fitted model, the metrics, and what it predicts for `X_test`.

    Raises:
        NoActiveRun: No run is open.
        MissingExtra: scikit-learn is not installed.
    """
    run = _run("train_and_evaluate")
    kind = _task_of(model, task)
    run.log_dataset((X_train, y_train), role="train")
    run.log_dataset((X_test, y_test), role="test")
    fitted = tracked_fit(model, X_train, y_train, log_params=log_params)
    predictions = tracked_predict(fitted, X_test)
    metrics = evaluate(fitted, X_test, y_test, task=kind, y_pred=predictions)
    kept: Artifact | ModelVersion | None = run.log_model(fitted, artifact_name, example=X_test[:5])
    if register_as is not None:
        kept = registry.register_model(register_as, artifact_name, run=run, stage=stage)
    return Trained(fitted, metrics, predictions, kept)


def log_learning_curve(
    model: Any,
    X: Any,
    y: Any,
    *,
    sizes: Sequence[float] = (0.1, 0.325, 0.55, 0.775, 1.0),
    cv: Any = None,
    scoring: Any = None,
    seed: int = 0,
) -> None:
    """Fit copies of a model to more and more data, and log how well each does, within the current run.

    Logs ``learning_curve/train`` and ``learning_curve/test``, means over the folds, with the number of
    rows as the step, and the spread over the folds as ``learning_curve/test_std``.

    Args:
        model: The model, which is not fitted itself.
        X: The features.
        y: The target.
        sizes: How much of the data to learn from: parts between 0 and 1, or numbers of rows.
        cv: The folds, as scikit-learn takes them. Default: five.
        scoring: What is measured, as scikit-learn takes it. Default: the model's own score.
        seed: For the order in which rows are taken.

    Raises:
        NoActiveRun: No run is open.
        MissingExtra: scikit-learn is not installed.
    """
    run = _run("log_learning_curve")
    from sklearn.model_selection import learning_curve

    how = {"cv": cv, "scoring": scoring, "shuffle": True, "random_state": seed}
    rows, train, test = learning_curve(model, X, y, train_sizes=list(sizes), **how)[:3]
    for at, seen, unseen in zip(rows.tolist(), train, test, strict=True):
        found = {"train": seen.mean(), "test": unseen.mean(), "test_std": unseen.std()}
        run.log_metrics({f"learning_curve/{key}": float(value) for key, value in found.items()}, at)


def _run(what: str) -> LiveRun:
    """Return the current run, once it is clear that scikit-learn is there."""
    if find_spec("sklearn") is None:
        raise MissingExtra(
            f"{what} needs scikit-learn, which is not installed", "pip install 'chachaml[sklearn]'"
        )
    return lifecycle.require(what)


def _task_of(model: Any, task: Task | None) -> Task:
    from sklearn.base import is_classifier, is_regressor

    if task is not None:
        if task not in ("classification", "regression"):
            raise BadValue(f"task must be 'classification' or 'regression', not {task!r}")
        return task
    if is_classifier(model):
        return "classification"
    if is_regressor(model):
        return "regression"
    raise BadValue(
        f"{type(model).__name__} is neither a classifier nor a regressor", "say task='classification'"
    )


# judging ------------------------------------------------------------------------------------------


def _classified(model: Any, X: Any, y: Any, predicted: Any) -> dict[str, float]:
    from sklearn import metrics

    classes = list(getattr(model, "classes_", sorted(set(y))))
    how: dict[str, Any] = {"average": "macro"}
    if len(classes) == 2:
        how = {"average": "binary", "pos_label": classes[1]}
    found = {
        "accuracy": metrics.accuracy_score(y, predicted),
        "precision": metrics.precision_score(y, predicted, zero_division=0, **how),
        "recall": metrics.recall_score(y, predicted, zero_division=0, **how),
        "f1": metrics.f1_score(y, predicted, zero_division=0, **how),
        **_scored(model, X, y, classes),
    }
    return {name: float(value) for name, value in found.items()}


def _scored(model: Any, X: Any, y: Any, classes: Sequence[Any]) -> Mapping[str, float]:
    """Return what needs probabilities, of models that give them, or scores."""
    from sklearn import metrics

    found: dict[str, float] = {}
    several = len(set(y)) == len(classes)  # of fewer, there is no curve
    if callable(getattr(model, "predict_proba", None)):
        likely = model.predict_proba(X)
        found["log_loss"] = metrics.log_loss(y, likely, labels=classes)
        if several:
            scores = likely[:, 1] if len(classes) == 2 else likely
            found["roc_auc"] = metrics.roc_auc_score(y, scores, multi_class="ovr", labels=classes)
    elif several and len(classes) == 2 and callable(getattr(model, "decision_function", None)):
        found["roc_auc"] = metrics.roc_auc_score(y, model.decision_function(X))
    return found


def _regressed(y: Any, predicted: Any) -> dict[str, float]:
    from sklearn import metrics

    return {
        "r2": float(metrics.r2_score(y, predicted)),
        "mae": float(metrics.mean_absolute_error(y, predicted)),
        "rmse": math.sqrt(metrics.mean_squared_error(y, predicted)),
    }


def _log_confusion(run: LiveRun, y: Any, predicted: Any, prefix: str) -> None:
    from sklearn.metrics import confusion_matrix
    from sklearn.utils.multiclass import unique_labels

    labels = list(unique_labels(y, predicted))
    counts = confusion_matrix(y, predicted, labels=labels)
    titles = ["actual", *(f"as {label}" for label in labels)]
    rows = [[str(label), *map(int, row)] for label, row in zip(labels, counts, strict=True)]
    run.log_table(f"{prefix}confusion_matrix", rows, headers=titles, overwrite=True)
    figure = _figure()
    if figure is None:
        return
    axes = figure.add_subplot()
    axes.imshow(counts, cmap="Blues")
    if len(labels) <= 30:
        for (actual, guessed), count in _cells(counts):
            colour = "white" if count > counts.max() / 2 else "black"
            axes.text(guessed, actual, str(count), ha="center", va="center", color=colour)
    places = range(len(labels))
    axes.set(xlabel="predicted", ylabel="actual", xticks=places, yticks=places)
    axes.set_xticklabels(labels, rotation=90 if len(labels) > 10 else 0)
    axes.set_yticklabels(labels)
    run.log_figure(f"{prefix}confusion_matrix.png", figure, overwrite=True)


def _cells(counts: Any) -> Any:
    import numpy as np

    return np.ndenumerate(counts)


def _log_residuals(run: LiveRun, y: Any, predicted: Any, prefix: str) -> None:
    import numpy as np

    figure = _figure()
    if figure is None:
        return
    actual, guessed = np.asarray(y, float).ravel(), np.asarray(predicted, float).ravel()
    axes = figure.add_subplot()
    axes.axhline(0, color="grey", linewidth=1)
    axes.scatter(guessed, actual - guessed, s=12, alpha=0.6)
    axes.set(xlabel="predicted", ylabel="actual minus predicted")
    run.log_figure(f"{prefix}residuals.png", figure, overwrite=True)


def _figure() -> Any:
    """Return an empty figure, None without matplotlib.

    Not by pyplot: it would choose a window system, and keep every figure until it is told to forget it.
    """
    if find_spec("matplotlib") is None:
        return None
    from matplotlib.figure import Figure

    return Figure(figsize=(5, 5), layout="constrained")
