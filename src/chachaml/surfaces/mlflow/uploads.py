"""Files that clients send in parts, each to an address of its own.

MLflow's clients do so with ``MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD=true``. They send parts as if to an object
store, without saying who they are: so what they showed when they began goes back to them, to be sent along.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import anyio.to_thread
import msgspec
from starlette.responses import Response

from chachaml.artifacts.blobs import Blob
from chachaml.artifacts.parts import Parts
from chachaml.core.errors import Conflict
from chachaml.surfaces.http import artifacts_api
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.mlflow.artifacts import home, keep
from chachaml.surfaces.mlflow.asked import Asked, answered
from chachaml.surfaces.mlflow.errors import Refused, invalid, unknown, unsupported
from chachaml.surfaces.mlflow.places import Place, artifact_path, proxied

__all__ = ["abort", "create", "finish", "put_part"]

_MOST_PARTS = 10_000

_UNSUPPORTED = "Multipart upload is not supported for the current artifact repository"
"""How the message begins on which clients send a file in one stream instead."""


class _Upload(msgspec.Struct):
    """What an upload is for, and whose it is."""

    run: str
    name: str
    parts: int
    actor: str


def _parts(request: Request) -> Parts:
    return Parts(request.service.where.blobs())


def _opened(request: Request, upload: str) -> _Upload:
    """Return what an upload is for, if whoever asks began it."""
    about = msgspec.json.decode(_parts(request).about(upload), type=_Upload)
    if about.actor != request.actor.name:
        raise unknown(f"there is no upload in parts {upload[:80]!r}")
    return about


def create(asked: Asked) -> Any:
    """Begin an upload; answer an address for each of its parts."""
    request, place = asked.request, _place(asked.request.path["path"])
    count, name = asked.whole("num_parts", 1), re.split(r"[/\\]", asked.text("path"))[-1]
    if not 0 <= count <= _MOST_PARTS:
        raise asked.wrong("num_parts", count, f"A file has up to {_MOST_PARTS:,} parts.")
    file = artifact_path(f"{place.path}/{name}" if place.path else name)
    run, whole_name = home(asked, Place(place.owner, file))
    about = _Upload(run, whole_name, count, asked.actor.name)
    try:
        upload = _parts(request).begin(msgspec.json.encode(about))
    except Conflict as error:
        raise unsupported(f"{_UNSUPPORTED}: {error.message}") from None
    start = f"{_origin(request)}/api/2.0/mlflow-artifacts/mpu/parts/{upload}"
    shown = {name: request.headers[name] for name in ("authorization",) if name in request.headers}
    numbers = range(1, count + 1)
    return {
        "upload_id": upload,
        "credentials": [{"url": f"{start}/{no}", "part_number": no, "headers": shown} for no in numbers],
    }


def _place(path: str) -> Place:
    """Return the folder that a file is for. Clients before 2.10 leave out the run that it belongs to."""
    try:
        return proxied(path)
    except Refused as error:
        raise unsupported(f"{_UNSUPPORTED}: {error.message}") from None


def _origin(request: Request) -> str:
    """Return the server's address as the client knows it."""
    options, host = request.service.options, request.headers.get("host", "").lower()
    known = (one for one in options.origins if one.partition("://")[2] == host)
    return next(known, options.origins[0]) + options.prefix


async def put_part(request: Request) -> Response:
    """Keep a part; its ETag is asked for in the end."""
    upload, number = request.path["upload"], request.path["number"]
    about = await request.work(lambda: _opened(request, upload))
    if not number.isdecimal() or len(number) > 5 or not 1 <= int(number) <= about.parts:
        raise invalid(f"the upload has parts 1 to {about.parts}, not {number[:20]!r}")
    _, source = artifacts_api.incoming(request)
    act = partial(_parts(request).keep, upload, int(number), source)
    digest = await anyio.to_thread.run_sync(act, limiter=request.service.uploads)
    return Response(headers={"ETag": f'"{digest}"'})


async def finish(request: Request) -> Response:
    """Put the parts together, and keep the file as an artifact of its run."""
    asked = Asked(request)
    upload, parts = asked.text("upload_id"), _parts(request)
    about = await request.work(lambda: _opened(request, upload))
    given = sorted((one.whole("part_number"), one.text("etag").strip('"')) for one in asked.parts("parts"))
    if [number for number, _ in given] != [*range(1, about.parts + 1)]:
        raise invalid(f"the upload has parts 1 to {about.parts}: each has to be named once")

    def join() -> Blob:
        artifacts_api.check_room(request.service.where.blobs().root, parts.size(upload))
        return parts.join(upload, given)

    blob = await anyio.to_thread.run_sync(join, limiter=request.service.uploads)
    await keep(asked, about.run, about.name, blob)
    await request.work(lambda: parts.forget(upload))
    return answered({})


def abort(asked: Asked) -> Any:
    """Forget an upload, with what came of it."""
    upload = asked.text("upload_id")
    _opened(asked.request, upload)
    _parts(asked.request).forget(upload)
