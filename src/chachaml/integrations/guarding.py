"""What keeps our own trouble out of trainings: one warning for each library, and then quiet."""

from __future__ import annotations

import functools
import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from chachaml.core.errors import ChachamlError, ChachamlWarning, MissingExtra

__all__ = ["base_of", "guard", "guarded", "tell", "told"]

Call = TypeVar("Call", bound=Callable[..., Any])

told: set[str] = set()
"""The libraries of which it was told that something of theirs could not be logged."""


def tell(library: str, error: Exception) -> None:
    """Warn that something of a training with `library` could not be logged; once, and never raise."""
    if library in told:
        return
    told.add(library)
    why = error.message if isinstance(error, ChachamlError) else repr(error)
    message = f"chachaml: not all that {library} does could be logged, and training goes on: {why}"
    try:
        warnings.warn(message, ChachamlWarning, stacklevel=2)
    except Warning:
        print(message, file=sys.stderr)  # warnings are errors here, and this must be none


@contextmanager
def guard(library: str) -> Iterator[None]:
    """Within it, an exception is told of and goes no further."""
    try:
        yield
    except Exception as error:
        tell(library, error)


def guarded(library: str, *, instead: Any = None) -> Callable[[Call], Call]:
    """Return what makes a function raise nothing: where it would, it is told of.

    Args:
        library: For whose sake the function is called.
        instead: What the function returns then.
    """

    def decorate(call: Any) -> Any:
        @functools.wraps(call)
        def called(*args: Any, **kwargs: Any) -> Any:
            try:
                return call(*args, **kwargs)
            except Exception as error:
                tell(library, error)
                return instead

        return called

    return decorate


def base_of(module: str, name: str, package: str = "") -> Any:
    """Return a class of a library to build on.

    Where the library is missing, what is built on it can be named, and says so once it is made.

    Args:
        module: Where the class is.
        name: Its name.
        package: What to install. Default: the module's first name.
    """
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        library, why = package or module.partition(".")[0], str(error)

    class Missing:
        def __new__(cls, *_args: Any, **_more: Any) -> Any:
            hint = f"pip install {library}"
            raise MissingExtra(f"{cls.__name__} needs {library}, which cannot be imported: {why}", hint)

    return Missing
