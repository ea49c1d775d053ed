"""What is set from outside, by environment variable; arguments come first everywhere."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from zlib import crc32

__all__ = [
    "artifacts_root",
    "current_user",
    "disabled",
    "journal_mode",
    "journals_beside",
    "spare_journals",
    "state_folder",
    "store_path",
    "strict",
]

DEFAULT_STORE = "chachaml.db"


def store_path(given: str | os.PathLike[str] | None = None) -> Path:
    """Return the absolute path of the store: `given`, else ``CHACHAML_STORE``, else ``./chachaml.db``."""
    return Path(given or os.environ.get("CHACHAML_STORE") or DEFAULT_STORE).expanduser().absolute()


def disabled() -> bool:
    """Tell whether ``CHACHAML_MODE=disabled``: nothing is kept, every call is a no-op."""
    return os.environ.get("CHACHAML_MODE", "").lower() == "disabled"


def strict() -> bool:
    """Tell whether ``CHACHAML_STRICT`` asks that trouble with storing raises when a run ends."""
    return os.environ.get("CHACHAML_STRICT", "").lower() not in ("", "0", "false", "no")


def journal_mode() -> str:
    """Return ``CHACHAML_JOURNAL``: how segments are written, "auto" (default), "mmap" or "write"."""
    mode = os.environ.get("CHACHAML_JOURNAL", "auto").lower()
    return mode if mode in ("mmap", "write") else "auto"


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
    """Return the folder of a store's artifacts: ``CHACHAML_ARTIFACTS``, else one beside the store.

    Beside ``chachaml.db`` it is ``chachaml-artifacts``.
    """
    if given := os.environ.get("CHACHAML_ARTIFACTS"):
        return Path(given).expanduser().absolute()
    return store.with_name(store.name.removesuffix(".db") + "-artifacts")


def current_user() -> str:
    """Return who runs are attributed to: ``CHACHA_USER``, else the user of the operating system."""
    return os.environ.get("CHACHA_USER") or _system_user()


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
