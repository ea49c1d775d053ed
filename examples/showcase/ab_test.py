"""A/B evaluation: a paired test over folds, its p-value, and a note that explains it.

Look for a difference that is many times its own error:

    run = ml.runs(experiment="25-ab-test")[0]
    run.params["winner"], run.metrics["p_value"]
    print(run.note)
"""

from __future__ import annotations

import numpy as np
from scipy.stats import ttest_rel
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC

import chachaml as ml

NOTE = r"""# Is B better than A?

Both were judged by the same ten folds, so their differences $d_i$ are paired:
$t = \bar d \,/\, (s_d / \sqrt{n})$ = %.2f, $p$ = %.2g.

Folds share training data, so the test is a little too sure of itself.
"""


def main() -> str:
    """Compare naive Bayes with a support vector machine; return the run's id."""
    x, y = load_digits(return_X_y=True)
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    with ml.start_run("25-ab-test", tags={"category": "evaluation"}) as run:
        ml.log_params({"A": "GaussianNB", "B": "SVC", "folds": 10})
        a = cross_val_score(GaussianNB(), x, y, cv=folds)
        b = cross_val_score(SVC(gamma=0.001), x, y, cv=folds)
        for step, pair in enumerate(zip(a, b, strict=True)):
            ml.log_metrics(dict(zip(("accuracy/A", "accuracy/B"), pair, strict=True)), step=step)
        found = ttest_rel(b, a)
        ml.log_metrics({"difference": np.mean(b - a), "t": found.statistic, "p_value": found.pvalue})
        ml.log_param("winner", "B" if found.statistic > 0 else "A")
        ml.set_note(NOTE % (found.statistic, found.pvalue))
    return run.id
