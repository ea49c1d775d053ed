"""People at a registry, in any order: SQLite must agree with memory after every step."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.seeds import SOAK

from chachaml.core.changes import (
    AliasMoved,
    ArtifactLogged,
    Batch,
    ModelDeleted,
    ModelDescribed,
    ModelRenamed,
    RegistryChange,
    RunDeleted,
    StageMoved,
    VersionRegistered,
)
from chachaml.core.ids import new_id
from chachaml.store.memory import MemoryStore
from chachaml.store.protocol import Store
from chachaml.store.sqlite import open_sqlite
from chachaml.testing import ended, started

RUNS = ["a" * 32, "b" * 32]
models = st.sampled_from(["m", "n"])
numbers = st.integers(1, 4)
stages = st.sampled_from(["none", "staging", "production", "archived"])
tags = st.dictionaries(st.sampled_from(["k", "l"]), st.sampled_from(["1", "2"]), max_size=2)
texts = st.none() | st.sampled_from(["", "x", "日本"])
changes: st.SearchStrategy[RegistryChange] = st.one_of(
    st.builds(
        VersionRegistered,
        st.just(1),
        st.just("ada"),
        models,
        st.builds(new_id),
        st.sampled_from(RUNS),
        st.sampled_from(["model", "gone"]),
        stages,
        tags=tags,
    ),
    st.builds(StageMoved, st.just(2), st.just("bob"), models, numbers, stages, st.sampled_from(["", "why"])),
    st.builds(
        AliasMoved, st.just(3), st.just("bob"), models, st.sampled_from(["a", "b"]), st.none() | numbers
    ),
    st.builds(
        ModelDescribed,
        st.just(4),
        st.just("bob"),
        models,
        st.none() | numbers,
        texts,
        texts,
        st.dictionaries(st.sampled_from(["k", "l"]), st.none() | st.just("3"), max_size=2),
    ),
    st.builds(ModelRenamed, st.just(6), st.just("bob"), models, models),
    st.builds(ModelDeleted, st.just(5), st.just("bob"), models, st.none() | numbers, st.booleans()),
)


class RegistryMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "runs.db"
        self.model = MemoryStore()
        self.subject: Store = self.open()

    def open(self) -> Store:
        return open_sqlite(self.path)

    def teardown(self) -> None:
        self.subject.close()
        self.folder.cleanup()

    def both(self, batch: Batch) -> None:
        assert self.subject.apply(batch).conflicts == self.model.apply(batch).conflicts

    @initialize()
    def begin(self) -> None:
        for run in RUNS:
            kept = ArtifactLogged(run, 1, "model", run * 2, 10, "application/json", "json")
            self.both(Batch((started(run, 1), kept, ended(run)), command=run))

    @rule(some=st.lists(changes, min_size=1, max_size=5))
    def change(self, some: list[RegistryChange]) -> None:
        self.both(Batch(tuple(some), command=new_id()))

    @rule(run=st.sampled_from(RUNS))
    def delete_a_run(self, run: str) -> None:
        self.both(Batch((RunDeleted(run, 9, "bob"),), command=new_id()))

    @rule()
    def reopen(self) -> None:
        self.subject.close()
        self.subject = self.open()

    @invariant()
    def both_hold_the_same(self) -> None:
        assert self.subject.models() == self.model.models()
        assert self.subject.versions() == self.model.versions()
        assert self.subject.versions("m", RUNS[0]) == self.model.versions("m", RUNS[0])
        for name in ("m", "n"):
            assert self.subject.moves(name) == self.model.moves(name)
            assert self.subject.moves(name, 1, 2) == self.model.moves(name, 1, 2)
        assert self.subject.digests() == self.model.digests()

    @invariant()
    def one_version_of_each_is_in_production(self) -> None:
        live = [row.model for row in self.subject.versions() if row.stage == "production"]
        assert len(live) == len(set(live))
        for row in self.subject.models():
            numbers_given = {one.version for one in self.subject.versions(row.name)}
            assert set(row.aliases.values()) <= numbers_given
            assert row.newest >= max(numbers_given, default=0)


TestRegistryMachine = RegistryMachine.TestCase
TestRegistryMachine.settings = settings(
    max_examples=1_000 if SOAK else 25, stateful_step_count=40 if SOAK else 20, deadline=None, print_blob=True
)
