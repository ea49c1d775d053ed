"""Principal components: how much each explains, by number, and the components as an artifact.

Look for how few components explain most:

    run = ml.runs(experiment="15-pca")[0]
    ml.metric(run.id, "explained").values
    ml.load_artifact(run.id, "components").shape
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import chachaml as ml


def main() -> str:
    """Find what varies most in digits; return the run's id."""
    x, _ = load_digits(return_X_y=True)
    with ml.start_run("15-pca", tags={"category": "decomposition"}) as run:
        ml.log_params({"components": 20})
        model = PCA(20, svd_solver="full").fit(x)
        total = np.cumsum(model.explained_variance_ratio_)
        for number, share in enumerate(model.explained_variance_ratio_):
            ml.log_metrics({"explained": share, "explained_in_all": total[number]}, step=number)
        ml.log_artifact("components", model.components_)
    return run.id
