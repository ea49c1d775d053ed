"""`init` and the run that it gives: W&B's calls on a run of chachaml."""

from __future__ import annotations

import fnmatch
import glob
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, NamedTuple, Self

from chachaml import alerts
from chachaml.compat.wandb.media import Plotly
from chachaml.compat.wandb.values import Config, Summary, as_dict, plain
from chachaml.compat.wandb.versions import Artifact, keep_artifact, of_path, stored
from chachaml.compat.wandb.watching import Watched
from chachaml.core.errors import BadValue, NotFound
from chachaml.core.ids import new_id
from chachaml.core.values import as_number
from chachaml.corrections import rename, set_param
from chachaml.lifecycle import start_apart, start_run
from chachaml.live import LiveRun
from chachaml.tracker import runs

__all__ = ["Given", "Run", "active", "given", "init"]


class Given(NamedTuple):
    """What a sweep gives to the function that it tries: the trial's run, and its params."""

    live: LiveRun
    params: Mapping[str, Any]
    sweep: str


given: ContextVar[Given | None] = ContextVar("chachaml_wandb_trial", default=None)
_active: list[Run] = []


def active() -> Run | None:
    """Return the run that was begun last and has not ended."""
    return _active[-1] if _active else None


def init(
    entity: str | None = None,
    project: str | None = None,
    dir: str | os.PathLike[str] | None = None,
    id: str | None = None,
    name: str | None = None,
    notes: str | None = None,
    tags: Sequence[str] | None = None,
    config: Any = None,
    *,
    group: str | None = None,
    job_type: str | None = None,
    mode: str | None = None,
    reinit: bool | str | None = None,
    resume: bool | str | None = None,
    **others: Any,
) -> Run:
    """Start a run, or return the one that there is.

    Args:
        entity: Whose; a tag here.
        project: The experiment. Default: ``WANDB_PROJECT``, else "uncategorized".
        dir: Not needed.
        id: A name to resume the run by.
        name: Default: ``WANDB_NAME``, else a readable one.
        notes: The run's note.
        tags: Its tags.
        config: Params: a dict, a namespace of argparse or a dataclass.
        group: A tag here, as is the job type.
        job_type: For example "train".
        mode: "disabled" for a run that keeps nothing; all others log to the store. Default: ``WANDB_MODE``.
        reinit: True or "finish_previous" to end the run that there is; "create_new" for one beside it.
            Default: return the one that there is; in a notebook, end it.
        resume: With `id`: "must" goes on with that run, "allow" and True do if it is there, "never" refuses.
        others: Settings of W&B's client, which are not needed.

    Raises:
        BadValue: A config that is none, or a run to resume that is not there.
    """
    del dir, others
    current = active()
    if current is not None and given.get() is None:
        if reinit in (True, "finish_previous") or (reinit is None and _is_notebook()):
            current.finish()
        elif reinit != "create_new":
            return current
    about = {"entity": entity, "group": group or os.environ.get("WANDB_RUN_GROUP"), "job_type": job_type}
    off = (mode or os.environ.get("WANDB_MODE", "")) == "disabled" or _is_on("WANDB_DISABLED")
    asked = _Asked(
        project or os.environ.get("WANDB_PROJECT") or "uncategorized",
        name or os.environ.get("WANDB_NAME"),
        id or os.environ.get("WANDB_RUN_ID"),
        resume if resume is not None else os.environ.get("WANDB_RESUME"),
        {f"wandb.{key}": value for key, value in about.items() if value},
    )
    run = Run(None if off else _live(asked), asked)
    run.tags = tuple(tags or filter(None, os.environ.get("WANDB_TAGS", "").split(",")))
    if note := notes or os.environ.get("WANDB_NOTES"):
        run.notes = note
    _active.append(run)
    run.config.update(config)
    return run


def _is_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return shell is not None and shell() is not None


def _is_on(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in ("1", "true", "yes", "on")


class _Asked(NamedTuple):
    project: str
    name: str | None
    id: str | None
    resume: bool | str | None
    tags: dict[str, str]


def _live(asked: _Asked) -> LiveRun:
    """Return the run of a sweep's trial, one that is resumed, or a new one."""
    if (trial := given.get()) is not None:
        for key, value in asked.tags.items():
            trial.live.add_tag(key, value)
        return trial.live
    ident = asked.id
    if ident and (found := _known(asked.project, ident)):
        if asked.resume == "never":
            raise BadValue(f"there is a run with the id {ident!r} already", "another id, or resume='allow'")
        if asked.resume:
            return start_run(resume=found)
    elif asked.resume == "must":
        raise BadValue(f"there is no run with the id {ident!r} to resume", "resume='allow' begins one")
    tags = {**asked.tags, "wandb.id": ident or new_id()[-8:]}
    return start_apart(asked.project, asked.name, tags)


def _known(project: str, ident: str) -> str | None:
    found = [run.id for run in runs(experiment=project) if run.tags.get("wandb.id") == ident]
    return found[0] if found else None


class _Metric(NamedTuple):
    """What `define_metric` said of keys that a pattern matches."""

    name: str
    step_metric: str | None = None
    summary: str | None = None


class Run:
    """A run, with W&B's calls; `live` is chachaml's own, None in a disabled one."""

    def __init__(self, live: LiveRun | None, asked: _Asked) -> None:
        self.live = live
        self.project, self._about = asked.project, asked.tags
        self._name = asked.name
        trial = given.get()
        self._trial = trial is not None
        self.sweep_id = trial.sweep if trial else None
        self.config = Config(self._log_params, self._change_param, trial.params if trial else {})
        self.summary = Summary()
        self.disabled, self.offline = live is None, live is not None
        self.start_time = time.time()
        self.id = (live.tags.get("wandb.id") if live else None) or asked.id or new_id()[-8:]
        self.resumed = bool(live and asked.resume and live.tags.get("wandb.id") == asked.id)
        self.starting_step = self.step = _next_step(live) if self.resumed else 0
        self._metrics: list[_Metric] = []
        self._watched: list[Watched] = []
        self._saved: dict[str, Path] = {}
        self._told: dict[str, float] = {}
        self._folder: Path | None = None
        self._ended = False
        if live:
            live.before_end(self._close)

    # who it is ----------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The run's name; it may be set."""
        return self.live.name if self.live else self._name or "disabled"

    @name.setter
    def name(self, name: str) -> None:
        self._name = name
        if self.live:
            rename(self.live.id, name)

    @property
    def tags(self) -> tuple[str, ...]:
        """The run's tags; they may be set, and added to."""
        return self._tags

    @tags.setter
    def tags(self, tags: Sequence[str]) -> None:
        before, self._tags = getattr(self, "_tags", ()), tuple(tags)
        if self.live:
            for tag in set(before) - set(self._tags):
                self.live.remove_tag(tag)
            for tag in self._tags:
                self.live.add_tag(tag, "")

    @property
    def notes(self) -> str:
        """The run's note; it may be set."""
        return self.live.tags.get("note", "") if self.live else ""

    @notes.setter
    def notes(self, text: str) -> None:
        if self.live:
            self.live.set_note(text)

    @property
    def entity(self) -> str:
        """Whose it is."""
        return self._about.get("wandb.entity", "")

    @property
    def group(self) -> str:
        """What group it is of."""
        return self._about.get("wandb.group", "")

    @property
    def job_type(self) -> str:
        """What it does."""
        return self._about.get("wandb.job_type", "")

    @property
    def path(self) -> str:
        """Entity, project and id."""
        return "/".join(filter(None, (self.entity, self.project, self.id)))

    @property
    def url(self) -> str | None:
        """None: `chachaml ui` shows the run."""
        return None

    @property
    def settings(self) -> Any:
        """Settings of W&B's client: none."""
        return SimpleNamespace()

    @property
    def dir(self) -> str:
        """A folder whose files are kept when the run ends."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="chachaml-wandb-"))
        return str(self._folder)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"chachaml.compat.wandb's run has no {name!r}; run.live is chachaml's own: docs/guide/wandb.md"
        )

    # config -------------------------------------------------------------------------------------------

    def _log_params(self, params: Mapping[str, Any]) -> None:
        if self.live:
            self.live.log_params({key: plain(value) for key, value in params.items()})

    def _change_param(self, key: str, value: Any) -> None:
        if self.live:
            set_param(self.live.id, key, plain(value), force=True)

    # history ------------------------------------------------------------------------------------------

    def log(self, data: Mapping[str, Any], step: int | None = None, commit: bool | None = None) -> None:
        """Log numbers, media and texts of one step.

        Args:
            data: By key; nested dicts become ``outer.inner``.
            step: Default: the next one. What is logged of a step before the last is left, with a warning.
            commit: False stays at the step, so that the next call adds to it.
        """
        if not isinstance(data, Mapping):
            raise BadValue(f"wandb.log takes a dict, not {type(data).__name__}", "wandb.log({'loss': 0.5})")
        if step is not None and int(step) < self.step:
            self._tell("step", f"step {step} is before the current one, {self.step}: it is not logged")
            return
        self.step = self.step if step is None else int(step)
        flat = _flat(data)
        numbers = {key: number for key, value in flat.items() if (number := _number(key, value)) is not None}
        self.summary.logged(numbers)
        if self.live:
            self._log(self.live, flat, numbers)
        if commit or (commit is None and step is None):
            self.step += 1

    def _log(self, live: LiveRun, flat: Mapping[str, Any], numbers: Mapping[str, float]) -> None:
        by_step: dict[int, dict[str, float]] = {}
        for key, number in numbers.items():
            by_step.setdefault(self._step_of(key), {})[key] = number
        for step, some in by_step.items():
            live.log_metrics(some, step)
        for key, value in flat.items():
            if key not in numbers:
                self._keep(live, key, value)
        for watched in self._watched:
            watched.keep(live, self.step)

    def _step_of(self, key: str) -> int:
        """Return the step of a metric: the value of another one, if that was defined and is whole."""
        metric = next((one for one in self._metrics if fnmatch.fnmatchcase(key, one.name)), None)
        axis = self.summary.get(metric.step_metric) if metric and metric.step_metric else None
        whole = isinstance(axis, (int, float)) and math.isfinite(axis) and axis == int(axis)
        return (
            int(axis) if whole and axis is not None and key != (metric and metric.step_metric) else self.step
        )

    def _keep(self, live: LiveRun, key: str, value: Any) -> None:
        name = key.strip("/")
        if isinstance(value, str):
            live.add_tag(f"summary.{key}", value)
            self.summary.logged({key: value})
        elif callable(getattr(value, "keep", None)):
            value.keep(live, f"{value.kind}/{name}/{self.step}")
        elif isinstance(value, Sequence) and value and all(hasattr(one, "keep") for one in value):
            for number, one in enumerate(value):
                one.keep(live, f"{one.kind}/{name}/{self.step}-{number}")
        elif hasattr(value, "savefig") or hasattr(value, "to_plotly_json"):
            Plotly(value).keep(live, f"figures/{name}/{self.step}")
        elif hasattr(value, "figure") and hasattr(value.figure, "savefig"):
            Plotly(value.figure).keep(live, f"figures/{name}/{self.step}")
        elif value is not None:
            self._keep_value(live, key, value)

    def _keep_value(self, live: LiveRun, key: str, value: Any) -> None:
        """Keep arrays as histograms, as W&B does, and all else as values."""
        from chachaml.compat.wandb.media import Histogram

        try:
            if hasattr(value, "__array__"):
                Histogram(value).keep(live, f"histograms/{key.strip('/')}/{self.step}")
            else:
                name = f"values/{key.strip('/')}/{self.step}.json"
                live.log_artifact(name, value, format="json", overwrite=True)
        except BadValue as error:
            self._tell(key, f"{key} is not logged: {error.message}")

    def define_metric(
        self,
        name: Any,
        step_metric: Any = None,
        step_sync: bool | None = None,
        summary: str | None = None,
        **_: Any,
    ) -> _Metric:
        """Say by what metric the steps of others are counted; a pattern such as ``val/*`` names several.

        All summaries (first, last, min, max, mean) are kept of each metric, so `summary` need not be said.
        """
        axis = getattr(step_metric, "name", step_metric)
        metric = _Metric(str(name), axis, summary)
        self._metrics.insert(0, metric)
        return metric

    def watch(
        self,
        models: Any,
        criterion: Any = None,
        log: str | None = "gradients",
        log_freq: int = 1000,
        idx: int | None = None,
        log_graph: bool = False,
    ) -> None:
        """Keep histograms of a PyTorch module's gradients, parameters or both, every `log_freq` batches."""
        some = models if isinstance(models, (list, tuple)) else [models]
        for model in some:
            self._watched.append(Watched(model, log, log_freq))
            if log_graph and self.live:
                self.live.log_text("graph.txt", f"{model}\n", overwrite=True)

    def unwatch(self, models: Any = None) -> None:
        """Watch some modules, or all, no more."""
        some = models if isinstance(models, (list, tuple)) else [models]
        for watched in list(self._watched):
            if models is None or any(watched.model is one for one in some):
                watched.stop()
                self._watched.remove(watched)

    # files --------------------------------------------------------------------------------------------

    def save(
        self, glob_str: Any, base_path: Any = None, policy: str = "live", glob: bool = True
    ) -> list[str]:
        """Keep files that a pattern names; again when the run ends, if they have changed, but for "now"."""
        found = _matching(str(glob_str)) if glob else [str(glob_str)]
        base = Path(
            base_path or os.path.commonpath([Path.cwd(), Path(glob_str).absolute().parent])
        ).absolute()
        for each in found:
            path = Path(each).absolute()
            inner = path.relative_to(base) if path.is_relative_to(base) else Path(path.name)
            if self.live and path.is_file():
                self.live.log_file(path, inner.as_posix(), overwrite=True)
                if policy != "now":
                    self._saved[inner.as_posix()] = path
        return found

    def log_code(self, root: str = ".", name: str | None = None, include_fn: Any = None, **_: Any) -> None:
        """Keep the Python files below a folder, or those that `include_fn` is true of, as ``code/...``."""
        for path in sorted(Path(root).rglob("*")):
            wanted = include_fn(str(path)) if include_fn else path.suffix == ".py"
            if self.live and wanted and path.is_file() and not path.is_symlink():
                self.live.log_file(path, f"code/{path.relative_to(root).as_posix()}", overwrite=True)

    def log_artifact(
        self,
        artifact_or_path: Any,
        name: str | None = None,
        type: str | None = None,
        aliases: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
    ) -> Artifact:
        """Keep an artifact, or a file or folder as one; "latest" is always among its aliases."""
        artifact = of_path(artifact_or_path, name, type, f"run-{self.id}")
        if self.live:
            keep_artifact(self.live, artifact, [*(aliases or ()), *(tags or ())])
        return artifact

    def use_artifact(self, artifact_or_name: Any, type: str | None = None, **_: Any) -> Artifact:
        """Return an artifact that a run logged: ``name``, ``name:latest``, ``name:v3`` or ``name:alias``.

        Raises:
            NotFound: No run logged one.
        """
        if isinstance(artifact_or_name, Artifact):
            return self.log_artifact(artifact_or_name)
        found = stored(str(artifact_or_name))
        if found is None:
            raise NotFound(
                f"no run logged an artifact {artifact_or_name!r}", "wandb.log_artifact(...) logs one"
            )
        if self.live:
            self.live.log_dataset(name=found.name, role=type or found.type or "input", hash=found.digest)
        return found

    def log_model(self, path: Any, name: str | None = None, aliases: Sequence[str] | None = None) -> None:
        """Keep a model's file or folder as an artifact."""
        self.log_artifact(path, name or f"run-{self.id}-model", "model", aliases)

    def use_model(self, name: str) -> str:
        """Return where an artifact's file lies, or its folder if it has several."""
        folder = Path(self.use_artifact(name, "model").download())
        files = [path for path in folder.rglob("*") if path.is_file()]
        return str(files[0] if len(files) == 1 else folder)

    def link_model(
        self,
        path: Any,
        registered_model_name: str,
        name: str | None = None,
        aliases: Sequence[str] | None = None,
    ) -> Artifact:
        """Keep a model's file as an artifact with the registered name; `chachaml.log_model` registers one."""
        return self.log_artifact(path, registered_model_name, "model", aliases)

    # life ---------------------------------------------------------------------------------------------

    def alert(self, title: str, text: str, level: Any = None, wait_duration: Any = None) -> None:
        """Tell something now; the same title again only after `wait_duration`, of seconds or a timedelta."""
        pause = wait_duration.total_seconds() if isinstance(wait_duration, timedelta) else wait_duration or 0
        now = time.monotonic()
        if self.live is None or now - self._told.get(title, -math.inf) < pause:
            return
        self._told[title] = now
        names = {"WARN": "warning", "ERROR": "error"}
        alerts.alert(title, text, names.get(str(getattr(level, "value", level)).upper(), "info"))

    def mark_preempting(self) -> None:
        """Do nothing: a run that is killed is told apart by itself."""

    def finish(self, exit_code: int | None = None, quiet: bool | None = None) -> None:
        """End the run: as failed if `exit_code` is given and not 0."""
        self._finish("failed" if exit_code else "completed")

    def _finish(self, status: str, error: BaseException | None = None) -> None:
        self._close()
        if self.live and not self._trial:  # a trial's run is its sweep's to end
            self.live.end(status, error)

    def _close(self) -> None:
        """Keep what waits for the end: the summary, and files that may have changed."""
        if self in _active:
            _active.remove(self)
        if self._ended:
            return
        self._ended = True
        self.unwatch()
        if self.live:
            self._keep_last(self.live)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _keep_last(self, live: LiveRun) -> None:
        for name, path in self._saved.items():
            if path.is_file():
                live.log_file(path, name, overwrite=True)
        for path in sorted(self._folder.rglob("*")) if self._folder else ():
            if path.is_file() and self._folder:
                live.log_file(path, path.relative_to(self._folder).as_posix(), overwrite=True)
        for key, value in _flat(self.summary.own).items():
            if (number := _number(key, value)) is not None:
                live.log_metric(key, number, self.step)
            else:
                self._keep(live, key, value)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish("completed" if error is None else "failed", error)

    def _tell(self, what: str, text: str) -> None:
        """Warn, once for each thing."""
        if f"warned {what}" not in self._told:
            self._told[f"warned {what}"] = 0.0
            print(f"wandb: WARNING {text}", file=sys.stderr)


def _next_step(live: LiveRun | None) -> int:
    """Return the step after the highest that a run has."""
    found = [run for run in runs(experiment=live.experiment) if run.id == live.id] if live else []
    return max((one.last_step + 1 for run in found for one in run.summaries.values()), default=0)


def _flat(data: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in as_dict(data).items():
        found |= _flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return found


def _number(key: str, value: Any) -> float | None:
    try:
        return as_number(key, value)
    except BadValue:
        return None


def _matching(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - the pattern may be absolute
