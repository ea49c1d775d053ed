"""W&B's module as far as scripts use it: ``import chachaml.compat.wandb as wandb``.

Runs are chachaml's, in the store in use; no account and no network are needed. What is not there says so,
and what to type in its place.
"""

from __future__ import annotations

import enum
import sys
from types import SimpleNamespace
from typing import Any

from chachaml.compat.wandb import plot
from chachaml.compat.wandb.media import Audio, Histogram, Html, Image, Object3D, Plotly, Table, Video
from chachaml.compat.wandb.running import Run, active, init
from chachaml.compat.wandb.searching import agent, sweep
from chachaml.compat.wandb.versions import Artifact
from chachaml.core.errors import BadValue, ChachamlError
from chachaml.core.ids import new_id

__all__ = [
    "AlertLevel",
    "Artifact",
    "Audio",
    "Error",
    "Histogram",
    "Html",
    "Image",
    "Object3D",
    "Plotly",
    "Run",
    "Settings",
    "Table",
    "Video",
    "agent",
    "finish",
    "init",
    "login",
    "plot",
    "setup",
    "sweep",
    "teardown",
    "termerror",
    "termlog",
    "termwarn",
    "util",
]

Error = ChachamlError

Settings = SimpleNamespace
"""Settings of W&B's client; taken by `init`, and none of them is needed here."""

util = SimpleNamespace(generate_id=lambda length=8: new_id()[-length:])


class AlertLevel(enum.Enum):
    """How bad an alert is."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


_OF_RUN = (
    "alert",
    "config",
    "define_metric",
    "link_model",
    "log",
    "log_artifact",
    "log_code",
    "log_model",
    "mark_preempting",
    "save",
    "summary",
    "unwatch",
    "use_artifact",
    "use_model",
    "watch",
)
"""What the module offers of the current run."""

_INSTEAD = {
    "Api": "chachaml.runs('params.lr > 0.1') finds runs, and chachaml.run(id) reads one",
    "controller": "wandb.sweep and wandb.agent, or chachaml.sweep(fn, space)",
    "restore": "chachaml.download_artifact(run, name)",
    "plot_table": "wandb.plot, or chachaml's own charts: docs/guide/charts.md",
    "sklearn": "chachaml.autolog()",
    "keras": "chachaml.autolog()",
    "integration": "chachaml.autolog()",
    "Molecule": "wandb.save(path) keeps its file",
    "box3d": "wandb.Object3D, or wandb.save(path)",
    "Graph": "run.watch(model), or chachaml.log_text('graph.txt', str(model))",
}


def __getattr__(name: str) -> Any:
    """Give the current run, and what is its own."""
    if name == "run":
        return active()
    if name in _OF_RUN:
        current = active()
        if current is None:
            raise BadValue(f"wandb.{name} needs a run", "wandb.init() before it")
        return getattr(current, name)
    hint = _INSTEAD.get(
        name, "chachaml.log_metric, log_params, log_artifact and the like: docs/guide/wandb.md"
    )
    raise AttributeError(f"chachaml.compat.wandb has no {name!r}. Instead: {hint}")


def finish(exit_code: int | None = None, quiet: bool | None = None) -> None:
    """End the current run, if there is one; failed if `exit_code` is given and not 0."""
    del quiet
    if (run := active()) is not None:
        run.finish(exit_code)


def login(*_: Any, **__: Any) -> bool:
    """Do nothing: there is no account."""
    return True


def setup(*_: Any, **__: Any) -> None:
    """Do nothing: there is no service to start."""


def teardown(exit_code: int | None = None) -> None:
    """End the current run."""
    finish(exit_code)


def termlog(string: str = "", newline: bool = True, repeat: bool = True, prefix: bool = True) -> None:
    """Print to standard error."""
    _say(string, newline, prefix)


def termwarn(string: str, newline: bool = True, repeat: bool = True, prefix: bool = True) -> None:
    """Print a warning to standard error."""
    _say(f"WARNING {string}", newline, prefix)


def termerror(string: str, newline: bool = True, repeat: bool = True, prefix: bool = True) -> None:
    """Print an error to standard error."""
    _say(f"ERROR {string}", newline, prefix)


def _say(text: str, newline: bool, prefix: bool) -> None:
    print(f"wandb: {text}" if prefix else text, end="\n" if newline else "", file=sys.stderr)
