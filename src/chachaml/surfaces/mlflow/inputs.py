"""What runs used and made, beyond what they logged: data sets, and logged models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from chachaml.core.changes import Change, DatasetLogged, RecordKept
from chachaml.core.model import DatasetRow, RunRow
from chachaml.moving.mlflow_words import dataset
from chachaml.surfaces.mlflow.asked import Asked, Given
from chachaml.surfaces.mlflow.errors import invalid, unknown

__all__ = ["log_inputs", "log_outputs", "used_by"]

_KIND = "mlflow.run"
_CONTEXT = "mlflow.data.context"
_MOST = 1000


class _Used(msgspec.Struct, omit_defaults=True):
    """What is kept of a run: data sets as clients described them, and models by their ids, with steps."""

    datasets: list[dict[str, Any]] = []
    models: list[dict[str, Any]] = []
    outputs: list[dict[str, Any]] = []


def _read(asked: Asked, runs: Iterable[str]) -> dict[str, _Used]:
    rows = asked.store.records(_KIND, list(runs))
    return {row.key: msgspec.json.decode(row.value, type=_Used) for row in rows}


def _keep(asked: Asked, row: RunRow, used: _Used) -> RecordKept:
    value = msgspec.json.encode(used).decode()
    return RecordKept(asked.now(), _KIND, row.id, value, row.experiment)


def used_by(asked: Asked, rows: Sequence[RunRow]) -> dict[str, dict[str, Any]]:
    """Return by run what is answered of its inputs and outputs, also of those not logged by MLflow."""
    kept = _read(asked, [row.id for row in rows])
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.id not in kept and not row.datasets:
            found[row.id] = _NOTHING
            continue
        used = kept.get(row.id, _Used())
        said = {(one["dataset"]["name"], one["dataset"]["digest"]) for one in used.datasets}
        own = [_own(one) for one in row.datasets if (one.name, one.digest) not in said]
        found[row.id] = _shown(used.datasets + own, used.models, used.outputs)
    return found


def _shown(datasets: list[Any], models: list[Any], outputs: list[Any]) -> dict[str, Any]:
    inputs = {"dataset_inputs": datasets, "model_inputs": models}
    return {"inputs": inputs, "outputs": {"model_outputs": outputs}}


_NOTHING = _shown([], [], [])


def _own(row: DatasetRow) -> dict[str, Any]:
    about = {"name": row.name, "digest": row.digest, "source_type": "local", "source": row.source}
    tags = [{"key": _CONTEXT, "value": row.role}] if row.role else []
    return {"dataset": about, "tags": tags}


def _row(asked: Asked) -> RunRow:
    run = asked.text("run_id")
    row = asked.store.bare_runs([run]).get(run)
    if row is None:
        raise unknown(f"Run with id={run[:80]} not found")
    if row.archived is not None:
        raise invalid(f"The run {run} must be in the 'active' state. Current state is deleted.")
    return row


def log_inputs(asked: Asked) -> Any:
    """Log which data sets, and which models, a run used."""
    given = asked.parts("datasets")
    if len(given) > _MOST:
        raise invalid(f"at most {_MOST} data sets at once")
    with asked.service.one_by_one:
        row = _row(asked)
        used = _read(asked, [row.id]).get(row.id, _Used())
        known = {(one["dataset"]["name"], one["dataset"]["digest"]) for one in used.datasets}
        changes: list[Change] = []
        for one in given:
            shown, logged = _dataset(asked, row, one)
            if (logged.name, logged.digest) not in known:
                known.add((logged.name, logged.digest))
                used.datasets.append(shown)
                changes.append(logged)
        used.models += _models(asked, used.models)
        asked.apply(*changes, _keep(asked, row, used))


def _dataset(asked: Asked, row: RunRow, one: Given) -> tuple[dict[str, Any], DatasetLogged]:
    about, tags = one.part("dataset"), one.pairs("tags")
    texts = {name: about.text(name) for name in ("name", "digest", "source_type", "source")}
    for name in ("schema", "profile"):
        if text := about.text(name, ""):
            texts[name] = text
    kept = (
        texts["name"],
        texts["digest"],
        texts["source"],
        texts.get("schema", ""),
        texts.get("profile", ""),
    )
    found = dataset(*kept, tags.get(_CONTEXT, ""), asked.now())
    shape = (found.rows, found.columns, found.features, found.digest, found.source)
    logged = DatasetLogged(row.id, found.logged, found.name, found.role, *shape)
    return {"dataset": texts, "tags": [{"key": key, "value": tags[key]} for key in tags]}, logged


def _models(asked: Asked, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    given = [
        {"model_id": one.text("model_id"), "step": one.whole("step", 0)} for one in asked.parts("models")
    ]
    return [one for one in given if one not in known]


def log_outputs(asked: Asked) -> Any:
    """Log which models a run made."""
    with asked.service.one_by_one:
        row = _row(asked)
        used = _read(asked, [row.id]).get(row.id, _Used())
        used.outputs += _models(asked, used.outputs)
        asked.apply(_keep(asked, row, used))
