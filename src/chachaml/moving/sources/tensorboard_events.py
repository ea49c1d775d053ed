"""What the event files of one folder say: scalars, pictures, texts, histograms, sound, hparams."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from chachaml.artifacts import plain
from chachaml.moving.account import Tally
from chachaml.moving.imported import File
from chachaml.moving.sources.gathered import Gathered
from chachaml.moving.sources.listed import is_own
from chachaml.moving.sources.protobuf import Message, packed_doubles
from chachaml.moving.sources.tfrecord import Torn, records

__all__ = ["Events"]

_MOST = 2.5e11
"""Seconds until the year 9892; what is more is no time."""

_PICTURES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif"}


class Events:
    """All that the event files of a folder hold; `read` reads on from where it was.

    Args:
        folder: The folder.
        name: What to call it when something cannot be read.
        tally: Hears of that.
    """

    def __init__(self, folder: Path, name: str, tally: Tally) -> None:
        self._folder, self.name, self._tally = folder, name, tally
        self._read_to: dict[Path, int] = {}
        self._broken: set[Path] = set()
        self.series = Gathered()
        self.files: list[File] = []
        self.params: dict[str, Any] = {}
        self.first, self.last = math.inf, -math.inf
        """Seconds since 1970 of the first and the last event."""
        self.status = ""
        """What the hparams say about the end: "completed" or "failed"."""

    def read(self) -> bool:
        """Read what is new; tell whether there was anything."""
        before = sum(self._read_to.values())
        for path in sorted(self._folder.glob("*tfevents*")):
            if path not in self._read_to:
                self._read_to[path] = 0
                if not is_own(path, self._tally):
                    self._broken.add(path)
            if path not in self._broken:
                self._read_file(path)
        return sum(self._read_to.values()) > before

    def _read_file(self, path: Path) -> None:
        try:
            for record in records(path, self._read_to[path]):
                try:
                    self._event(record.data, path, record.start)
                except (ValueError, struct.error) as error:
                    self._tally.leave("event", f"of {path.name} in {self.name}", str(error))
                self._read_to[path] = record.end
        except Torn as torn:
            if not torn.whole:
                self._broken.add(path)
                why = f"it is damaged {torn}; what comes before was read"
                self._tally.leave("event file", f"{path.name} in {self.name}", why)
        except OSError as error:
            self._tally.leave("event file", f"{path.name} in {self.name}", str(error))

    def torn(self) -> Iterator[str]:
        """Yield the names of files whose last record is not whole."""
        for path, end in self._read_to.items():
            if path not in self._broken and path.stat().st_size > end:
                yield path.name

    def forget(self) -> None:
        """Let go of the scalars and files that were read."""
        self.series.clear()
        self.files.clear()

    # events -----------------------------------------------------------------------------------------

    def _event(self, data: bytes, path: Path, start: int) -> None:
        event = Message(data)
        time, step = event.double(1), event.number(2)
        if abs(time) > _MOST:
            raise ValueError(f"{time:g} is no time")
        self.first, self.last = min(self.first, time), max(self.last, time)
        if 4 in event or 9 in event:
            self._tally.leave("graph", f"of {self.name}", "graphs are not carried")
        for place, value in enumerate(event.message(5).messages(1)):
            self._value(value, step, time, lambda: Message(next(iter_at(path, start))), place)

    def _value(
        self, value: Message, step: int, time: float, again: Callable[[], Message], place: int
    ) -> None:
        tag, plugin = value.text(1), value.message(9).message(1)
        kind = plugin.text(1)
        if kind == "hparams":
            self._hparams(tag, plugin.data(2))
        elif 2 in value:
            self._scalar(tag, step, time, value.single(2))
        elif 4 in value:
            picture = value.message(4).data(4)
            self._keep(f"images/{tag}/{step}.{_ending(picture)}", time, lambda: _inside(again(), place, 4))
        elif 5 in value:
            self._histogram(tag, step, time, value.message(5))
        elif 6 in value:
            self._keep(f"audio/{tag}/{step}.wav", time, lambda: _inside(again(), place, 6))
        elif 8 in value:
            self._tensor(tag, kind, step, time, value.message(8))
        else:
            self._tally.leave("summary", f"{tag} of {self.name}", f"of the plugin {kind or 'unknown'}")

    def _scalar(self, tag: str, step: int, time: float, value: float) -> None:
        self.series.add(tag, step, _microseconds(time), value)

    def _keep(self, name: str, time: float, data: bytes | Callable[[], bytes], format: str = "") -> None:
        self.files.append(File(_fit(name), data, _microseconds(time), format=format))

    def _histogram(self, tag: str, step: int, time: float, histogram: Message) -> None:
        edges = packed_doubles(b"".join(histogram.all(6)))
        counts = packed_doubles(b"".join(histogram.all(7)))
        low, high = histogram.double(1), histogram.double(2)
        self._keep_histogram(tag, step, time, counts, [low, *(min(edge, high) for edge in edges)])

    def _keep_histogram(
        self, tag: str, step: int, time: float, counts: list[float], edges: list[float]
    ) -> None:
        data = plain.dumps({"counts": counts, "edges": edges})
        self._keep(f"histograms/{tag}/{step}.json", time, data, "histogram")

    def _tensor(self, tag: str, kind: str, step: int, time: float, tensor: Message) -> None:
        strings, numbers = tensor.all(8), _numbers(tensor)
        shape = [dim.number(1) for dim in tensor.message(2).messages(2)]
        if kind == "text" or (kind == "" and strings):
            text = b"\n\n".join(strings)
            self._keep(f"text/{tag.removesuffix('/text_summary')}/{step}.md", time, text, "md")
        elif kind == "images" and len(strings) > 2:
            for number, picture in enumerate(strings[2:]):
                more = f"-{number}" if len(strings) > 3 else ""
                self._keep(f"images/{tag}/{step}{more}.{_ending(picture)}", time, picture)
        elif kind == "audio" and strings:
            self._keep(f"audio/{tag}/{step}.wav", time, strings[0])
        elif kind == "histograms" and len(shape) == 2 and shape[1] == 3 and len(numbers) == 3 * shape[0]:
            rights, counts = numbers[1::3], numbers[2::3]
            self._keep_histogram(tag, step, time, counts, [*numbers[:1], *rights])
        elif len(numbers) == 1:
            self._scalar(tag, step, time, numbers[0])
        else:
            self._tally.leave(
                "summary", f"{tag} of {self.name}", f"a tensor of the plugin {kind or 'unknown'}"
            )

    def _hparams(self, tag: str, content: bytes) -> None:
        about = Message(content)
        if tag.endswith("session_start_info"):
            for entry in about.message(3).messages(1):
                self.params[entry.text(1)] = _plain(entry.message(2))
        elif tag.endswith("session_end_info"):
            status = about.message(4).number(1)
            self.status = {1: "completed", 2: "failed"}.get(status, self.status)


def iter_at(path: Path, start: int) -> Iterator[bytes]:
    """Yield the record of a file that begins at a place."""
    for record in records(path, start):
        yield record.data
        return


def _inside(event: Message, place: int, number: int) -> bytes:
    """Return the bytes of a picture or a sound in an event."""
    return event.message(5).messages(1)[place].message(number).data(4)


def _numbers(tensor: Message) -> list[float]:
    """Return the numbers of a tensor, of whatever type."""
    codes = {1: "f", 2: "d", 3: "i", 4: "B", 5: "h", 6: "b", 9: "q", 10: "?", 22: "I", 23: "Q"}
    kind, content = tensor.number(1), tensor.data(4)
    if content and kind in codes:
        count = len(content) // struct.calcsize(codes[kind])
        return [float(one) for one in struct.unpack(f"<{count}{codes[kind]}", content)]
    singles = b"".join(tensor.all(5))
    found = [float(one) for one in struct.unpack(f"<{len(singles) // 4}f", singles)]
    found += packed_doubles(b"".join(tensor.all(6)))
    return found + [float(one) for number in (7, 10, 11) for one in tensor.numbers(number)]


def _plain(value: Message) -> Any:
    """Return the value of a google.protobuf.Value."""
    if 2 in value:
        number = value.double(2)
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    if 3 in value:
        return value.text(3)
    if 4 in value:
        return bool(value.number(4))
    if 6 in value:
        return [_plain(one) for one in value.message(6).messages(1)]
    return None


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6) if math.isfinite(seconds) else 0


def _ending(picture: bytes) -> str:
    return next((ending for begun, ending in _PICTURES.items() if picture.startswith(begun)), "png")


def _fit(name: str) -> str:
    """Return a name that an artifact may have."""
    parts = [part.strip() or "_" for part in name.replace("\\", "/").split("/")]
    return "/".join("_" if part in (".", "..") else part[:200] for part in parts)
