"""The points of a metric as people get them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from chachaml.core.model import Series
from chachaml.shown import Shown
from chachaml.table import Table

if TYPE_CHECKING:
    from chachaml.display import Paint

__all__ = ["MetricSeries"]


class MetricSeries(Shown, Series, frozen=True, eq=False):
    """A metric's points as numpy columns of equal length: ``steps``, ``times`` (microseconds), ``values``.

    See `chachaml.core.model.Series`.
    """

    @classmethod
    def of(cls, series: Series) -> MetricSeries:
        """Return what people see of a store's series."""
        return cls(**msgspec.structs.asdict(series))

    def __len__(self) -> int:
        return len(self.values)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: the columns as lists."""
        columns = {name: getattr(self, name).tolist() for name in ("steps", "times", "values")}
        about = {"run": self.run, "key": self.key}
        return {**about, **columns, "total": self.total, "sampled": self.sampled}

    def to_table(self) -> Table:
        """Return a row for each point: step, time (UTC), value."""
        times = [datetime.fromtimestamp(time / 1e6, UTC) for time in self.times.tolist()]
        return Table({"step": self.steps.tolist(), "time": times, "value": self.values.tolist()})

    def df(self) -> Any:
        """Return `to_table` as a pandas DataFrame."""
        return self.to_table().df()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give `to_table` to any library that takes Arrow's C stream (the PyCapsule interface)."""
        return self.to_table().__arrow_c_stream__(requested_schema)

    def _text(self, paint: Paint) -> str:
        from chachaml.display import count, number, safe, sparkline

        sampled = f" of {self.total:,}" if self.sampled else ""
        points = f"{count(len(self), 'point')}{sampled}"
        if not len(self):
            return f"<{safe(self.key)} of run {self.run[-8:]}: no points here>"
        ends = f"steps {self.steps[0]:,} to {self.steps[-1]:,}, last {number(float(self.values[-1]))}"
        curve = paint(sparkline(self.values.tolist(), 24), "line0")
        return f"<{safe(self.key)} of run {self.run[-8:]}: {points}, {ends}  {curve}>"
