"""Keeps what mlflow_made made as files that a repository can hold: python mlflow_fixtures.py MADE FIXTURES."""

from __future__ import annotations

import re
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

TABLES = """alembic_version experiments experiment_tags runs metrics latest_metrics params tags registered_models
registered_model_tags registered_model_aliases model_versions model_version_tags datasets inputs input_tags
logged_models""".split()
_OF = re.compile(r'(?:CREATE TABLE|INSERT INTO) (?:IF NOT EXISTS )?"?(\w+)"?')


def dump(database: Path) -> str:
    """Return the tables that matter as SQL."""
    with closing(sqlite3.connect(database)) as db:
        kept = [line for line in db.iterdump() if (of := _OF.match(line)) and of[1] in TABLES]
    text = "\n".join(["PRAGMA foreign_keys = OFF;", *kept]) + "\n"
    return re.sub(r"'[^']*/mlruns/0'", "'/srv/mlflow/mlruns/0'", text)  # where MLflow happened to be started


def keep(made: Path, fixtures: Path) -> None:
    """Copy all to the fixtures, with places that are nobody's."""
    shutil.copytree(made / "f" / "mlruns", fixtures / "mlruns", dirs_exist_ok=True)
    shutil.copytree(made / "artifacts", fixtures / "artifacts", dirs_exist_ok=True)
    shutil.copy(made / "expected.json", fixtures / "database.json")
    shutil.copy(made / "f" / "expected.json", fixtures / "folder.json")
    (fixtures / "mlflow.sql").write_text(dump(made / "mlflow.db"))
    forget_places(fixtures, made / "f", made)


def keep_logged(made: Path, fixtures: Path) -> None:
    """Copy what mlflow_logged_made made likewise."""
    for name in ("mlruns", "artifacts"):
        shutil.copytree(made / name, fixtures / name)
    (fixtures / "mlflow.sql").write_text(dump(made / "mlflow.db"))
    forget_places(fixtures, made)


def forget_places(fixtures: Path, *places: Path) -> None:
    """Write, instead of places of this machine, one that is nobody's."""
    for path in fixtures.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            for there in places:
                data = data.replace(str(there).encode(), b"/srv/mlflow")
            path.write_bytes(data)


if __name__ == "__main__":
    keep(Path(sys.argv[1]), Path(sys.argv[2]))
