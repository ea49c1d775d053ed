"""The state of the code: read from git's own files, and one process at most for what they do not say."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from chachaml.core.changes import Fact

__all__ = ["Repository", "diff", "facts", "find", "is_dirty"]

PATIENCE = 5.0
"""Seconds that git may take."""

LARGEST_DIFF = 1 << 20
"""Bytes of a diff that are kept."""

_SAFELY = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.pager=cat"]
"""A repository's own settings must not make git run anything."""

_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


class Repository(NamedTuple):
    """A work tree, its git folder, and the folder that it shares with other work trees."""

    root: Path
    folder: Path
    common: Path


def find(start: Path) -> Repository | None:
    """Return the repository that a folder is in, None if it is in none."""
    for root in (start, *start.parents):
        try:
            place = root / ".git"
            if place.is_file():  # a linked work tree, or a submodule
                place = (root / place.read_text().strip().removeprefix("gitdir: ")).resolve()
            if (place / "HEAD").is_file():
                shared = place / "commondir"
                common = (place / shared.read_text().strip()).resolve() if shared.is_file() else place
                return Repository(root, place, common)
        except (OSError, ValueError):
            continue
    return None


def facts(repository: Repository) -> dict[str, Fact]:
    """Return sha, branch and remote, as far as git's files say."""
    found: dict[str, Fact] = {}
    try:
        head = (repository.folder / "HEAD").read_text().strip()
        reference = head.removeprefix("ref: ")
        sha = head if reference == head else _resolve(repository, reference)
        if sha and _SHA.fullmatch(sha):
            found["git.sha"] = sha
        if reference != head:
            found["git.branch"] = reference.removeprefix("refs/heads/")
        if remote := _remote(repository):
            found["git.remote"] = remote
    except (OSError, ValueError):
        pass
    return found


def _resolve(repository: Repository, reference: str) -> str:
    for folder in (repository.folder, repository.common):
        loose = folder / reference
        if loose.is_file():
            return loose.read_text().strip()
    packed = repository.common / "packed-refs"
    lines = packed.read_text().splitlines() if packed.is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {reference}")), "")


def _remote(repository: Repository) -> str:
    """Return the address of ``origin``, else of the first remote, without any credentials."""
    text = (repository.common / "config").read_text(errors="replace")
    remotes = dict(re.findall(r'\[remote "([^"]+)"\][^\[]*?^\s*url\s*=\s*(.+?)\s*$', text, re.MULTILINE))
    address = remotes.get("origin") or next(iter(remotes.values()), "")
    parts = urlsplit(address)
    if not parts.netloc:
        return address  # git@host:path has no place for a password
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def is_dirty(repository: Repository) -> bool | None:
    """Tell whether a tracked file has changed; None if git does not say so in time."""
    answer = _git(repository, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules")
    return None if answer is None else bool(answer.strip())


def diff(repository: Repository) -> str:
    """Return what is not committed of tracked files, a megabyte at most; '' if git does not say."""
    answer = _git(repository, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD") or b""
    text = answer[:LARGEST_DIFF].decode(errors="replace").replace("\0", "\\0")
    return text + (f"\n... {len(answer) - LARGEST_DIFF:,} more bytes" if len(answer) > LARGEST_DIFF else "")


def _git(repository: Repository, *arguments: str) -> bytes | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_EXTERNAL_DIFF"):
        environment.pop(name, None)
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            ["git", *_SAFELY, *arguments],  # noqa: S607 - the user's own git
            cwd=repository.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
