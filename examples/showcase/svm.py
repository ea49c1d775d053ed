"""A linear support vector machine by stochastic gradient descent: the margin at every epoch.

Look for the margin, which settles while the loss falls:

    run = ml.runs(experiment="07-svm")[0]
    ml.plot("margin", run)
    run.summaries["hinge_loss"].min
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import hinge_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import chachaml as ml

EPOCHS = 30


def main() -> str:
    """Widen the margin epoch by epoch; return the run's id."""
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    scaler = StandardScaler().fit(x_train)
    x_train, x_test = scaler.transform(x_train), scaler.transform(x_test)
    with ml.start_run("07-svm", tags={"category": "classification"}) as run:
        ml.log_params({"loss": "hinge", "alpha": 0.01, "epochs": EPOCHS})
        model = SGDClassifier(loss="hinge", alpha=0.01, random_state=0)
        for epoch in range(EPOCHS):
            model.partial_fit(x_train, y_train, classes=[0, 1])
            margin = 1 / np.linalg.norm(model.coef_)
            loss = hinge_loss(y_train, model.decision_function(x_train))
            ml.log_metrics({"margin": margin, "hinge_loss": loss}, step=epoch)
        ml.log_metric("accuracy", model.score(x_test, y_test))
    return run.id
