"""Model comparison: three accuracies in one run, and a tag set after it has ended.

Look for the tag that was set when the run had ended:

    run = ml.runs(experiment="19-model-comparison")[0]
    run.metrics
    ml.runs("tags.reviewed = 'yes'")
"""

from __future__ import annotations

from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import chachaml as ml

MODELS = {
    "logistic": LogisticRegression(max_iter=1000),
    "naive_bayes": GaussianNB(),
    "neighbours": KNeighborsClassifier(5),
}


def main() -> str:
    """Judge three models by the same folds; return the run's id."""
    x, y = load_wine(return_X_y=True)
    with ml.start_run("19-model-comparison", tags={"category": "comparison"}) as run:
        ml.log_params({"folds": 10, "models": list(MODELS)})
        scores = {}
        for name, model in MODELS.items():
            scores[name] = cross_val_score(make_pipeline(StandardScaler(), model), x, y, cv=10).mean()
            ml.log_metric(f"accuracy/{name}", scores[name])
        ml.add_tag("winner", max(scores, key=lambda name: scores[name]))
    ml.add_tag(run, "reviewed", "yes")
    return run.id
