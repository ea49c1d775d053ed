"""Nearest neighbours: a confusion matrix and a report as ordinary artifacts.

Look for digits off the diagonal, such as eights taken for ones:

    run = ml.runs(experiment="05-neighbours")[0]
    ml.load_artifact(run.id, "confusion")
    print(ml.load_artifact(run.id, "report.txt"))
"""

from __future__ import annotations

from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

import chachaml as ml


def main() -> str:
    """Read digits by what the nearest ones are; return the run's id."""
    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    with ml.start_run("05-neighbours", tags={"category": "classification"}) as run:
        ml.log_params({"neighbours": 3, "metric": "euclidean"})
        guessed = KNeighborsClassifier(3).fit(x_train, y_train).predict(x_test)
        ml.log_metric("accuracy", accuracy_score(y_test, guessed))
        ml.log_artifact("confusion", confusion_matrix(y_test, guessed))
        ml.log_text("report.txt", classification_report(y_test, guessed))
    return run.id
