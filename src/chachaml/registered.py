"""Models and their versions as people get them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from chachaml.comparison import Section
from chachaml.connection import connection
from chachaml.core.changes import Stage
from chachaml.core.model import ModelRow, MoveRow, VersionRow
from chachaml.loading import load
from chachaml.results import Dataset, Lines, Run, to_datetime
from chachaml.shown import Shown
from chachaml.table import Table

if TYPE_CHECKING:
    from chachaml.display import Paint

__all__ = ["Lineage", "Model", "ModelVersion", "Move", "VersionDiff"]


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done to a model: who, when and why, from what to what.

    ``what`` is registered, stage, alias, description, note, tag or deleted; ``key`` is the alias's or
    tag's name. ``version`` is None where it was done to the model itself.
    """

    no: int
    time: datetime
    by: str
    model: str
    version: int | None
    what: str
    key: str
    before: str | None
    after: str | None
    comment: str

    @classmethod
    def from_row(cls, row: MoveRow) -> Move:
        """Return what people see of a store's row."""
        return cls(**{**msgspec.structs.asdict(row), "time": to_datetime(row.time)})

    def __repr__(self) -> str:
        from chachaml.display import move_text

        return move_text(self)


class Model(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """A registered model.

    ``versions`` counts those that there are, ``newest`` is the highest number ever given, and
    ``production`` the number of the one in production, None if there is none. ``aliases`` are names for
    versions. ``note`` is Markdown.
    """

    name: str
    description: str
    note: str
    tags: dict[str, str]
    created: datetime
    created_by: str
    newest: int
    versions: int
    production: int | None
    aliases: dict[str, int]

    @classmethod
    def from_row(cls, row: ModelRow) -> Model:
        """Return what people see of a store's row."""
        return cls(**{**msgspec.structs.asdict(row), "created": to_datetime(row.created)})

    def history(self, limit: int = 100) -> Lines[Move]:
        """Return what was done to the model, newest first."""
        return Lines(map(Move.from_row, connection().ready().moves(self.name, limit=limit)))

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain data."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def _text(self, paint: Paint) -> str:
        from chachaml.display import model_text

        return model_text(self, paint=paint)


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a model: an artifact as it was when it was registered.

    ``run`` is the id of the run that logged it as ``artifact``. ``about`` holds what `log_model` found
    out: its class, the ``inputs`` and ``outputs``, the ``requirements``.
    """

    model: str
    version: int
    id: str
    run: str
    artifact: str
    digest: str
    size: int
    content_type: str
    format: str
    signature: str
    stage: Stage
    aliases: tuple[str, ...]
    description: str
    tags: dict[str, str]
    about: dict[str, Any]
    created: datetime
    created_by: str

    @classmethod
    def from_row(cls, row: VersionRow) -> ModelVersion:
        """Return what people see of a store's row."""
        return cls(**{**msgspec.structs.asdict(row), "created": to_datetime(row.created)})

    def load(self, *, trust: bool | str | None = None) -> Any:
        """Return the model itself; see `chachaml.load_artifact` for what is trusted."""
        return load(connection(), self, self.run, self.artifact, by=self.created_by, trust=trust)

    def history(self, limit: int = 100) -> Lines[Move]:
        """Return what was done to this version, newest first."""
        moves = connection().ready().moves(self.model, self.version, limit)
        return Lines(map(Move.from_row, moves))

    def __repr__(self) -> str:
        from chachaml.display import version_text

        return version_text(self)


class VersionDiff(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """Two versions of a model side by side; lists hold the older one's value first.

    ``files`` are the digests of the runs' artifacts by name, ``data`` those of data sets by role and
    name. What belongs to a run that was deleted is missing.
    """

    model: str
    versions: tuple[int, int]
    params: Section
    metrics: Section
    tags: Section
    git: Section
    packages: Section
    data: Section
    signature: Section
    files: Section

    def sections(self) -> dict[str, Section]:
        """Return the sections by name."""
        return {name: getattr(self, name) for name in self.__struct_fields__[2:]}

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as plain data."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def to_table(self) -> Table:
        """Return a row for each key that differs: section, key and both values."""
        rows = [
            (name, key, *values)
            for name, section in self.sections().items()
            for key, values in {**section.differ, **section.partial}.items()
        ]
        titles = ["section", "key", *(f"version {number}" for number in self.versions)]
        return Table(
            {title: [row[place] for row in rows] for place, title in enumerate(titles)}, length=len(rows)
        )

    def _text(self, paint: Paint) -> str:
        from chachaml.display import table_text

        rows = self.to_table()
        if not len(rows):
            return f"versions {self.versions[0]} and {self.versions[1]} of {self.model} differ in nothing"
        return table_text(rows, paint=paint)

    def _repr_html_(self) -> str:
        return self.to_table()._repr_html_()


class Lineage(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """Where a version comes from; None and empty where its run was deleted.

    ``pipeline`` is the run of the pipeline that made it, ``siblings`` what else its run was registered as.
    """

    version: ModelVersion
    run: Run | None
    parent: Run | None
    pipeline: Run | None
    datasets: tuple[Dataset, ...]
    code: dict[str, Any]
    siblings: tuple[ModelVersion, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the lineage as plain data."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def _text(self, paint: Paint) -> str:
        from chachaml.display import lineage_text

        return lineage_text(self, paint=paint)
