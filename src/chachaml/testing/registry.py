"""The contract of the model registry: versions, stages, aliases, and what was done to them."""

# ruff: noqa: S101 - these are tests

from __future__ import annotations

from threading import Barrier, Thread
from typing import Any

from msgspec.structs import replace

from chachaml.core.changes import (
    AliasMoved,
    Batch,
    Change,
    ModelDeleted,
    ModelDescribed,
    ModelRenamed,
    Receipt,
    RunDeleted,
    Stage,
    StageMoved,
    VersionRegistered,
)
from chachaml.core.ids import new_id
from chachaml.store.protocol import Store
from chachaml.testing.artifacts import artifact
from chachaml.testing.material import Fixtures, Writer, ended

__all__ = ["RegistryContract"]


def do(store: Store, *changes: Change) -> Receipt:
    """Apply changes as a person's command."""
    return store.apply(Batch(changes, command=new_id()))


def registered(run: str, model: str = "m", name: str = "model", **fields: Any) -> VersionRegistered:
    """Return a registration."""
    return VersionRegistered(7, "ada", model, new_id(), run, name, **fields)


def with_model(writer: Writer, *digests: str) -> str:
    """Return a run with an artifact "model", or several: "model0" and so on."""
    run = writer.start()
    names = ["model"] if len(digests) < 2 else [f"model{number}" for number in range(len(digests))]
    kept = digests or ("a" * 64,)
    writer.write(*(artifact(run, name, digest) for name, digest in zip(names, kept, strict=True)))
    return run


def stages(store: Store, model: str = "m") -> dict[int, Stage]:
    """Return the stages of a model's versions."""
    return {row.version: row.stage for row in store.versions(model)}


class RegistryContract(Fixtures):
    """Models have versions that count from 1, one of them at most in production."""

    def test_a_model_may_be_made_before_its_first_version(self, store: Store, writer: Writer) -> None:
        """Once; what is registered later counts from 1 as ever."""
        made = ModelDescribed(6, "ada", "m", description="about", tags={"k": "v"}, new=True)
        assert do(store, made).conflicts == ()
        assert [one.what for one in do(store, made).conflicts] == ["there is a model 'm' already"]
        (model,) = store.models()
        assert (model.name, model.description, model.tags, model.versions) == ("m", "about", {"k": "v"}, 0)
        assert (model.created, model.created_by, model.newest) == (6, "ada", 0)
        do(store, registered(with_model(writer), model_description="not again"))
        (model,) = store.models()
        assert (model.description, model.newest, stages(store)) == ("about", 1, {1: "none"})

    def test_versions_count_from_one_and_keep_what_they_are(self, store: Store, writer: Writer) -> None:
        """And the first registration makes the model."""
        run = with_model(writer)
        first = registered(
            run, description="v", model_description="about", tags={"k": "v"}, about='{"inputs": [1]}'
        )
        assert do(store, first).conflicts == ()
        do(store, registered(run, model_description="not again"), registered(run, "other"))
        (model, other) = store.models()
        assert (model.name, model.description, model.newest, model.versions) == ("m", "about", 2, 2)
        assert (model.created, model.created_by, model.production, model.aliases) == (7, "ada", None, {})
        assert (other.name, other.newest) == ("other", 1)
        one, two = store.versions("m")
        assert (one.version, one.id, one.run, one.artifact) == (1, first.id, run, "model")
        assert (one.digest, one.stage, one.description, one.tags) == ("a" * 64, "none", "v", {"k": "v"})
        assert (one.about, two.about, two.version, two.aliases) == ({"inputs": [1]}, {}, 2, ())
        assert [(row.model, row.version) for row in store.versions(run=run)] == [
            ("m", 1),
            ("m", 2),
            ("other", 1),
        ]
        assert store.versions("m", number=2) == [two]
        assert store.versions("unknown") == store.versions(run="f" * 32) == []

    def test_what_is_not_there_is_not_registered(self, store: Store, writer: Writer) -> None:
        """Neither a run's missing artifact nor anything of an unknown run."""
        run = with_model(writer)
        conflicts = do(store, registered(run, name="modl"), registered("f" * 32)).conflicts
        assert [(one.run, one.what) for one in conflicts] == [
            (run, "the run has no artifact 'modl'"),
            ("f" * 32, "the run has no artifact 'model'"),
        ]
        assert store.models() == []

    def test_a_registration_sent_again_changes_nothing(self, store: Store, writer: Writer) -> None:
        """A client that lost the answer asks again."""
        batch = Batch((registered(with_model(writer)),), command=new_id())
        assert store.apply(batch) == store.apply(batch)
        assert len(store.versions("m")) == 1

    def test_one_version_is_in_production(self, store: Store, writer: Writer) -> None:
        """Whichever was before is archived, by promotion and by registration."""
        run = with_model(writer)
        do(store, *(registered(run) for _ in range(3)))
        do(store, StageMoved(8, "bob", "m", 1, "production"))
        do(
            store,
            StageMoved(9, "bob", "m", 2, "production", "better"),
            StageMoved(9, "bob", "m", 3, "staging"),
        )
        assert stages(store) == {1: "archived", 2: "production", 3: "staging"}
        do(store, registered(run, stage="production"))
        assert stages(store) == {1: "archived", 2: "archived", 3: "staging", 4: "production"}
        assert store.models()[0].production == 4
        do(store, StageMoved(10, "bob", "m", 1, "production"), StageMoved(11, "bob", "m", 1, "none"))
        assert stages(store) == {1: "none", 2: "archived", 3: "staging", 4: "archived"}

    def test_moving_what_is_missing_changes_nothing(self, store: Store, writer: Writer) -> None:
        """In particular not what is in production."""
        do(store, registered(with_model(writer), stage="production"))
        moves = store.moves("m")
        receipt = do(
            store,
            StageMoved(8, "bob", "m", 2, "production"),
            StageMoved(8, "bob", "x", 1, "production"),
            AliasMoved(8, "bob", "m", "a", 2),
            ModelDescribed(8, "bob", "m", 2, description="d"),
            ModelDeleted(8, "bob", "m", 2),
        )
        missing = "model 'm' has no version 2"
        assert [one.what for one in receipt.conflicts] == [missing, "there is no model 'x'", *[missing] * 3]
        assert (stages(store), store.moves("m")) == ({1: "production"}, moves)

    def test_who_did_what_and_why_is_kept(self, store: Store, writer: Writer) -> None:
        """Newest first, of the whole model or of one version."""
        run = with_model(writer)
        do(store, registered(run, stage="production", comment="first"), registered(run))
        do(store, StageMoved(8, "bob", "m", 2, "production", "better"))
        do(store, StageMoved(9, "bob", "m", 2, "production", "again"))
        told = [(one.version, one.what, one.before, one.after, one.comment) for one in store.moves("m")]
        assert told == [
            (2, "stage", "none", "production", "better"),
            (1, "stage", "production", "archived", "better"),
            (2, "registered", None, "none", ""),
            (1, "registered", None, "production", "first"),
        ]
        newest = store.moves("m", limit=1)[0]
        assert (newest.time, newest.by, newest.model) == (8, "bob", "m")
        assert {one.version for one in store.moves("m", 1)} == {1}
        assert store.moves("unknown") == []

    def test_aliases_move_between_versions(self, store: Store, writer: Writer) -> None:
        """An alias means one version of its model; a version may have several."""
        run = with_model(writer)
        do(store, registered(run), registered(run), registered(run, "other"))
        do(store, *(AliasMoved(8, "bob", "m", alias, 1) for alias in ("champion", "blue")))
        do(store, AliasMoved(9, "bob", "m", "champion", 2, "won"), AliasMoved(9, "bob", "m", "champion", 2))
        assert store.models()[0].aliases == {"blue": 1, "champion": 2}
        assert store.models()[1].aliases == {}
        assert [row.aliases for row in store.versions("m")] == [("blue",), ("champion",)]
        do(store, AliasMoved(10, "bob", "m", "champion", None), AliasMoved(10, "bob", "m", "never", None))
        assert store.models()[0].aliases == {"blue": 1}
        told = [
            (one.version, one.key, one.before, one.after) for one in store.moves("m") if one.what == "alias"
        ]
        assert told == [
            (2, "champion", "2", None),
            (2, "champion", "1", "2"),
            (1, "blue", None, "1"),
            (1, "champion", None, "1"),
        ]

    def test_models_and_versions_are_described(self, store: Store, writer: Writer) -> None:
        """Only what is said changes, and only that is told."""
        do(store, registered(with_model(writer), tags={"a": "1", "b": "2"}, model_description="old"))
        do(store, ModelDescribed(8, "bob", "m", description="new", note="# N", tags={"t": "x", "none": None}))
        do(store, ModelDescribed(9, "bob", "m", 1, description="v1", tags={"a": "3", "b": None}))
        do(store, ModelDescribed(10, "bob", "m", description="new", tags={"t": "x"}))
        (model,) = store.models()
        assert (model.description, model.note, model.tags) == ("new", "# N", {"t": "x"})
        (version,) = store.versions("m")
        assert (version.description, version.tags) == ("v1", {"a": "3"})
        told = [(one.version, one.what, one.key, one.before, one.after) for one in store.moves("m")][:-1]
        assert told == [
            (1, "tag", "b", "2", None),
            (1, "tag", "a", "1", "3"),
            (1, "description", "", "", "v1"),
            (None, "tag", "t", None, "x"),
            (None, "note", "", "", "# N"),
            (None, "description", "", "old", "new"),
        ]

    def test_a_model_may_be_renamed(self, store: Store, writer: Writer) -> None:
        """Versions, stages, aliases and history go with it; a name that a model has is no new one."""
        run = with_model(writer)
        do(store, registered(run, stage="production"), registered(run), AliasMoved(7, "bob", "m", "best", 2))
        told = store.moves("m")
        before, rows = store.models()[0], store.versions("m")
        assert do(store, ModelRenamed(8, "bob", "m", "n")).conflicts == ()
        assert store.models() == [replace(before, name="n")]
        assert (store.versions("m"), store.moves("m")) == ([], [])
        assert store.versions("n") == [replace(row, model="n") for row in rows]
        (newest, *others) = store.moves("n")
        assert others == [replace(row, model="n") for row in told]
        about = (newest.by, newest.version, newest.what, newest.before, newest.after)
        assert about == ("bob", None, "renamed", "m", "n")
        do(store, registered(run))
        refused = do(store, ModelRenamed(9, "bob", "m", "n"), ModelRenamed(9, "bob", "m", "m")).conflicts
        assert [one.what for one in refused] == [f"there is a model {name!r} already" for name in "nm"]
        (gone,) = do(store, ModelRenamed(9, "bob", "none", "x")).conflicts
        assert gone.what == "there is no model 'none'"
        assert [(row.name, row.versions) for row in store.models()] == [("m", 1), ("n", 2)]
        do(store, StageMoved(10, "bob", "n", 2, "production"))
        assert stages(store) == {1: "none"}

    def test_production_is_deleted_by_force_only(self, store: Store, writer: Writer) -> None:
        """Numbers are never given again, but by a model made anew."""
        run = with_model(writer)
        do(store, registered(run), registered(run, stage="production"), registered(run))
        do(store, AliasMoved(8, "bob", "m", "last", 3))
        assert do(store, ModelDeleted(8, "bob", "m", 3)).conflicts == ()
        live = "version 2 of model 'm' is in production"
        refused = do(store, ModelDeleted(8, "bob", "m", 2), ModelDeleted(8, "bob", "m")).conflicts
        assert [one.what for one in refused] == [live, live]
        assert (list(stages(store)), store.models()[0].aliases) == ([1, 2], {})
        do(store, registered(run), ModelDeleted(9, "bob", "m", 2, force=True))
        assert list(stages(store)) == [1, 4]
        do(store, ModelDeleted(10, "bob", "m"))
        assert (store.models(), store.versions("m")) == ([], [])
        newest = store.moves("m")[0]
        assert (newest.what, newest.version) == ("deleted", None)
        do(store, registered(run))
        assert list(stages(store)) == [1]

    def test_a_version_outlives_its_run(self, store: Store, writer: Writer) -> None:
        """And its bytes are in use."""
        run = with_model(writer, "a" * 64, "b" * 64)
        writer.write(ended(run))
        do(store, registered(run, name="model0"), RunDeleted(run, 8, "bob"))
        assert [row.digest for row in store.versions("m")] == ["a" * 64]
        assert store.digests() == {"a" * 64}
        assert store.digests_in_use(["a" * 64, "b" * 64], besides=[run]) == {"a" * 64}
        do(store, ModelDeleted(9, "bob", "m"))
        assert store.digests_in_use(["a" * 64]) == set()

    def test_threads_that_register_at_once_get_numbers_of_their_own(
        self, store: Store, writer: Writer
    ) -> None:
        """Without a gap, and with one production version at the end."""
        run, together = with_model(writer), Barrier(8)

        def register() -> None:
            together.wait()
            for _ in range(5):
                do(store, registered(run, stage="production"))

        threads = [Thread(target=register) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert list(stages(store)) == [*range(1, 41)]
        assert list(stages(store).values()).count("production") == 1
