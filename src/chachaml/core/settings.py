"""What is set from outside, as the rest of chachaml asks for it; arguments come first everywhere."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from zlib import crc32

from chachaml.core import configuration

__all__ = [
    "artifacts_root",
    "current_user",
    "disabled",
    "journal_mode",
    "journals_beside",
    "spare_journals",
    "spool_folder",
    "state_folder",
    "store_path",
    "strict",
]

DEFAULT_STORE = "chachaml.db"

_SPOOL = "spool://"


def store_path(given: str | os.PathLike[str] | None = None) -> Path:
    """Return the absolute path of the store: `given`, else as it is set, else ``./chachaml.db``."""
    text = str(given) if given else configuration.found("store").value
    if text.startswith(_SPOOL):
        return Path(f"spool:{Path(text.removeprefix(_SPOOL)).expanduser().absolute()}")
    if spool_folder(Path(text)):
        return Path(text)
    if given:
        return Path(given).expanduser().absolute()
    return configuration.path("store") or Path(DEFAULT_STORE).absolute()


def spool_folder(path: Path) -> Path | None:
    """Return the folder of the spool that a store's path stands for, None for a file's."""
    text = str(path)
    return Path(text.removeprefix("spool:")) if text.startswith("spool:") else None


def disabled() -> bool:
    """Tell whether nothing is to be kept, every call being a no-op."""
    return configuration.text("mode") == "disabled"


def strict() -> bool:
    """Tell whether trouble with storing is to raise when a run ends."""
    return configuration.flag("strict")


def journal_mode() -> str:
    """Return how segments are written: "auto", "mmap" or "write"."""
    return configuration.text("journal")


def journals_beside(store: Path) -> Path:
    """Return the folder of a store's journals: ``chachaml-journal`` beside ``chachaml.db``."""
    return store.with_name(store.name.removesuffix(".db") + "-journal")


def spare_journals(store: Path) -> list[Path]:
    """Return where journals go when the store's own folder cannot be written, best first.

    The user's state folder survives a restart; the temporary folder may not.
    """
    path = str(store).encode(errors="surrogateescape")
    name = f"{crc32(path):08x}{crc32(path[::-1]):08x}"
    uid = os.getuid() if hasattr(os, "getuid") else "user"
    # Not tempfile.gettempdir(): it loads much and writes a trial file, on every read.
    temporary = Path(os.environ.get("TMPDIR") or "/tmp") / f"chachaml-{uid}" / "journals" / name  # noqa: S108
    state = state_folder()
    return [state / "journals" / name, temporary] if state else [temporary]


def state_folder() -> Path | None:
    """Return this user's folder for what chachaml keeps between runs, None for one without a home."""
    try:
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "chachaml"
    except RuntimeError:
        return None


def artifacts_root(store: Path) -> Path:
    """Return the folder of a store's artifacts: as it is set, else ``chachaml-artifacts`` beside it."""
    if given := configuration.path("artifacts"):
        return given
    return store.with_name(store.name.removesuffix(".db") + "-artifacts")


def current_user() -> str:
    """Return who runs are attributed to: ``CHACHA_USER``, else the user of the operating system."""
    return configuration.text("user") or _system_user()


@cache
def _system_user() -> str:
    if sys.platform == "win32":
        return os.environ.get("USERNAME") or "user"
    else:  # noqa: RET505 - the type checker tells platforms apart by this
        import pwd

        try:
            return pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            return os.environ.get("USER") or str(os.getuid())
