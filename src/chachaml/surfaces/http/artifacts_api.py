"""Artifacts over HTTP: bytes up and down, streamed, in pieces that can be gone on with after a break."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import AsyncIterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio.from_thread
import anyio.to_thread
from starlette.responses import Response

from chachaml.artifacts import content_type, formats
from chachaml.artifacts.blobs import Blob, LocalBlobs
from chachaml.core.changes import ArtifactLogged, Batch
from chachaml.core.checks import check_change, check_digest
from chachaml.core.errors import ArtifactExists, BadValue, Conflict, NotFound
from chachaml.core.model import ArtifactRow, RunRow
from chachaml.core.names import check_artifact_name
from chachaml.lookup import resolve
from chachaml.results import Artifact
from chachaml.surfaces.http import logging_api
from chachaml.surfaces.http.answers import FromFile, Problem, answer
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route

__all__ = [
    "PIECES",
    "check_room",
    "disposition",
    "head",
    "incoming",
    "named",
    "number",
    "parameter",
    "part_of",
    "receive",
    "routes",
    "safe_type",
    "said",
    "settle",
    "size_of",
    "streamed",
]

_FORMATS = ("json", "text", "md", "table", "html")
"""How values that come as JSON may be kept."""

_SHOWN = {"image/png", "image/jpeg", "image/webp", "image/gif", "text/plain", "application/json", "text/csv"}
"""Types that are told as they are; what a browser might run, or hand to something that does, is not."""

_ROOM = 256 << 20
"""Bytes that stay free on the disk, whatever is sent."""

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")

_SAFE = {"Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "private, max-age=3600"}


def routes() -> list[Route]:
    """Return the routes of artifacts."""
    digest = parameter("digest", "SHA-256 of the bytes, in hex.")
    run, name = parameter("run_id", "The run's whole id."), parameter("name", "The artifact's name.")
    text = parameter("name", "The artifact's name.", where="query")
    again = parameter("overwrite", "Whether to replace an artifact of that name.", where="query", flag=True)
    return [
        Route(
            "GET",
            "/api/artifacts/{run_id}/{name:path}/download",
            "read",
            download,
            said("download_artifact", "Give the bytes of an artifact, or a range of them.", run, name),
        ),
        Route(
            "GET",
            "/api/artifacts/{digest}/download",
            "read",
            download_bytes,
            said("download_artifact_by_digest", "Give the bytes of an artifact, by their SHA-256.", digest),
        ),
        Route(
            "PUT",
            "/api/w/runs/{run_id}/artifacts/{name:path}",
            "write",
            put_artifact,
            said("put_artifact", "Keep the body as an artifact.", run, name, again, raw=True),
            limit=None,
        ),
        Route(
            "POST",
            "/api/w/runs/{run_id}/artifacts",
            "write",
            post_artifact,
            said(
                "log_artifact",
                "Keep a value, bytes that were sent before, or with a name in the address the body itself.",
                run,
                text,
                again,
                raw=True,
            ),
            limit=None,
        ),
        Route(
            "GET",
            "/api/blobs/{digest}",
            "read",
            get_blob,
            said("get_blob", "Give bytes; HEAD tells how many of them have been sent.", digest),
        ),
        Route(
            "PUT",
            "/api/blobs/{digest}",
            "write",
            put_blob,
            said("put_blob", "Keep bytes, all at once.", digest, raw=True),
            limit=None,
        ),
        Route(
            "PATCH",
            "/api/blobs/{digest}",
            "write",
            add_to_blob,
            said("add_to_blob", "Keep the next piece of some bytes.", digest, *PIECES, raw=True),
            limit=None,
        ),
        Route(
            "DELETE",
            "/api/blobs/{digest}",
            "destroy",
            delete_blob,
            said("delete_blob", "Delete bytes that no artifact has.", digest),
            limit=0,
        ),
    ]


# sending ------------------------------------------------------------------------------------------


class _Incoming(io.RawIOBase):
    """A body as a file that a thread reads, as long as there is room for it.

    Args:
        pieces: What comes.
        folder: Where it goes.
    """

    def __init__(self, pieces: AsyncIterator[bytes], folder: Path) -> None:
        self._pieces, self._folder = pieces, folder

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:  # noqa: ARG002 - a piece is as large as it comes
        check_room(self._folder)
        try:
            return anyio.from_thread.run(self._next)
        except StopAsyncIteration:
            return b""

    async def _next(self) -> bytes:
        try:
            return await anext(self._pieces)
        except StopAsyncIteration:
            return b""


def incoming(request: Request) -> tuple[LocalBlobs, Any]:
    """Return where bytes go, and the body as a file to be read in a thread.

    Raises:
        Problem: There is no room for them.
    """
    blobs = _room(request)
    return blobs, _Incoming(request.body.chunks(), blobs.root)


async def receive(request: Request) -> Blob:
    """Keep a body; return what it is."""
    blobs, source = incoming(request)
    blob = await anyio.to_thread.run_sync(blobs.put, source, limiter=request.service.uploads)
    request.service.sent(request.actor, blob.digest)
    return blob


def _room(request: Request) -> LocalBlobs:
    """Return where bytes go, if there is room for those that are coming.

    Raises:
        Problem: There is none.
    """
    blobs = request.service.where.blobs()
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Problem(
            415, "unsupported_encoding", "bytes of artifacts are kept as they come", "send them unpacked"
        )
    blobs.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    coming = request.headers.get("content-length", "0")
    check_room(blobs.root, int(coming) if coming.isdigit() else 0)
    return blobs


def check_room(folder: Path, coming: int = 0) -> None:
    """Refuse bytes that would leave the disk too full: others may come at the same time.

    Raises:
        Problem: 507.
    """
    if shutil.disk_usage(folder).free - coming < _ROOM:
        raise Problem(507, "no_room", "there is no room for it on the server's disk", "ask who runs it")


async def put_artifact(request: Request) -> Response:
    """Keep the body as an artifact of a run."""
    return await _keep_body(request, request.path["name"])


async def post_artifact(request: Request) -> Response:
    """Keep the body, a value within it, or bytes that were sent before, as an artifact of a run."""
    if name := request.query().get("name", ""):
        return await _keep_body(request, name)
    request.data = await _small_body(request)
    given = request.json_object("name", "value", "format", "sha256", "content_type", "overwrite")
    name = check_artifact_name(given.get("name"))
    await _check_open(request)
    overwrite = bool(given.get("overwrite", False))
    if "sha256" in given:
        blob, kind = await _sent_before(request, given["sha256"])
        about = _text(given.get("content_type")) or content_type.guess(name, await head(request, blob))
        return await _log(request, name, blob, "bytes", about, overwrite=overwrite)
    if "value" not in given:
        raise BadValue("an artifact needs a value, or the sha256 of bytes that were sent", "or PUT its bytes")
    kind = given.get("format") or ("text" if isinstance(given["value"], str) else "json")
    if kind not in _FORMATS:
        raise BadValue(f"there is no format {str(kind)[:40]!r} here", "one of: " + ", ".join(_FORMATS))
    encoded = await request.work(partial(_encoded, name, given["value"], kind))
    blob = await request.work(partial(request.service.where.blobs().put_bytes, encoded.data))
    return await _log(request, name, blob, encoded.format, encoded.content_type, overwrite=overwrite)


def _encoded(name: str, value: Any, kind: str) -> Any:
    """Return a value of JSON's kinds as it is kept.

    Raises:
        BadValue: The format does not take such a value.
    """
    from chachaml.artifacts.tables import as_table

    try:
        return formats.encode(name, as_table(value, None) if kind == "table" else value, kind)
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        raise BadValue(f"format {kind!r} does not take this value: {error}") from None


async def _small_body(request: Request) -> bytes:
    data = b""
    async for piece in request.body.chunks():
        data += piece
        if len(data) > 32 << 20:
            raise Problem(413, "too_large", "a value is at most 32 MB as JSON", "PUT its bytes instead")
    return data


async def _keep_body(request: Request, name: str) -> Response:
    check_artifact_name(name)
    await _check_open(request)
    overwrite = request.query().get("overwrite", "").lower() in ("1", "true", "yes")
    blob = await receive(request)
    given = request.content_type()
    told = given if given not in ("", "application/octet-stream", "application/x-www-form-urlencoded") else ""
    about = told or content_type.guess(name, await head(request, blob))
    return await _log(request, name, blob, "bytes", about, overwrite=overwrite)


async def _check_open(request: Request) -> None:
    """Refuse, before the bytes come, what would be refused after them."""
    run = logging_api.run_id(request)
    found = await request.work(lambda: request.store.bare_runs([run]))
    logging_api.open_run(found, run)


async def _log(
    request: Request, name: str, blob: Blob, kind: str, about: str, *, overwrite: bool
) -> Response:
    run, store = logging_api.run_id(request), request.store
    logged = ArtifactLogged(
        run, logging_api.now(), name, blob.digest, blob.size, about, kind, overwrite=overwrite
    )
    check_change(logged)

    def prepare(found: dict[str, RunRow], batch: Batch) -> Batch:
        row = logging_api.open_run(found, run)
        kept = {one.name: one.digest for one in store.get_run(run).artifacts}
        if kept.get(name, blob.digest) != blob.digest and not overwrite:
            raise ArtifactExists(
                f"run {row.name!r} has an artifact {name!r} already; it stays as it is",
                "choose another name, or replace it: overwrite=true",
            )
        return batch

    if request.key:  # which the body, unread until now, belongs to: other bytes are another request
        request.key = "\0".join((request.key, name, blob.digest))
    await settle(request, blob.digest)
    batch = Batch((logged,), command=logging_api.command(request))
    await logging_api.write(request, batch, [run], prepare)
    made = Artifact.from_change(logged)
    return answer({**_plain(made), "sha256": blob.digest})


def _plain(artifact: Artifact) -> dict[str, Any]:
    return {name: getattr(artifact, name) for name in artifact.__struct_fields__}


async def head(request: Request, blob: Blob) -> bytes:
    """Return the first bytes of what came."""

    def read() -> bytes:
        with request.service.where.blobs().open(blob.digest) as file:
            return file.read(16)

    return await request.work(read)


def _text(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() and len(value) <= 200 else ""


# bytes by their digest ----------------------------------------------------------------------------


async def _sent_before(request: Request, digest: Any) -> tuple[Blob, str]:
    """Return bytes that were sent before, if the actor sent them or may see them.

    Raises:
        NotFound: They are not here.
    """
    check_digest(digest if isinstance(digest, str) else "")
    found = await request.work(partial(size_of, request, digest))
    if found is None:
        raise NotFound("these bytes are not here", f"send them first: PUT /api/blobs/{digest}")
    return Blob(digest, found), ""


def size_of(request: Request, digest: str) -> int | None:
    """Return how many bytes there are, None if there are none that the actor may know of."""
    blobs = request.service.where.blobs()
    mine = request.service.has_sent(request.actor, digest)
    if not mine and request.actor.grants and not request.actor.everywhere:
        mine = digest in request.store.digests()
    elif not mine:
        mine = True
    return blobs.size_of(digest) if mine else None


async def get_blob(request: Request) -> Response:
    """Give bytes by their digest; HEAD tells how many came so far, if not all did."""
    digest = check_digest(request.path["digest"])
    size = await request.work(partial(size_of, request, digest))
    if size is not None:
        put = await request.work(partial(request.service.where.blobs().put_at, digest))
        return await streamed(request, Blob(digest, size), "", {"X-Put-At": f"{put:.6f}"})
    came = await request.work(partial(request.service.where.blobs().gathered, part_of(request, digest)))
    offset = {} if came is None else {"Upload-Offset": str(came)}
    raise Problem(404, "not_found", "these bytes are not here", headers=offset)


async def put_blob(request: Request) -> Response:
    """Keep bytes, if they have this digest."""
    digest = check_digest(request.path["digest"])
    blob = await receive(request)
    if blob.digest != digest:
        raise BadValue(f"the bytes have the SHA-256 {blob.digest}", "send them anew")
    await settle(request, blob.digest)
    return answer({"sha256": blob.digest, "size": blob.size})


async def add_to_blob(request: Request) -> Response:
    """Keep the next piece of some bytes; with the last one, all of them."""
    digest = check_digest(request.path["digest"])
    at, whole = number(request, "upload-offset"), number(request, "upload-length")
    part, (blobs, source) = part_of(request, digest), incoming(request)
    offset = await anyio.to_thread.run_sync(
        _gather, blobs, part, at, whole, source, limiter=request.service.uploads
    )
    told = {"Upload-Offset": str(offset)}
    if offset < whole:
        return answer({"sha256": digest, "size": offset, "complete": False}, headers=told)
    blob = await anyio.to_thread.run_sync(blobs.keep_gathered, part, digest, limiter=request.service.slow)
    await settle(request, digest)
    request.service.sent(request.actor, digest)
    return answer({"sha256": digest, "size": blob.size, "complete": True}, headers=told)


def _gather(blobs: LocalBlobs, name: str, at: int, whole: int, source: Any) -> int:
    """Keep the next piece; return how many bytes there are then."""
    try:
        return blobs.gather(name, at, whole, source)
    except Conflict as error:
        told = {"Upload-Offset": str(blobs.gathered(name) or 0)}
        raise Problem(409, "conflict", error.message, error.hint, told) from None


async def settle(request: Request, digest: str) -> None:
    """Return once bytes that came are where they stay, whatever happens to this machine."""
    blobs = request.service.where.blobs()
    await request.work(blobs.sync)
    await anyio.to_thread.run_sync(blobs.deliver, [digest], limiter=request.service.uploads)


def part_of(request: Request, digest: str) -> str:
    """Return what pieces are called: each actor's own, for none of them is known to be right yet."""
    return f"{digest}-{sha256(request.actor.name.encode()).hexdigest()[:12]}"


def number(request: Request, name: str) -> int:
    """Return the number in a header.

    Raises:
        BadValue: There is none.
    """
    text = request.headers.get(name, "")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadValue(f"the header {name.title()} must be a number", "Upload-Offset: 0, Upload-Length: SIZE")
    return int(text)


async def delete_blob(request: Request) -> Response:
    """Delete bytes that no artifact has."""
    digest = check_digest(request.path["digest"])

    def delete() -> int:
        used = request.service.store.digests_in_use([digest])
        return 0 if used else request.service.where.blobs().delete(digest)

    return answer({"freed": await request.work(delete)})


# giving -------------------------------------------------------------------------------------------


async def download(request: Request) -> Response:
    """Give the bytes of an artifact."""
    found = await named(request)
    shown = {"Content-Type": safe_type(found.content_type), "Content-Disposition": disposition(found.name)}
    return await streamed(request, Blob(found.digest, found.size), "", shown)


async def named(request: Request) -> ArtifactRow:
    """Return the artifact that the path of a request names.

    Raises:
        NotFound: The run has none of that name.
    """
    name = check_artifact_name(request.path["name"])

    def find() -> ArtifactRow:
        row = resolve(request.store, request.path["run_id"])
        for each in row.artifacts:
            if each.name == name:
                return each
        raise NotFound(f"run {row.name!r} has no artifact {name[:200]!r}")

    return await request.work(find)


async def download_bytes(request: Request) -> Response:
    """Give the bytes of an artifact that is known by their digest alone, as all are who have them."""
    digest = check_digest(request.path["digest"])
    size = await request.work(partial(size_of, request, digest))
    if size is None:
        raise NotFound(f"there is no artifact {digest!r}", "its id is the SHA-256 of its bytes")
    return await streamed(request, Blob(digest, size), "", {"Content-Disposition": disposition(digest)})


async def streamed(request: Request, blob: Blob, kind: str, headers: dict[str, str]) -> Response:
    """Return bytes, or the one range of them that is asked for, a piece at a time."""
    told = {"ETag": f'"{blob.digest}"', "Accept-Ranges": "bytes", **_SAFE, **headers}
    told.setdefault("Content-Type", kind or "application/octet-stream")
    if request.headers.get("if-none-match") == told["ETag"]:
        return Response(status_code=304, headers=told)
    start, end = 0, blob.size
    status = 200
    if (wanted := request.headers.get("range", "")) and request.headers.get("if-range", told["ETag"]) == told[
        "ETag"
    ]:
        found = _range(wanted, blob.size)
        if found is not None:
            (start, end), status = found, 206
            told["Content-Range"] = f"bytes {start}-{end - 1}/{blob.size}"
    told["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=told)
    file = await request.work(partial(request.service.where.blobs().open, blob.digest))
    return FromFile(file, start, end, status, told)


def _range(text: str, size: int) -> tuple[int, int] | None:
    """Return from where to where, None for what is to be answered with all.

    Raises:
        Problem: 416.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None or not (match[1] or match[2]):
        return None  # several ranges, or another unit: all of it is a fair answer (RFC 9110, 14.2)
    if not match[1]:
        start, end = max(0, size - int(match[2])), size
    else:
        start, end = int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)
    if start >= end:
        raise Problem(
            416, "bad_range", f"there are {size:,} bytes", headers={"Content-Range": f"bytes */{size}"}
        )
    return start, end


def safe_type(kind: str) -> str:
    """Return a content type that no browser takes for something to run."""
    bare = kind.partition(";")[0].strip().lower()
    if bare not in _SHOWN:
        return "application/octet-stream"
    return f"{bare}; charset=utf-8" if bare.startswith("text/") else bare


def disposition(name: str) -> str:
    """Return the header that has a browser save a file under its name (RFC 6266, RFC 8187)."""
    last = name.rpartition("/")[2]
    plain = re.sub(r"[^\w.\- ]", "_", last, flags=re.ASCII)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(last, safe='')}"


# description --------------------------------------------------------------------------------------


def parameter(name: str, about: str, where: str = "path", *, flag: bool = False) -> dict[str, Any]:
    """Return what OpenAPI says of a parameter."""
    kind = "boolean" if flag else "string"
    needed = where == "path" or where == "header"
    return {"name": name, "in": where, "required": needed, "description": about, "schema": {"type": kind}}


PIECES = (
    parameter("Upload-Offset", "How many bytes were sent before.", where="header"),
    parameter("Upload-Length", "How many bytes there are in all.", where="header"),
)


def said(name: str, summary: str, *parameters: dict[str, Any], raw: bool = False) -> dict[str, Any]:
    """Return what OpenAPI says of a route; ``raw`` for one that takes bytes."""
    content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    said: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "parameters": list(parameters),
        "responses": {
            "200": {"description": "Done.", "content": {"application/json": {}} if raw else {"*/*": {}}}
        },
    }
    if raw:
        json = {"application/json": {"schema": {"type": "object"}}} if name == "log_artifact" else {}
        said["requestBody"] = {"required": True, "content": {**json, **content}}
    return said
