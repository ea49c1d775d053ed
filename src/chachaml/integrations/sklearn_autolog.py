"""What `chachaml.autolog` logs of scikit-learn: every estimator, pipeline and search that a user fits."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from chachaml.integrations.autologging import Options
from chachaml.integrations.guarding import guard, guarded
from chachaml.integrations.patching import Patches, outermost, within
from chachaml.integrations.recording import Recording, log_importances, log_params
from chachaml.lifecycle import start_run
from chachaml.live import LiveRun

__all__ = ["MOST_CHILDREN", "log_fitted", "patch"]

MOST_CHILDREN = 200
"""How many candidates of a search become runs, the best ones; the table of it has all."""

_MOST_ROWS = 10_000
"""How many rows a model is scored on that it was fitted to, at most."""

_FITS = ("fit", "fit_predict", "fit_transform")
_WITHIN = ("sklearn", "joblib")
"""Packages whose calls of `fit` are parts of a training that a user asked for."""

_CURVES = ("loss_curve_", "validation_scores_", "train_score_", "validation_score_", "oob_scores_")
"""Attributes of fitted models that hold one number for each iteration."""


def patch(patches: Patches, options: Options) -> None:
    """Log what is fitted from now on."""
    from sklearn.base import BaseEstimator

    def around(fit: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
        if outermost() or _caller(2) in _WITHIN or not _is_model(model):
            return fit(model, *args, **kwargs)
        with within(type(model).__module__.partition(".")[0]), _logged(model, args, kwargs, options):
            return fit(model, *args, **kwargs)

    patches.wrap_subclasses(BaseEstimator, _FITS, around)


def _caller(above: int) -> str:
    """Return the package whose code called the function that was replaced."""
    name: str = sys._getframe(above + 1).f_globals.get("__name__") or ""
    return name.partition(".")[0]


@guarded("sklearn", instead=False)
def _is_model(model: Any) -> bool:
    """Tell whether it learns to say something of data, rather than to change it."""
    return hasattr(model, "predict") or hasattr(model, "fit_predict")


@contextmanager
def _logged(model: Any, args: Sequence[Any], kwargs: Mapping[str, Any], options: Options) -> Iterator[None]:
    """Log a fit to the current run, or to one of its own."""
    x = args[0] if args else kwargs.get("X")
    y = args[1] if len(args) > 1 else kwargs.get("y")
    kind = type(model).__name__
    recording = Recording("sklearn", name=kind)
    with guard("sklearn"):
        recording.run.add_tag("estimator", kind)
        log_params(recording.run, kind, model.get_params())
    with recording.ending():
        began = time.perf_counter()
        yield
        took = time.perf_counter() - began
        with guard("sklearn"):
            _log_fit(recording.run, model, x, y, options, took)


def _log_fit(run: LiveRun, model: Any, x: Any, y: Any, options: Options, took: float) -> None:
    run.log_metric("fit_time_ms", took * 1e3)
    with guard("sklearn"):
        if options.datasets and x is not None:
            run.log_dataset(x if y is None else (x, y), role="train")
    with guard("sklearn"):
        log_fitted(run, model, x, y)
    if options.models:
        run.log_model(model, overwrite=True)


def log_fitted(run: LiveRun, model: Any, X: Any = None, y: Any = None) -> None:
    """Log what a fitted model says of itself.

    Its score on what it was fitted to (10,000 rows of it at most) as ``training_score``, importances or
    coefficients of features as the table ``feature_importances``, its losses by iteration as series, and
    of a search each candidate as a run of its own.

    Args:
        run: The run.
        model: The fitted model, pipeline or search.
        X: The features; None leaves the score out.
        y: The target.
    """
    if hasattr(model, "cv_results_"):
        _log_search(run, model)
    score = _score(model, X, y)
    if score is not None:
        run.log_metric("training_score", score)
    last = _last_of(model)
    _log_importances(run, model, last)
    for name in _CURVES:
        _log_curve(run, name.rstrip("_"), getattr(last, name, None))


def _last_of(model: Any) -> Any:
    """Return what itself predicts: the best one of a search, the last step of a pipeline."""
    model = getattr(model, "best_estimator_", model)
    steps = getattr(model, "steps", None)
    return steps[-1][1] if isinstance(steps, list) and steps else model


def _score(model: Any, x: Any, y: Any) -> float | None:
    if x is None or not callable(getattr(model, "score", None)) or hasattr(model, "cv_results_"):
        return None
    from sklearn.utils import resample

    if getattr(x, "shape", (len(x),))[0] > _MOST_ROWS:
        chosen = {"replace": False, "n_samples": _MOST_ROWS, "random_state": 0}
        x, y = resample(x, y, **chosen) if y is not None else (resample(x, **chosen), None)
    return float(model.score(x) if y is None else model.score(x, y))


# importances and curves ---------------------------------------------------------------------------


def _log_importances(run: LiveRun, model: Any, last: Any) -> None:
    import numpy as np

    values = getattr(last, "feature_importances_", None)
    if values is None:
        values = getattr(last, "coef_", None)
    if values is None or hasattr(values, "toarray"):
        return
    weights = np.asarray(values, float)
    if weights.ndim == 2:  # of several classes: what a feature weighs on the whole
        weights = weights[0] if len(weights) == 1 else np.abs(weights).mean(axis=0)
    log_importances(run, dict(zip(_features(model, last, len(weights)), weights.tolist(), strict=True)))


def _features(model: Any, last: Any, count: int) -> list[str]:
    """Return the names of what reaches the model that predicts, as far as they are known."""
    whole = getattr(model, "best_estimator_", model)
    found: Any = getattr(last, "feature_names_in_", None)
    if found is None and last is not whole:
        try:
            found = whole[:-1].get_feature_names_out()
        except Exception:  # a step that cannot name what it gives
            found = None
    names = [str(name) for name in found] if found is not None else []
    return names if len(set(names)) == count else [f"x{number}" for number in range(count)]


def _log_curve(run: LiveRun, name: str, values: Any) -> None:
    import numpy as np

    curve = np.asarray([] if values is None else values, float)
    if curve.ndim == 1:
        for step, value in enumerate(curve.tolist()):
            run.log_metric(name, value, step)


# searches -----------------------------------------------------------------------------------------


def _log_search(run: LiveRun, search: Any) -> None:
    """Log a search: the best candidate, a table of all, and a run for each of the best ones."""
    results: Mapping[str, Any] = search.cv_results_
    scored = [key.removeprefix("mean_test_") for key in results if key.startswith("mean_test_")]
    if hasattr(search, "best_params_"):
        log_params(run, "search", {f"best.{key}": value for key, value in search.best_params_.items()})
    if hasattr(search, "best_score_"):
        run.log_metric("best_score", search.best_score_)
    run.log_table("cv_results", _rows(results), overwrite=True)
    for number in _best(results, scored)[:MOST_CHILDREN]:
        _log_candidate(run, results, scored, number)


def _rows(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = [name for name in results if name != "params"]
    count = len(results["params"])
    return [{name: _cell(results[name][number]) for name in names} for number in range(count)]


def _cell(value: Any) -> Any:
    import numpy as np

    if value is np.ma.masked:
        return None
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, (bool, int, float, str)) or value is None else repr(value)


def _best(results: Mapping[str, Any], scored: Sequence[str]) -> list[int]:
    """Return the numbers of the candidates, the best one first by the first score."""
    ranks = results.get(f"rank_test_{scored[0]}") if scored else None
    numbers = range(len(results["params"]))
    return list(numbers) if ranks is None else sorted(numbers, key=lambda number: ranks[number])


def _log_candidate(run: LiveRun, results: Mapping[str, Any], scored: Sequence[str], number: int) -> None:
    tags = {"candidate": number}
    with start_run(name=f"candidate {number}", parent=run, tags=tags, capture=False) as child:
        log_params(child, "candidate", results["params"][number])
        for name in scored:
            for part in ("mean_test", "std_test", "mean_train", "rank_test"):
                if (found := results.get(f"{part}_{name}")) is not None:
                    child.log_metric(f"{part}_{name}", found[number])
            for fold, value in enumerate(_splits(results, name, number)):
                child.log_metric(f"split_test_{name}", value, fold)
        child.log_metric("fit_time_ms", results["mean_fit_time"][number] * 1e3)


def _splits(results: Mapping[str, Any], name: str, number: int) -> Iterator[float]:
    fold = 0
    while (values := results.get(f"split{fold}_test_{name}")) is not None:
        yield float(values[number])
        fold += 1
