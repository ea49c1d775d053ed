"""Experiments: by name here, by id there. An id follows from the name, unless the experiment was renamed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from chachaml.core.changes import Change, ExperimentDescribed, RecordKept, RunEdited, RunEnded
from chachaml.core.model import ExperimentRow, RunQuery, RunRow
from chachaml.moving.mlflow_words import NOTE
from chachaml.surfaces.mlflow.asked import Asked, pages
from chachaml.surfaces.mlflow.errors import Refused, invalid, taken, unknown
from chachaml.surfaces.mlflow.filters import comparisons, orderings, selected, sorted_by

__all__ = [
    "Known",
    "active",
    "archiving",
    "create",
    "delete",
    "delete_tag",
    "get",
    "get_by_name",
    "ids_of",
    "known",
    "named",
    "restore",
    "restoring",
    "search",
    "set_tag",
    "update",
    "view",
]

DEFAULT, _DEFAULT_ID = "Default", "0"
"""MLflow's own first experiment, which is always there."""

_KIND = "mlflow.experiment"
_LONGEST_NAME, _LONGEST_KEY, _LONGEST_VALUE = 500, 250, 20_000
_CAP = 50_000


class _Kept(msgspec.Struct):
    """What is kept of an experiment that MLflow's clients said something of."""

    name: str
    deleted: bool = False
    updated: int = 0
    tags: dict[str, str] = {}


class Known(NamedTuple):
    """An experiment by the id that MLflow's clients know it by."""

    id: str
    kept: _Kept

    @property
    def name(self) -> str:
        """Its name here."""
        return self.kept.name


# ids ----------------------------------------------------------------------------------------------


def _derived(name: str, again: int = 0) -> str:
    if name == DEFAULT and not again:
        return _DEFAULT_ID
    digest = sha256(f"mlflow experiment\0{name}{again or ''}".encode()).digest()
    return str(10**17 + int.from_bytes(digest[:8], "big") % (9 * 10**17))


def _read(asked: Asked, keys: Iterable[str]) -> dict[str, Any]:
    return {row.key: msgspec.json.decode(row.value) for row in asked.store.records(_KIND, list(keys))}


def ids_of(asked: Asked, names: Iterable[str]) -> dict[str, str]:
    """Return the ids of some experiments by their names."""
    derived = {name: _derived(name) for name in names}
    keys = [key for name, no in derived.items() for key in (f"name/{name}", f"id/{no}")]
    kept = _read(asked, keys)
    found = {}
    for name, no in derived.items():
        holder = kept.get(f"id/{no}")
        strange = holder is not None and holder["name"] != name
        found[name] = kept.get(f"name/{name}") or (_derived(name, 1) if strange else no)
    return found


def known(asked: Asked, no: str) -> Known:
    """Return the experiment of an id.

    Raises:
        Refused: There is none that the client may see.
    """
    kept = _read(asked, [f"id/{no}"]).get(f"id/{no}")
    if kept is not None:
        return Known(no, msgspec.convert(kept, _Kept))
    names = asked.service.experiment_names
    if no != _DEFAULT_ID and no not in names:
        rows = [row.name for row in asked.store.experiments()]
        names.update({no: name for name, no in ids_of(asked, rows).items()})
    name = DEFAULT if no == _DEFAULT_ID else names.get(no)
    if name is None or (name != DEFAULT and not asked.actor.rank_in(name)):
        raise unknown(f"No Experiment with id={no[:80]} exists")
    return Known(no, _Kept(name))


def active(one: Known) -> Known:
    """Return an experiment if it is not deleted.

    Raises:
        Refused: It is.
    """
    if one.kept.deleted:
        raise invalid(f"The experiment {one.id} must be in the 'active' state. Current state is deleted.")
    return one


def named(asked: Asked, ids: Sequence[str]) -> list[str]:
    """Return the names of those of some experiments that there are."""
    found = []
    for no in dict.fromkeys(ids):
        try:
            found.append(known(asked, no).name)
        except Refused:
            continue
    return found


# reading ------------------------------------------------------------------------------------------


def _all(asked: Asked) -> Iterator[tuple[Known, ExperimentRow]]:
    """Yield all experiments; the names that renamed ones had are not there unless they are in use again."""
    rows = {row.name: row for row in asked.store.experiments()}
    if asked.actor.everywhere:
        rows.setdefault(DEFAULT, ExperimentRow(DEFAULT, "", "", 0))
    ids = ids_of(asked, rows)
    kept = _read(asked, [f"id/{no}" for no in ids.values()])
    for name, row in rows.items():
        no, about = ids[name], kept.get(f"id/{ids[name]}")
        left = no == _derived(name, 1) and about is None  # it was renamed
        if not left or row.runs + row.archived:
            yield Known(no, _Kept(name) if about is None else msgspec.convert(about, _Kept)), row


def _shown(asked: Asked, one: Known, row: ExperimentRow) -> dict[str, Any]:
    tags = {**one.kept.tags, **({NOTE: row.description} if row.description else {})}
    updated = max(one.kept.updated, row.last_started or 0, row.created)
    return {
        "experiment_id": one.id,
        "name": one.name,
        "artifact_location": f"{asked.root}/{one.id}",
        "lifecycle_stage": "deleted" if one.kept.deleted else "active",
        "creation_time": row.created // 1000,
        "last_update_time": updated // 1000,
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }


def _row(asked: Asked, name: str) -> ExperimentRow:
    blank = ExperimentRow(name, "", "", 0)
    return next((row for row in asked.store.experiments() if row.name == name), blank)


def get(asked: Asked) -> Any:
    """Answer one experiment, also a deleted one."""
    one = known(asked, asked.text("experiment_id"))
    return {"experiment": _shown(asked, one, _row(asked, one.name))}


def get_by_name(asked: Asked) -> Any:
    """Answer the experiment of a name, also a deleted one."""
    name = asked.text("experiment_name")
    for one, row in _all(asked):
        if one.name == name:
            return {"experiment": _shown(asked, one, row)}
    raise unknown(f"Could not find experiment with name '{name[:200]}'")


def view(asked: Asked, name: str) -> bool | None:
    """Return whether deleted ones are asked for: False for active ones alone, None for all."""
    value = asked.text(name, "ACTIVE_ONLY") if not isinstance(asked.values.get(name), int) else ""
    views = {"ACTIVE_ONLY": False, "1": False, "DELETED_ONLY": True, "2": True, "ALL": None, "3": None}
    value = value or str(asked.values[name])
    if value.upper() not in views:
        raise invalid(f"Invalid value {value[:80]!r} for parameter '{name}' supplied.")
    return views[value.upper()]


def search(asked: Asked) -> Any:
    """Answer experiments, those first that were changed last."""
    deleted, most = view(asked, "view_type"), asked.most(1000, _CAP)
    found = [(one, row) for one, row in _all(asked) if deleted in (None, one.kept.deleted)]
    rows = [_shown(asked, one, row) for one, row in found]
    order = orderings(asked.several("order_by"))
    rows.sort(key=lambda one: (one["last_update_time"], int(one["experiment_id"])), reverse=True)
    rows = sorted_by(selected(rows, comparisons(asked.text("filter", "")), _look), order, _look)
    some, token = pages(asked, rows, most)
    return {"experiments": some, **({"next_page_token": token} if token else {})}


def _look(row: dict[str, Any], entity: str, key: str) -> Any:
    if entity == "tag":
        return next((one["value"] for one in row["tags"] if one["key"] == key), None)
    if entity != "attribute" or key not in ("name", "creation_time", "last_update_time", "experiment_id"):
        raise invalid(f"Invalid attribute key {key[:80]!r}: experiments have name, creation_time and tags")
    return row[key]


# writing ------------------------------------------------------------------------------------------


def _keep(asked: Asked, no: str, kept: _Kept) -> RecordKept:
    kept.updated = asked.now()
    return RecordKept(kept.updated, _KIND, f"id/{no}", msgspec.json.encode(kept).decode(), kept.name)


def _checked_name(asked: Asked, argument: str) -> str:
    name = asked.text(argument)
    if not name.strip() or len(name) > _LONGEST_NAME:
        raise asked.wrong(argument, name, f"An experiment's name has 1 to {_LONGEST_NAME} characters.")
    for one, _ in _all(asked):
        if one.name == name:
            raise taken(f"Experiment '{name}' already exists" + (" in deleted state" * one.kept.deleted))
    return name


def create(asked: Asked) -> Any:
    """Make an experiment."""
    location = asked.text("artifact_location", "")
    if location and not location.startswith("mlflow-artifacts:"):
        raise asked.wrong(
            "artifact_location", location, "Artifacts are kept by this server: leave it out, or give none."
        )
    tags = asked.pairs("tags")
    for key, value in tags.items():
        _check_tag(asked, key, value)
    with asked.service.one_by_one:
        name = _checked_name(asked, "name")
        no = ids_of(asked, [name])[name]
        note = tags.pop(NOTE, None)
        described = ExperimentDescribed(asked.now(), name, note, asked.user)
        asked.apply(described, _keep(asked, no, _Kept(name, tags=tags)))
    return {"experiment_id": no}


def _check_tag(asked: Asked, key: str, value: str) -> None:
    if not key or len(key) > _LONGEST_KEY:
        raise asked.wrong("key", key, f"A key has 1 to {_LONGEST_KEY} characters.")
    if len(value) > _LONGEST_VALUE:
        raise asked.wrong(
            "value", value[:80], f"A tag of an experiment has at most {_LONGEST_VALUE} characters."
        )


def set_tag(asked: Asked) -> Any:
    """Set a tag; the note is what the experiment is about."""
    key, value = asked.text("key"), asked.text("value", "", empty=True)
    _check_tag(asked, key, value)
    with asked.service.one_by_one:
        one = active(known(asked, asked.text("experiment_id")))
        if key == NOTE:
            asked.apply(ExperimentDescribed(asked.now(), one.name, value))
        else:
            one.kept.tags[key] = value
            asked.apply(_keep(asked, one.id, one.kept))


def delete_tag(asked: Asked) -> Any:
    """Take a tag away."""
    key = asked.text("key")
    with asked.service.one_by_one:
        one = active(known(asked, asked.text("experiment_id")))
        if key == NOTE and _row(asked, one.name).description:
            asked.apply(ExperimentDescribed(asked.now(), one.name, ""))
        elif one.kept.tags.pop(key, None) is None:
            raise unknown(f"No tag with name: {key[:80]} in experiment with id {one.id}")
        else:
            asked.apply(_keep(asked, one.id, one.kept))


def update(asked: Asked) -> Any:
    """Rename an experiment: its runs move to the new name, and its id stays."""
    with asked.service.one_by_one:
        one = active(known(asked, asked.text("experiment_id")))
        if not asked.values.get("new_name"):
            return
        name = _checked_name(asked, "new_name")
        moved = [_edit(asked, row, "experiment", name) for row in _runs(asked, one.name, None)]
        row = _row(asked, one.name)
        described = ExperimentDescribed(asked.now(), name, row.description, row.owner)
        back = RecordKept(asked.now(), _KIND, f"name/{name}", msgspec.json.encode(one.id).decode(), name)
        forgotten = RecordKept(asked.now(), _KIND, f"name/{one.name}", None, one.name)
        one.kept.name = name
        asked.apply(described, *moved, forgotten, back, _keep(asked, one.id, one.kept))


def delete(asked: Asked) -> Any:
    """Delete an experiment: its runs are archived."""
    with asked.service.one_by_one:
        one = active(known(asked, asked.text("experiment_id")))
        if one.id == _DEFAULT_ID:
            raise invalid("Cannot delete the default experiment: Default")
        gone = [each for row in _runs(asked, one.name, False) for each in archiving(asked, row)]
        one.kept.deleted = True
        asked.apply(*gone, _keep(asked, one.id, one.kept))


def restore(asked: Asked) -> Any:
    """Bring a deleted experiment back, with its runs."""
    with asked.service.one_by_one:
        one = known(asked, asked.text("experiment_id"))
        if not one.kept.deleted:
            raise invalid(f"The experiment {one.id} must be in the 'deleted' state. Current state is active.")
        back = [_edit(asked, row, "archived", None) for row in _runs(asked, one.name, True)]
        one.kept.deleted = False
        asked.apply(*back, _keep(asked, one.id, one.kept))


def archiving(asked: Asked, row: RunRow) -> Iterator[Change]:
    """Yield what deletes a run as MLflow means it: it is archived; one that is running ends before."""
    if row.status == "running":
        if row.owner is not None:
            raise invalid(
                f"The run {row.id} is running, in a process that logs to chachaml itself: end it there"
            )
        now = asked.now()
        yield RunEnded(row.id, now, "interrupted", duration=max(0, now - row.started))
    yield _edit(asked, row, "archived", "yes")


def restoring(asked: Asked, row: RunRow) -> Change:
    """Return what restores a deleted run."""
    return _edit(asked, row, "archived", None)


def _edit(asked: Asked, row: RunRow, aspect: Any, value: str | None) -> RunEdited:
    return RunEdited(row.id, asked.now(), asked.user, aspect, value)


def _runs(asked: Asked, experiment: str, archived: bool | None) -> Iterator[RunRow]:
    query = RunQuery(experiment=experiment, archived=archived, limit=1000)
    while True:
        page = asked.store.find_runs(query)
        yield from page.runs
        if not page.next:
            return
        query = replace(query, cursor=page.next)
