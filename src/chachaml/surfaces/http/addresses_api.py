"""Addresses in a bucket, by which bytes go past the server, where its owner allows that."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from starlette.responses import Response

from chachaml.artifacts.blobs import Address, LocalBlobs
from chachaml.core import configuration
from chachaml.core.checks import check_digest
from chachaml.core.errors import BadValue, NotFound
from chachaml.surfaces.http.answers import Problem, answer
from chachaml.surfaces.http.artifacts_api import PIECES, number, parameter, part_of, said, size_of
from chachaml.surfaces.http.requests import Request
from chachaml.surfaces.http.routing import Route

__all__ = ["routes"]


def routes() -> list[Route]:
    """Return the routes that give addresses away."""
    digest = parameter("digest", "SHA-256 of the bytes, in hex.")
    return [
        Route(
            "GET",
            "/api/blobs/{digest}/address",
            "read",
            address_of_blob,
            said(
                "get_blob_address",
                "Say where these bytes can be fetched directly, from a byte on.",
                digest,
                parameter("at", "The byte.", where="query"),
            ),
        ),
        Route(
            "POST",
            "/api/blobs/{digest}/address",
            "write",
            address_of_piece,
            said(
                "get_piece_address",
                "Say where the next piece can be put directly.",
                digest,
                PIECES[0],
            ),
        ),
    ]


async def address_of_blob(request: Request) -> Response:
    """Say where bytes can be fetched for some minutes by whoever knows the address."""
    digest, at = check_digest(request.path["digest"]), request.query().get("at", "0")
    if not at.isascii() or not at.isdigit() or len(at) > 18:
        raise BadValue("`at` must be the number of a byte", "at=0")
    if await request.work(partial(size_of, request, digest)) is None:
        raise NotFound("these bytes are not here")
    return await _address(request, lambda blobs: blobs.address(digest, int(at)))


async def address_of_piece(request: Request) -> Response:
    """Say where the piece that begins at Upload-Offset can be put; `add_to_blob` then joins all of them."""
    digest, at = check_digest(request.path["digest"]), number(request, "upload-offset")
    return await _address(request, lambda blobs: blobs.address_of_piece(part_of(request, digest), at))


async def _address(request: Request, of: Callable[[LocalBlobs], Address | None]) -> Response:
    """Give an address away, if addresses are given away.

    Raises:
        Problem: They are not.
    """
    blobs = request.service.where.blobs()
    found = await request.work(partial(of, blobs)) if configuration.flag("artifacts_direct") else None
    if found is None:
        raise Problem(409, "not_direct", "bytes come and go through this server", "GET or PATCH /api/blobs")
    told = {"address": found.url, "headers": found.headers, "start": found.start}
    return answer({**told, "size": found.size, "whole": found.whole}, headers={"Cache-Control": "no-store"})
