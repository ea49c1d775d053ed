"""What the process prints, kept line by line while it still reaches the terminal.

At the level of ``sys.stdout``: file descriptors are left alone, so nothing can block, and what C
libraries print past Python is not kept. A carriage return starts its line anew, so that of a
progress bar the last state stays.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, Literal, TextIO

__all__ = ["Console", "fold", "lines_of"]

Stream = Literal["out", "err"]
Write = Callable[[Stream, int, str], None]
"""Takes a stream, the number of the first line, and lines."""

PAUSE = 0.5
"""Seconds between two looks at what was printed."""

LONGEST_LINE = 10_000
"""Characters of a line that are kept."""


class Console:
    """Keeps what is printed from `start` to `stop`.

    Args:
        write: Told what was printed, from a thread of this.
        most: Characters to keep in all; that it was more is said.
    """

    def __init__(self, write: Write, most: int) -> None:
        self._write, self._left = write, most
        self._lock = threading.RLock()
        self._partial: dict[Stream, tuple[int, str]] = {}
        self._told: dict[Stream, str] = {}
        self._pending: list[tuple[Stream, int, str]] = []
        self._next = 0
        self._done = threading.Event()
        self._tees: list[_Tee] = []

    def start(self) -> None:
        """Begin to keep what is printed."""
        self._tees = [_Tee(self, "out", sys.stdout), _Tee(self, "err", sys.stderr)]
        sys.stdout, sys.stderr = self._tees
        threading.Thread(target=self._loop, name="chachaml-console", daemon=True).start()

    def stop(self) -> None:
        """Give the streams back and tell all that was printed."""
        for name, tee in zip(("stdout", "stderr"), self._tees, strict=False):
            if getattr(sys, name) is tee:  # somebody else's stands before ours otherwise, and passes on
                setattr(sys, name, tee.stream)
        self._done.set()
        self._tell()

    def take(self, stream: Stream, text: str) -> None:
        """Hear of text that was printed."""
        with self._lock:
            if self._done.is_set() or self._left <= 0:
                return
            line, begun = self._partial.pop(stream, (-1, ""))
            *whole, rest = (begun + text).split("\n")
            for each in whole:
                self._add(stream, line, fold(each))
                line = -1
                self._told.pop(stream, None)
            if rest:
                self._partial[stream] = (line, rest if len(rest) < LONGEST_LINE else _shortened(rest))

    def _add(self, stream: Stream, line: int, text: str) -> None:
        if line < 0:
            line, self._next = self._next, self._next + 1
        self._left -= len(text) + 1
        if self._left <= 0:
            text = "... more was printed than is kept"
        self._pending.append((stream, line, text))

    def _loop(self) -> None:
        while not self._done.wait(PAUSE):
            self._tell()

    def _tell(self) -> None:
        """Tell what is new: whole lines, and lines that are still being written as they are now."""
        with self._lock:
            pending, self._pending = self._pending, []
            for stream, (line, text) in list(self._partial.items()):
                shown = fold(text)
                if self._told.get(stream) == shown or self._left <= 0:
                    continue
                if line < 0:
                    line, self._next = self._next, self._next + 1
                    self._partial[stream] = (line, text)
                self._told[stream] = shown
                pending.append((stream, line, shown))
        for stream, line, text in _joined(pending):
            self._write(stream, line, text)


def _joined(pending: list[tuple[Stream, int, str]]) -> list[tuple[Stream, int, str]]:
    """Join lines that follow each other on one stream."""
    joined: list[tuple[Stream, int, str]] = []
    after = -1
    for stream, line, text in pending:
        if joined and joined[-1][0] == stream and line == after:
            joined[-1] = (*joined[-1][:2], f"{joined[-1][2]}\n{text}")
        else:
            joined.append((stream, line, text))
        after = line + 1
    return joined


def fold(line: str) -> str:
    """Return a line as a terminal leaves it: what was written after each carriage return, over the rest."""
    text = ""
    for part in line.rstrip("\r").split("\r"):
        text = part + text[len(part) :]
    return text[:LONGEST_LINE].replace("\0", "").encode(errors="backslashreplace").decode()


def _shortened(partial: str) -> str:
    """Return less of an unfinished line that will end as the same."""
    past, _, last = partial.rpartition("\r")
    return f"{fold(past)}\r{last[:LONGEST_LINE]}" if past else partial[:LONGEST_LINE]


def lines_of(chunks: list[tuple[str, int, str]]) -> list[tuple[str, str]]:
    """Return stream and text of each line that chunks (stream, first line, text) tell, in their order."""
    lines: dict[int, tuple[str, str]] = {}
    for stream, first, text in chunks:
        for number, line in enumerate(text.split("\n"), first):
            lines[number] = (stream, line)
    return [lines[number] for number in sorted(lines)]


class _Tee:
    """A stream that tells what is written to it, and is the stream itself in all else."""

    def __init__(self, console: Console, name: Stream, stream: TextIO) -> None:
        self._console, self._name, self.stream = console, name, stream

    def write(self, text: str) -> int:
        written = self.stream.write(text)
        self._console.take(self._name, text)
        return written

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __iter__(self) -> Any:
        return iter(self.stream)
