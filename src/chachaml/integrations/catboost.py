"""CatBoost: a callback that logs each iteration, and what `chachaml.autolog` adds to it.

model.fit(x, y, eval_set=(x_test, y_test), callbacks=[ChachamlCallback()])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chachaml.integrations.autologging import Options
from chachaml.integrations.guarding import guard, guarded
from chachaml.integrations.patching import Patches, arguments, outermost, within
from chachaml.integrations.recording import Recording, log_importances, log_params
from chachaml.lifecycle import require
from chachaml.live import LiveRun

__all__ = ["ChachamlCallback", "log_trained", "patch"]


class ChachamlCallback:
    """Logs what CatBoost evaluates after each iteration, as ``<data>/<metric>``, to a run.

    CatBoost tells callbacks of no end, so a run must be open; `log_trained` logs the rest. It takes
    callbacks on the CPU only.

    Args:
        run: The run. Default: the current one.
    """

    def __init__(self, run: LiveRun | None = None) -> None:
        self._run = run

    @guarded("catboost", instead=True)
    def after_iteration(self, info: Any) -> bool:
        """Log the iteration's values; never asks to stop."""
        run = self._run = self._run or require("ChachamlCallback")
        values = {
            f"{data}/{metric}": float(history[-1])
            for data, metrics in (info.metrics or {}).items()
            for metric, history in metrics.items()
        }
        if values:
            run.log_metrics(values, info.iteration - 1)
        return True


def log_trained(model: Any, run: LiveRun | None = None) -> None:
    """Log what a trained model says of itself: params, best iteration and scores, importances.

    Args:
        model: The model.
        run: The run. Default: the current one.

    Raises:
        NoActiveRun: No run was given, and none is open.
    """
    run = run or require("log_trained")
    log_params(run, type(model).__name__, model.get_params())
    run.log_metric("trees", model.tree_count_)
    if model.best_iteration_ is not None:
        run.log_metric("best_iteration", model.best_iteration_)
    for data, metrics in (model.best_score_ or {}).items():
        for metric, value in metrics.items():
            run.log_metric(f"best/{data}/{metric}", value)
    log_importances(run, dict(zip(model.feature_names_, model.feature_importances_, strict=True)))


def patch(patches: Patches, options: Options) -> None:
    """Log what models of CatBoost are fitted to from now on."""
    import catboost

    def around(fit: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
        given = arguments(fit, (model, *args), kwargs)
        callbacks = list(given.get("callbacks") or ())
        known = any(isinstance(one, ChachamlCallback) for one in callbacks)
        if outermost() not in ("", "catboost") or known or (callbacks and "callbacks" not in kwargs):
            return fit(model, *args, **kwargs)
        recording = Recording("catboost", name=type(model).__name__)
        with guard("catboost"):
            run = recording.run
            if model.get_params().get("task_type") != "GPU":
                kwargs = {**kwargs, "callbacks": [*callbacks, ChachamlCallback(run)]}
        with recording.ending():
            with within("catboost"):
                fitted = fit(model, *args, **kwargs)
            with guard("catboost"):
                _log_whole(recording.run, fitted, given, options)
        return fitted

    for name in ("CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker"):
        patches.wrap(getattr(catboost, name), "fit", around)


def _log_whole(run: LiveRun, model: Any, given: dict[str, Any], options: Options) -> None:
    log_trained(model, run)
    x, y = given.get("X"), given.get("y")
    if options.datasets and x is not None:
        with guard("catboost"):
            if hasattr(x, "num_row"):  # a Pool
                run.log_dataset(
                    name="pool", rows=x.num_row(), columns=x.num_col(), features=x.get_feature_names()
                )
            else:
                run.log_dataset(x if y is None else (x, y))
    if options.models:
        run.log_model(model, overwrite=True)
