"""Who vouches for bytes that run code when loaded: a MAC over what they are and where they belong.

The key is the project's, from ``CHACHAML_SIGNING_KEY``, which makes its holders trust each other, or else
this user's own, made on demand in the user's state folder.
"""

from __future__ import annotations

import contextlib
import hmac
import os
from pathlib import Path

from chachaml.core import configuration, settings

__all__ = ["is_ours", "sign"]

_SCHEME = "hmac-sha256"


def sign(digest: str, run: str, name: str) -> str:
    """Return this user's signature of an artifact; '' where no key can be kept."""
    key = _project_key() or _own_key(make=True)
    return f"{_SCHEME}:{_mac(key, digest, run, name)}" if key else ""


def is_ours(signature: str, digest: str, run: str, name: str) -> bool:
    """Tell whether the project or this user signed exactly these bytes, for that run and name."""
    scheme, _, given = signature.partition(":")
    if scheme != _SCHEME:
        return False
    keys = [key for key in (_project_key(), _own_key(make=False)) if key]
    return any(hmac.compare_digest(given, _mac(key, digest, run, name)) for key in keys)


def _mac(key: bytes, digest: str, run: str, name: str) -> str:
    # Neither a digest nor an id holds a newline, so no two sets of parts make the same text.
    return hmac.new(key, f"{digest}\n{run}\n{name}".encode(), "sha256").hexdigest()


def _project_key() -> bytes:
    return configuration.text("signing_key").encode()


def _own_key(*, make: bool) -> bytes:
    folder = settings.state_folder()
    if folder is None:
        return b""
    path = folder / "signing.key"
    with contextlib.suppress(OSError):
        if make and not path.exists():
            _make_key(path)
        return _read_key(path)
    return b""


def _make_key(path: Path) -> None:
    """Make a key, whole or not at all; of several at once the first stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}-{os.getpid()}-{os.urandom(4).hex()}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(fd, "wb") as file:
            file.write(os.urandom(32))
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink()


def _read_key(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with open(fd, "rb") as file:
        found = os.fstat(file.fileno())
        # A key that others may write, or have given, vouches for nothing. Windows tells neither.
        foreign = hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & 0o022)
        return b"" if foreign else file.read()
