"""Models, versions and aliases in plain dicts: the part of the memory store that is the registry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from msgspec.structs import replace

from chachaml.core.changes import (
    AliasMoved,
    ModelDeleted,
    ModelDescribed,
    ModelRenamed,
    RegistryChange,
    RowsCopied,
    Stage,
    StageMoved,
    VersionRegistered,
)
from chachaml.core.model import ArtifactRow, ModelRow, MoveRow, VersionRow
from chachaml.core.registering import may_alias, may_delete, may_make, may_move, may_rename, moved

__all__ = ["MemoryRegistry"]


class MemoryRegistry:
    """The models of a memory store; see `chachaml.store.protocol`."""

    def __init__(self) -> None:
        self._models: dict[str, ModelRow] = {}
        self._versions: dict[str, dict[int, VersionRow]] = {}
        self._moves: list[MoveRow] = []

    def apply(self, change: RegistryChange, artifacts: Mapping[str, ArtifactRow]) -> str:
        """Make a change; return why not ('' if it was made).

        Args:
            change: The change.
            artifacts: Those of the run that a registration names.
        """
        if isinstance(change, VersionRegistered):
            return self._register(change, artifacts)
        if isinstance(change, ModelDescribed) and change.new:
            if why := may_make(change, there=change.model in self._models):
                return why
            self._make(change, "")
        if change.model not in self._models:
            return f"there is no model {change.model!r}"
        match change:
            case StageMoved():
                why = may_move(self._stages(change.model), change)
                if not why:
                    self._set_stages(change.version, change.stage, change)
                return why
            case AliasMoved():
                return self._alias(change)
            case ModelDescribed():
                return self._describe(change)
            case ModelRenamed():
                return self._rename(change)
            case ModelDeleted():
                return self._delete(change)
        raise TypeError(f"{type(change).__name__} is no change of the registry")

    def _stages(self, model: str) -> dict[int, Stage]:
        return {no: row.stage for no, row in self._versions[model].items()}

    def _tell(
        self,
        change: RegistryChange,
        version: int | None,
        what: str,
        before: str | None,
        after: str | None,
        key: str = "",
    ) -> None:
        about = (len(self._moves) + 1, change.time, change.by, change.model, version, what, key)
        self._moves.append(MoveRow(*about, before, after, getattr(change, "comment", "")))

    def _make(self, change: RegistryChange, description: str) -> ModelRow:
        """Return the model, made if it is new."""
        made = ModelRow(change.model, description, "", {}, change.time, change.by, 0, 0, None, {})
        self._versions.setdefault(change.model, {})
        return self._models.setdefault(change.model, made)

    def _register(self, change: VersionRegistered, artifacts: Mapping[str, ArtifactRow]) -> str:
        kept = artifacts.get(change.artifact)
        if kept is None:
            return f"the run has no artifact {change.artifact!r}"
        model = self._make(change, change.model_description)
        version = model.newest + 1
        self._models[change.model] = replace(model, newest=version)
        row = VersionRow(
            change.model,
            version,
            change.id,
            change.run,
            change.artifact,
            kept.digest,
            kept.size,
            kept.content_type,
            kept.format,
            kept.signature,
            "none",
            change.description,
            dict(change.tags),
            msgspec.json.decode(change.about or "{}"),
            change.time,
            change.by,
        )
        self._versions[change.model][version] = row
        self._tell(change, version, "registered", None, change.stage)
        self._set_stages(version, change.stage, change)
        return ""

    def _set_stages(self, version: int, stage: Stage, change: StageMoved | VersionRegistered) -> None:
        versions, stages = self._versions[change.model], self._stages(change.model)
        for no, new in moved(stages, version, stage).items():
            versions[no] = replace(versions[no], stage=new)
            if no != version or isinstance(change, StageMoved):
                self._tell(change, no, "stage", stages[no], new)

    def _alias(self, change: AliasMoved) -> str:
        if why := may_alias(self._stages(change.model), change):
            return why
        model = self._models[change.model]
        aliases = dict(model.aliases)
        before = aliases.pop(change.alias, None)
        if before == change.version:
            return ""
        if change.version is not None:
            aliases[change.alias] = change.version
        self._models[change.model] = replace(model, aliases=aliases)
        about = change.version if change.version is not None else before
        self._tell(change, about, "alias", _text(before), _text(change.version), change.alias)
        return ""

    def _describe(self, change: ModelDescribed) -> str:
        row: ModelRow | VersionRow = self._models[change.model]
        if change.version is not None:
            if change.version not in self._versions[change.model]:
                return f"model {change.model!r} has no version {change.version}"
            row = self._versions[change.model][change.version]
        said = {"description": change.description, "note": change.note if change.version is None else None}
        for what, text in said.items():
            if text is not None and getattr(row, what) != text:
                self._tell(change, change.version, what, getattr(row, what), text)
                row = replace(row, **{what: text})
        tags: dict[str, str | None] = dict(row.tags)
        for key, value in change.tags.items():
            if tags.get(key) != value:
                self._tell(change, change.version, "tag", tags.get(key), value, key)
            tags[key] = value
        row = replace(row, tags={key: value for key, value in tags.items() if value is not None})
        if isinstance(row, VersionRow):
            self._versions[change.model][row.version] = row
        else:
            self._models[change.model] = row
        return ""

    def _rename(self, change: ModelRenamed) -> str:
        if why := may_rename(change, there=change.to in self._models):
            return why
        old, new = change.model, change.to
        self._models[new] = replace(self._models.pop(old), name=new)
        rows = self._versions.pop(old)
        self._versions[new] = {no: replace(row, model=new) for no, row in rows.items()}
        self._moves = [replace(row, model=new) if row.model == old else row for row in self._moves]
        self._tell(replace(change, model=new), None, "renamed", old, new)
        return ""

    def _delete(self, change: ModelDeleted) -> str:
        if why := may_delete(self._stages(change.model), change):
            return why
        if change.version is None:
            del self._models[change.model], self._versions[change.model]
        else:
            del self._versions[change.model][change.version]
            model = self._models[change.model]
            left = {alias: no for alias, no in model.aliases.items() if no != change.version}
            self._models[change.model] = replace(model, aliases=left)
        self._tell(change, change.version, "deleted", None, None)
        return ""

    def copy(self, change: RowsCopied) -> Iterator[tuple[str, str]]:
        """Keep rows of another store; yield runs and why what they logged was not kept ('' if it was)."""
        for model in change.models:
            newest = max(model.newest, self._models[model.name].newest if model.name in self._models else 0)
            aliases = dict(sorted(model.aliases.items()))
            self._models[model.name] = replace(model, newest=newest, aliases=aliases)
            self._versions.setdefault(model.name, {})
        for version in sorted(change.versions, key=lambda one: one.stage == "production"):
            yield version.run, self._copy_version(version)
        known = {replace(row, no=0) for row in self._moves}
        for move in change.moves:
            if replace(move, no=0) not in known:
                self._moves.append(replace(move, no=len(self._moves) + 1))

    def _copy_version(self, given: VersionRow) -> str:
        versions = self._versions.get(given.model)
        if versions is None:
            return f"there is no model {given.model!r}"
        if given.version in versions and versions[given.version].id != given.id:
            return f"version {given.version} of model {given.model!r} is another one here"
        for name, others in self._versions.items():
            if name != given.model and any(row.id == given.id for row in others.values()):
                return f"version {given.version} of model {given.model!r} is one of model {name!r} here"
        live = [no for no, row in versions.items() if row.stage == "production" and no != given.version]
        if given.stage == "production" and live:
            return (
                f"version {live[0]} of model {given.model!r} is in production here, and not {given.version}"
            )
        versions[given.version] = replace(given, aliases=())
        return ""

    def models(self) -> list[ModelRow]:
        """Return all models, by name."""
        found = []
        for name in sorted(self._models):
            stages = self._stages(name)
            live = [no for no, stage in stages.items() if stage == "production"]
            found.append(
                replace(self._models[name], versions=len(stages), production=live[0] if live else None)
            )
        return found

    def versions(self, model: str | None, run: str | None, number: int | None) -> list[VersionRow]:
        """Return versions of a model, of what a run logged, or all: by model, then ascending."""
        return [
            replace(
                row,
                aliases=tuple(sorted(a for a, no in self._models[name].aliases.items() if no == row.version)),
            )
            for name in sorted(self._versions)
            for _, row in sorted(self._versions[name].items())
            if model in (None, name) and run in (None, row.run) and number in (None, row.version)
        ]

    def _names_of(self, row: VersionRow) -> tuple[str, ...]:
        return tuple(sorted(k for k, no in self._models[row.model].aliases.items() if no == row.version))

    def moves(self, model: str, version: int | None, limit: int) -> list[MoveRow]:
        """Return what was done to a model, or to one version of it, newest first."""
        wanted = [row for row in self._moves if row.model == model and version in (None, row.version)]
        return wanted[::-1][:limit]

    def digests(self) -> set[str]:
        """Return the digests of all versions."""
        return {row.digest for versions in self._versions.values() for row in versions.values()}


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)
