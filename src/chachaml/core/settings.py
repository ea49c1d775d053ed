"""What is set from outside, as the rest of chachaml asks for it; arguments come first everywhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from zlib import crc32

from chachaml.core import configuration
from chachaml.core.addresses import Address, address_of, is_postgres

__all__ = [
    "acting_as",
    "artifacts_bucket",
    "artifacts_root",
    "bucket_of",
    "current_user",
    "database",
    "disabled",
    "is_elsewhere",
    "journal_mode",
    "journals_beside",
    "server_folder",
    "server_token",
    "server_url",
    "session_file",
    "spare_journals",
    "spool_folder",
    "state_folder",
    "store_path",
    "strict",
]

DEFAULT_STORE = "chachaml.db"

_SPOOL = "spool://"
_WEB = ("http://", "https://")
_BUCKETS = ("s3://", "gs://", "az://")


def store_path(given: str | os.PathLike[str] | None = None) -> Path:
    """Return the absolute path of the store: `given`, else as it is set, else ``./chachaml.db``."""
    text = str(given) if given else configuration.found("store").value
    if text.startswith(_WEB):
        return Path(_mark(text))
    if text.startswith(_SPOOL):
        return Path(f"spool:{Path(text.removeprefix(_SPOOL)).expanduser().absolute()}")
    if is_postgres(text):
        return Path(_mark(address_of(text).public))
    if spool_folder(Path(text)) or is_elsewhere(Path(text)):
        return Path(text)
    if given:
        return Path(given).expanduser().absolute()
    return configuration.path("store") or Path(DEFAULT_STORE).absolute()


def spool_folder(path: Path) -> Path | None:
    """Return the folder of the spool that a store's path stands for, None for a file's."""
    text = path.as_posix()
    return Path(text.removeprefix("spool:")) if text.startswith("spool:") else None


def server_url(path: Path) -> str:
    """Return the address of the server that a store's path stands for, '' for a file's."""
    scheme, colon, rest = path.as_posix().partition(":/")
    return f"{scheme}://{rest}" if colon and scheme in ("http", "https") else ""


def database(path: Path) -> Address | None:
    """Return the database that a store's path stands for, None for a file's."""
    scheme, colon, rest = path.as_posix().partition(":/")
    return address_of(f"{scheme}://{rest}") if colon and scheme == "postgresql" else None


def _mark(address: str) -> str:
    """Return what stands for an address among paths."""
    return address.replace("://", ":/", 1).rstrip("/")


def is_elsewhere(path: Path) -> bool:
    """Tell whether a store's path stands for a server or a database."""
    return bool(server_url(path)) or database(path) is not None


def server_token(url: str) -> str:
    """Return the token to show a server: as it is set, else what a server of this user's left for others."""
    if given := configuration.text("token"):
        return given
    state = state_folder()
    host, colon, port = url.partition("://")[2].partition("/")[0].rpartition(":")
    if state is None or not colon or host not in ("127.0.0.1", "localhost", "[::1]"):
        return ""
    try:
        return session_file(state, port).read_text().strip()
    except OSError:
        return ""


def session_file(state: Path, port: int | str) -> Path:
    """Return where a server of this user's on this machine leaves its token for others of this user's."""
    return state / "servers" / str(port)


def server_folder(path: Path) -> Path:
    """Return the folder where what goes to a server waits: journals, and bytes of artifacts."""
    return spare_journals(path)[0].parent.with_name("remote") / spare_journals(path)[0].name


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
    temporary = Path(os.environ.get("TMPDIR") or os.environ.get("TEMP") or "/tmp")  # noqa: S108
    temporary = temporary / f"chachaml-{uid}" / "journals" / name
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
    if (given := configuration.path("artifacts")) and not artifacts_bucket():
        return given
    if database(store):
        return Path("chachaml-artifacts").absolute()
    return store.with_name(store.name.removesuffix(".db") + "-artifacts")


def artifacts_bucket() -> str:
    """Return the address of the bucket that artifacts are kept in, '' for a folder."""
    return bucket_of(configuration.found("artifacts").value)


def bucket_of(text: str) -> str:
    """Return the address of a bucket as it is, '' for a path."""
    return text if text.startswith(_BUCKETS) else ""


_acting: ContextVar[str] = ContextVar("chachaml_acting", default="")


@contextmanager
def acting_as(user: str) -> Iterator[None]:
    """Within it, what is done is done in this user's name; '' leaves it as it is set."""
    token = _acting.set(user)
    try:
        yield
    finally:
        _acting.reset(token)


def current_user() -> str:
    """Return who runs are attributed to: ``CHACHA_USER``, else the user of the operating system."""
    return _acting.get() or configuration.text("user") or _system_user()


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
