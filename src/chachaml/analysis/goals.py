"""Whether more or less of a metric is better, as its name tells."""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["MORE", "Direction", "direction_of"]

Direction = Literal["min", "max"]

MORE = frozenset(
    "acc accuracy ap auc auroc bleu correct dice f1 fps iou map mrr ndcg precision psnr r2 recall return "
    "reward rouge score specificity ssim success throughput top1 top5 utilization wins".split()
)


def direction_of(metric: str) -> Direction:
    """Return which value of a metric is the best one: "max" if a word of its key says so, else "min"."""
    words = re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", metric).lower())
    return "max" if MORE.intersection(words) else "min"
