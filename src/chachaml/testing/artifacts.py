"""Artifacts and data sets: what every store keeps of them."""

# ruff: noqa: S101 - these are tests

from __future__ import annotations

from typing import Any

from chachaml.core.changes import ArtifactLogged, DatasetLogged
from chachaml.core.ids import new_id
from chachaml.store.protocol import Store
from chachaml.testing.material import ODD_TEXTS, Fixtures, Writer, points

__all__ = ["ArtifactContract", "artifact"]


def artifact(run: str, name: str, digest: str = "a" * 64, **fields: Any) -> ArtifactLogged:
    """Return a plausible artifact of `run`."""
    about = {"size": 4, "content_type": "text/plain", "format": "text", **fields}
    return ArtifactLogged(run, 1_500, name, digest, **about)


class ArtifactContract(Fixtures):
    """Named bytes of runs, and what is known of data."""

    def test_artifacts_come_back_by_name(self, store: Store, writer: Writer) -> None:
        """With all that was said of them."""
        run = writer.start()
        writer.write(artifact(run, "b", signature="s"), artifact(run, "a", "c" * 64, size=2**40))
        first, second = store.get_run(run).artifacts
        assert (first.name, first.digest, first.size, first.logged) == ("a", "c" * 64, 2**40, 1_500)
        assert (second.content_type, second.format, second.signature) == ("text/plain", "text", "s")

    def test_the_first_of_a_name_stays(self, store: Store, writer: Writer, other: Writer) -> None:
        """What comes later is a conflict, unless it is the same or is to overwrite."""
        run = writer.start()
        writer.write(artifact(run, "a"), artifact(run, "a"))
        receipt = other.write(artifact(run, "a", "b" * 64), points(run, "loss", [1.0]))
        found = store.get_run(run)
        assert [one.digest for one in found.artifacts] == ["a" * 64]
        assert [one.what for one in receipt.conflicts] == [one.what for one in found.conflicts]
        assert "'a'" in found.conflicts[0].what
        assert found.metrics["loss"].count == 1
        other.write(artifact(run, "a", "b" * 64, overwrite=True))
        assert [one.digest for one in store.get_run(run).artifacts] == ["b" * 64]

    def test_names_of_artifacts_may_be_odd(self, store: Store, writer: Writer) -> None:
        """They come back as they were, in order."""
        odd = [name for name in ODD_TEXTS if name.strip() and len(name) <= 200]
        run = writer.start()
        writer.write(*(artifact(run, name) for name in odd))
        assert [one.name for one in store.get_run(run).artifacts] == sorted(odd)

    def test_digests_in_use_are_known(self, store: Store, writer: Writer) -> None:
        """Those of any run, until they are overwritten."""
        run = writer.start()
        writer.write(artifact(run, "a"), artifact(run, "b"), artifact(writer.start(), "c", "c" * 64))
        assert store.digests_in_use(["a" * 64, "b" * 64, "c" * 64]) == {"a" * 64, "c" * 64}
        assert store.digests() == {"a" * 64, "c" * 64}
        assert store.digests_in_use([]) == set()
        assert store.digests_in_use(["a" * 64, "c" * 64], besides=[run]) == {"c" * 64}
        writer.write(artifact(run, "again", size=4))
        assert store.blobs_of([run, new_id()]) == {"a" * 64: (4, 1_500)}

    def test_data_sets_come_back_as_logged(self, store: Store, writer: Writer) -> None:
        """Any number of them."""
        run = writer.start()
        one = DatasetLogged(run, 1_500, "iris", "train", 150, 4, ("a", "b"), "d" * 64, "here")
        writer.write(one, DatasetLogged(run, 1_600, "", "test"), one)
        first, second, third = store.get_run(run).datasets
        assert (first.name, first.role, first.rows, first.columns) == ("iris", "train", 150, 4)
        assert (first.features, first.digest, first.source, first.logged) == (
            ("a", "b"),
            "d" * 64,
            "here",
            1_500,
        )
        assert (second.rows, second.features) == (None, ())
        assert third == first
