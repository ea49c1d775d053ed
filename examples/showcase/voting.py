"""Ensemble by vote: the accuracies of its members beside its own.

Look for what the vote gains over its best member, which may be nothing:

    run = ml.runs(experiment="20-voting")[0]
    run.metrics["accuracy"] - max(v for k, v in run.metrics.items() if k.startswith("member/"))
    ml.load_artifact(run.id, "model")
"""

from __future__ import annotations

from sklearn.datasets import load_digits
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

import chachaml as ml

MEMBERS = [
    ("logistic", LogisticRegression(max_iter=500, C=0.01)),
    ("tree", DecisionTreeClassifier(random_state=0)),
    ("naive_bayes", GaussianNB()),
]


def main() -> str:
    """Let three models vote; return the run's id."""
    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    with ml.start_run("20-voting", tags={"category": "ensemble"}) as run:
        ml.log_params({"voting": "hard", "members": [name for name, _ in MEMBERS]})
        vote = VotingClassifier(MEMBERS).fit(x_train / 16, y_train)
        for name, member in vote.named_estimators_.items():
            ml.log_metric(f"member/{name}", member.score(x_test / 16, y_test))
        ml.log_metric("accuracy", vote.score(x_test / 16, y_test))
        ml.log_model(vote, example=x_test[:2] / 16)
    return run.id
