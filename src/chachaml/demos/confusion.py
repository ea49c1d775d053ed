"""Which digit was taken for which: counted, drawn, and kept with the run."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

import chachaml as ml
from chachaml.demos.data import Labels

__all__ = ["log_confusion"]


def log_confusion(truth: Labels, guessed: Labels) -> None:
    """Log the confusion matrix to the current run: as a table, and as a figure where matplotlib is."""
    counts = np.zeros((10, 10), np.int64)
    np.add.at(counts, (truth, guessed), 1)
    rows = [
        {"digit": digit, **{f"as {k}": int(n) for k, n in enumerate(row)}} for digit, row in enumerate(counts)
    ]
    ml.log_table("confusion", rows)
    if find_spec("matplotlib"):
        ml.log_figure("confusion.png", _drawn(counts))


def _drawn(counts: npt.NDArray[np.int64]) -> Any:
    # Not pyplot: it would choose a window system, and keep every figure until it is told to forget it.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(np.log1p(counts), cmap="Blues")
    for (truth, guessed), count in np.ndenumerate(counts):
        if count:
            colour = "white" if count > 20 else "black"
            axes.text(guessed, truth, str(count), ha="center", va="center", color=colour, fontsize=9)
    axes.set(xlabel="taken for", ylabel="digit", xticks=range(10), yticks=range(10))
    return figure
