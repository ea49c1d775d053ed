"""Operations that hide, bring back, move or delete runs."""

from __future__ import annotations

import chachaml as ml
from chachaml.ops.operation import operation
from chachaml.results import CleanUp

__all__ = ["archive_runs", "delete_runs", "move_runs", "restore_runs"]


@operation("write")
def archive_runs(
    run_ids: list[str] | None = None,
    filter: str | None = None,
    experiment: str | None = None,
    older_than_days: float | None = None,
    dry_run: bool = False,
) -> CleanUp:
    """Hide runs from lists and searches; restore and undo bring them back.

    Args:
        run_ids: The runs; without any, all that meet the other conditions, of which one is needed.
        filter: Those that meet this, in the search language.
        experiment: Of this experiment.
        older_than_days: Started longer ago than so many days.
        dry_run: Say what would be done, and change nothing.
    """
    return ml.archive_runs(
        run_ids or None,
        filter=filter,
        experiment=experiment,
        older_than_days=older_than_days,
        dry_run=dry_run,
    )


@operation("write")
def restore_runs(
    run_ids: list[str] | None = None,
    filter: str | None = None,
    experiment: str | None = None,
    older_than_days: float | None = None,
    dry_run: bool = False,
) -> CleanUp:
    """Bring archived runs back.

    Args:
        run_ids: The runs; without any, all that meet the other conditions, of which one is needed.
        filter: Those that meet this, in the search language.
        experiment: Of this experiment.
        older_than_days: Started longer ago than so many days.
        dry_run: Say what would be done, and change nothing.
    """
    return ml.restore_runs(
        run_ids or None,
        filter=filter,
        experiment=experiment,
        older_than_days=older_than_days,
        dry_run=dry_run,
    )


@operation("destructive")
def delete_runs(
    run_ids: list[str] | None = None,
    filter: str | None = None,
    experiment: str | None = None,
    older_than_days: float | None = None,
    archived: bool = False,
    cascade: bool = False,
    dry_run: bool = False,
) -> CleanUp:
    """Delete runs with all that belongs to them, for good.

    Args:
        run_ids: The runs; without any, all that meet the other conditions, of which one is needed.
        filter: Those that meet this, in the search language.
        experiment: Of this experiment.
        older_than_days: Started longer ago than so many days.
        archived: Only archived runs: all of them, or those that match.
        cascade: Their children too.
        dry_run: Say what would be done, and change nothing.
    """
    which = {"filter": filter, "experiment": experiment, "older_than_days": older_than_days}
    if archived and not run_ids:
        return ml.delete_archived(**which, cascade=cascade, dry_run=dry_run)  # type: ignore[arg-type]
    return ml.delete_runs(run_ids or None, **which, cascade=cascade, dry_run=dry_run)  # type: ignore[arg-type]


@operation("write")
def move_runs(
    experiment: str, run_ids: list[str] | None = None, filter: str | None = None, dry_run: bool = False
) -> CleanUp:
    """Move runs to another experiment, which is made if it is new.

    Args:
        experiment: Where to.
        run_ids: The runs; without any, all that meet the filter.
        filter: Those that meet this, in the search language.
        dry_run: Say what would be done, and change nothing.
    """
    return ml.move_runs(run_ids or None, experiment=experiment, filter=filter, dry_run=dry_run)
