"""Times as tools write them: numbers since 1970 of some unit, or texts."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

__all__ = ["microseconds"]

_UNITS = ((1e17, 1e-3), (1e14, 1.0), (1e11, 1e3), (1e7, 1e6))
"""From which number on they are nano-, micro-, milliseconds and seconds, and what makes microseconds."""


_MOST = 4e18
"""Nanoseconds until the year 2096; what is more is no time."""


def microseconds(value: Any, otherwise: int) -> int:
    """Return a time in microseconds since 1970, UTC; `otherwise` if it is none.

    Args:
        value: Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their size; a date
            and time in ISO 8601, in UTC if it names no zone; or either as text.
        otherwise: What to take if there is no time.
    """
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1e6)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return _from_text(value, otherwise)
    if not math.isfinite(number) or number >= _MOST:
        return otherwise
    return next((round(number * unit) for least, unit in _UNITS if number >= least), otherwise)


def _from_text(value: Any, otherwise: int) -> int:
    try:
        return microseconds(datetime.fromisoformat(str(value).strip()), otherwise)
    except ValueError:
        return otherwise
