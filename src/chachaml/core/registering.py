"""The invariants of the model registry, as pure functions; every store runs them in its transaction."""

from __future__ import annotations

from collections.abc import Mapping

from chachaml.core.changes import AliasMoved, ModelDeleted, ModelDescribed, ModelRenamed, Stage, StageMoved

__all__ = ["may_alias", "may_delete", "may_make", "may_move", "may_rename", "moved"]


def moved(stages: Mapping[int, Stage], version: int, stage: Stage) -> dict[int, Stage]:
    """Return which versions of a model change to which stage when one goes to `stage`.

    Only one version is in production: whichever was is archived.

    Args:
        stages: The stages of all versions before, the one that moves among them.
        version: The one that moves.
        stage: Where to.
    """
    changed: dict[int, Stage] = {}
    if stage == "production":
        changed = {no: "archived" for no, at in stages.items() if at == "production" and no != version}
    if stages[version] != stage:
        changed[version] = stage
    return changed


def may_make(change: ModelDescribed, *, there: bool) -> str:
    """Return why a model may not be made ('' if it may)."""
    return f"there is a model {change.model!r} already" if there else ""


def may_rename(change: ModelRenamed, *, there: bool) -> str:
    """Return why a model may not get a name that another has, or it itself ('' if it may)."""
    return f"there is a model {change.to!r} already" if there else ""


def may_move(stages: Mapping[int, Stage], change: StageMoved) -> str:
    """Return why a version may not go to a stage ('' if it may)."""
    return _missing(stages, change.model, change.version)


def may_alias(stages: Mapping[int, Stage], change: AliasMoved) -> str:
    """Return why an alias may not mean a version ('' if it may)."""
    return "" if change.version is None else _missing(stages, change.model, change.version)


def may_delete(stages: Mapping[int, Stage], change: ModelDeleted) -> str:
    """Return why a version, or a model with all of its versions, may not be deleted ('' if it may)."""
    if change.version is not None and (why := _missing(stages, change.model, change.version)):
        return why
    going = stages if change.version is None else {change.version: stages[change.version]}
    live = [no for no, stage in going.items() if stage == "production"]
    if live and not change.force:
        return f"version {live[0]} of model {change.model!r} is in production"
    return ""


def _missing(stages: Mapping[int, Stage], model: str, version: int) -> str:
    return "" if version in stages else f"model {model!r} has no version {version}"
