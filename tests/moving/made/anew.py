"""Makes all fixtures anew, each by its tool in an environment of its own: make fixtures.

Ids and times are others each time, so the tests read what is expected from what the tools say themselves.
What a server answers is recorded apart: start ``mlflow server`` on the database and run `recording`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.moving.made.mlflow_fixtures import keep

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"
ENVIRONMENTS = HERE.parents[2] / ".bench-envs"
TOOLS = {
    "mlflow": ["mlflow==3.17.2"],
    "tensorboardX": ["tensorboardX==2.6.5", "tensorboard==2.21.0", "pillow"],
    "wandb": ["wandb==0.31.0", "numpy", "pillow"],
}


def python_of(tool: str) -> str:
    """Return the interpreter of a tool's environment, which is made first."""
    python = ENVIRONMENTS / tool / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parent.parent)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *TOOLS[tool]], check=True)
    return str(python)


def run(tool: str, script: str, *arguments: str, **environment: str) -> None:
    """Run a script of this folder with a tool."""
    command = [python_of(tool), str(HERE / script), *arguments]
    subprocess.run(command, check=True, env={**os.environ, **environment})


def mlflow(made: Path) -> None:
    """Make a folder of files and a database."""
    (made / "f").mkdir()
    files = (f"file://{made}/f/mlruns", str(made / "f"))
    run("mlflow", "mlflow_made.py", *files, MLFLOW_ALLOW_FILE_STORE="true")
    run("mlflow", "mlflow_made.py", f"sqlite:///{made}/mlflow.db", str(made), str(made / "artifacts"))
    for name in ("mlruns", "artifacts"):
        shutil.rmtree(FIXTURES / "mlflow" / name, ignore_errors=True)
    keep(made, FIXTURES / "mlflow")


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


if __name__ == "__main__":
    for make in (mlflow, tensorboard, wandb):
        with tempfile.TemporaryDirectory() as name:
            make(Path(name))
