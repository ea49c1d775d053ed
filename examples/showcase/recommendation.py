"""Recommendation: which items are alike, as a matrix, and how often what was hidden is among the first five.

Look for a hit rate well above that of guessing:

    run = ml.runs(experiment="24-recommendation")[0]
    ml.load_artifact(run.id, "similarity").shape
    run.metrics["hit_rate"], run.metrics["hit_rate_at_random"]
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics.pairwise import cosine_similarity

import chachaml as ml

USERS, ITEMS, TASTES, TOP = 300, 40, 4, 5


def main() -> str:
    """Hide one thing that each user liked, and see whether it is recommended; return the run's id."""
    rng = np.random.default_rng(0)
    taste, kind = rng.integers(0, TASTES, USERS), rng.integers(0, TASTES, ITEMS)
    liked = rng.random((USERS, ITEMS)) < np.where(taste[:, None] == kind, 0.6, 0.08)
    liked = liked[liked.sum(axis=1) >= 2]
    hidden = np.array([rng.choice(np.flatnonzero(row)) for row in liked])
    known = liked.copy()
    known[np.arange(len(liked)), hidden] = False
    with ml.start_run("24-recommendation", tags={"category": "recommendation"}) as run:
        ml.log_params({"users": len(liked), "items": ITEMS, "top": TOP})
        alike = cosine_similarity(known.T.astype(float))
        scores = np.where(known, -np.inf, known @ alike)
        top = np.argsort(-scores, axis=1)[:, :TOP]
        ml.log_metric("hit_rate", (top == hidden[:, None]).any(axis=1).mean())
        ml.log_metric("hit_rate_at_random", (TOP / (ITEMS - known.sum(axis=1))).mean())
        ml.log_artifact("similarity", alike)
        ml.log_table(
            "recommended", [{"user": user, "items": str(row.tolist())} for user, row in enumerate(top[:10])]
        )
    return run.id
