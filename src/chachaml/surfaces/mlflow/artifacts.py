"""Artifacts through the proxy: the paths of MLflow's clients are names of a run's artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from chachaml.artifacts import content_type
from chachaml.artifacts.blobs import Blob
from chachaml.core.changes import ArtifactLogged, Batch
from chachaml.core.checks import check_change
from chachaml.core.model import ArtifactRow, RunRow
from chachaml.surfaces.http import artifacts_api, logging_api
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.mlflow import experiments, models
from chachaml.surfaces.mlflow.asked import Asked, answered
from chachaml.surfaces.mlflow.errors import invalid, unknown, unsupported
from chachaml.surfaces.mlflow.places import Place, artifact_path, listed, proxied, run_root
from chachaml.surfaces.mlflow.runs import active_run, run_named

__all__ = [
    "delete",
    "download",
    "get_artifact",
    "home",
    "keep",
    "list_of_run",
    "list_proxied",
    "model_file",
    "presigned",
    "upload",
]


def where(asked: Asked, place: Place) -> tuple[str, str]:
    """Return the run that has the artifacts of a place, and the name below which they are."""
    if not place.is_model:
        return place.owner, place.path
    about = models.found(asked, place.owner)
    return about.home, "/".join(part for part in (about.path, place.path) if part)


def _shown(asked: Asked, row: RunRow, folder: str) -> list[dict[str, Any]]:
    """Return what of a run is in a folder.

    Clients from version 3 look among the logged models by themselves: what is there is left out.
    """
    artifacts: Sequence[ArtifactRow] = row.artifacts
    if asked.client >= 3 and folder:
        own = [f"{path}/" for path in models.paths_of(asked, row)]
        artifacts = [one for one in artifacts if not one.name.startswith(tuple(own))] if own else artifacts
    return listed(artifacts, folder)


def list_proxied(asked: Asked) -> Any:
    """Answer what is in a folder of the proxy."""
    place = proxied(asked.text("path", "").strip("/"))
    run, folder = where(asked, place)
    row = asked.store.get_run(run)
    return {"files": listed(row.artifacts, folder) if place.is_model else _shown(asked, row, folder)}


def list_of_run(asked: Asked) -> Any:
    """Answer what is in a folder of a run; paths are whole."""
    run, folder = run_named(asked), artifact_path(asked.text("path", ""))
    row = asked.store.get_run(run)
    experiment = experiments.ids_of(asked, [row.experiment])[row.experiment]
    files = _shown(asked, row, folder)
    start = f"{folder}/" if folder else ""
    return {
        "root_uri": run_root(asked.root, experiment, run),
        "files": [{**one, "path": start + one["path"]} for one in files],
    }


# bytes --------------------------------------------------------------------------------------------


async def upload(request: Request) -> Response:
    """Keep the body as an artifact of a run, in place of one of that name."""
    asked = Asked(request)
    place = proxied(request.path["path"])
    if not place.path:
        raise invalid("Invalid path: it names no file")
    run, name = await request.work(lambda: home(asked, place))
    await keep(asked, run, name, await artifacts_api.receive(request))
    return answered({})


def home(asked: Asked, place: Place) -> tuple[str, str]:
    """Return the run that an artifact is for, and its name there.

    Raises:
        Refused: There is no such run, or it is deleted.
    """
    run, name = where(asked, place)
    active_run(asked.store.bare_runs([run]), run)
    return run, name


async def keep(asked: Asked, run: str, name: str, blob: Blob) -> None:
    """Keep bytes that came as an artifact of a run, in place of one of that name."""
    request = asked.request
    kind = content_type.guess(name, await artifacts_api.head(request, blob))
    logged = ArtifactLogged(run, asked.now(), name, *blob, kind, "file", overwrite=True)
    check_change(logged)
    await artifacts_api.settle(request, blob.digest)

    def prepare(found: dict[str, RunRow], batch: Batch) -> Batch:
        active_run(found, run)
        return batch

    batch = Batch((logged,), command=logging_api.command(request))
    await logging_api.write(request, batch, [run], prepare)


async def download(request: Request) -> Response:
    """Give the bytes of an artifact."""
    return await _give(request, Asked(request), proxied(request.path["path"]))


async def get_artifact(request: Request) -> Response:
    """Give the bytes of an artifact, as the links of MLflow's pages name it."""
    asked = Asked(request)
    return await _give(request, asked, Place(run_named(asked), artifact_path(asked.text("path"))))


async def model_file(request: Request) -> Response:
    """Give a file of a logged model."""
    asked = Asked(request)
    path = artifact_path(asked.text("artifact_file_path"))
    return await _give(request, asked, Place(request.path["model_id"], path))


async def _give(request: Request, asked: Asked, place: Place) -> Response:
    run, name = await request.work(lambda: where(asked, place))
    row = await request.work(lambda: asked.store.get_run(run))
    one = next((one for one in row.artifacts if one.name == name), None)
    if one is None:
        raise unknown(f"No such artifact: '{name[:200]}'")
    told = {
        "Content-Type": artifacts_api.safe_type(one.content_type),
        "Content-Disposition": artifacts_api.disposition(one.name),
        "X-Content-Type-Options": "nosniff",
    }
    return await artifacts_api.streamed(request, Blob(one.digest, one.size), "", told)


def delete(asked: Asked) -> Any:
    """Refuse: what was logged stays, until its run is deleted."""
    proxied(asked.request.path["path"])
    raise unsupported("artifacts stay with their run: delete the run, and clean up what is archived")


def presigned(asked: Asked) -> Any:  # noqa: ARG001 - as every call
    """Refuse to name an address that anybody may read from: clients then read through the proxy."""
    raise unsupported("files are read through the proxy: GET mlflow-artifacts/artifacts/PATH")
