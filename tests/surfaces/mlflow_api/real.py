"""MLflow's own clients, each in an environment of its own, against a server.

Run by ``python -m tests.surfaces.mlflow_api.real``, as ``make mlflow-clients`` does. Versions may be named;
``--skinny`` leaves out what trains, ``--record`` writes down what was sent. Environments are made once, in
.mlflow-envs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.served import SESSION, served
from tests.surfaces.mlflow_api.recording import Exchange, recorded

ROOT = Path(__file__).parents[3]
VERSIONS = ("2.9.2", "2.22.5", "3.17.2")
FLOWS = Path(__file__).with_name("flows.py")


def python_of(version: str, *, skinny: bool) -> Path:
    """Return the interpreter of an environment with a version of MLflow, made if there is none."""
    name = f"{version}-skinny" if skinny else version
    python = ROOT / ".mlflow-envs" / name / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
        what = [f"mlflow{'-skinny' * skinny}=={version}", "setuptools<81"]
        if not skinny:
            what += ["scikit-learn<1.8", "xgboost-cpu<3.1", "lightgbm<4.7", "optuna-integration"]
        if version == VERSIONS[-1]:  # finds chachaml:// by its entry points
            what += ["--editable", str(ROOT)]
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what]
        subprocess.run(pip, check=True)
    return python


def main(arguments: list[str]) -> int:
    """Run all that `flows.py` does with each version, and its command line; return 0 if all is well."""
    options = {one for one in arguments if one.startswith("--")}
    failed = []
    for version in [one for one in arguments if one not in options] or VERSIONS:
        python = python_of(version, skinny="--skinny" in options)
        kept: list[Exchange] = []
        with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "runs.db") as server:
            with recorded(server.url, kept) as url:
                told = _told(python, folder, [FLOWS, url, SESSION])
            if "--skinny" not in options and version == VERSIONS[-1]:
                told += _told(python, folder, [FLOWS, "chachaml://plugged.db"])
            for command in (["experiments", "search"], ["runs", "list", "--experiment-id", "0"]):
                told += _told(python, folder, ["-m", "mlflow", *command], MLFLOW_TRACKING_URI=server.url)
        print(f"{version}: {told or 'ok'}")
        failed += [version] if told else []
        if "--record" in options and not told:
            lines = "".join(one.line() for one in kept).replace(str(ROOT), "/project")
            FLOWS.with_name("recorded").joinpath(f"{version}.jsonl").write_text(lines)
    return 1 if failed else 0


def _told(python: Path, folder: str, command: Sequence[str | Path], **settings: str) -> str:
    """Run a command; return what it told if it failed."""
    environment = {**os.environ, "PATH": f"{python.parent}:/usr/bin:/bin", **settings}
    done = subprocess.run([python, *command], cwd=folder, env=environment, capture_output=True, text=True)
    return (done.stdout[-2000:] + done.stderr[-4000:]) if done.returncode else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
