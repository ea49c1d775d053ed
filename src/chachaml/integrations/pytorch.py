"""PyTorch: what a model is made of, what becomes of its weights and gradients, where its time goes.

run.log_params(...)
pytorch.log_model_text(model, example=batch)
with pytorch.watch(model, every=50):
    train(model)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Literal, Self

from chachaml.core.errors import BadValue
from chachaml.integrations.guarding import guard, guarded
from chachaml.lifecycle import require
from chachaml.live import LiveRun

__all__ = ["Watch", "log_model_text", "profiled", "watch"]

What = Literal["gradients", "weights", "all"]


class Watch:
    """What `watch` gives: ends with its ``with`` block, or by `close`."""

    def __init__(self, model: Any, run: LiveRun, what: What, every: int, bins: int) -> None:
        self._run, self._every, self._bins = run, every, bins
        self._passes = -1
        self._hooks = [model.register_forward_pre_hook(self._passes_on)]
        for name, weight in model.named_parameters():
            if not weight.requires_grad:
                continue
            if what != "weights":
                self._hooks.append(weight.register_hook(self._of(f"gradients/{name}")))
            if what != "gradients":
                keep = self._of(f"weights/{name}")
                self._hooks.append(weight.register_hook(lambda _, keep=keep, weight=weight: keep(weight)))

    def _passes_on(self, model: Any, _: Any) -> None:
        if model.training:
            self._passes += 1

    def _of(self, name: str) -> Any:
        """Return what keeps a tensor of this name when its turn comes."""

        @guarded("pytorch")
        def keep(values: Any) -> None:
            if self._passes % self._every == 0:
                self._log(name, values.detach())

        return keep

    def _log(self, name: str, values: Any) -> None:
        values = values.float().flatten()
        self._run.log_metric(f"{name}/norm", values.norm().item(), self._passes)
        finite = values[values.isfinite()].cpu()
        if len(finite):
            title = f"{name}/{self._passes:08}"
            self._run.log_histogram(title, finite.numpy(), bins=self._bins, overwrite=True)

    def close(self) -> None:
        """Watch no longer."""
        while self._hooks:
            self._hooks.pop().remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def watch(
    model: Any, *, what: What = "gradients", every: int = 100, bins: int = 64, run: LiveRun | None = None
) -> Watch:
    """Log the gradients and weights of a model while it is trained.

    For each parameter the norm as the metric ``gradients/<name>/norm``, and a histogram as the artifact
    ``gradients/<name>/<pass>``, with the number of the forward pass as the step; weights likewise.

    Args:
        model: The module. It is watched in the backward passes of what it does in training mode.
        what: "gradients", "weights" or "all".
        every: How many forward passes to leave between two looks.
        bins: Of the histograms.
        run: The run. Default: the current one.

    Returns:
        A context manager; its ``close`` ends the watching too.

    Raises:
        NoActiveRun: No run was given, and none is open.
        BadValue: Another `what`, or `every` below 1.
    """
    if what not in ("gradients", "weights", "all"):
        raise BadValue(f"what must be 'gradients', 'weights' or 'all', not {what!r}")
    if every < 1:
        raise BadValue(f"every is a number of passes from 1 up, not {every!r}")
    return Watch(model, run or require("watch"), what, every, bins)


def log_model_text(model: Any, *, graph: bool = True, run: LiveRun | None = None) -> None:
    """Log what a model is made of.

    Its modules as the text ``model.txt``, its parameters with shapes and sizes as the table
    ``parameters``, how many there are as the params ``model.parameters`` and ``model.trainable``, and
    what it computes, as far as it can be traced, as the text ``graph.txt``.

    Args:
        model: The module.
        graph: Trace it, by torch.fx. A model whose way depends on its data has no graph.
        run: The run. Default: the current one.

    Raises:
        NoActiveRun: No run was given, and none is open.
    """
    run = run or require("log_model_text")
    run.log_text("model.txt", f"{model}\n", overwrite=True)
    weights = list(model.named_parameters())
    rows = [
        [name, "x".join(map(str, weight.shape)), weight.numel(), weight.requires_grad]
        for name, weight in weights
    ]
    if rows:
        headers = ("name", "shape", "size", "trainable")
        run.log_table("parameters", rows, headers=headers, overwrite=True)
    trainable = sum(weight.numel() for _, weight in weights if weight.requires_grad)
    total = sum(weight.numel() for _, weight in weights)
    with guard("pytorch"):
        run.log_params({"model.parameters": total, "model.trainable": trainable})
    if graph and (text := _graph(model)):
        run.log_text("graph.txt", text, overwrite=True)


def _graph(model: Any) -> str:
    import torch.fx

    try:
        return f"{torch.fx.symbolic_trace(model).graph}\n"
    except Exception:  # its way depends on its data
        return ""


@contextmanager
def profiled(
    *, trace: bool = False, rows: int = 50, run: LiveRun | None = None, **more: Any
) -> Iterator[Any]:
    """Profile what is done within it, and log where the time went.

    As the text ``profile.txt`` and the table ``profile``, operators with times in microseconds.

    Args:
        trace: Keep the whole trace, ``trace.json``, for chrome://tracing or Perfetto.
        rows: How many operators.
        run: The run. Default: the current one.
        more: For ``torch.profiler.profile``.

    Yields:
        The profiler.

    Raises:
        NoActiveRun: No run was given, and none is open.
    """
    import torch.profiler

    run = run or require("profiled")
    with torch.profiler.profile(**more) as profiler:
        yield profiler
    with guard("pytorch"):
        _log_profile(run, profiler, rows)
        if trace:
            with TemporaryDirectory() as folder:
                path = Path(folder, "trace.json")
                profiler.export_chrome_trace(str(path))
                run.log_file(path, overwrite=True)


def _log_profile(run: LiveRun, profiler: Any, rows: int) -> None:
    found = profiler.key_averages()
    run.log_text("profile.txt", found.table(sort_by="self_cpu_time_total", row_limit=rows), overwrite=True)
    slowest = sorted(found, key=lambda each: -each.self_cpu_time_total)[:rows]
    cells = [[each.key, each.count, each.self_cpu_time_total, each.cpu_time_total] for each in slowest]
    headers = ("operator", "calls", "self_cpu_us", "cpu_us")
    run.log_table("profile", cells, headers=headers, overwrite=True)
