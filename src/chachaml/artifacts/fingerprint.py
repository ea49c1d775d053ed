"""What identifies data: its shape, its columns, and a SHA-256 of its contents.

Equal contents have equal digests on every machine; order matters, of rows and of columns.
"""

from __future__ import annotations

import os
import sys
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, NamedTuple

from chachaml.core.errors import BadValue

__all__ = ["Described", "describe"]


class Described(NamedTuple):
    """What is found out about data; empty where nothing is."""

    name: str = ""
    rows: int | None = None
    columns: int | None = None
    features: tuple[str, ...] = ()
    digest: str = ""
    source: str = ""


def describe(data: Any) -> Described:
    """Return what identifies `data`; nothing of None.

    Raises:
        BadValue: Data of a kind that has no digest here.
    """
    if data is None:
        return Described()
    if isinstance(data, (str, os.PathLike)):
        return _file(Path(data).expanduser())
    if isinstance(data, tuple):
        return _parts([describe(part) for part in data])
    library = type(data).__module__.partition(".")[0]
    if library == "pandas":
        return _pandas(data)
    if library == "polars" and hasattr(data, "write_ipc"):
        return _polars(data)
    if library == "pyarrow" and hasattr(data, "schema"):
        return _arrow(data)
    return _array(data)


def _file(path: Path) -> Described:
    if not path.is_file():
        raise BadValue(
            f"there is no file {path.absolute()}", "give the data itself, or name=... and hash=..."
        )
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return Described(name=path.name, digest=digest, source=str(path))


def _parts(parts: list[Described]) -> Described:
    if not parts:
        raise BadValue("an empty tuple is no data")
    digest = sha256("\n".join(part.digest for part in parts).encode()).hexdigest()
    return parts[0]._replace(digest=digest)


def _pandas(data: Any) -> Described:
    import pandas as pd

    frame = data.to_frame() if data.ndim == 1 else data
    hasher = sha256(repr([(str(name), str(kind)) for name, kind in frame.dtypes.items()]).encode())
    hasher.update(pd.util.hash_pandas_object(frame, index=True).to_numpy().astype("<u8").tobytes())
    return Described(
        rows=len(frame),
        columns=frame.shape[1],
        features=tuple(map(str, frame.columns)),
        digest=hasher.hexdigest(),
    )


def _polars(data: Any) -> Described:
    import io

    buffer = io.BytesIO()
    data.rechunk().write_ipc(buffer, compression="uncompressed")
    digest = sha256(buffer.getbuffer()).hexdigest()
    return Described(rows=data.height, columns=data.width, features=tuple(data.columns), digest=digest)


def _arrow(data: Any) -> Described:
    import io

    import pyarrow as pa

    table = data.combine_chunks() if hasattr(data, "combine_chunks") else pa.Table.from_batches([data])
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, table.schema) as stream:
        stream.write_table(table)
    digest = sha256(buffer.getbuffer()).hexdigest()
    return Described(
        rows=table.num_rows, columns=table.num_columns, features=tuple(table.column_names), digest=digest
    )


def _array(data: Any) -> Described:
    import numpy as np

    if hasattr(data, "detach"):
        data = data.detach().cpu()
    if type(data).__module__.startswith("scipy.sparse"):
        return _sparse(data)
    try:
        array = np.asarray(data)
    except (TypeError, ValueError):
        array = np.empty(0, object)
    if array.dtype.hasobject or not array.ndim:
        raise BadValue(
            f"data of {type(data).__module__}.{type(data).__qualname__} cannot be hashed here",
            "give a frame, an array or a file's path, or log what you know: name=, rows=, hash=",
        )
    if array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and sys.byteorder == "big"):
        array = array.astype(array.dtype.newbyteorder("<"))
    hasher = sha256(f"{array.dtype.str.lstrip('=<|')}{array.shape}".encode())
    hasher.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return Described(
        rows=array.shape[0], columns=array.shape[1] if array.ndim > 1 else 1, digest=hasher.hexdigest()
    )


def _sparse(data: Any) -> Described:
    found = data.tocsr()
    found.sum_duplicates()
    parts = _parts([_array(part) for part in (found.data, found.indices, found.indptr)])
    return parts._replace(rows=found.shape[0], columns=found.shape[1])
