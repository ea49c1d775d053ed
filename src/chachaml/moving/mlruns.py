"""`export_mlflow`: runs as a folder of files that MLflow reads, ``mlruns``."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chachaml.connection import Connection, connection
from chachaml.core.changes import PointsLogged
from chachaml.core.model import WholeRun
from chachaml.lookup import AnyRun
from chachaml.moving.account import Moved, Progress, Tally
from chachaml.moving.leaving import chosen, copy_file, empty_folder
from chachaml.moving.mlflow_words import shown, tags_of, their_status
from chachaml.moving.points import pieces

__all__ = ["export_mlflow"]

_NUMBERS = {"RUNNING": 1, "FINISHED": 3, "FAILED": 4, "KILLED": 5}
_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. /:")


def export_mlflow(
    folder: str | os.PathLike[str],
    runs: Sequence[AnyRun] | None = None,
    *,
    filter: str | None = None,
    experiment: str | None = None,
    archived: bool | None = None,
    progress: Progress | None = None,
) -> Moved:
    """Write the store, an experiment or some runs as a folder that MLflow reads.

    ``mlflow ui --backend-store-uri FOLDER`` shows it; newer versions want MLFLOW_ALLOW_FILE_STORE=true, or
    take it into a database by ``mlflow migrate-filestore``. Ids stay, archived runs are deleted ones there.
    What MLflow cannot keep is named: names with other characters than its own, models, console, corrections.

    Args:
        folder: Where to; must be new or empty.
        runs: The runs. Default: all that meet the other conditions.
        filter: In the search language; see `chachaml.runs`.
        experiment: Of this experiment.
        archived: None takes all runs, False leaves archived ones out, True takes these alone.
        progress: Called with the number of runs done, None, and of points.

    Raises:
        BadValue: The folder is not empty.
        NotFound: No such run.
    """
    where, tally = connection(), Tally()
    store, writer = where.ready(), _Folder(empty_folder(folder), where, tally)
    for some in chosen(store, runs, filter, experiment, archived):
        places = {one.row.id: writer.add(one) for one in some}
        series = [(one.row.id, key, about) for one in some for key, about in one.row.metrics.items()]
        for points in pieces(store, series):
            for one in points:
                writer.add_points(places[one.run], one)
        tally.runs += len(some)
        if progress:
            progress(tally.runs, None, tally.points)
    for model in store.models():
        tally.leave("model", model.name, "models are not carried to MLflow's files")
    return tally.result(where.place, writer.place)


class _Folder:
    """Writes an ``mlruns`` folder."""

    def __init__(self, folder: Path, where: Connection, tally: Tally) -> None:
        self._folder, self._where, self._tally = folder, where, tally
        self._experiments: dict[str, Path] = {}
        self.place = str(folder)

    def _experiment(self, name: str, time: int) -> Path:
        if name not in self._experiments:
            # MLflow's own first experiment is called Default and has the number 0.
            number = "0" if name == "Default" else str(len(self._experiments) + 1)
            place = self._experiments[name] = self._folder / number
            place.mkdir()
            about = {"artifact_location": place.absolute().as_uri(), "creation_time": time // 1000}
            more = {"experiment_id": number, "last_update_time": time // 1000, "lifecycle_stage": "active"}
            _write_yaml(place / "meta.yaml", {**about, **more, "name": name})
        return self._experiments[name]

    def add(self, one: WholeRun) -> Path:
        """Write a run but for its points; return its folder."""
        row = one.row
        experiment = self._experiment(row.experiment or "unknown", row.started)
        place = experiment / row.id
        for name in ("artifacts", "metrics", "params", "tags"):
            (place / name).mkdir(parents=True)
        about: dict[str, Any] = {
            "artifact_uri": (place / "artifacts").absolute().as_uri(),
            "end_time": None if row.ended is None else row.ended // 1000,
            "entry_point_name": "",
            "experiment_id": experiment.name,
            "lifecycle_stage": "active" if row.archived is None else "deleted",
            "run_id": row.id,
            "run_name": row.name,
            "run_uuid": row.id,
            "source_name": "",
            "source_type": 4,
            "source_version": "",
            "start_time": row.started // 1000,
            "status": _NUMBERS[their_status(row)],
            "tags": [],
            "user_id": row.created_by,
        }
        _write_yaml(place / "meta.yaml", about)
        for key, value in row.params.items():
            self._text(place / "params", key, shown(key, value))
            self._tally.params += 1
        for key, text in tags_of(row).items():
            self._text(place / "tags", key, text)
        for artifact in row.artifacts:
            self._tally.artifacts += copy_file(
                self._where, place / "artifacts" / artifact.name, artifact, self._tally
            )
        if one.console:
            self._tally.leave("console", f"of run {row.id}", "MLflow keeps none")
        return place

    def _text(self, folder: Path, key: str, text: str) -> None:
        if self._fits(folder.name.removesuffix("s"), key):
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def _fits(self, what: str, key: str) -> bool:
        fits = set(key) <= _ALLOWED and len(key) <= 250 and os.path.normpath(key) == key
        if not fits or key.startswith(("/", "..")) or key == ".":
            self._tally.leave(what, key, "MLflow allows letters, digits, and _-. /: in names")
            return False
        return True

    def add_points(self, place: Path, points: PointsLogged) -> None:
        """Add points to the file of their metric."""
        if not self._fits("metric", points.key):
            return
        path = place / "metrics" / points.key
        path.parent.mkdir(parents=True, exist_ok=True)
        self._tally.metrics += not path.exists()
        self._tally.points += len(points)
        times = np.frombuffer(points.times, "<i8") // 1000
        columns = (times.tolist(), np.frombuffer(points.values, "<f8").tolist())
        steps = np.frombuffer(points.steps, "<i8").tolist()
        with path.open("a") as file:
            file.writelines(
                f"{time} {value!r} {step}\n" for time, value, step in zip(*columns, steps, strict=True)
            )


def _write_yaml(path: Path, about: dict[str, Any]) -> None:
    # JSON's texts and numbers are YAML's, too.
    path.write_text(
        "".join(f"{key}: {json.dumps(value)}\n" for key, value in about.items()), encoding="utf-8"
    )
