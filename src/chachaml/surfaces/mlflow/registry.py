"""The model registry: registered models, their versions, stages, aliases and tags."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from chachaml.core.changes import AliasMoved, ModelDeleted, ModelDescribed, ModelRenamed, StageMoved
from chachaml.core.errors import BadValue
from chachaml.core.model import ModelRow, VersionRow
from chachaml.core.values import check_key
from chachaml.moving.mlflow_words import THEIR_STAGES
from chachaml.surfaces.mlflow import experiments
from chachaml.surfaces.mlflow.asked import Asked, pages
from chachaml.surfaces.mlflow.errors import invalid, taken, unknown
from chachaml.surfaces.mlflow.filters import comparisons, orderings, selected, sorted_by
from chachaml.surfaces.mlflow.places import model_root, run_root

__all__ = ["model_named", "shown_version", "version_named"]

_PROMPT = "mlflow.prompt.is_prompt"
_CAP, _CAP_VERSIONS = 1000, 200_000
_LONGEST_VALUE, _LONGEST_ALIAS = 100_000, 255
_ALIAS = re.compile(r"[\w\-.]+")


# reading ------------------------------------------------------------------------------------------


def checked_name(asked: Asked, argument: str = "name") -> str:
    """Return the name of a registered model as MLflow allows it."""
    name = asked.text(argument, "")
    if not name.strip():
        raise invalid(
            f"Missing value for required parameter '{argument}'. Registered model name cannot be empty."
        )
    if "/" in name or ":" in name or len(name) > 250:
        raise invalid(
            f"Registered model name cannot contain '/' or ':', nor be longer than 250: '{name[:100]}'"
        )
    return name


def model_named(asked: Asked) -> ModelRow:
    """Return the registered model that a request is about."""
    name = checked_name(asked)
    for row in asked.store.models():
        if row.name == name:
            return row
    raise unknown(f"Registered Model with name={name} not found")


def version_named(asked: Asked) -> VersionRow:
    """Return the version that a request is about."""
    name, given = checked_name(asked), asked.values.get("version")
    number = str(given[0] if isinstance(given, list) else given or "")
    if not re.fullmatch(r"\d{1,12}", number):
        raise (
            asked.wrong("version", given, "Model version must be an integer.")
            if given
            else asked.missing("version")
        )
    rows = asked.store.versions(name, number=int(number))
    if not rows:
        raise unknown(f"Model Version (name={name}, version={number}) not found")
    return rows[0]


def _time(asked: Asked, model: str, created: int, version: int | None = None) -> int:
    moves = asked.store.moves(model, version, 1)
    return max(created, moves[0].time if moves else 0) // 1000


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def source_of(asked: Asked, row: VersionRow) -> tuple[str, str]:
    """Return the URI that a version was made from, and the one where its files are."""
    run = asked.store.bare_runs([row.run]).get(row.run)
    experiment = experiments.ids_of(asked, [run.experiment])[run.experiment] if run else "0"
    said = row.about.get("mlflow")
    about = said if isinstance(said, dict) else {}
    path = about["path"] if isinstance(about.get("path"), str) else _unpacked(asked, row)
    if isinstance(model := about.get("model_id"), str):
        return f"models:/{model}", model_root(asked.root, experiment, model)
    place = f"{run_root(asked.root, experiment, row.run)}/{path}".rstrip("/")
    return place, place


def _unpacked(asked: Asked, row: VersionRow) -> str:
    """Return the folder that was packed into a version's file, or the file, if it was none."""
    folder = row.artifact.removesuffix(".zip")
    if folder == row.artifact or row.run not in asked.store.bare_runs([row.run]):
        return row.artifact
    names = [one.name for one in asked.store.get_run(row.run).artifacts]
    return folder if any(name.startswith(f"{folder}/") for name in names) else row.artifact


def shown_version(asked: Asked, row: VersionRow) -> dict[str, Any]:
    """Return a version as it is answered."""
    said = row.about.get("mlflow")
    model_id = said.get("model_id") if isinstance(said, dict) else None
    return {
        "name": row.model,
        "version": str(row.version),
        "creation_timestamp": row.created // 1000,
        "last_updated_timestamp": _time(asked, row.model, row.created, row.version),
        "user_id": row.created_by,
        "current_stage": THEIR_STAGES[row.stage],
        "description": row.description,
        "source": source_of(asked, row)[0],
        "run_id": row.run,
        "status": "READY",
        "tags": _pairs(row.tags),
        "aliases": list(row.aliases),
        **({"model_id": model_id} if model_id else {}),
    }


def _latest(versions: list[VersionRow]) -> list[VersionRow]:
    """Return the newest version of each stage."""
    newest = {row.stage: row for row in versions}
    return sorted(newest.values(), key=lambda row: row.version)


def shown_model(asked: Asked, row: ModelRow) -> dict[str, Any]:
    """Return a registered model as it is answered."""
    versions = asked.store.versions(row.name)
    return {
        "name": row.name,
        "creation_timestamp": row.created // 1000,
        "last_updated_timestamp": _time(asked, row.name, row.created),
        "user_id": row.created_by,
        "description": row.description,
        "latest_versions": [shown_version(asked, one) for one in _latest(versions)],
        "tags": _pairs(row.tags),
        "aliases": [{"alias": alias, "version": str(no)} for alias, no in row.aliases.items()],
    }


def get(asked: Asked) -> Any:
    """Answer a registered model."""
    return {"registered_model": shown_model(asked, model_named(asked))}


def get_version(asked: Asked) -> Any:
    """Answer a version."""
    return {"model_version": shown_version(asked, version_named(asked))}


def get_by_alias(asked: Asked) -> Any:
    """Answer the version that an alias means."""
    row, alias = model_named(asked), asked.text("alias")
    if alias not in row.aliases:
        raise invalid(f"Registered model alias {alias[:80]} not found.")
    (version,) = asked.store.versions(row.name, number=row.aliases[alias])
    return {"model_version": shown_version(asked, version)}


def latest_versions(asked: Asked) -> Any:
    """Answer the newest version of each stage, or of some stages."""
    wanted = {_stage(one) for one in asked.several("stages")}
    rows = _latest(asked.store.versions(model_named(asked).name))
    return {
        "model_versions": [shown_version(asked, row) for row in rows if not wanted or row.stage in wanted]
    }


def download_uri(asked: Asked) -> Any:
    """Answer where the files of a version are."""
    return {"artifact_uri": source_of(asked, version_named(asked))[1]}


# searching ----------------------------------------------------------------------------------------


def search(asked: Asked) -> Any:
    """Answer registered models, by name unless told otherwise; prompts only if a filter names their tag."""
    wanted, most = comparisons(asked.text("filter", "")), asked.most(100, _CAP)
    rows: list[Any] = asked.store.models()
    if not any(one.key == _PROMPT for one in wanted):
        rows = [row for row in rows if row.tags.get(_PROMPT) != "true"]
    look = _model_look(asked)
    found = sorted_by(selected(rows, wanted, look), orderings(asked.several("order_by")), look)
    some, token = pages(asked, found, most)
    shown = {"registered_models": [shown_model(asked, row) for row in some]}
    return {**shown, "next_page_token": token} if token else shown


def _tag_of(row: ModelRow | VersionRow, key: str) -> str | None:
    """Return a tag; what is not said to be a prompt is none, and clients ask for what is none."""
    return row.tags.get(key, "false" if key == _PROMPT else None)


def _model_look(asked: Asked) -> Callable[[Any, str, str], Any]:
    def look(row: ModelRow, entity: str, key: str) -> Any:
        if entity == "tag":
            return _tag_of(row, key)
        if entity == "attribute" and key == "name":
            return row.name
        if entity == "attribute" and key in ("creation_timestamp", "timestamp"):
            return row.created // 1000
        if entity == "attribute" and key in ("last_updated_timestamp", "last_updated"):
            return _time(asked, row.name, row.created)
        raise invalid(f"Invalid attribute key {key[:80]!r}: registered models have a name, times and tags")

    return look


def search_versions(asked: Asked) -> Any:
    """Answer versions, the newest first unless told otherwise."""
    wanted, most = comparisons(asked.text("filter", "")), asked.most(10_000, _CAP_VERSIONS)
    names = [one.value for one in wanted if (one.entity, one.key, one.op) == ("attribute", "name", "=")]
    rows: list[Any] = asked.store.versions(names[0] if names else None)
    if not any(one.key == _PROMPT for one in wanted):
        rows = [row for row in rows if row.tags.get(_PROMPT) != "true"]
    rows.sort(key=lambda row: (-row.created, row.model, -row.version))
    look = _version_look(asked)
    found = sorted_by(selected(rows, wanted, look), orderings(asked.several("order_by")), look)
    some, token = pages(asked, found, most)
    shown = {"model_versions": [shown_version(asked, row) for row in some]}
    return {**shown, "next_page_token": token} if token else shown


def _version_look(asked: Asked) -> Callable[[Any, str, str], Any]:
    plain: dict[str, Callable[[VersionRow], Any]] = {
        "name": lambda row: row.model,
        "run_id": lambda row: row.run,
        "version_number": lambda row: row.version,
        "version": lambda row: row.version,
        "creation_timestamp": lambda row: row.created // 1000,
        "last_updated_timestamp": lambda row: _time(asked, row.model, row.created, row.version),
        "source_path": lambda row: source_of(asked, row)[0],
        "user_id": lambda row: row.created_by,
        "current_stage": lambda row: THEIR_STAGES[row.stage],
    }

    def look(row: VersionRow, entity: str, key: str) -> Any:
        if entity == "tag":
            return _tag_of(row, key)
        if entity != "attribute" or key not in plain:
            raise invalid(f"Invalid attribute key {key[:80]!r}. Valid keys are {sorted(plain)}")
        return plain[key](row)

    return look


# changing -----------------------------------------------------------------------------------------


def create(asked: Asked) -> Any:
    """Make a registered model, without versions."""
    name, tags = checked_name(asked), asked.pairs("tags")
    if any(row.name == name for row in asked.store.models()):
        raise taken(f"Registered Model (name={name}) already exists.")
    description = asked.text("description", "")
    made = ModelDescribed(asked.now(), asked.user, name, description=description, tags=dict(tags), new=True)
    asked.apply(made)
    return get(asked)


def update(asked: Asked) -> Any:
    """Say what a registered model is about."""
    row = model_named(asked)
    description = asked.text("description", "", empty=True)
    asked.apply(ModelDescribed(asked.now(), asked.user, row.name, description=description))
    return get(asked)


def rename(asked: Asked) -> Any:
    """Give a registered model another name; all that belongs to it goes with it."""
    row, name = model_named(asked), checked_name(asked, "new_name")
    if any(other.name == name for other in asked.store.models()):
        raise taken(f"Registered Model (name={name}) already exists.")
    asked.apply(ModelRenamed(asked.now(), asked.user, row.name, name))
    (renamed,) = (one for one in asked.store.models() if one.name == name)
    return {"registered_model": shown_model(asked, renamed)}


def delete(asked: Asked) -> Any:
    """Delete a registered model with all of its versions."""
    asked.apply(ModelDeleted(asked.now(), asked.user, model_named(asked).name, force=True))


def _tag(asked: Asked, model: str, version: int | None, value: str | None) -> None:
    try:
        key = check_key("tag", asked.text("key"))
    except BadValue as error:
        raise asked.wrong("key", asked.values["key"], error.message) from None
    if value is not None and len(value) > _LONGEST_VALUE:
        raise asked.wrong("value", value[:80], f"It has at most {_LONGEST_VALUE} characters.")
    asked.apply(ModelDescribed(asked.now(), asked.user, model, version, tags={key: value}))


def set_tag(asked: Asked) -> Any:
    """Set a tag of a registered model."""
    _tag(asked, model_named(asked).name, None, asked.text("value", "", empty=True))


def delete_tag(asked: Asked) -> Any:
    """Take a tag of a registered model away; one that is not there is fine."""
    _tag(asked, model_named(asked).name, None, None)


def set_alias(asked: Asked) -> Any:
    """Let an alias mean a version."""
    alias = asked.text("alias")
    if not _ALIAS.fullmatch(alias) or len(alias) > _LONGEST_ALIAS:
        raise asked.wrong("alias", alias[:80], "It has letters, digits, '_', '-' and '.', at most 255.")
    if alias.lower() == "latest" or re.fullmatch(r"v\d+", alias, re.IGNORECASE):
        raise asked.wrong("alias", alias, "'latest' and 'v' with a number mean something already.")
    if alias.isdecimal() or alias in THEIR_STAGES:
        raise asked.wrong("alias", alias, "Stages and numbers mean something already.")
    row = version_named(asked)
    asked.apply(AliasMoved(asked.now(), asked.user, row.model, alias, row.version))


def delete_alias(asked: Asked) -> Any:
    """Take an alias away; one that is not there is fine."""
    asked.apply(AliasMoved(asked.now(), asked.user, model_named(asked).name, asked.text("alias"), None))


def update_version(asked: Asked) -> Any:
    """Say what a version is about."""
    row = version_named(asked)
    description = asked.text("description", "", empty=True)
    asked.apply(ModelDescribed(asked.now(), asked.user, row.model, row.version, description=description))
    return get_version(asked)


def delete_version(asked: Asked) -> Any:
    """Delete a version."""
    row = version_named(asked)
    asked.apply(ModelDeleted(asked.now(), asked.user, row.model, row.version, force=True))


def set_version_tag(asked: Asked) -> Any:
    """Set a tag of a version."""
    row = version_named(asked)
    _tag(asked, row.model, row.version, asked.text("value", "", empty=True))


def delete_version_tag(asked: Asked) -> Any:
    """Take a tag of a version away; one that is not there is fine."""
    row = version_named(asked)
    _tag(asked, row.model, row.version, None)


def _stage(given: str) -> Any:
    stages = {theirs.lower(): ours for ours, theirs in THEIR_STAGES.items()}
    if given.lower() not in stages:
        raise invalid(
            f"Invalid Model Version stage: {given[:80]}. It is one of {', '.join(THEIR_STAGES.values())}."
        )
    return stages[given.lower()]


def transition(asked: Asked) -> Any:
    """Move a version to a stage; of those in production before, there is none after."""
    row, stage = version_named(asked), _stage(asked.text("stage"))
    archive = asked.flag("archive_existing_versions")
    if archive and stage not in ("staging", "production"):
        raise invalid("archive_existing_versions works with the stages Staging and Production alone")
    now = asked.now()
    others = asked.store.versions(row.model) if archive and stage == "staging" else []
    going = [one.version for one in others if one.stage == stage and one.version != row.version]
    moves = [StageMoved(now, asked.user, row.model, version, "archived") for version in going]
    asked.apply(*moves, StageMoved(now, asked.user, row.model, row.version, stage))
    return get_version(asked)
