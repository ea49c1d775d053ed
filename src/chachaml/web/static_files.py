"""The files that pages need: kept in memory, and served under an address that changes with them."""

from __future__ import annotations

import gzip
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from starlette.responses import Response

from chachaml.core.errors import NotFound

__all__ = ["serve", "version"]

_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
_FOR_EVER = "public, max-age=31536000, immutable"
_AS_THEY_ARE = (".woff2",)


class _File(NamedTuple):
    data: bytes
    packed: bytes | None
    content_type: str


def serve(build: str, name: str, accepted: str) -> Response:
    """Return a file.

    Args:
        build: The version that the page was made with; another one is served, but not to be kept.
        name: Its path below ``static``; looked up among those that there are, and nowhere else.
        accepted: The ``Accept-Encoding`` of who asks.

    Raises:
        NotFound: There is none of that name.
    """
    found = _files().get(name)
    if found is None:
        raise NotFound("there is no such file")
    headers = {
        "Content-Type": found.content_type,
        "Cache-Control": _FOR_EVER if build == version() else "no-cache",
        "Vary": "Accept-Encoding",
    }
    if found.packed is not None and "gzip" in accepted:
        return Response(found.packed, 200, {**headers, "Content-Encoding": "gzip"})
    return Response(found.data, 200, headers)


@cache
def version() -> str:
    """Return what all files together are known by: 12 hex digits that change with any of them."""
    whole = sha256()
    for name, file in sorted(_files().items()):
        whole.update(name.encode() + b"\0" + sha256(file.data).digest())
    return whole.hexdigest()[:12]


@cache
def _files() -> dict[str, _File]:
    found: dict[str, _File] = {}
    _collect(files("chachaml.web") / "static", "", found)
    return found


def _collect(folder: Traversable, prefix: str, found: dict[str, _File]) -> None:
    for each in folder.iterdir():
        suffix = "." + each.name.rpartition(".")[2]
        if each.is_dir():
            _collect(each, f"{prefix}{each.name}/", found)
        elif suffix in _TYPES:
            data = each.read_bytes()
            packed = None if suffix in _AS_THEY_ARE else gzip.compress(data, 6, mtime=0)
            found[prefix + each.name] = _File(data, packed, _TYPES[suffix])
