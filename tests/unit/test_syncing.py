"""What is synced reaches the medium: the drive is asked where the system's call stops at its cache."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chachaml.core.syncing import sync_file, sync_folder, sync_paths

CHILD = """
import fcntl, os, sys
from pathlib import Path

if sys.argv[1] != "none":
    fcntl.F_FULLFSYNC = int(sys.argv[1])
from chachaml.core.syncing import sync_file, sync_folder, sync_paths

folder = Path("folder")
folder.mkdir()
files = [folder / str(number) for number in range(int(sys.argv[2]))]
for file in files:
    file.touch()
os.stat("MARK")
with open(files[0], "wb") as file:
    sync_file(file.fileno())
os.stat("MARK")
sync_folder(folder)
os.stat("MARK")
sync_paths([*files, folder, Path("is not there")])
os.stat("MARK")
"""
UNKNOWN, KNOWN = 51, 1
"""macOS's F_FULLFSYNC, which Linux refuses as an odd file system does, and one that any file answers."""


def traced(folder: Path, question: int | str, files: int, *more: str) -> tuple[str, list[list[str]]]:
    """Return what a process says that syncs a file, a folder and paths, and its calls before and for each."""
    assert shutil.which("strace"), "this test needs strace: apt-get install strace"
    (folder / "MARK").touch()
    log = folder / "trace"
    only = ["-e", "trace=fcntl,fsync,fdatasync,sync,stat,newfstatat", *more]
    done = subprocess.run(
        ["strace", "-o", str(log), *only, sys.executable, "-c", CHILD, str(question), str(files)],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    parts = log.read_text().split('"MARK"')
    asked = re.compile(r"^(fcntl|fsync|fdatasync|sync)\(", re.MULTILINE)
    return done.stderr, [asked.findall(part) for part in parts]


def calls(folder: Path, question: int | str, files: int = 2) -> list[list[str]]:
    err, found = traced(folder, question, files)
    assert not err
    return found[1:4]


linux = pytest.mark.skipif(sys.platform != "linux", reason="system calls are counted by strace")


@linux
def test_where_the_systems_call_asks_the_drive_nothing_else_is_asked(tmp_path: Path) -> None:
    assert calls(tmp_path, "none") == [["fdatasync"], ["fsync"], ["fsync"] * 3]


@linux
def test_where_there_is_a_call_for_the_drive_it_is_made_and_once_for_many_files(tmp_path: Path) -> None:
    assert calls(tmp_path, KNOWN) == [["fcntl"], ["fcntl"], ["fsync", "fsync", "fsync", "fcntl"]]


@linux
def test_a_file_system_that_refuses_that_call_is_synced_as_far_as_it_goes(tmp_path: Path) -> None:
    assert calls(tmp_path, UNKNOWN) == [
        ["fcntl", "fdatasync"],
        ["fcntl", "fsync"],
        ["fsync", "fsync", "fsync", "fcntl"],
    ]


@linux
def test_a_drive_that_fails_is_not_taken_for_one_that_refuses(tmp_path: Path) -> None:
    _, (before, *_) = traced(tmp_path, KNOWN, 2)
    shutil.rmtree(tmp_path / "folder")
    fails = f"inject=fcntl:error=EIO:when={before.count('fcntl') + 1}"
    err, (_, first) = traced(tmp_path, KNOWN, 2, "-e", fails)
    assert "Input/output error" in err
    assert first[0] == "fcntl" and "fdatasync" not in first


@linux
def test_very_many_files_are_synced_at_once(tmp_path: Path) -> None:
    assert calls(tmp_path, "none", files=100)[2] == ["sync"]


def test_syncing_works_here_and_leaves_out_what_is_gone(tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    for file in files:
        file.write_text("x")
    with files[0].open("r+b") as file:
        sync_file(file.fileno())
    sync_folder(tmp_path)
    sync_paths([*files, tmp_path, tmp_path / "gone"])
