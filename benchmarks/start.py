"""Starting: the import, a first run in a fresh folder to the end of the process, the install."""

from __future__ import annotations

import subprocess
from pathlib import Path
from time import perf_counter

from benchmarks.clock import median
from benchmarks.environments import installed_size
from benchmarks.processes import Bench, WorkFailed, environment
from benchmarks.report import Section, Table, Target, engineering

__all__ = ["measure"]

MODULES = {tool: tool for tool in ("aim", "mlflow", "swanlab", "tensorboardX", "trackio", "wandb")}
FIRST_RUN = {
    "chachaml": 'import chachaml as ml\nwith ml.start_run():\n    ml.log_metric("loss", 0.31)',
    "aim": 'import aim\nrun = aim.Run(system_tracking_interval=None)\nrun.track(0.31, name="loss")',
    "mlflow": "import mlflow\nmlflow.set_tracking_uri('sqlite:///mlflow.db')\n"
    'with mlflow.start_run():\n    mlflow.log_metric("loss", 0.31)',
    "swanlab": 'import swanlab\nswanlab.init(mode="offline")\nswanlab.log({"loss": 0.31})\nswanlab.finish()',
    "tensorboardX": "from tensorboardX import SummaryWriter\n"
    'writer = SummaryWriter("events")\nwriter.add_scalar("loss", 0.31)\nwriter.close()',
    "trackio": 'import trackio\ntrackio.init(project="bench")\ntrackio.log({"loss": 0.31})\ntrackio.finish()',
    "wandb": 'import wandb\nrun = wandb.init(project="bench", mode="offline")\n'
    'run.log({"loss": 0.31})\nrun.finish()',
}
LOADED = "import sys, atexit\natexit.register(lambda: print('numpy' in sys.modules))\n"


def measure(bench: Bench) -> Section:
    """Measure every tool."""
    section = Section(
        "Starting",
        "Import: `import tool` in a fresh process, without the interpreter's own start. First run: a fresh "
        "process in a fresh folder that logs one value, from before the interpreter starts to the exit. "
        f"A bare interpreter takes {min(_exit_times(bench, 'chachaml', 'pass', 5)) * 1000:.0f} ms of it.",
    )
    rows = []
    for tool in bench.pythons:
        times = bench.n(10 if tool == "chachaml" else 5, 2)
        with bench.reporting(tool, "start"):
            imports = _import_times(bench, tool, times)
            exits = _exit_times(bench, tool, FIRST_RUN[tool], times)
            rows.append([tool, *(engineering(f(t) * 1000) for t in (imports, exits) for f in (min, median))])
            if tool == "chachaml":
                section.targets += [
                    Target("import, best", min(imports) * 1000, 50, "ms"),
                    Target("first run to exit, median", median(exits) * 1000, 150, "ms"),
                ]
    section.targets.append(Target("capture adds to a start, median", _captured(bench), 5, "ms"))
    loads_numpy = _run(bench, "chachaml", LOADED + FIRST_RUN["chachaml"]).splitlines()[-1] != "False"
    section.targets.append(Target("times that a first run imports numpy", float(loads_numpy), 0))
    head = ["ms", "import, best", "import, median", "first run, best", "first run, median"]
    section.tables += [Table(head, rows), _installs(bench, section.targets)]
    return section


def _captured(bench: Bench) -> float:
    """Return how many ms longer the first start of a process takes that captures its environment."""
    code = (
        "import chachaml as ml\nfrom time import perf_counter as t\n"
        "b = t()\nrun = ml.start_run(capture={capture})\nprint(t() - b)"
    )
    spent: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(bench.n(15, 2)):
        for capture, times in spent.items():
            times.append(float(_run(bench, "chachaml", code.format(capture=capture)).splitlines()[-1]))
    return (median(spent[True]) - median(spent[False])) * 1000


def _installs(bench: Bench, targets: list[Target]) -> Table:
    rows = []
    for tool, python in bench.pythons.items():
        size = installed_size(python)
        full, source = size.megabytes(), size.megabytes(compiled=False)
        beyond = size.megabytes(without="numpy")
        rows.append([tool, engineering(full), engineering(source), engineering(beyond), str(size.packages)])
        if tool == "chachaml" and not bench.quick:
            targets.append(Target("install beyond numpy", beyond, 40, "MB"))
            targets.append(Target("packages installed", size.packages, 24))
    head = ["install", "MB", "MB without .pyc", "MB beyond numpy", "packages"]
    return Table(head, rows, "Without pip and setuptools; numpy is left out of the fourth column only.")


def _import_times(bench: Bench, tool: str, times: int) -> list[float]:
    module = MODULES.get(tool, tool)
    timed = f"from time import perf_counter as t\nb = t()\nimport {module}\nprint(t() - b)"
    _run(bench, tool, f"import {module}")
    return [float(_run(bench, tool, timed).splitlines()[-1]) for _ in range(times)]


def _exit_times(bench: Bench, tool: str, code: str, times: int) -> list[float]:
    spent = []
    for _ in range(times):
        with bench.folder() as folder:
            begin = perf_counter()
            _python(bench, tool, code, folder)
            spent.append(perf_counter() - begin)
    return spent


def _run(bench: Bench, tool: str, code: str) -> str:
    with bench.folder() as folder:
        return _python(bench, tool, code, folder)


def _python(bench: Bench, tool: str, code: str, folder: Path) -> str:
    command = [str(bench.pythons[tool]), "-c", code]
    done = subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        raise WorkFailed((done.stderr.strip() or "no reason given").splitlines()[-1])
    return done.stdout
