"""Seeds: set everywhere at once, and kept."""

from __future__ import annotations

import random
import sys

from chachaml.core.errors import BadValue
from chachaml.lifecycle import current_run

__all__ = ["set_seed"]


def set_seed(seed: int) -> None:
    """Seed Python's random, and numpy and torch if they are in use, and keep the seed with the current run.

    Args:
        seed: From 0 to 2**32 - 1, which all three take.

    Raises:
        BadValue: Out of range.
    """
    if not 0 <= seed < 2**32:
        raise BadValue(f"a seed is from 0 to 2**32 - 1, not {seed!r}")
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)
    if run := current_run():
        run.capture({"seed": seed})
