"""Anomalies by z-score: precision and recall of what was detected.

Look for a recall of one, bought with some false alarms:

    run = ml.runs(experiment="16-anomalies")[0]
    run.metrics["precision"], run.metrics["recall"]
    ml.load_artifact(run.id, "detected")
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import f1_score, precision_score, recall_score

import chachaml as ml

THRESHOLD = 3.0


def main() -> str:
    """Find spikes that were put into noise; return the run's id."""
    rng = np.random.default_rng(0)
    signal = rng.normal(0, 1, 1000)
    spikes = rng.choice(1000, 20, replace=False)
    signal[spikes] += rng.choice([-8, 8], 20)
    odd = np.isin(np.arange(1000), spikes)
    with ml.start_run("16-anomalies", tags={"category": "anomalies"}) as run:
        ml.log_params({"threshold": THRESHOLD})
        # By median and quartiles: the spikes themselves widen a standard deviation.
        middle = np.median(signal)
        spread = np.subtract(*np.percentile(signal, [75, 25])) / 1.349
        found = np.abs(signal - middle) / spread > THRESHOLD
        scores = {"precision": precision_score(odd, found), "recall": recall_score(odd, found)}
        ml.log_metrics({**scores, "f1": f1_score(odd, found), "detected": found.sum()})
        ml.log_artifact("detected", np.flatnonzero(found))
    return run.id
