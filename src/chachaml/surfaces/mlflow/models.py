"""MLflow 3's logged models: their files are artifacts of the run that made them, below the model's name."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from chachaml.core.changes import Change, RecordKept, RunEnded, RunStarted
from chachaml.core.ids import is_id, readable_name
from chachaml.core.model import RunRow
from chachaml.surfaces.mlflow import experiments
from chachaml.surfaces.mlflow.asked import Asked, Given, pages
from chachaml.surfaces.mlflow.errors import invalid, unknown
from chachaml.surfaces.mlflow.filters import Ordering, comparisons, selected, sorted_by
from chachaml.surfaces.mlflow.places import MODEL_ID, artifact_path, listed, model_root

__all__ = [
    "create",
    "delete",
    "delete_tag",
    "directories",
    "finalize",
    "found",
    "get",
    "log_metrics",
    "log_params",
    "paths_of",
    "search",
    "set_tags",
]

_KIND = "mlflow.model"
_PENDING, _READY, _FAILED = "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"
_STATUSES = {"1": _PENDING, "2": _READY, "3": _FAILED}
_FORBIDDEN = "/:.%\"'"
_CAP = 50_000


class Logged(msgspec.Struct, omit_defaults=True):
    """What is kept of a logged model. ``home`` is the run whose artifacts its files are, below ``path``."""

    id: str
    name: str
    experiment: str
    home: str
    path: str
    created: int
    updated: int
    source_run: str = ""
    model_type: str = ""
    status: str = _PENDING
    message: str = ""
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    metrics: list[dict[str, Any]] = []


# keeping ------------------------------------------------------------------------------------------


def found(asked: Asked, model: str) -> Logged:
    """Return a logged model whose run is there and may be seen.

    Raises:
        Refused: There is none.
    """
    rows = asked.store.records(_KIND, [model]) if MODEL_ID.fullmatch(model) else []
    if rows:
        about = msgspec.json.decode(rows[0].value, type=Logged)
        if about.home in asked.store.bare_runs([about.home]):
            return about
    raise unknown(f"Logged model with ID '{model[:80]}' not found")


def _asked_for(asked: Asked) -> Logged:
    return found(asked, asked.request.path["model_id"])


def _keep(asked: Asked, about: Logged) -> RecordKept:
    about.updated = asked.now()
    return RecordKept(about.updated, _KIND, about.id, msgspec.json.encode(about).decode(), about.experiment)


def _changed(asked: Asked, act: Callable[[Logged], Sequence[Change] | None]) -> Any:
    """Answer a logged model after something was done to it."""
    with asked.service.one_by_one:
        about = _asked_for(asked)
        more = act(about) or ()
        asked.apply(*more, _keep(asked, about))
    return _answer(asked, about)


def _all(asked: Asked) -> list[Logged]:
    """Return all logged models whose runs are there and may be seen, the newest first."""
    every = [msgspec.json.decode(row.value, type=Logged) for row in asked.store.records(_KIND)]
    there = asked.store.bare_runs(list({one.home for one in every}))
    return sorted((one for one in every if one.home in there), key=lambda one: (-one.created, one.id))


def paths_of(asked: Asked, row: RunRow) -> list[str]:
    """Return the paths below which a run's artifacts are those of logged models."""
    return [one.path for one in _all(asked) if one.home == row.id]


# showing ------------------------------------------------------------------------------------------


def _shown(asked: Asked, about: Logged, experiment: str) -> dict[str, Any]:
    info = {
        "model_id": about.id,
        "experiment_id": experiment,
        "name": about.name,
        "creation_timestamp_ms": about.created // 1000,
        "last_updated_timestamp_ms": about.updated // 1000,
        "artifact_uri": model_root(asked.root, experiment, about.id),
        "status": about.status,
        "model_type": about.model_type,
        "source_run_id": about.source_run,
        "status_message": about.message,
        "tags": [{"key": key, "value": value} for key, value in about.tags.items()],
    }
    params = [{"key": key, "value": value} for key, value in about.params.items()]
    return {
        "info": {name: value for name, value in info.items() if value != ""},
        "data": {"params": params, "metrics": about.metrics},
    }


def _answer(asked: Asked, about: Logged) -> Any:
    ids = experiments.ids_of(asked, [about.experiment])
    return {"model": _shown(asked, about, ids[about.experiment])}


def get(asked: Asked) -> Any:
    """Answer one logged model."""
    return _answer(asked, _asked_for(asked))


def directories(asked: Asked) -> Any:
    """Answer what is in a folder of a logged model; paths are whole."""
    about, folder = _asked_for(asked), artifact_path(asked.text("artifact_directory_path", ""))
    inside = "/".join(part for part in (about.path, folder) if part)
    files = listed(asked.store.get_run(about.home).artifacts, inside)
    experiment = experiments.ids_of(asked, [about.experiment])[about.experiment]
    start = f"{folder}/" if folder else ""
    return {
        "root_uri": model_root(asked.root, experiment, about.id),
        "files": [{**one, "path": start + one["path"]} for one in files],
    }


def search(asked: Asked) -> Any:
    """Answer the logged models that a filter asks for, the newest first."""
    names = experiments.named(asked, asked.several("experiment_ids"))
    most = asked.most(100, _CAP)
    ids = experiments.ids_of(asked, names)
    rows: list[Any] = [one for one in _all(asked) if one.experiment in ids]
    rows = selected(rows, comparisons(asked.text("filter", "")), _look)
    order = [_order(one) for one in asked.parts("order_by")]
    rows, token = pages(asked, sorted_by(rows, order, _look), most)
    found = {"models": [_shown(asked, one, ids[one.experiment]) for one in rows]}
    return {**found, "next_page_token": token} if token else found


def _order(one: Given) -> Ordering:
    entity, dot, key = one.text("field_name").partition(".")
    ascending = one.flag("ascending") if "ascending" in one.values else True
    kinds = {"metrics": "metric", "params": "param", "tags": "tag"}
    if dot and entity in kinds:
        return Ordering(kinds[entity], key.strip('`"'), not ascending)
    return Ordering("attribute", one.text("field_name"), not ascending)


def _look(row: Logged, entity: str, key: str) -> Any:
    if entity == "metric":
        values = [one["value"] for one in row.metrics if one["key"] == key]
        return values[-1] if values else None
    if entity in ("param", "tag"):
        return (row.params if entity == "param" else row.tags).get(key)
    attributes = {
        "name": row.name,
        "model_id": row.id,
        "model_type": row.model_type,
        "status": row.status.removeprefix("LOGGED_MODEL_"),
        "source_run_id": row.source_run,
        "creation_timestamp": row.created // 1000,
        "creation_time": row.created // 1000,
        "last_updated_timestamp": row.updated // 1000,
    }
    if entity != "attribute" or key not in attributes:
        raise invalid(f"Invalid attribute key {key[:80]!r}. Valid keys are {sorted(attributes)}")
    return attributes[key]


# changing -----------------------------------------------------------------------------------------


def create(asked: Asked) -> Any:
    """Make a logged model, whose files are still to come."""
    one = experiments.active(experiments.known(asked, asked.text("experiment_id", "0")))
    name = asked.text("name", "") or readable_name()
    if any(mark in name for mark in _FORBIDDEN):
        raise asked.wrong("name", name, f"A name must be non-empty and hold none of: {' '.join(_FORBIDDEN)}")
    source, now, model = asked.text("source_run_id", ""), asked.now(), f"m-{secrets.token_hex(16)}"
    with asked.service.one_by_one:
        home = source if is_id(source) and source in asked.store.bare_runs([source]) else ""
        if source and not home:
            raise unknown(f"Run with id={source[:80]} not found")
        changes: list[Change] = []
        if not home:  # artifacts belong to runs
            home = model.removeprefix("m-")
            changes.append(RunStarted(home, now, one.name, name, asked.user))
        about = Logged(model, name, one.name, home, _free_path(asked, home, name, model), now, now, source)
        about.model_type = asked.text("model_type", "")
        about.params, about.tags = asked.pairs("params"), asked.pairs("tags")
        asked.apply(*changes, _keep(asked, about))
    return _answer(asked, about)


def _free_path(asked: Asked, home: str, name: str, model: str) -> str:
    """Return the name, or where the run has artifacts below it already, one with the end of the id."""
    row = asked.store.bare_runs([home]).get(home)
    if row is None:
        return name
    artifacts = asked.store.get_run(home).artifacts
    held = any(f"{one.name}/".startswith(f"{name}/") for one in artifacts) or name in paths_of(asked, row)
    return f"{name}-{model[-8:]}" if held else name


def finalize(asked: Asked) -> Any:
    """Note that a model's files are there, or could not be sent."""
    given = str(asked.values.get("status") or "")
    status = _STATUSES.get(given, given)
    if status not in (_READY, _FAILED):
        raise asked.wrong("status", given)

    def act(about: Logged) -> list[Change]:
        about.status = status
        if about.home != about.id.removeprefix("m-"):
            return []
        row = asked.store.bare_runs([about.home])[about.home]
        now = asked.now()
        ended = RunEnded(
            row.id, now, "completed" if status == _READY else "failed", duration=now - row.started
        )
        return [ended] if row.status == "running" else []

    return _changed(asked, act)


def delete(asked: Asked) -> Any:
    """Forget a logged model; its files stay with the run."""
    about = _asked_for(asked)
    asked.apply(RecordKept(asked.now(), _KIND, about.id, None, about.experiment))


def set_tags(asked: Asked) -> Any:
    """Set tags of a logged model."""
    tags = asked.pairs("tags")
    return _changed(asked, lambda about: about.tags.update(tags))


def delete_tag(asked: Asked) -> Any:
    """Take a tag away."""
    key = asked.request.path["key"]

    def act(about: Logged) -> None:
        if about.tags.pop(key, None) is None:
            raise unknown(f"No tag with key {key[:80]!r} found for model with ID '{about.id}'.")

    _changed(asked, act)


def log_params(asked: Asked) -> Any:
    """Log params of a logged model: each once."""
    params = asked.pairs("params")

    def act(about: Logged) -> None:
        for key, value in params.items():
            if about.params.setdefault(key, value) != value:
                raise invalid(f"Param '{key}' of the model has another value already")

    _changed(asked, act)


async def log_metrics(asked: Asked, run: str, metrics: Iterable[Given]) -> None:
    """Keep the last values of those metrics that are said to be a logged model's too."""
    mine = [one for one in metrics if one.values.get("model_id")]
    if mine:
        await asked.request.work(lambda: _add_metrics(asked, run, mine))


def _add_metrics(asked: Asked, run: str, metrics: list[Given]) -> None:
    with asked.service.one_by_one:
        models: dict[str, Logged] = {}
        for one in metrics:
            model = one.text("model_id")
            about = models.setdefault(model, models.get(model) or found(asked, model))
            row = {"key": one.text("key"), "value": one.values["value"], "timestamp": one.whole("timestamp")}
            row |= {"step": one.whole("step", 0), "model_id": model, "run_id": run}
            row |= {name: text for name in ("dataset_name", "dataset_digest") if (text := one.text(name, ""))}
            about.metrics = [each for each in about.metrics if not _replaces(row, each)] + [row]
        asked.apply(*(_keep(asked, about) for about in models.values()))


def _replaces(new: dict[str, Any], old: dict[str, Any]) -> bool:
    names = ("key", "run_id", "dataset_name", "dataset_digest")
    return all(new.get(name) == old.get(name) for name in names) and new["step"] >= old["step"]
