"""`autolog`: what is trained with the libraries that are imported, now or later, is logged by itself."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NamedTuple

from chachaml.core.errors import BadValue
from chachaml.integrations.guarding import guard
from chachaml.integrations.patching import Patches

__all__ = ["LIBRARIES", "Options", "autolog"]

LIBRARIES = {
    "sklearn": ("sklearn.base", "sklearn_autolog"),
    "xgboost": ("xgboost", "xgboost"),
    "lightgbm": ("lightgbm", "lightgbm"),
    "catboost": ("catboost", "catboost"),
    "optuna": ("optuna.study", "optuna"),
    "keras": ("keras", "keras"),
    "lightning": ("lightning.pytorch.trainer.trainer", "lightning"),
    "pytorch_lightning": ("pytorch_lightning.trainer.trainer", "lightning"),
    "transformers": ("transformers.trainer", "transformers"),
    "fastai": ("fastai.learner", "fastai"),
    "ultralytics": ("ultralytics.utils.callbacks", "ultralytics"),
    "statsmodels": ("statsmodels.base.model", "statsmodels"),
}
"""By library the module on whose import it is patched, and which one here patches it."""


class Options(NamedTuple):
    """What is logged besides params, metrics and importances."""

    models: bool = False
    datasets: bool = True


def autolog(
    *libraries: str,
    disable: str | Iterable[str] | bool = (),
    log_models: bool = False,
    log_datasets: bool = True,
) -> tuple[str, ...]:
    """Log trainings by themselves, with each library that is imported, now or later.

    Nothing is imported for it. A training goes to the current run; without one it gets a run of its
    own, which ends with it. Trouble with logging never disturbs a training: it is a warning, once for
    each library. Calling it again changes what it does.

    Args:
        libraries: Which ones, by the names that they are imported by. Default: all that are known.
        disable: The ones to leave alone; True: all. By itself, once something is logged, it takes these
            back and changes nothing else.
        log_models: Keep the fitted models too.
        log_datasets: Keep what identifies the data that models are fitted to, which means reading it.

    Returns:
        The libraries whose trainings are logged from now on, those not yet imported among them.

    Raises:
        BadValue: A library that is not known.
    """
    wanted = _known(libraries) or list(LIBRARIES)
    unwanted = list(LIBRARIES) if disable is True else _known(_names(disable or ()))
    only_takes_back = not libraries and bool(unwanted) and bool(_hooks.enabled() or disable is True)
    _hooks.disable(unwanted)
    if not only_takes_back:
        _hooks.enable([name for name in wanted if name not in unwanted], Options(log_models, log_datasets))
    return _hooks.enabled()


def _names(given: str | Iterable[str] | bool) -> Iterable[str]:
    return (given,) if isinstance(given, str) else () if isinstance(given, bool) else given


def _known(names: Iterable[str]) -> list[str]:
    found = list(names)
    for name in found:
        if name not in LIBRARIES:
            raise BadValue(f"autolog knows no library {name!r}", "one of: " + ", ".join(LIBRARIES))
    return found


class _Hooks:
    """The libraries that are patched, and a finder that waits for those not yet imported."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._patched: dict[str, Patches] = {}
        self._waiting: dict[str, Options] = {}

    def enabled(self) -> tuple[str, ...]:
        return tuple(name for name in LIBRARIES if name in self._patched or name in self._waiting)

    def enable(self, names: Sequence[str], options: Options) -> None:
        with self._lock:
            self.disable(names)
            for name in names:
                self._waiting[name] = options
                if LIBRARIES[name][0] in sys.modules:
                    self._patch(name)
            if self._waiting and self not in sys.meta_path:
                sys.meta_path.insert(0, self)

    def disable(self, names: Iterable[str]) -> None:
        with self._lock:
            for name in names:
                self._waiting.pop(name, None)
                if patches := self._patched.pop(name, None):
                    with guard(name):
                        patches.undo()
            if not self._waiting and self in sys.meta_path:
                sys.meta_path.remove(self)

    def _patch(self, name: str) -> None:
        with self._lock:
            options = self._waiting.pop(name, None)
            if options is None:
                return
            patches = self._patched[name] = Patches()
        with guard(name):
            patch = import_module(f"chachaml.integrations.{LIBRARIES[name][1]}").patch
            patch(patches, options)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Find a module that is waited for as others would, and have it patched once it is loaded."""
        awaited = [name for name in tuple(self._waiting) if LIBRARIES[name][0] == fullname]
        if not awaited:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: ModuleSpec | None = find(fullname, path, target)
            if spec is not None:
                self._follow(spec, awaited)
                return spec
        return None

    def _follow(self, spec: ModuleSpec, names: list[str]) -> None:
        loader: Any = spec.loader
        load = getattr(loader, "exec_module", None)
        if load is None:
            return

        def exec_module(module: ModuleType) -> None:
            load(module)
            for name in names:
                self._patch(name)

        with guard(names[0]):
            loader.exec_module = exec_module


_hooks = _Hooks()
