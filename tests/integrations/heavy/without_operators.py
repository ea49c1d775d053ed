"""torchvision beside a CPU build of torch, for which its compiled operators do not load.

``python -m tests.integrations.heavy.without_operators SCRIPT`` runs a script with it.
"""

from __future__ import annotations

import runpy
import sys
from typing import Any

import torch

_kept: list[Any] = []


def load() -> None:
    """Import torchvision; the one operator that trainings here use is made of plain torch."""
    try:
        import torchvision
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        _kept.append(library)
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.impl("nms", _nms, "CPU")
        import torchvision  # noqa: F401


def _nms(boxes: Any, scores: Any, most: float) -> Any:
    chosen: list[int] = []
    left = scores.argsort(descending=True)
    while len(left):
        best, left = left[0], left[1:]
        chosen.append(int(best))
        low = torch.maximum(boxes[best, :2], boxes[left, :2])
        high = torch.minimum(boxes[best, 2:], boxes[left, 2:])
        shared = (high - low).clamp(min=0).prod(1)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        left = left[shared / (areas[best] + areas[left] - shared) <= most]
    return torch.tensor(chosen, dtype=torch.long)


if __name__ == "__main__":
    load()
    runpy.run_path(sys.argv[1], run_name="__main__")
