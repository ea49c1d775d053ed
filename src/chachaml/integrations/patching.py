"""Replacing functions of libraries by ones that also log, and putting back what was there."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["Patches", "arguments", "outermost", "within"]

Around = Callable[..., Any]
"""Called in a function's place with the function itself and its arguments; calls it, once."""

_outermost: ContextVar[str] = ContextVar("chachaml_outermost_training", default="")

outermost = _outermost.get
"""Return the library of the training that is being logged here, '' outside of any."""


@contextmanager
def within(library: str) -> Iterator[None]:
    """Within it, trainings are part of one of `library`'s."""
    token = _outermost.set(library)
    try:
        yield
    finally:
        _outermost.reset(token)


def arguments(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by name; empty if they do not fit, which the call itself says."""
    try:
        return dict(inspect.signature(call).bind_partial(*args, **kwargs).arguments)
    except TypeError:
        return {}


class Patches:
    """What was replaced for one library."""

    def __init__(self) -> None:
        self.active = True
        self._lock = threading.Lock()
        self._undo: list[Callable[[], None]] = []

    def wrap(self, owner: Any, name: str, around: Around) -> None:
        """Have `around` called in place of a function of a class or module, until `undo`.

        A name that is not there, or no function, is passed over.
        """
        inherited = name not in vars(owner)
        original = getattr(owner, name, None) if inherited else vars(owner)[name]
        if not callable(original) or getattr(original, "_chachaml_patches", None) is self:
            return

        @functools.wraps(original)
        def replacement(*args: Any, **kwargs: Any) -> Any:
            if not self.active:
                return original(*args, **kwargs)
            return around(original, *args, **kwargs)

        replacement._chachaml_patches = self  # type: ignore[attr-defined]

        def undo() -> None:
            if vars(owner).get(name) is not replacement:
                return  # somebody wrapped it again, and it now passes everything on
            if inherited:
                delattr(owner, name)
            else:
                setattr(owner, name, original)

        self._replace(owner, name, replacement, undo)

    def wrap_subclasses(self, base: type, names: tuple[str, ...], around: Around) -> None:
        """Have `around` called in place of these methods in all classes made from `base`, now and later."""

        def patch(cls: type) -> None:
            for name in names:
                if name in vars(cls):
                    self.wrap(cls, name, around)

        own = vars(base).get("__init_subclass__")

        def made(cls: Any, /, **kwargs: Any) -> None:
            above = own.__get__(None, cls) if own else super(base, cls).__init_subclass__  # type: ignore[arg-type]
            above(**kwargs)
            if self.active:
                patch(cls)

        def undo() -> None:
            if own:
                base.__init_subclass__ = own  # type: ignore[method-assign]
            else:
                delattr(base, "__init_subclass__")

        self._replace(base, "__init_subclass__", classmethod(made), undo)
        for cls in (base, *_below(base)):
            patch(cls)

    def _replace(self, owner: Any, name: str, value: Any, undo: Callable[[], None]) -> None:
        with self._lock:
            setattr(owner, name, value)
            self._undo.append(undo)

    def on_undo(self, call: Callable[[], None]) -> None:
        """Have `call` called by `undo`, for what was not replaced but added."""
        self._undo.append(call)

    def undo(self) -> None:
        """Put back what was there, the last first."""
        self.active = False
        with self._lock:
            while self._undo:
                self._undo.pop()()


def _below(base: type) -> Iterator[type]:
    found: list[type] = type.__subclasses__(base)
    for cls in found:
        yield cls
        yield from _below(cls)
