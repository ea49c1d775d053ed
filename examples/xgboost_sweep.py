"""XGBoost with a sweep: trials that look bad are given up early, and the best model is registered."""

from __future__ import annotations

from typing import Any

import xgboost
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import chachaml as ml
from chachaml.sweeps.api import Trial

X, y = load_breast_cancer(return_X_y=True)
X_TRAIN, X_TEST, Y_TRAIN, Y_TEST = train_test_split(X, y, random_state=0, stratify=y)
SPACE = {"max_depth": (2, 6), "learning_rate": (0.01, 0.5, "log"), "subsample": (0.5, 1.0)}


class Logging(xgboost.callback.TrainingCallback):  # type: ignore[misc]
    """Logs what each boosting round brought, and gives a trial up where the sweep says so."""

    def __init__(self, trial: Trial | None) -> None:
        super().__init__()
        self.trial = trial

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002 - XGBoost's
        """Log one round, and go on."""
        for data, metrics in evals_log.items():
            ml.log_metrics({f"{data}/{name}": values[-1] for name, values in metrics.items()}, step=epoch)
        ml.log_metric("objective", evals_log["validation_1"]["logloss"][-1], step=epoch)
        if self.trial is not None and self.trial.should_prune():
            raise ml.Pruned
        return False


def boosted(params: dict[str, Any], trial: Trial | None = None) -> xgboost.XGBClassifier:
    """Fit a model within the current run, its value being the last loss on data that it does not see."""
    model = xgboost.XGBClassifier(
        **params,
        n_estimators=60,
        eval_metric="logloss",
        callbacks=[Logging(trial)],
        n_jobs=1,
        random_state=0,
    )
    return model.fit(X_TRAIN, Y_TRAIN, eval_set=[(X_TRAIN, Y_TRAIN), (X_TEST, Y_TEST)], verbose=False)


def tried(params: dict[str, Any], trial: Trial) -> None:
    """Be one trial of the sweep."""
    boosted(params, trial)


def main(trials: int = 8) -> int:
    """Sweep, fit the best once more, keep and register it; return its version."""
    found = ml.sweep(tried, SPACE, trials, name="breast-cancer", method="tpe", pruner="median")
    with ml.start_run("breast-cancer", name="best", tags={"sweep": found.id}) as run:
        ml.log_params(found.best_params)
        model = boosted(found.best_params)
        ml.log_metric("accuracy", model.score(X_TEST, Y_TEST))
        model.set_params(callbacks=None)  # they belong to this run, not to the model
        version = ml.log_model(model, example=X_TEST[:2], register_as="breast-cancer", stage="staging")
    print(ml.runs(experiment="breast-cancer", limit=4))
    print(f"version {version.version} is that of run {run.name!r}; {found.pruned} trials were given up")
    return version.version


if __name__ == "__main__":
    main()
