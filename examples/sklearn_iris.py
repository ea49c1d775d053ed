"""A grid of scikit-learn models on iris: one parent run, one child run for each cell."""

from __future__ import annotations

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split

import chachaml as ml


def main(seed: int = 1) -> str:
    """Train the grid and return the id of the parent run."""
    x, y = load_iris(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(x, y, test_size=0.2, random_state=seed, stratify=y)
    with ml.start_run(experiment="iris", name="grid", tags={"kind": "sweep"}) as grid:
        ml.log_params({"seed": seed, "test_size": 0.2})
        for strength in (0.01, 0.1, 1.0, 10.0):
            with ml.start_run(name=f"logistic C={strength:g}", tags={"model": "LogisticRegression"}):
                model = LogisticRegression(C=strength, max_iter=500).fit(train_x, train_y)
                ml.log_params(model.get_params())
                ml.log_metric("accuracy", accuracy_score(test_y, model.predict(test_x)))
                ml.log_metric("loss", log_loss(test_y, model.predict_proba(test_x)))
    return grid.id


if __name__ == "__main__":
    print(ml.runs(parent=main()))
    print(ml.best_run(experiment="iris", metric="loss", direction="min"))
