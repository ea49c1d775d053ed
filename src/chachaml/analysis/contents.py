"""What an artifact holds, as far as it can be shown: nothing that is loaded here can run code."""

from __future__ import annotations

import base64
import csv
import io
import itertools
import json
from typing import Any, Literal

import msgspec

from chachaml.artifacts import content_type
from chachaml.artifacts.blobs import Blob, BlobStore, read_all
from chachaml.artifacts.formats import needs_trust
from chachaml.core.model import ArtifactRow
from chachaml.core.values import json_ready
from chachaml.display.words import size

__all__ = ["LARGEST", "LARGEST_IMAGE", "Content", "content_of"]

LARGEST = 32 << 20
"""Bytes of an artifact that is read to be shown, at most."""

LARGEST_IMAGE = 1 << 20
"""Bytes of a picture that is given away whole, at most."""

_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_TEXTS = (
    "application/yaml", "application/toml", "application/xml", "application/x-ndjson",
    "application/javascript", "image/svg+xml",
)  # fmt: skip
_PARQUET = "application/vnd.apache.parquet"
_LONGEST = 20_000


class Content(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What an artifact holds.

    A ``text`` has ``lines``, a ``table`` ``columns`` and ``rows``, ``json`` a ``value``, an ``image`` its
    bytes in Base64; of an ``array`` and of anything else there is what ``about`` says. ``total`` counts all
    lines or rows, and ``next`` is where those begin that follow.
    """

    run: str
    name: str
    kind: Literal["text", "table", "json", "image", "array", "other"]
    content_type: str
    size: int
    about: str = ""
    lines: list[str] = []
    columns: list[str] = []
    rows: list[list[Any]] = []
    value: Any = None
    image: str = ""
    total: int | None = None
    next: int | None = None


def content_of(run: str, row: ArtifactRow, blobs: BlobStore, start: int, limit: int) -> Content:
    """Return what an artifact holds.

    Args:
        run: Whole id of its run.
        row: The artifact.
        blobs: Where its bytes are.
        start: The first line or row to give, from 0.
        limit: At most so many of them.

    Raises:
        NotFound: The bytes are gone.
        ArtifactDamaged: They are not those that were logged.
        MissingExtra: A library is needed that is not installed.
    """
    about: dict[str, Any] = {"run": run, "name": row.name, "content_type": row.content_type, "size": row.size}
    if needs_trust(row.format):
        return Content(**about, kind="other", about=f"{row.format}: not read, for loading it may run code")
    if row.size > LARGEST:
        return Content(**about, kind="other", about=f"{size(row.size)}: too large to be shown; download it")
    data = read_all(blobs, Blob(row.digest, row.size))
    return Content(**{**about, **_shown(row, data, slice(start, start + limit))})


def _shown(row: ArtifactRow, data: bytes, part: slice) -> dict[str, Any]:
    kind = row.content_type.partition(";")[0].strip().lower()
    if (picture := content_type.guess("", data[:16])) in _IMAGES:
        return _image(data, picture)
    if kind == _PARQUET:
        return _parquet(data, part)
    if kind == "text/csv":
        return _csv(data, part)
    if kind == "application/json" or kind.endswith("+json"):
        return _json(data, part)
    if kind.startswith("text/") or kind in _TEXTS:
        return _text(data, part)
    if kind == "application/x-npy":
        return {"kind": "array", "about": _array(data)}
    return _perhaps_text(row, data, part)


def _image(data: bytes, kind: str) -> dict[str, Any]:
    if len(data) > LARGEST_IMAGE:
        return {"kind": "other", "about": f"a picture of {size(len(data))}: too large; download it"}
    return {"kind": "image", "content_type": kind, "image": base64.b64encode(data).decode()}


def _table(columns: Any, rows: Any, total: int, part: slice) -> dict[str, Any]:
    cells = json_ready(list(rows))
    return {
        "kind": "table",
        "columns": [str(one) for one in columns],
        "rows": cells,
        "total": total,
        "next": _next(part, len(cells), total),
    }


def _next(part: slice, given: int, total: int) -> int | None:
    end = part.start + given
    return end if given and end < total else None


def _parquet(data: bytes, part: slice) -> dict[str, Any]:
    from chachaml.artifacts.tables import to_arrow

    try:
        table = to_arrow(data, False)
    except (ValueError, OSError) as error:  # what Arrow raises
        return {"kind": "other", "about": f"this is no Parquet file: {error}"[:500]}
    rows = table.slice(part.start, part.stop - part.start).to_pylist()
    cells = [[_cell(value) for value in row.values()] for row in rows]
    return _table(table.column_names, cells, table.num_rows, part)


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _csv(data: bytes, part: slice) -> dict[str, Any]:
    try:
        rows = list(csv.reader(io.StringIO(data.decode(errors="replace"), newline="")))
    except csv.Error:
        return _text(data, part)
    return _table(rows[0] if rows else [], rows[1:][part], max(0, len(rows) - 1), part)


def _json(data: bytes, part: slice) -> dict[str, Any]:
    try:
        found = json_ready(json.loads(data))
    except (ValueError, RecursionError):
        return _text(data, part)
    if isinstance(found, dict) and found.keys() == {"headers", "rows"} and isinstance(found["rows"], list):
        rows = [row if isinstance(row, list) else [row] for row in found["rows"]]
        return _table(found["headers"], rows[part], len(rows), part)
    return {"kind": "json", "value": found}


def _text(data: bytes, part: slice) -> dict[str, Any]:
    lines = data.decode(errors="replace").splitlines()
    given = [line[:_LONGEST] for line in itertools.islice(lines, part.start, part.stop)]
    return {
        "kind": "text",
        "lines": given,
        "total": len(lines),
        "next": _next(part, len(given), len(lines)),
    }


def _array(data: bytes) -> str:
    """Return the shape and type of an array, and of numbers how large they are."""
    import numpy as np

    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        return f"an array that cannot be read: {error}"
    about = f"an array of {array.dtype} with the shape {array.shape}"
    if array.dtype.kind not in "fiu" or not array.size:
        return about
    finite = array[np.isfinite(array)]
    if finite.size:
        about += f", from {finite.min():.6g} to {finite.max():.6g}, mean {finite.mean(dtype=float):.6g}"
    odd = array.size - finite.size
    return f"{about}; {odd:,} not finite" if odd else about


def _perhaps_text(row: ArtifactRow, data: bytes, part: slice) -> dict[str, Any]:
    if data and b"\0" not in data[:4096]:
        try:
            data.decode()
        except UnicodeDecodeError:
            pass
        else:
            return _text(data, part)
    return {"kind": "other", "about": f"{size(row.size)} of {row.content_type}, format {row.format}"}
