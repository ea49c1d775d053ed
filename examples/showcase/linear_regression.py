"""Linear regression: several metrics at once every 20 epochs, and a vector as a param.

Look for errors every 20 epochs only, and for the weights that were to be found:

    run = ml.runs(experiment="08-linear-regression")[0]
    ml.metric(run.id, "mse").steps
    run.params["true_weights"]
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

import chachaml as ml

WEIGHTS = [2.0, -1.0, 0.5]
EPOCHS, LR = 200, 0.1


def main() -> str:
    """Recover known weights from noisy data; return the run's id."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3))
    y = x @ np.array(WEIGHTS) + rng.normal(0, 0.1, 500)
    found = np.zeros(3)
    with ml.start_run("08-linear-regression", tags={"category": "regression"}) as run:
        ml.log_params({"true_weights": WEIGHTS, "lr": LR, "epochs": EPOCHS})
        for epoch in range(EPOCHS + 1):
            guessed = x @ found
            if epoch % 20 == 0:
                mse = mean_squared_error(y, guessed)
                errors = {"mse": mse, "rmse": np.sqrt(mse), "mae": mean_absolute_error(y, guessed)}
                ml.log_metrics({**errors, "r2": r2_score(y, guessed)}, step=epoch)
            found -= LR * 2 * x.T @ (guessed - y) / len(y)
        ml.log_artifact("weights", found)
    return run.id
