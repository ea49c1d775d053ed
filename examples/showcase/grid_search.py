"""Grid search: twelve named children of one run, and the best of them on the parent.

Look for rates that are too low for few epochs:

    parent = ml.runs(experiment="18-grid-search", name="grid")[0]
    parent.params["best_lr"], parent.params["best_epochs"]
    ml.children(parent).df().pivot(index="lr", columns="epochs", values="accuracy")
"""

from __future__ import annotations

from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import chachaml as ml

RATES, EPOCHS = (0.0001, 0.001, 0.01, 0.1), (1, 5, 20)


def main() -> str:
    """Try every combination; return the parent's id."""
    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    scaler = StandardScaler().fit(x_train)
    x_train, x_test = scaler.transform(x_train), scaler.transform(x_test)
    with ml.start_run("18-grid-search", "grid", tags={"category": "search"}) as parent:
        for rate in RATES:
            for epochs in EPOCHS:
                with ml.start_run(name=f"lr={rate:g} epochs={epochs}", tags={"category": "search"}):
                    ml.log_params({"lr": rate, "epochs": epochs})
                    model = SGDClassifier(
                        loss="log_loss", learning_rate="constant", eta0=rate, random_state=0
                    )
                    for epoch in range(epochs):
                        model.partial_fit(x_train, y_train, classes=range(10))
                        ml.log_metric("accuracy", model.score(x_test, y_test), step=epoch)
        best = max(ml.children(parent), key=lambda run: run.metrics["accuracy"])
        ml.log_params({"best_lr": best.params["lr"], "best_epochs": best.params["epochs"]})
        ml.log_metric("best_accuracy", best.metrics["accuracy"])
    return parent.id
