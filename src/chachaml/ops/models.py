"""Operations on the model registry."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chachaml import registry
from chachaml.ops.operation import operation
from chachaml.registered import Lineage, Model, ModelVersion, Move, VersionDiff

__all__ = [
    "ModelDetail",
    "delete_model",
    "delete_model_alias",
    "delete_model_version",
    "describe_model",
    "diff_model_versions",
    "get_model",
    "get_model_history",
    "get_model_lineage",
    "get_model_version",
    "list_models",
    "promote_model",
    "register_model",
    "rename_model",
    "roll_back_model",
    "set_model_alias",
]

Stage = Literal["none", "staging", "production", "archived"]


class ModelDetail(msgspec.Struct, frozen=True):
    """A model with all of its versions, ascending."""

    model: Model
    versions: tuple[ModelVersion, ...]


@operation("read")
def list_models() -> tuple[Model, ...]:
    """List the models, with how many versions each has and which is in production."""
    return registry.models()


@operation("read")
def get_model(model_name: str) -> ModelDetail:
    """Show a model with all of its versions.

    Args:
        model_name: The model's name.
    """
    return ModelDetail(registry.model(model_name), registry.versions(model_name))


@operation("read")
def get_model_version(
    model_name: str, version: int | None = None, stage: Stage | None = None, alias: str | None = None
) -> ModelVersion:
    """Show one version of a model, by default the one in production.

    Args:
        model_name: The model's name.
        version: The version's number.
        stage: The newest version in this stage.
        alias: The version of this alias.
    """
    return registry.version(model_name, version if version is not None else alias or stage)


@operation("write")
def register_model(
    model_name: str,
    run_id: str,
    artifact: str = "model",
    stage: Stage = "none",
    description: str = "",
    model_description: str = "",
    alias: str | None = None,
    comment: str = "",
) -> ModelVersion:
    """Make an artifact of a run the next version of a model, which is made if it is new.

    Args:
        model_name: The model's name.
        run_id: The run that logged the artifact.
        artifact: The artifact's name.
        stage: The stage of the new version.
        description: What to say of the version.
        model_description: What to say of the model, if it is new.
        alias: A name for the version, taken from the one that had it.
        comment: Why, for the history.
    """
    return registry.register_model(
        model_name,
        artifact,
        run=run_id,
        stage=stage,
        description=description,
        model_description=model_description,
        alias=alias,
        comment=comment,
    )


@operation("write")
def promote_model(
    model_name: str, version: int, stage: Stage = "production", comment: str = ""
) -> ModelVersion:
    """Move a version to a stage; the production version before it is archived.

    Args:
        model_name: The model's name.
        version: The version's number.
        stage: Where to.
        comment: Why, for the history.
    """
    return registry.promote(model_name, version, stage, comment=comment)


@operation("write")
def roll_back_model(model_name: str, comment: str = "") -> ModelVersion:
    """Put back into production the version that was there before the present one.

    Args:
        model_name: The model's name.
        comment: Why, for the history.
    """
    return registry.roll_back(model_name, comment=comment)


@operation("write")
def set_model_alias(model_name: str, alias: str, version: int, comment: str = "") -> ModelVersion:
    """Let an alias mean this version of a model, and no longer any other.

    Args:
        model_name: The model's name.
        alias: The alias.
        version: The version's number.
        comment: Why, for the history.
    """
    return registry.set_alias(model_name, alias, version, comment=comment)


@operation("write")
def delete_model_alias(model_name: str, alias: str, comment: str = "") -> Model:
    """Take an alias away; one that is not there is fine.

    Args:
        model_name: The model's name.
        alias: The alias.
        comment: Why, for the history.
    """
    return registry.delete_alias(model_name, alias, comment=comment)


@operation("write")
def describe_model(model_name: str, description: str | None = None, note: str | None = None) -> Model:
    """Say what a model is about; what is left out stays as it was.

    Args:
        model_name: The model's name.
        description: In a sentence.
        note: In Markdown, of any length.
    """
    return registry.describe_model(model_name, description=description, note=note)


@operation("write")
def rename_model(model_name: str, new_name: str) -> Model:
    """Give a model another name; its versions, aliases and history go with it.

    Args:
        model_name: The name that it has.
        new_name: The one that it gets, which no model has.
    """
    return registry.rename_model(model_name, new_name)


@operation("read")
def get_model_history(model_name: str, limit: Annotated[int, Meta(ge=1)] = 100) -> tuple[Move, ...]:
    """List who did what to a model and why, newest first.

    Args:
        model_name: The model's name, also of a deleted one.
        limit: At most so many.
    """
    return registry.history(model_name, limit=limit)


@operation("read")
def get_model_lineage(model_name: str, version: int) -> Lineage:
    """Show where a version of a model comes from: run, data sets, code, parent run, pipeline.

    Args:
        model_name: The model's name.
        version: The version's number.
    """
    return registry.lineage(model_name, version)


@operation("read")
def diff_model_versions(model_name: str, v1: int, v2: int) -> VersionDiff:
    """Show two versions of a model side by side: params, metrics, tags, code, packages, data, files.

    Args:
        model_name: The model's name.
        v1: A version's number.
        v2: The number of the version to compare it with.
    """
    return registry.diff_versions(model_name, v1, v2)


@operation("destructive")
def delete_model_version(model_name: str, version: int, force: bool = False) -> registry.Removed:
    """Delete a version of a model; the run's artifact stays.

    Args:
        model_name: The model's name.
        version: The version's number.
        force: Also if it is in production.
    """
    return registry.delete_version(model_name, version, force=force)


@operation("destructive")
def delete_model(model_name: str, force: bool = False) -> registry.Removed:
    """Delete a model with all of its versions; the runs' artifacts stay.

    Args:
        model_name: The model's name.
        force: Also if a version is in production.
    """
    return registry.delete_model(model_name, force=force)
