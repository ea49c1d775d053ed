"""`watch`: histograms of a PyTorch module's gradients and parameters, without importing PyTorch."""

from __future__ import annotations

from typing import Any

from chachaml.compat.wandb.media import Histogram
from chachaml.core.errors import BadValue
from chachaml.live import LiveRun

__all__ = ["Watched"]


class Watched:
    """A module that is watched, until `stop`.

    Args:
        model: The module.
        what: "gradients", "parameters" or "all".
        every: Every how many batches, counted by their backward passes.
    """

    def __init__(self, model: Any, what: str | None, every: int) -> None:
        if what not in ("gradients", "parameters", "all", None):
            raise BadValue(f"watch logs 'gradients', 'parameters' or 'all', not {what!r}")
        self.model, self._what, self._every = model, what, max(int(every), 1)
        self._gradients: dict[str, Any] = {}
        self._seen: dict[str, int] = {}
        self._due = False
        self._hooks = [
            parameter.register_hook(lambda gradient, name=name: self._hear(name, gradient))
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        ]

    def _hear(self, name: str, gradient: Any) -> None:
        """Take a gradient as it is computed: it is gone when the optimiser has set it to zero."""
        self._seen[name] = self._seen.get(name, 0) + 1
        if self._seen[name] % self._every == 0:
            self._due = True
            if self._what in ("gradients", "all"):
                self._gradients[name] = gradient.detach().cpu().numpy().copy()

    def keep(self, run: LiveRun, step: int) -> None:
        """Keep what there is since the last time."""
        if not self._due:
            return
        self._due, gradients, self._gradients = False, self._gradients, {}
        found = [("gradients", name, values) for name, values in gradients.items()]
        if self._what in ("parameters", "all"):
            named = self.model.named_parameters()
            found += [("parameters", name, one.detach().cpu().numpy()) for name, one in named]
        for kind, name, values in found:
            try:
                Histogram(values).keep(run, f"histograms/{kind}/{name}/{step}")
            except BadValue:  # nothing finite in it, which the loss says too
                continue

    def stop(self) -> None:
        """Watch no more."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
