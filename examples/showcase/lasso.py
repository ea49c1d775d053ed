"""Lasso: how many coefficients are nought, every 10 epochs, while coordinates descend.

Look for coefficients that become nought and stay so:

    run = ml.runs(experiment="11-lasso")[0]
    ml.metric(run.id, "zero_coefficients").values
    ml.load_artifact(run.id, "coefficients")
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

import chachaml as ml

ALPHA, EPOCHS = 2.0, 100


def main() -> str:
    """Descend along one coordinate after the other; return the run's id."""
    x, y = load_diabetes(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    y = y - y.mean()
    weights = np.zeros(x.shape[1])
    with ml.start_run("11-lasso", tags={"category": "regression"}) as run:
        ml.log_params({"alpha": ALPHA, "epochs": EPOCHS})
        for epoch in range(EPOCHS + 1):
            if epoch % 10 == 0:
                loss = np.mean((y - x @ weights) ** 2) / 2 + ALPHA * np.abs(weights).sum()
                zero = int((weights == 0).sum())
                ml.log_metrics({"zero_coefficients": zero, "objective": loss}, step=epoch)
            for place in range(len(weights)):
                rest = y - x @ weights + x[:, place] * weights[place]
                pull = x[:, place] @ rest / len(y)
                weights[place] = np.sign(pull) * max(abs(pull) - ALPHA, 0) / np.mean(x[:, place] ** 2)
        ml.log_artifact("coefficients", weights)
    return run.id
