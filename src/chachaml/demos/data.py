"""1,797 handwritten digits of 8 by 8 pixels, which come with scikit-learn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

__all__ = ["SEED", "Digits", "load"]

SEED = 7

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


class Digits(NamedTuple):
    """Images as rows of 64 numbers from 0 to 1, and which digit each shows."""

    train_x: Floats
    train_y: Labels
    val_x: Floats
    val_y: Labels


def load() -> Digits:
    """Return the digits, a quarter of them held out for validation."""
    images, labels = load_digits(return_X_y=True)
    train_x, val_x, train_y, val_y = train_test_split(
        images / 16, labels, test_size=0.25, random_state=SEED, stratify=labels
    )
    return Digits(train_x, train_y, val_x, val_y)
