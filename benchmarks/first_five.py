"""From nothing to a first chart: ``python -m benchmarks.first_five`` writes FIRST_FIVE.md.

For each tool a fresh environment is made and then what its own quickstart says is typed: install, run a
script that logs a curve, open the pages. The clock runs from `pip install` until the tool's own server has
answered with the curve, as its page would ask for it. What people need to read and type is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.environments import ROOT, installed_size, pins
from benchmarks.report import Table, engineering, machine

__all__ = ["TOOLS", "main"]

PAGE = ROOT / "benchmarks" / "FIRST_FIVE.md"
POINTS, PATIENCE = 100, 120.0

HEAD = """# The first five minutes

Written by `python -m benchmarks.first_five` on {date}; do not edit. A fresh
environment for each tool, then what its quickstart says, until the tool's own server has answered with the
curve of {points} points that was logged. Packages come from an index and are not in pip's cache. *Commands*
are those that are typed, `pip install` among them.

{where}

{table}
"""


class Tool(NamedTuple):
    """How one tool gets from nothing to a chart.

    ``train`` logs the curve and prints the run's id; ``serve`` is what is typed to see it, with PORT for the
    port, or empty where there is no page without an account; ``curve`` asks the server for the values.
    """

    train: str
    serve: list[str]
    curve: Callable[[str, str], list[float]]


def ask(url: str, body: object = None) -> Any:
    """Return what a server answers in JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def of_chachaml(url: str, run: str) -> list[float]:
    (series,) = ask(f"{url}/api/series?run_ids={run}&metric=loss")
    return list(series["values"])


def of_mlflow(url: str, run: str) -> list[float]:
    said = ask(f"{url}/ajax-api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=loss")
    return [each["value"] for each in said["metrics"]]


def of_trackio(url: str, run: str) -> list[float]:
    said = ask(f"{url}/api/get_logs", {"project": "first", "run": run})["data"]
    return [each["loss"] for each in said if "loss" in each]


def of_aim(url: str, run: str) -> list[float]:
    (trace,) = ask(f"{url}/api/runs/{run}/metric/get-batch/", [{"name": "loss", "context": {}}])
    return list(trace["values"])


def nowhere(url: str, run: str) -> list[float]:
    raise AssertionError(f"there is no page for {run} at {url}")


_SHOWN = "project='first', open_browser=False, block_thread=True, server_port=PORT"

TOOLS = {
    "chachaml": Tool(
        "import chachaml as ml\n"
        "with ml.start_run() as run:\n"
        "    for step in range(100):\n"
        '        ml.log_metric("loss", 1 / (step + 1), step)\n'
        "print(run.id)\n",
        ["chachaml", "ui", "--port", "PORT", "--no-browser"],
        of_chachaml,
    ),
    "trackio": Tool(
        'import trackio\nrun = trackio.init(project="first", name="one")\n'
        'for step in range(100):\n    trackio.log({"loss": 1 / (step + 1)})\n'
        'trackio.finish()\nprint("one")\n',
        ["python", "-c", f"import trackio; trackio.show({_SHOWN})"],
        of_trackio,
    ),
    "aim": Tool(
        "import aim\nrun = aim.Run()\n"
        'for step in range(100):\n    run.track(1 / (step + 1), name="loss", step=step)\n'
        "run.close()\nprint(run.hash)\n",
        ["aim", "up", "--port", "PORT"],
        of_aim,
    ),
    "mlflow": Tool(
        "import mlflow\nwith mlflow.start_run() as run:\n"
        '    for step in range(100):\n        mlflow.log_metric("loss", 1 / (step + 1), step=step)\n'
        "print(run.info.run_id)\n",
        ["mlflow", "ui", "--port", "PORT"],
        of_mlflow,
    ),
    "wandb": Tool(
        'import wandb\nrun = wandb.init(project="first", mode="offline")\n'
        'for step in range(100):\n    run.log({"loss": 1 / (step + 1)})\n'
        "run.finish()\nprint(run.id)\n",
        [],
        nowhere,
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Measure what is asked for, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_five", description=__doc__)
    parser.add_argument("tools", nargs="*", default=list(TOOLS), help="which tools")
    parser.add_argument("--output", type=Path, default=PAGE, help="the page to write")
    options = parser.parse_args(arguments)
    rows, began = [], os.getloadavg()[0]
    for tool in options.tools:
        print(f"measuring {tool} ...", file=sys.stderr)
        rows.append([tool, *measured(tool)])
    head = ["tool", "commands", "install, s", "script, s", "page, s", "in all, s", "MB", "packages"]
    busy = f"load average {began:.0f} when it began, {os.getloadavg()[0]:.0f} when it ended"
    where = "\n".join(f"- {line}" for line in [*machine(Path(tempfile.gettempdir())), busy])
    table = Table(head, rows).markdown()
    text = HEAD.format(date=f"{datetime.now(UTC):%Y-%m-%d}", points=POINTS, where=where, table=table)
    options.output.write_text(text)
    return 0


def measured(tool: str) -> list[str]:
    """Return one tool's figures; "failed" where it cannot be installed or shows nothing."""
    with tempfile.TemporaryDirectory(prefix="first-five-") as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        try:
            return _story(tool, folder)
        except (subprocess.CalledProcessError, TimeoutError, AssertionError) as error:
            print(f"{tool}: {error}", file=sys.stderr)
            return ["failed"] * 7


def _story(tool: str, folder: Path) -> list[str]:
    what, commands = TOOLS[tool], folder / "venv" / "bin"
    source = str(ROOT) if tool == "chachaml" else pins()[tool]
    install = _timed(folder, commands / "pip", "install", "--quiet", "--no-cache-dir", source)[0]
    (folder / "train.py").write_text(what.train)
    script, printed = _timed(folder, commands / "python", "train.py")
    page = _until_it_shows(what, folder, printed.split()[-1]) if what.serve else None
    size = installed_size(commands / "python")
    seconds = [install, script, *([page] if page is not None else [])]
    return [
        str(len(seconds)) if what.serve else "an account too",
        engineering(install),
        engineering(script),
        engineering(page) if page is not None else "no page here",
        engineering(sum(seconds)) if page is not None else "",
        engineering(size.megabytes()),
        str(size.packages),
    ]


def _timed(folder: Path, *command: object) -> tuple[float, str]:
    began = time.perf_counter()
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=folder, env=_environment(folder), capture_output=True, text=True, timeout=600
    )
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        done.check_returncode()
    return time.perf_counter() - began, done.stdout


def _until_it_shows(tool: Tool, folder: Path, run: str) -> float:
    """Return the seconds from the command that shows the pages to the answer with the curve."""
    began = time.perf_counter()
    with _serving(tool, folder) as url:
        while True:
            with suppress(urllib.error.URLError, ConnectionError, TimeoutError, ValueError, KeyError):
                with urllib.request.urlopen(url, timeout=30) as page:
                    page.read()
                values = tool.curve(url, run)
                assert len(values) == POINTS, f"{len(values)} points"
                return time.perf_counter() - began
            if time.perf_counter() - began > PATIENCE:
                raise TimeoutError(f"no curve within {PATIENCE:g} s")
            time.sleep(0.02)


@contextmanager
def _serving(tool: Tool, folder: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [word.replace("PORT", str(port)) for word in tool.serve]
    command[0] = str(folder / "venv" / "bin" / command[0])
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    server = subprocess.Popen(command, cwd=folder, env=_environment(folder), start_new_session=True, **silent)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, 9)
        server.wait()


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment in which a tool finds nothing of earlier runs, and sends nothing about itself."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "CHACHA", "MLFLOW"))
    }
    home = folder / "home"
    home.mkdir(exist_ok=True)
    pip = Path.home() / ".config" / "pip"
    if pip.exists() and not (home / ".config").exists():
        shutil.copytree(pip, home / ".config" / "pip")  # where packages come from
    quiet = {"WANDB_MODE": "offline", "DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return kept | quiet | {"HOME": str(home), "PATH": f"{folder / 'venv' / 'bin'}:{os.environ['PATH']}"}


if __name__ == "__main__":
    sys.exit(main())
