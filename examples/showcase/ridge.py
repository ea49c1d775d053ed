"""Ridge: a sweep within one run, whose step stands for the strength, and a param that it leads to.

Look for the bottom of the curve, which the param names:

    run = ml.runs(experiment="10-ridge")[0]
    ml.plot("cv_mse", run)
    run.params["best_lambda"]
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score

import chachaml as ml

LAMBDAS = np.logspace(-4, 2, 25)


def main() -> str:
    """Find the strength that generalises best; return the run's id."""
    x, y = load_diabetes(return_X_y=True)
    with ml.start_run("10-ridge", tags={"category": "regression"}) as run:
        ml.log_params({"lambdas": LAMBDAS.tolist(), "folds": 10})
        errors = []
        for step, strength in enumerate(LAMBDAS):
            scores = cross_val_score(Ridge(strength), x, y, cv=10, scoring="neg_mean_squared_error")
            errors.append(-scores.mean())
            ml.log_metrics({"cv_mse": errors[-1], "lambda": strength}, step=step)
        ml.log_param("best_lambda", float(LAMBDAS[np.argmin(errors)]))
    return run.id
