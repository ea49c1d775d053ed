"""Makes all fixtures anew, each by its tool in an environment of its own: make fixtures.

Ids and times are others each time, so the tests read what is expected from what the tools say themselves.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
from tests.moving.made.mlflow_fixtures import TABLES, keep, keep_logged
from tests.moving.made.recording import record
from tests.postgres import PASSWORD, USER, server

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"
ENVIRONMENTS = HERE.parents[2] / ".bench-envs"
TOOLS = {
    "mlflow": ["mlflow==3.17.2", "psycopg2-binary"],
    "tensorboardX": ["tensorboardX==2.6.5", "tensorboard==2.21.0", "pillow"],
    "wandb": ["wandb==0.31.0", "numpy", "pillow"],
    "aim": ["aim==3.29.1"],
    "trackio": ["trackio==0.43.0"],
    "dvclive": ["dvclive==3.49.1", "pillow", "scikit-learn"],
    "sacred": ["sacred==0.8.7", "numpy"],
}
EXPORT = HERE.parents[2] / "src" / "chachaml" / "moving" / "sources" / "aim_export.py"


def python_of(tool: str) -> str:
    """Return the interpreter of a tool's environment, which is made first."""
    python = ENVIRONMENTS / tool / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parent.parent)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *TOOLS[tool]], check=True)
    return str(python)


def run(tool: str, script: str, *arguments: str, **environment: str) -> None:
    """Run a script of this folder with a tool, which may leave in its folder what it likes."""
    command = [python_of(tool), str(HERE / script), *arguments]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(command, check=True, env={**os.environ, **environment}, cwd=folder)


def mlflow(made: Path) -> None:
    """Make a folder of files and a database."""
    (made / "f").mkdir()
    files = (f"file://{made}/f/mlruns", str(made / "f"))
    run("mlflow", "mlflow_made.py", *files, MLFLOW_ALLOW_FILE_STORE="true")
    run("mlflow", "mlflow_made.py", f"sqlite:///{made}/mlflow.db", str(made), str(made / "artifacts"))
    with mlflow_server(made) as url:
        record(url, FIXTURES / "mlflow" / "server.json")
    for name in ("mlruns", "artifacts"):
        shutil.rmtree(FIXTURES / "mlflow" / name, ignore_errors=True)
    keep(made, FIXTURES / "mlflow")


@contextmanager
def mlflow_server(made: Path) -> Iterator[str]:
    """Serve the database with MLflow's own server; give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [python_of("mlflow"), "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{made}/mlflow.db", "--artifacts-destination", str(made)]
    process = subprocess.Popen(command, cwd=made, start_new_session=True)
    try:
        url = f"http://127.0.0.1:{port}"
        while not _is_up(url):
            assert process.poll() is None, "the server ended"
            time.sleep(0.2)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").is_success
    except httpx.TransportError:
        return False


def mlflow_postgres(made: Path) -> None:
    """Make a database of MLflow's in Postgres, and keep its tables as SQL."""
    running = server()
    running.execute("CREATE DATABASE mlflow")
    address = f"{USER}:{PASSWORD}@127.0.0.1:{running.port}/mlflow"
    run("mlflow", "mlflow_made.py", f"postgresql+psycopg2://{address}", str(made), str(made / "artifacts"))
    tables = [f"--table={name}" for name in TABLES]
    command = [str(running.programs / "pg_dump"), "--inserts", "--no-owner", "--no-acl", *tables]
    command += ["--section=pre-data", "--section=data", f"postgresql://{address}"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    kept = [line for line in said.splitlines() if line and not line.startswith(("--", "\\", "SET "))]
    text = "\n".join(kept).replace(str(made), "/srv/mlflow").replace(str(Path.cwd()), "/srv/mlflow") + "\n"
    (FIXTURES / "mlflow" / "postgres.sql").write_text(text)
    shutil.copy(made / "expected.json", FIXTURES / "mlflow" / "postgres.json")


def mlflow_logged(made: Path) -> None:
    """Make logged models, in a folder and in a database."""
    files = (f"file://{made}/mlruns", str(made))
    run("mlflow", "mlflow_logged_made.py", *files, MLFLOW_ALLOW_FILE_STORE="true")
    run("mlflow", "mlflow_logged_made.py", f"sqlite:///{made}/mlflow.db", str(made))
    shutil.rmtree(FIXTURES / "mlflow_logged", ignore_errors=True)
    keep_logged(made, FIXTURES / "mlflow_logged")


def tensorboard(made: Path) -> None:
    """Make event files."""
    run("tensorboardX", "tensorboard_made.py", str(made))
    shutil.rmtree(FIXTURES / "tensorboard", ignore_errors=True)
    shutil.copytree(made, FIXTURES / "tensorboard")


def wandb(made: Path) -> None:
    """Make offline runs."""
    run("wandb", "wandb_made.py", str(made))
    shutil.rmtree(FIXTURES / "wandb", ignore_errors=True)
    for folder in (made / "wandb").glob("offline-run-*"):
        for path in (*folder.glob("*.wandb"), *folder.glob("files/**/*")):
            if path.is_file():
                kept = FIXTURES / "wandb" / path.relative_to(made / "wandb")
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, kept)
    shutil.copy(made / "expected.json", FIXTURES / "wandb" / "expected.json")


def aim(made: Path) -> None:
    """Make a repository, and write what Aim reads in it."""
    run("aim", "aim_made.py", str(made))
    lines = subprocess.run([python_of("aim"), str(EXPORT), str(made)], check=True, capture_output=True)
    (FIXTURES / "aim" / "runs.jsonl").write_bytes(lines.stdout)


def trackio(made: Path) -> None:
    """Make a database with a picture beside it."""
    run("trackio", "trackio_made.py", str(made))
    with closing(sqlite3.connect(made / "digits.db")) as db:
        (FIXTURES / "trackio" / "digits.sql").write_text("\n".join(db.iterdump()) + "\n")
    shutil.rmtree(FIXTURES / "trackio" / "media", ignore_errors=True)
    shutil.copytree(made / "media", FIXTURES / "trackio" / "media")
    shutil.copy(made / "expected.json", FIXTURES / "trackio")


def dvclive(made: Path) -> None:
    """Make a folder of tables, params and plots."""
    run("dvclive", "dvclive_made.py", str(made))
    shutil.rmtree(FIXTURES / "dvclive", ignore_errors=True)
    shutil.copytree(made / "dvclive", FIXTURES / "dvclive" / "dvclive")


def sacred(made: Path) -> None:
    """Make a run that completes, and one that fails."""
    run("sacred", "sacred_made.py", str(made))
    with suppress(subprocess.CalledProcessError):
        run("sacred", "sacred_made.py", str(made), "with", "fails=True")
    shutil.rmtree(FIXTURES / "sacred", ignore_errors=True)
    shutil.copytree(made, FIXTURES / "sacred")
    for path in FIXTURES.glob("sacred/*/run.json"):
        path.write_text(path.read_text().replace(str(HERE), "/home/ada"))


if __name__ == "__main__":
    for make in (mlflow, mlflow_postgres, mlflow_logged, tensorboard, wandb, aim, trackio, dvclive, sacred):
        with tempfile.TemporaryDirectory() as name:
            make(Path(name))
