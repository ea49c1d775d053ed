"""The changes of the model registry: part of the vocabulary in `chachaml.core.changes`."""

from __future__ import annotations

import msgspec

from chachaml.core.kinds import Stage

__all__ = [
    "AliasMoved",
    "ModelDeleted",
    "ModelDescribed",
    "ModelRenamed",
    "RegistryChange",
    "StageMoved",
    "VersionRegistered",
]


class RegistryChange(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """What a person does to a model: when, who, to which."""

    time: int
    by: str
    model: str


class VersionRegistered(RegistryChange, frozen=True):
    """An artifact of a run becomes the next version of a model, which is made if it is new."""

    id: str
    """The client's own id of the version, 32 hex digits, by which it finds its number."""
    run: str
    artifact: str
    stage: Stage = "none"
    description: str = ""
    model_description: str = ""
    """Of a model that is new."""
    tags: dict[str, str] = {}
    comment: str = ""
    about: str = ""
    """JSON object: signature, requirements and the like; '' for nothing."""


class ModelDescribed(RegistryChange, frozen=True):
    """What a model, or one version of it, is about; None leaves what is there, a tag's removes it.

    With ``new`` it makes a model, without versions, that must not be there.
    """

    version: int | None = None
    description: str | None = None
    note: str | None = None
    """In Markdown; of a model only."""
    tags: dict[str, str | None] = {}
    new: bool = False


class StageMoved(RegistryChange, frozen=True):
    """A version goes to a stage; the production version before it is archived."""

    version: int
    stage: Stage
    comment: str = ""


class AliasMoved(RegistryChange, frozen=True):
    """A name for one version of a model now means this one; None takes the name away."""

    alias: str
    version: int | None
    comment: str = ""


class ModelRenamed(RegistryChange, frozen=True):
    """A model gets a name that no other has; its versions, aliases and history go with it."""

    to: str


class ModelDeleted(RegistryChange, frozen=True):
    """A person deletes one version of a model, or with None the model; what is in production by force."""

    version: int | None = None
    force: bool = False
