"""An environment for each tool, made when it is first needed, with its size on disk."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

__all__ = ["ROOT", "InstallFailed", "Size", "installed_size", "pins", "python_of"]

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / ".bench-envs"
NOT_COUNTED = {"pip", "setuptools", "wheel"}


class InstallFailed(Exception):
    """A tool could not be installed; the message is pip's last line."""


def pins() -> dict[str, str]:
    """Return the requirement of each peer by its name."""
    lines = (ROOT / "benchmarks" / "peers.txt").read_text().splitlines()
    return {line.split("==")[0]: line for line in lines if line and not line.startswith("#")}


def python_of(tool: str) -> Path:
    """Return the interpreter of a tool's own environment, which is made or completed first.

    Raises:
        InstallFailed: pip could not install it.
    """
    python = ENVIRONMENTS / tool / "bin" / "python"
    ours = tool == "chachaml"
    if ours or not python.exists():
        # Ours is made anew each time: nothing may be left that an earlier version needed.
        _run([sys.executable, "-m", "venv", "--clear", str(python.parent.parent)])
    if ours:
        _install(python, str(ROOT))
    elif not _has(python, pins()[tool]):
        _install(python, pins()[tool])
    return python


def _has(python: Path, pin: str) -> bool:
    name, _, version = pin.partition("==")
    return any(d.name == name and d.version == version for d in _distributions(python))


def _install(python: Path, *what: str) -> None:
    _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InstallFailed(
            (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        )


class Size:
    """What an environment takes on disk, without pip and setuptools."""

    def __init__(self, found: Iterable[Distribution]) -> None:
        counted = [each for each in found if each.name not in NOT_COUNTED]
        self.by_package = {each.name: _bytes(each) for each in counted}
        self.versions = {each.name: each.version for each in counted}

    @property
    def packages(self) -> int:
        """How many packages."""
        return len(self.by_package)

    def megabytes(self, *, compiled: bool = True, without: str = "") -> float:
        """Return the size in MB (2**20 bytes), with or without .pyc files, leaving one package out."""
        return sum(
            source + (cached if compiled else 0)
            for name, (source, cached) in self.by_package.items()
            if name != without
        ) / (1 << 20)


def installed_size(python: Path) -> Size:
    """Return what the environment of an interpreter takes."""
    return Size(_distributions(python))


def _distributions(python: Path) -> list[Distribution]:
    return list(
        distributions(path=[str(path) for path in python.parent.parent.glob("lib/python*/site-packages")])
    )


def _bytes(distribution: Distribution) -> tuple[int, int]:
    """Return the bytes of a package's files: its own, and the .pyc made from them."""
    source = cached = 0
    for file in distribution.files or []:
        path = Path(str(distribution.locate_file(file)))
        if path.is_file():
            size = path.stat().st_size
            source, cached = (source, cached + size) if path.suffix == ".pyc" else (source + size, cached)
    return source, cached
