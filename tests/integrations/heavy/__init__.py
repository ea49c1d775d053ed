"""Trainings with libraries that are too large for every run of the tests."""

from __future__ import annotations

from typing import Any

import chachaml as ml


def whole(run: Any) -> Any:
    """Return a run with all that is known of it."""
    return ml.run(run.id)


def names(run: Any) -> set[str]:
    """Return the names of a run's artifacts."""
    return {artifact.name for artifact in ml.list_artifacts(run.id)}
