"""Binary classification: a loss curve, an accuracy, the model, a confusion matrix, and the data that made it.

Look for the loss that falls at every step, and for the two data sets of the run:

    run = ml.runs(experiment="01-logistic")[0]
    ml.plot("loss", run)
    ml.run(run).datasets
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import chachaml as ml

STEPS, LR = 100, 0.5


def main() -> str:
    """Fit by gradient descent; return the run's id."""
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    scaler = StandardScaler().fit(x_train)
    x_train, x_test = scaler.transform(x_train), scaler.transform(x_test)
    with ml.start_run("01-logistic", tags={"category": "classification"}) as run:
        ml.log_params({"lr": LR, "steps": STEPS})
        ml.log_dataset((x_train, y_train), name="breast cancer", role="train")
        ml.log_dataset((x_test, y_test), name="breast cancer", role="test")
        weights, bias = np.zeros(x.shape[1]), 0.0
        for step in range(STEPS):
            likely = 1 / (1 + np.exp(-(x_train @ weights + bias)))
            ml.log_metric("loss", -np.mean(np.log(np.where(y_train == 1, likely, 1 - likely))), step)
            weights -= LR * x_train.T @ (likely - y_train) / len(y_train)
            bias -= LR * float(np.mean(likely - y_train))
        guessed = (x_test @ weights + bias > 0).astype(int)
        ml.log_metric("accuracy", np.mean(guessed == y_test))
        counts = confusion_matrix(y_test, guessed)
        rows = [["malignant", *counts[0].tolist()], ["benign", *counts[1].tolist()]]
        ml.log_table("confusion", rows, headers=["actual", "as malignant", "as benign"])
        ml.log_artifact("model", {"weights": weights, "bias": np.array(bias)})
        ml.registry.register_model("breast-cancer", stage="staging", description="logistic regression")
    return run.id
