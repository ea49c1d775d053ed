"""Twenty-five use cases of machine learning, each of which shows a pattern of tracking.

python -m examples.showcase        all of them
python -m examples.showcase 18     one
"""

from __future__ import annotations

__all__ = ["USE_CASES"]

USE_CASES = (
    "logistic",
    "one_vs_rest",
    "stump",
    "forest",
    "neighbours",
    "naive_bayes",
    "svm",
    "linear_regression",
    "polynomial",
    "ridge",
    "lasso",
    "regression_tree",
    "kmeans",
    "dbscan",
    "pca",
    "anomalies",
    "cross_validation",
    "grid_search",
    "model_comparison",
    "voting",
    "importance",
    "time_series",
    "text",
    "recommendation",
    "ab_test",
)
"""The modules, in the order of their numbers from 1."""
