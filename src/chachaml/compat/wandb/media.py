"""Pictures, tables and the like, as W&B's classes hold them until they are logged."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from chachaml.core.errors import BadValue
from chachaml.live import LiveRun

__all__ = ["Audio", "Histogram", "Html", "Image", "Media", "Object3D", "Plotly", "Table", "Video"]


class Media(Protocol):
    """Something that can be logged under a key at a step."""

    kind: str

    def keep(self, run: LiveRun, name: str) -> None:
        """Keep it in a run, under a name without an ending."""
        ...


def _is_file(value: Any) -> bool:
    return isinstance(value, (str, Path))


def _ending(path: Any, otherwise: str) -> str:
    return Path(path).suffix or otherwise


class Image:
    """A picture: a path, an array of shape (height, width) or with channels, a PIL image or a figure."""

    kind = "images"

    def __init__(
        self,
        data_or_path: Any,
        mode: str | None = None,
        caption: str | None = None,
        grouping: int | None = None,
        classes: Any = None,
        boxes: Any = None,
        masks: Any = None,
        file_type: str | None = None,
    ) -> None:
        self._data, self.caption = data_or_path, caption
        self._marks = {key: value for key, value in (("boxes", boxes), ("masks", masks)) if value}

    def keep(self, run: LiveRun, name: str) -> None:
        """Keep it as PNG, or as the file that it is; caption, boxes and masks as JSON beside it."""
        if _is_file(self._data):
            run.log_file(self._data, name + _ending(self._data, ".png"), overwrite=True)
        else:
            run.log_image(f"{name}.png", _as_picture(self._data), overwrite=True)
        about = {**({"caption": self.caption} if self.caption else {}), **self._marks}
        if about:
            text = json.dumps(about, default=lambda value: getattr(value, "tolist", lambda: str(value))())
            run.log_artifact(f"{name}.about.json", json.loads(text), format="json", overwrite=True)


def _as_picture(data: Any) -> Any:
    """Return an array as uint8: W&B stretches floats between 0 and 1, or their own extremes, to 255."""
    for step in ("detach", "cpu"):
        data = getattr(data, step)() if hasattr(data, step) else data
    if hasattr(data, "savefig") or not hasattr(data, "__array__") or hasattr(data, "getbands"):
        return data
    import numpy as np

    array = np.asarray(data)
    if array.dtype.kind in "ui":
        return array.clip(0, 255).astype(np.uint8)
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        array = (array - low) / ((high - low) or 1.0)
    return array


class Histogram:
    """How many numbers fall into each of `num_bins` ranges, or counts and edges as numpy gives them."""

    kind = "histograms"

    def __init__(self, sequence: Any = None, np_histogram: Any = None, num_bins: int = 64) -> None:
        if (sequence is None) == (np_histogram is None):
            raise BadValue("a Histogram is of a sequence, or of np_histogram=(counts, edges)")
        if np_histogram is not None:
            counts, edges = ([float(one) for one in column] for column in np_histogram[:2])
            self._found = {"counts": counts, "edges": edges}
        else:
            from chachaml.artifacts.tables import histogram

            for step in ("detach", "cpu"):
                sequence = getattr(sequence, step)() if hasattr(sequence, step) else sequence
            self._found = histogram(sequence, num_bins)
        self.histogram, self.bins = self._found["counts"], self._found["edges"]

    def keep(self, run: LiveRun, name: str) -> None:
        """Keep counts and edges."""
        run.log_artifact(f"{name}.json", self._found, format="histogram", overwrite=True)


class Table:
    """Rows under named columns."""

    kind = "tables"

    def __init__(
        self,
        columns: Sequence[Any] | None = None,
        data: Any = None,
        rows: Any = None,
        dataframe: Any = None,
        **_: Any,
    ) -> None:
        data = rows if data is None else data
        frame = dataframe if dataframe is not None else data if hasattr(data, "columns") else None
        if frame is not None:
            columns, data = list(frame.columns), frame.to_numpy().tolist()
        self.columns = list(columns) if columns is not None else ["Input", "Output", "Expected"]
        self.data: list[list[Any]] = []
        for row in () if data is None else data:
            self.add_data(*row)

    def add_data(self, *data: Any) -> None:
        """Add a row.

        Raises:
            BadValue: It has not as many cells as there are columns.
        """
        if len(data) != len(self.columns):
            raise BadValue(f"a row of {len(data)} cells in a table of {len(self.columns)} columns")
        self.data.append(list(data))

    add_row = add_data

    def add_column(self, name: str, data: Any, optional: bool = False) -> None:
        """Add a column, of one cell for each row; to an empty table it brings the rows.

        Raises:
            BadValue: It has not as many cells as there are rows.
        """
        cells = list(data)
        if not self.data and (not self.columns or self.columns == ["Input", "Output", "Expected"]):
            self.columns, self.data = [], [[] for _ in cells]
        if len(cells) != len(self.data):
            raise BadValue(f"a column of {len(cells)} cells in a table of {len(self.data)} rows")
        self.columns.append(name)
        for row, cell in zip(self.data, cells, strict=True):
            row.append(cell)

    def get_column(self, name: str, convert_to: str | None = None) -> Any:
        """Return a column as a list, or as an array with ``convert_to="numpy"``."""
        if name not in self.columns:
            raise BadValue(f"the table has no column {name!r}", f"it has {self.columns}")
        cells = [row[self.columns.index(name)] for row in self.data]
        if convert_to != "numpy":
            return cells
        import numpy as np

        return np.array(cells)

    def iterrows(self) -> Iterator[tuple[int, list[Any]]]:
        """Yield number and cells of each row."""
        yield from enumerate(self.data)

    def get_dataframe(self) -> Any:
        """Return a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame.from_records(self.data, columns=self.columns)

    def keep(self, run: LiveRun, name: str) -> None:
        """Keep the table; media in its cells are kept beside it, and named in it."""
        rows = [[self._cell(run, name, at, cell) for cell in row] for at, row in enumerate(self.data)]
        run.log_table(f"{name}.json", rows, headers=[str(one) for one in self.columns], overwrite=True)

    @staticmethod
    def _cell(run: LiveRun, name: str, row: int, cell: Any) -> Any:
        if callable(keep := getattr(cell, "keep", None)):
            keep(run, f"{name}/{row}")
            return f"{name}/{row}"
        return cell.tolist() if hasattr(cell, "tolist") else cell


class Html:
    """A page: a path, a text, or something to read it from."""

    kind = "html"

    def __init__(self, data: Any, inject: bool = True, data_is_not_path: bool = False) -> None:
        if hasattr(data, "read"):
            data = data.read()
        elif not data_is_not_path and str(data).endswith(".html") and Path(data).is_file():
            data = Path(data).read_text(encoding="utf-8")
        self.html = str(data)

    def keep(self, run: LiveRun, name: str) -> None:
        """Keep the page."""
        run.log_html(f"{name}.html", self.html, overwrite=True)


class Audio:
    """Sound: a path, or numbers between -1 and 1 with their rate."""

    kind = "audio"

    def __init__(self, data_or_path: Any, sample_rate: int | None = None, caption: str | None = None) -> None:
        if not _is_file(data_or_path) and sample_rate is None:
            raise BadValue("Audio of numbers needs sample_rate")
        self._data, self._rate = data_or_path, sample_rate or 44_100

    def keep(self, run: LiveRun, name: str) -> None:
        """Keep it as WAV, or as the file that it is."""
        if _is_file(self._data):
            run.log_file(self._data, name + _ending(self._data, ".wav"), overwrite=True)
        else:
            run.log_audio(f"{name}.wav", self._data, self._rate, overwrite=True)


class _OfFile:
    """Media that are kept as the file that they are."""

    kind = "files"

    def __init__(self, data_or_path: Any, caption: str | None = None, **_: Any) -> None:
        self._data = data_or_path

    def keep(self, run: LiveRun, name: str) -> None:
        """Keep the file, or what is no file as an array or value."""
        if _is_file(self._data):
            run.log_file(self._data, name + _ending(self._data, ""), overwrite=True)
        else:
            run.log_artifact(name, self._data, overwrite=True)


class Video(_OfFile):
    """A film: a path, or an array of frames, which is kept as an array."""

    kind = "videos"


class Object3D(_OfFile):
    """Points or a body: a path, or an array."""

    kind = "objects3d"


class Plotly:
    """A figure of plotly or matplotlib."""

    kind = "figures"

    def __init__(self, val: Any) -> None:
        self._figure = val

    def keep(self, run: LiveRun, name: str) -> None:
        """Keep it as what it is, or as PNG."""
        ending = ".png" if hasattr(self._figure, "savefig") else ".json"
        run.log_figure(name + ending, self._figure, overwrite=True)
