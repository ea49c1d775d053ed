"""The model registry: names for artifacts, counted in versions, moved between stages.

ml.registry.register_model("iris-classifier", artifact="model", stage="staging")
ml.registry.promote("iris-classifier", 1, "production")
model = ml.registry.load_model("iris-classifier")
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, overload

import msgspec

from chachaml import lifecycle
from chachaml.connection import Connection, connection
from chachaml.core.changes import (
    AliasMoved,
    ModelDeleted,
    ModelDescribed,
    ModelRenamed,
    RegistryChange,
    Stage,
    StageMoved,
    VersionRegistered,
)
from chachaml.core.errors import BadValue, Conflict, NotFound
from chachaml.core.ids import command_id, short
from chachaml.core.model import RunRow
from chachaml.core.settings import current_user
from chachaml.core.values import as_text
from chachaml.lookup import AnyRun, id_of, resolve
from chachaml.model_lookup import STAGES, Selector, model, models, version, versions
from chachaml.registered import Model, ModelVersion, Move
from chachaml.results import Artifact, Lines, to_datetime
from chachaml.tracing import diff_versions, lineage

__all__ = [
    "Removed",
    "delete_alias",
    "delete_model",
    "delete_version",
    "describe_model",
    "describe_version",
    "diff_versions",
    "history",
    "lineage",
    "load_model",
    "log_model",
    "model",
    "model_versions",
    "models",
    "promote",
    "register_model",
    "rename_model",
    "roll_back",
    "set_alias",
    "set_model_note",
    "version",
    "versions",
]

model_versions = versions
_PATH = re.compile(r"[A-Za-z]:|[/\\~]|\.\.?[/\\]")


class Removed(msgspec.Struct, frozen=True):
    """What deleting models or versions removed; ``bytes`` are those that came back."""

    model: str
    versions: tuple[int, ...]
    bytes: int


# registering --------------------------------------------------------------------------------------


def register_model(
    name: str,
    artifact: str | Artifact = "model",
    *,
    run: AnyRun | None = None,
    stage: Stage = "none",
    description: str = "",
    model_description: str = "",
    tags: Mapping[str, object] | None = None,
    alias: str | None = None,
    comment: str = "",
) -> ModelVersion:
    """Make an artifact of a run the next version of a model, which is made if it is new.

    Args:
        name: The model's name.
        artifact: The artifact's name in the run, or what a log call returned; or a version of another
            model, as ``"model://name/production"``.
        run: The run. Default: the artifact's, else the current one.
        stage: "none", "staging", "production" or "archived".
        description: Of the version.
        model_description: Of the model, if it is new.
        tags: Of the version, as texts by key.
        alias: A name for the version, taken from the one that had it.
        comment: Why, for the history.

    Raises:
        NotFound: The run has no such artifact, or there is no such run.
        NoActiveRun: No run was given, and none is open.
        BadValue: A name or stage that cannot be.
    """
    _check_name("model", name)
    given = {str(key): as_text(f"tag {key!r}", str(value)) for key, value in (tags or {}).items()}
    if isinstance(artifact, Artifact):
        run, artifact = run or artifact.run, artifact.name
    elif isinstance(artifact, str) and artifact.startswith("model://"):
        known = version(artifact)
        run, artifact = known.run, known.artifact
    live = lifecycle.require("register_model") if run is None else run
    where = getattr(live, "connection", None) or connection()
    if not where.keeps:
        return _nothing(name, artifact)
    row = resolve(where.ready(at_once=True), id_of(live))
    _require_artifact(row, artifact)
    made = VersionRegistered(
        _now(),
        current_user(),
        name,
        command_id(),
        row.id,
        artifact,
        _check_stage(stage),
        as_text("description", description),
        as_text("model_description", model_description),
        given,
        as_text("comment", comment),
        _about(where, row, artifact),
    )
    _apply(where, made)
    found = next(one for one in where.store().versions(name, row.id) if one.id == made.id)
    return ModelVersion.from_row(found) if alias is None else set_alias(name, alias, found.version)


def _nothing(name: str, artifact: str) -> ModelVersion:
    """Return what stands for a version where chachaml is disabled."""
    about = dict.fromkeys(("id", "run", "digest", "content_type", "format", "signature", "description"), "")
    return ModelVersion(
        **about,
        model=name,
        version=0,
        artifact=artifact,
        size=0,
        stage="none",
        aliases=(),
        tags={},
        about={},
        created=to_datetime(0),
        created_by="",
    )


def _require_artifact(row: RunRow, artifact: str) -> None:
    known = [each.name for each in row.artifacts]
    if artifact in known:
        return
    if not isinstance(artifact, str):
        raise BadValue(f"an artifact is named by a text, not by {type(artifact).__name__}")
    hint = (
        f"it has {', '.join(map(repr, known[:8]))}" if known else "log it first: log_artifact('model', model)"
    )
    if _PATH.match(artifact):
        hint = f"{artifact!r} is a path; the artifact's name is wanted: log_file({artifact!r}, 'model') first"
    raise NotFound(f"run {row.name!r} ({short(row.id)}) has no artifact {artifact!r}", hint)


def _about(where: Connection, row: RunRow, artifact: str) -> str:
    """Return what `log_model` said of the artifact, as JSON; '' if it said nothing."""
    from chachaml.artifacts.blobs import Blob, read_all
    from chachaml.artifacts.models import about_name

    for each in row.artifacts:
        if each.name == about_name(artifact):
            return read_all(where.blobs(), Blob(each.digest, each.size)).decode()
    return ""


@overload
def log_model(
    model: object,
    name: str = "model",
    *,
    example: Any = None,
    format: str | None = None,
    overwrite: bool = False,
    register_as: None = None,
) -> Artifact | None: ...
@overload
def log_model(
    model: object,
    name: str = "model",
    *,
    example: Any = None,
    format: str | None = None,
    overwrite: bool = False,
    register_as: str,
    **version: Any,
) -> ModelVersion: ...
def log_model(
    model: object,
    name: str = "model",
    *,
    example: Any = None,
    format: str | None = None,
    overwrite: bool = False,
    register_as: str | None = None,
    **version: Any,
) -> Artifact | ModelVersion | None:
    """Keep a model as an artifact of the current run, and register it if told so.

    Args:
        model: The model; see `LiveRun.log_model` for the formats.
        name: The artifact's name.
        example: Some of what the model is given, for the signature.
        format: As in `chachaml.log_artifact`. Default: by type.
        overwrite: Replace the run's artifact of that name.
        register_as: The name of a model of which this becomes the next version.
        version: What else `register_model` takes: stage, description, tags, alias, comment.

    Returns:
        The version if it was registered, else the artifact.

    Raises:
        NoActiveRun: No run is open.
        ArtifactExists: The run has one of that name, which stays as it is.
        MissingExtra: The format needs a library that is not installed.
    """
    live = lifecycle.require("log_model")
    if version and register_as is None:
        raise BadValue(f"{', '.join(version)} are of a registered version", "register_as='name' registers it")
    kept = live.log_model(model, name, example=example, format=format, overwrite=overwrite)
    return kept if register_as is None else register_model(register_as, name, run=live, **version)


def load_model(
    name: str, selector: Selector = None, *, into: Any = None, trust: bool | str | None = None
) -> Any:
    """Return a model itself, by default the version in production.

    Args:
        name: The model's name, also as ``"name@alias"`` or ``"model://name/production"``.
        selector: Number, stage or alias; see `version`.
        into: A module of PyTorch that takes the weights, and is returned.
        trust: As in `chachaml.load_artifact`.

    Raises:
        NotFound: No such model or version, or its bytes are gone.
        ArtifactDamaged: The bytes have changed since.
        Untrusted: It would run code that nobody here vouches for; nothing was run.
        MissingExtra: It needs a library that is not installed.
    """
    loaded = version(name, selector).load(trust=trust)
    if into is None:
        return loaded
    into.load_state_dict(loaded)
    return into


# moving -------------------------------------------------------------------------------------------


def promote(name: str, version: int, stage: Stage = "production", *, comment: str = "") -> ModelVersion:
    """Move a version to a stage; the production version before it is archived.

    Args:
        name: The model's name.
        version: The version's number.
        stage: "none", "staging", "production" or "archived".
        comment: Why, for the history.

    Raises:
        NotFound: No such model or version; nothing is changed.
        BadValue: No such stage.
    """
    _check_number(version)
    moved = StageMoved(
        _now(), current_user(), name, version, _check_stage(stage), as_text("comment", comment)
    )
    return _moved(moved, version)


def roll_back(name: str, *, comment: str = "") -> ModelVersion:
    """Put back into production the version that was there before the present one.

    Raises:
        NotFound: There was none, or it was deleted.
    """
    now = model(name).production
    there = {one.version for one in versions(name)}
    for move in history(name, limit=100_000):
        before = move.what in ("stage", "registered") and move.after == "production"
        if before and move.version != now and move.version in there:
            why = comment or f"rolled back from version {now}"
            return promote(name, move.version or 0, "production", comment=why)
    raise NotFound(f"model {name!r} had no other version in production", f"history({name!r}) lists its moves")


def set_alias(name: str, alias: str, version: int, *, comment: str = "") -> ModelVersion:
    """Let an alias mean this version of a model, and no longer any other.

    Raises:
        NotFound: No such model or version; nothing is changed.
        BadValue: A stage's name, digits only, or empty.
    """
    _check_number(version)
    if as_text("alias", alias) in STAGES or alias.isdecimal():
        raise BadValue(f"an alias cannot be called {alias!r}", "stages and numbers mean something already")
    _check_name("alias", alias)
    why = as_text("comment", comment)
    return _moved(AliasMoved(_now(), current_user(), name, alias, version, why), version)


def delete_alias(name: str, alias: str, *, comment: str = "") -> Model:
    """Take an alias away; one that is not there is fine.

    Raises:
        NotFound: No such model.
    """
    model(name)
    _apply(connection(), AliasMoved(_now(), current_user(), name, alias, None, as_text("comment", comment)))
    return model(name)


def describe_model(
    name: str,
    *,
    description: str | None = None,
    note: str | None = None,
    tags: Mapping[str, object] | None = None,
) -> Model:
    """Say what a model is about; what is None stays, and so do other tags. A tag of None goes.

    Raises:
        NotFound: No such model.
    """
    model(name)
    _apply(connection(), _described(name, None, description, note, tags))
    return model(name)


def set_model_note(name: str, note: str) -> Model:
    """Set a model's note, in Markdown."""
    return describe_model(name, note=note)


def describe_version(
    name: str, version: int, *, description: str | None = None, tags: Mapping[str, object] | None = None
) -> ModelVersion:
    """Say what a version is about; what is None stays, and so do other tags. A tag of None goes.

    Raises:
        NotFound: No such model or version.
    """
    _check_number(version)
    return _moved(_described(name, version, description, None, tags), version)


def _described(
    name: str,
    number: int | None,
    description: str | None,
    note: str | None,
    tags: Mapping[str, object] | None,
) -> ModelDescribed:
    given = {
        as_text("tag", key): None if value is None else as_text(f"tag {key!r}", str(value))
        for key, value in (tags or {}).items()
    }
    about = None if description is None else as_text("description", description)
    text = None if note is None else as_text("note", note)
    return ModelDescribed(_now(), current_user(), name, number, about, text, given)


def rename_model(name: str, new_name: str) -> Model:
    """Give a model another name; its versions, stages, aliases, tags and history go with it.

    Whoever loads it by the name that it had finds it no more.

    Args:
        name: The name that it has.
        new_name: The one that it gets, which no model has.

    Raises:
        NotFound: No such model.
        Conflict: There is a model of the new name.
    """
    model(name)
    _apply(connection(), ModelRenamed(_now(), current_user(), name, _check_name("model", new_name)))
    return model(new_name)


def history(name: str, *, limit: int = 100) -> Lines[Move]:
    """Return what was done to a model, newest first, who did it and why; of deleted models too."""
    found = connection().ready().moves(name, limit=limit)
    if not found:
        model(name)
    return Lines(map(Move.from_row, found))


# deleting -----------------------------------------------------------------------------------------


def delete_version(name: str, version: int, *, force: bool = False) -> Removed:
    """Delete a version; its number is never given again, and the run's artifact stays.

    Args:
        name: The model's name.
        version: The version's number.
        force: Also if it is in production.

    Raises:
        NotFound: No such model or version.
        Conflict: It is in production.
    """
    _check_number(version)
    gone = [one for one in versions(name) if one.version == version]
    return _remove(ModelDeleted(_now(), current_user(), name, version, force), gone)


def delete_model(name: str, *, force: bool = False) -> Removed:
    """Delete a model with all of its versions; the runs' artifacts stay.

    Args:
        name: The model's name.
        force: Also if a version is in production.

    Raises:
        NotFound: No such model.
        Conflict: A version is in production.
    """
    return _remove(ModelDeleted(_now(), current_user(), name, None, force), versions(name))


def _remove(change: ModelDeleted, gone: list[ModelVersion] | Lines[ModelVersion]) -> Removed:
    from chachaml.artifacts.collect import release

    where = connection()
    _apply(where, change)
    # As old as can be: nobody puts these bytes anew by registering them.
    blobs = {one.digest: (one.size, int(one.created.timestamp() * 1e6)) for one in gone}
    freed = release(where.blobs(), blobs, where.store().digests_in_use).bytes if blobs else 0
    return Removed(change.model, tuple(one.version for one in gone), freed)


# --------------------------------------------------------------------------------------------------


def _moved(change: StageMoved | AliasMoved | ModelDescribed, number: int) -> ModelVersion:
    """Make a change to a version that there must be, and return it as it is now."""
    try:
        _apply(connection(), change)
    except Conflict:
        version(change.model, number)  # says what there is instead
        raise
    return version(change.model, number)


def _apply(where: Connection, change: RegistryChange) -> None:
    receipt = where.command(change)  # type: ignore[arg-type]
    for refused in receipt.conflicts:
        raise Conflict(
            refused.what, "force=True does it nevertheless" if "production" in refused.what else ""
        )


def _check_name(what: str, name: str) -> str:
    if not as_text(what, name).strip() or "@" in name or name.startswith("model://"):
        raise BadValue(f"a {what} cannot be called {name!r}", "not empty, and without '@' and 'model://'")
    return name


def _check_stage(stage: str) -> Stage:
    if stage not in STAGES:
        raise BadValue(f"there is no stage {stage!r}", "one of: " + ", ".join(STAGES))
    return stage


def _check_number(version: int) -> int:
    if isinstance(version, bool) or not isinstance(version, int):
        raise BadValue(f"a version is a number, not {version!r}")
    return version


def _now() -> int:
    return time.time_ns() // 1000
