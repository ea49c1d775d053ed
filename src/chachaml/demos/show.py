"""Train, then show what was recorded and what to type next."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import chachaml as ml
from chachaml.core.errors import ChachamlError
from chachaml.display import Paint, comparison_text, count, duration, number, path_text, runs_text
from chachaml.results import Runs

__all__ = ["show_demo"]

CURVES = ("numpy net", "mlp 64-32", "sgd alpha=0.0001")


def show_demo(folder: Path, width: int, paint: Paint) -> None:
    """Train the models into ``chachaml.db`` in `folder`, then print what was recorded.

    Raises:
        ChachamlError: scikit-learn is not installed.
    """
    if find_spec("sklearn") is None:
        raise ChachamlError("the demo trains scikit-learn models", "pip install 'chachaml[sklearn]'")
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / "chachaml.db"
    ml.connect(store)
    began = time.monotonic()
    trained = train()
    took = duration(time.monotonic() - began)
    runs = ml.runs(experiment="digits", limit=trained)
    points = sum(series.count for run in runs for series in run.summaries.values())
    summary = f"{count(trained, 'run')} with {count(points, 'point')}, recorded in {took}"
    print(f"\n{paint(summary, 'strong')}\n")
    print(runs_text(runs, width=width, paint=paint), end="\n\n")
    show_curves(runs, width, paint)
    show_two(runs, folder, width, paint)
    show_best(store, paint)


def train() -> int:
    """Train all models; return how many runs that made."""
    # Heavy imports wait until it is clear that they will succeed.
    from chachaml.demos.data import load
    from chachaml.demos.net import Settings, train_net
    from chachaml.demos.sweep import run_sweep

    print("Training on 1,797 handwritten digits ...", flush=True)
    data = load()
    models = run_sweep(data)
    train_net(data, Settings())
    return 1 + models + 1


def show_curves(runs: Runs, width: int, paint: Paint) -> None:
    """Print the validation losses of the models that were trained by epochs."""
    shown = [run for name in CURVES for run in runs if run.name == name]
    drawn = ml.plot("val/loss", shown, log=True)
    print(drawn.to_text(min(width, 100), 14, paint=paint), end="\n\n")


def show_two(runs: Runs, folder: Path, width: int, paint: Paint) -> None:
    """Print two runs side by side, and export all."""
    alike = ml.runs("tags.model = 'LogisticRegression'", order_by="metrics.val/accuracy desc", limit=2)
    print(comparison_text(ml.compare(alike), width=width, paint=paint), end="\n\n")
    ml.export_runs(experiment="digits", path=folder / "runs.csv")
    kept = sum(len(ml.list_artifacts(run)) for run in runs)
    print(f"{count(kept, 'artifact')} kept with the runs; all runs exported to {folder / 'runs.csv'}\n")


def show_best(store: Path, paint: Paint) -> None:
    """Print the run that won, and what to type next."""
    best = ml.best_run(experiment="digits", metric="val/accuracy", direction="max")
    if best is None:
        return
    print(
        f"{paint('Best:', 'strong')} {best.name} ({best.short_id}), "
        f"val/accuracy {number(best.metric_value)} at step {best.metric_step}\n"
    )
    command = "chachaml" if shutil.which("chachaml") else _as_typed(sys.argv[0])
    place = shlex.quote(str(store))
    print(
        f"{paint('Next, in the shell:', 'strong')}\n"
        f"  export CHACHAML_STORE={place}\n"
        f"  {command} ui\n"
        f"  {command} show {best.short_id}\n"
        f"  {command} plot {best.short_id} val/accuracy\n"
        f"  {command} artifacts ls {best.short_id}\n"
        f'  {command} search "metrics.val/accuracy > 0.97"\n'
        f"  {command} runs --experiment digits --json\n"
        f"{paint('or in Python:', 'strong')}\n"
        f"  import chachaml as ml\n"
        f"  ml.connect({str(store)!r})\n"
        f"  ml.best_run(experiment='digits', metric='val/accuracy')"
    )


def _as_typed(program: str) -> str:
    """Return how this process was started, as something to type again."""
    return path_text(program) if Path(program).stem == "chachaml" else "python -m chachaml"
