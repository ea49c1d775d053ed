"""`config` and `summary`: what a run was given, and what came of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chachaml.core.errors import BadValue, ParamConflict
from chachaml.core.values import flatten

__all__ = ["Config", "Summary"]


class _Values:
    """Values by key, as items and as attributes."""

    def __init__(self) -> None:
        object.__setattr__(self, "_items", {})

    _items: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __setattr__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __getattr__(self, key: str) -> Any:
        if key.startswith("_") or key not in self._items:
            raise AttributeError(f"there is no {key!r} in it; it has {sorted(self._items)}")
        return self._items[key]

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(self._items)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or the default."""
        return self._items.get(key, default)

    def keys(self) -> Any:
        """Return the keys."""
        return self._items.keys()

    def items(self) -> Any:
        """Return keys and values."""
        return self._items.items()

    def update(self, given: Any) -> None:
        """Set several values."""
        self._items.update(given)


class Config(_Values):
    """Params of a run.

    Args:
        log: Logs new ones.
        change: Replaces one that is there.
        fixed: What a sweep decided: nothing changes that.
    """

    def __init__(
        self,
        log: Callable[[Mapping[str, Any]], None],
        change: Callable[[str, Any], None],
        fixed: Mapping[str, Any],
    ) -> None:
        super().__init__()
        for name, value in (("_log", log), ("_change", change), ("_fixed", dict(fixed))):
            object.__setattr__(self, name, value)
        self._items.update(fixed)

    _log: Callable[[Mapping[str, Any]], None]
    _change: Callable[[str, Any], None]
    _fixed: dict[str, Any]

    def update(self, given: Any, allow_val_change: bool | None = None) -> None:
        """Set several values; one that is there stays, unless `allow_val_change`.

        Raises:
            ParamConflict: There is another value.
        """
        for key, value in as_dict(given).items():
            if key in self._fixed:
                continue
            if key in self._items and self._items[key] != value:
                if not allow_val_change:
                    raise ParamConflict(
                        f"config {key!r} is {self._items[key]!r} already and cannot become {value!r}",
                        "config.update({...}, allow_val_change=True)",
                    )
                self._change(key, value)
            elif key not in self._items:
                self._log({key: value})
            self._items[key] = value

    def setdefaults(self, given: Any) -> None:
        """Set what is not there yet."""
        self.update({key: value for key, value in as_dict(given).items() if key not in self._items})

    def as_dict(self) -> dict[str, Any]:
        """Return all as a dict."""
        return dict(self._items)


class Summary(_Values):
    """The last values of metrics, and what the script sets itself."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "own", {})

    own: dict[str, Any]
    """What was set by hand."""

    def update(self, given: Any) -> None:
        """Set several values."""
        self._items.update(given)
        self.own.update(given)

    def logged(self, given: Mapping[str, Any]) -> None:
        """Hear of values that were logged; what was set by hand stays."""
        self._items.update({key: value for key, value in given.items() if key not in self.own})


def as_dict(given: Any) -> dict[str, Any]:
    """Return a config as a dict: from one, a namespace of argparse, or a dataclass.

    Raises:
        BadValue: It is none of them.
    """
    if given is None:
        return {}
    if isinstance(given, (Mapping, _Values)):
        return {str(key): value for key, value in given.items()}
    if isinstance(given, argparse.Namespace) or hasattr(given, "__dataclass_fields__"):
        return dict(vars(given))
    raise BadValue(f"a config is a dict or a namespace, not {type(given).__name__}", "config={'lr': 0.1}")


def plain(value: Any) -> Any:
    """Return a value of the config as a param can have it, as its text if nothing else will do."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    try:
        flatten({"value": value})
    except BadValue:
        return str(value)
    return value
