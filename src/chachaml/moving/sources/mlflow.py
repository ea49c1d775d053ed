"""MLflow: which of its places an address means."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from chachaml.core.errors import BadValue
from chachaml.moving.account import Tally
from chachaml.moving.imported import Source

__all__ = ["open_source"]


def open_source(where: str, tally: Tally, *, artifacts: str | None = None) -> Source:
    """Return the runs of an MLflow database, folder or server.

    Args:
        where: A SQLite file, ``sqlite:///mlflow.db``, ``postgresql://...``, an ``mlruns`` folder, or the
            ``http://`` address of a server.
        tally: Hears what cannot be read.
        artifacts: The folder that a server keeps artifacts in, for runs whose artifacts are named as
            ``mlflow-artifacts:``. Default: ``mlartifacts`` or ``mlruns`` beside the database.
    """
    if where.startswith(("http://", "https://")):
        from chachaml.moving.sources.mlflow_server import Server

        return Server(where, tally)
    if where.startswith(("postgresql://", "postgres://", "postgresql+")):
        from chachaml.moving.sources.mlflow_database import open_postgres

        return open_postgres(where, tally, artifacts)
    path = Path(where.removeprefix("sqlite:///").removeprefix("file://")).expanduser().absolute()
    if path.is_dir():
        from chachaml.moving.sources.mlflow_folder import Folder

        return Folder(path, tally)
    if not path.is_file():
        raise BadValue(f"there is no {path}", "give a database, an mlruns folder, or a server's address")
    from chachaml.moving.sources.mlflow_database import open_sqlite_file

    try:
        return open_sqlite_file(path, tally, artifacts)
    except (sqlite3.Error, UnicodeError) as error:
        raise BadValue(f"{path} is no MLflow database: {error}", "is it the file of sqlite:///...?") from None
