"""Artifacts to look at: documents in a box of their own, and all artifacts of a run in one file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

from starlette.responses import Response, StreamingResponse

from chachaml.artifacts.blobs import Blob, BlobStore
from chachaml.core.errors import NotFound
from chachaml.core.ids import short
from chachaml.core.model import ArtifactRow, RunRow
from chachaml.core.names import check_artifact_name
from chachaml.lookup import resolve
from chachaml.surfaces.http.answers import Problem
from chachaml.surfaces.http.artifacts_api import disposition, named, parameter, said, streamed
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route

__all__ = ["routes"]

_DOCUMENTS = {"text/html": "text/html; charset=utf-8", "image/svg+xml": "image/svg+xml"}

_BOX = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
    "media-src data: blob:; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)
"""What a document may do: look as it looks. With no origin it is nobody's page, ours least of all."""

_SCRIPTS = "; script-src 'unsafe-inline' 'unsafe-eval' blob: data:; worker-src blob:"

_PIECE = 1 << 20


def routes() -> list[Route]:
    """Return the routes."""
    run, name = parameter("run_id", "The run's id."), parameter("name", "The artifact's name.")
    scripts = parameter("scripts", "Whether its scripts may run, in their box.", where="query", flag=True)
    view = said(
        "view_artifact", "Show an HTML or SVG artifact in a frame without an origin.", run, name, scripts
    )
    all_of_it = said("download_artifacts", "Give all artifacts of a run as a ZIP file.", run)
    return [
        Route("GET", "/api/artifacts/{run_id}/{name:path}/view", "read", view_document, view),
        Route("GET", "/api/runs/{run_id}/artifacts.zip", "read", download_all, all_of_it),
    ]


async def view_document(request: Request) -> Response:
    """Give a document to a frame of ours, where it has no origin; never to a window of its own.

    Raises:
        Problem: It is no document, or no frame asks.
    """
    if request.headers.get("sec-fetch-dest") != "iframe":
        raise Problem(406, "only_framed", "a document is shown in a frame only", "download it instead")
    found = await named(request)
    kind = _DOCUMENTS.get(found.content_type.partition(";")[0].strip().lower())
    if kind is None:
        raise Problem(415, "no_document", f"{found.content_type[:100]} is no document to look at")
    runs = request.query().get("scripts", "").lower() in ("1", "true", "yes")
    policy = f"sandbox allow-scripts; {_BOX}{_SCRIPTS}" if runs else f"sandbox; {_BOX}"
    headers = {
        "Content-Type": kind,
        "Content-Security-Policy": policy,
        "X-Frame-Options": "SAMEORIGIN",
        "X-DNS-Prefetch-Control": "off",
        "Cross-Origin-Opener-Policy": "unsafe-none",  # it would need an origin
    }
    return await streamed(request, Blob(found.digest, found.size), kind, headers)


async def download_all(request: Request) -> Response:
    """Give all artifacts of a run as a ZIP file, packed as it is sent."""
    blobs = request.service.where.blobs()

    def find() -> RunRow:
        row = resolve(request.store, request.path["run_id"])
        if not row.artifacts:
            raise NotFound(f"run {row.name!r} has no artifacts")
        for each in row.artifacts:
            blobs.open(each.digest).close()  # what is missing is told before anything is sent
        return row

    row = await request.work(find)
    headers = {
        "Content-Disposition": disposition(f"{row.name or 'run'}-{short(row.id)}.zip".replace("/", "_"))
    }
    return StreamingResponse(_zipped(row.artifacts, blobs), 200, headers, "application/zip")


class _Sink(io.RawIOBase):
    """Takes what is written until it is asked for."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        whole, self._pieces = b"".join(self._pieces), []
        return whole


def _zipped(artifacts: tuple[ArtifactRow, ...], blobs: BlobStore) -> Iterator[bytes]:
    """Yield a ZIP file a piece at a time; what artifacts hold is mostly packed, so it is stored as it is."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for each in artifacts:
            about = zipfile.ZipInfo(check_artifact_name(each.name))
            about.file_size = each.size
            with blobs.open(each.digest) as source, archive.open(about, "w", force_zip64=True) as target:
                while piece := source.read(_PIECE):
                    target.write(piece)
                    yield sink.taken()
    yield sink.taken()
