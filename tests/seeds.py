"""Where the randomised tests begin: anywhere in the long form, at one place in the short one."""

from __future__ import annotations

import os
import random

__all__ = ["SOAK", "seed"]

SOAK = bool(os.environ.get("CHACHAML_SOAK"))


def seed() -> int:
    """Return ``CHACHAML_SEED`` if it is set; in the long form any number; else always the same."""
    given = os.environ.get("CHACHAML_SEED")
    return int(given) if given else random.randrange(10**6) if SOAK else 2026
