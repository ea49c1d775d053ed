"""Making a version: a folder of a run's artifacts is packed into one file, as importing does it."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from typing import Any, BinaryIO, cast

import msgspec

from chachaml.artifacts.blobs import LocalBlobs
from chachaml.core.changes import ArtifactLogged, Change, VersionRegistered
from chachaml.core.ids import is_id, new_id
from chachaml.core.model import ArtifactRow, VersionRow
from chachaml.surfaces.mlflow import models
from chachaml.surfaces.mlflow.artifacts import where
from chachaml.surfaces.mlflow.asked import Asked
from chachaml.surfaces.mlflow.errors import invalid, unknown
from chachaml.surfaces.mlflow.places import MODEL_ID, Place, place_of
from chachaml.surfaces.mlflow.registry import checked_name, model_named, shown_version

__all__ = ["create_version"]

_IN_MEMORY = 32 << 20
_PIECE = 1 << 20


def create_version(asked: Asked) -> Any:
    """Make artifacts of a run the next version of a registered model."""
    name, source = checked_name(asked), asked.text("source")
    model_named(asked)
    given, model_id = asked.text("run_id", ""), asked.text("model_id", "")
    place = Place(model_id, "") if MODEL_ID.fullmatch(model_id) else place_of(source)
    if place is None:
        kept = _version_of(asked, source)
        run, path = kept.run, kept.artifact
    else:
        run, path = where(asked, place)
    if given and is_id(given) and given != run and not (place and place.is_model):
        raise invalid(f"Invalid model version source: '{source[:300]}' is not with the run {given}")
    if run not in asked.store.bare_runs([run]):
        raise unknown(f"Run with id={run} not found")
    about: dict[str, Any] = {"path": path}
    if place and place.is_model:
        models.found(asked, place.owner)
        about["model_id"] = place.owner
    artifact, logged = _artifact(asked, run, path)
    said = (
        msgspec.json.encode({"mlflow": about}).decode() if place else msgspec.json.encode(kept.about).decode()
    )
    tags, description = asked.pairs("tags"), asked.text("description", "")
    made = VersionRegistered(
        asked.now(), asked.user, name, new_id(), run, artifact, description=description, tags=tags, about=said
    )
    asked.apply(*logged, made)
    (row,) = [row for row in asked.store.versions(name) if row.id == made.id]
    return {"model_version": shown_version(asked, row)}


def _version_of(asked: Asked, source: str) -> VersionRow:
    """Return the version that ``models:/name/version`` or ``models:/name@alias`` names."""
    name, _, version = source.partition(":")[2].strip("/").rpartition("/")
    if not name:
        name, _, alias = version.partition("@")
        rows = [row for row in asked.store.versions(name) if alias in row.aliases]
    else:
        rows = asked.store.versions(name, number=int(version)) if version.isdecimal() else []
    if not rows:
        raise unknown(f"Unable to fetch model from model URI source artifact location '{source[:200]}'.")
    return rows[0]


def _artifact(asked: Asked, run: str, path: str) -> tuple[str, list[Change]]:
    """Return the artifact that becomes the version: one file, or a folder that is packed now."""
    artifacts = asked.store.get_run(run).artifacts
    if any(one.name == path for one in artifacts):
        return path, []
    inside = [one for one in artifacts if one.name.startswith(f"{path}/") or not path]
    blobs = asked.service.where.blobs()
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=_beside(blobs)) as file:
        _pack(cast(BinaryIO, file), blobs, inside, f"{path}/" if path else "")
        file.seek(0)
        blob = blobs.put(cast(BinaryIO, file))
    blobs.sync()
    blobs.deliver([blob.digest])
    name = f"{path or 'artifacts'}.zip"
    logged = ArtifactLogged(run, asked.now(), name, *blob, "application/zip", "file", overwrite=True)
    return name, [logged]


def _beside(blobs: LocalBlobs) -> str:
    blobs.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return str(blobs.root)


def _pack(file: BinaryIO, blobs: LocalBlobs, artifacts: Sequence[ArtifactRow], start: str) -> None:
    """Write artifacts as a zip file that is the same for the same ones."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for one in sorted(artifacts, key=lambda one: one.name):
            about = zipfile.ZipInfo(one.name.removeprefix(start))
            about.file_size = one.size
            with blobs.open(one.digest) as source, archive.open(about, "w") as target:
                while piece := source.read(_PIECE):
                    target.write(piece)
