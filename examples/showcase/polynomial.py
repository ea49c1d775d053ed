"""Polynomial regression: runs that differ in one param, to be compared.

Look for the degree at which the error stops falling:

    runs = ml.runs(experiment="09-polynomial", order_by="params.degree")
    ml.compare(runs)
    ml.best_run(experiment="09-polynomial", metric="rmse", direction="min").params["degree"]
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

import chachaml as ml


def main() -> str:
    """Fit a cubic by polynomials of several degrees; return the id of the last run."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (200, 1))
    y = x[:, 0] ** 3 - 2 * x[:, 0] + rng.normal(0, 0.3, 200)
    train, test = slice(0, 100), slice(100, 200)
    for degree in (1, 2, 3, 9):
        with ml.start_run("09-polynomial", f"degree {degree}", tags={"category": "regression"}) as run:
            ml.log_params({"degree": degree})
            model = make_pipeline(PolynomialFeatures(degree), LinearRegression()).fit(x[train], y[train])
            guessed = model.predict(x[test])
            rmse = root_mean_squared_error(y[test], guessed)
            ml.log_metrics({"r2": r2_score(y[test], guessed), "rmse": rmse})
    return run.id
