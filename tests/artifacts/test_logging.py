"""Artifacts as their user sees them: kept, listed, loaded, copied out."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import chachaml as ml
from chachaml.core.errors import ArtifactDamaged, ArtifactExists, BadValue, NotFound, RunHasEnded, Untrusted

pytestmark = pytest.mark.usefixtures("folder")

HOSTILE = [
    "",
    " ",
    ".",
    "..",
    "../x",
    "a/../x",
    "a/..",
    "/etc/passwd",
    "//host/share",
    "\\\\host\\share",
    "\\x",
    "C:\\x",
    "C:/x",
    "c:",
    "a\\..\\..\\x",
    "..\\x",
    "a//b",
    "a/",
    "/",
    "a/./b",
    "x\0y",
    "\0",
    "x" * 1001,
    "x" * 201,
    "\ud800",
]

ODD = [
    "plots/roc.png",
    "a b",
    "日本語/模型",
    "100%",
    "a#b?c;d=e&f",
    "C:x y".replace("C:", "see: "),
    "@alias",
    "~user",
    "...",
    "-rf",
    "con",
    "trailing.",
    "quote\"'`$(x)",
    "<img src=x>",
    "🦦" * 60,
    "line\nbreak",
    "%2e%2e%2f",
    "café",
]


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_names_that_lead_elsewhere_are_refused(name: str, folder: Path) -> None:
    canary = folder.parent / "x"
    with ml.start_run() as run:
        with pytest.raises(BadValue):
            run.log_artifact(name, "text")
        with pytest.raises(BadValue):
            run.log_file(__file__, name)
    assert ml.list_artifacts(run) == ()
    assert not canary.exists()


@pytest.mark.parametrize("name", ODD, ids=repr)
def test_any_other_name_comes_back_as_it_was(name: str, folder: Path) -> None:
    with ml.start_run() as run:
        run.log_artifact(name, name)
    assert [artifact.name for artifact in ml.list_artifacts(run)] == [name]
    assert ml.load_artifact(run, name) == name
    shown = ml.artifact_path(run, name)
    assert shown.read_text() == name
    assert shown.is_relative_to(folder / "chachaml-artifacts" / run.id)
    assert ml.download_artifact(run, name, folder / "out").read_text() == name


def test_the_first_artifact_of_a_name_stays() -> None:
    """Row 17: a second artifact of a name is refused, and the first one's bytes survive."""
    with ml.start_run() as run:
        run.log_artifact("model", {"version": 1})
        for second in ({"version": 2}, {"version": 1}):
            with pytest.raises(ArtifactExists, match="'model'"):
                run.log_artifact("model", second)
        with pytest.raises(ArtifactExists):
            ml.log_text("model", "other")
    assert ml.load_artifact(run, "model") == {"version": 1}
    assert ml.artifact_path(run, "model").read_bytes().startswith(b"{")


def test_overwriting_must_be_asked_for() -> None:
    with ml.start_run() as run:
        run.log_text("note", "one")
        run.log_text("note", "two", overwrite=True)
    assert ml.load_artifact(run, "note") == "two"
    assert ml.artifact_path(run, "note").read_text() == "two"
    assert len(ml.list_artifacts(run)) == 1


def test_a_resumed_run_knows_its_artifacts() -> None:
    with ml.start_run() as run:
        run.log_text("note", "one")
    with ml.start_run(resume=run.id) as again, pytest.raises(ArtifactExists):
        again.log_text("note", "two")


def test_two_processes_cannot_both_have_a_name(folder: Path) -> None:
    with ml.start_run() as run:
        run.log_text("note", "mine")
        ml.flush()
        code = f"""
import chachaml as ml
with ml.start_run(resume={run.id!r}, join=True) as run:
    try:
        run.log_text("note", "theirs")
    except ml.errors.ArtifactExists as error:
        print("refused")
    run.log_text("other", "theirs")
"""
        said = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
        assert said.stdout == "refused\n", said.stderr
        with pytest.raises(ArtifactExists):
            run.log_text("other", "mine")
    assert ml.load_artifact(run, "note") == "mine"


def test_bytes_are_on_disk_under_run_and_name(folder: Path) -> None:
    """Rows 1 and 18: the folder is made by itself, and plain tools can use what is in it."""
    with ml.start_run() as run:
        run.log_text("reports/summary.md", "# Good")
    file = folder / "chachaml-artifacts" / run.id / "reports" / "summary.md"
    assert file.read_text() == "# Good"


def test_size_and_hash_are_recorded_and_checked() -> None:
    """Row 16: SHA-256 and size are recorded, and verified on load."""
    with ml.start_run() as run:
        kept = run.log_artifact("data", b"four")
    assert kept is not None
    assert (kept.size, kept.digest) == (4, hashlib.sha256(b"four").hexdigest())
    path = ml.artifact_path(run, "data")
    path.chmod(0o600)
    path.write_bytes(b"fire")
    with pytest.raises(ArtifactDamaged):
        ml.load_artifact(run, "data")
    with pytest.raises(ArtifactDamaged):
        ml.download_artifact(run, "data", "out")
    assert not Path("out/data").exists()


def test_a_lost_view_is_made_again() -> None:
    with ml.start_run() as run:
        run.log_text("a/b", "here")
    ml.artifact_path(run, "a/b").unlink()
    assert ml.load_artifact(run, "a/b") == "here"
    assert ml.artifact_path(run, "a/b").read_text() == "here"


def test_a_file_is_copied_and_its_type_guessed(folder: Path) -> None:
    """Rows 11 and 14: a file is kept, and an image logged as a file shows as one."""
    Path("plot.png").write_bytes(b"\x89PNG\r\n\x1a\n rest")
    Path("unnamed").write_bytes(b"\x89PNG\r\n\x1a\n rest")
    with ml.start_run() as run:
        logged = [run.log_file("plot.png"), run.log_file("unnamed", "plots/two")]
    Path("plot.png").write_bytes(b"changed")
    assert [artifact.content_type for artifact in logged if artifact] == ["image/png"] * 2
    assert ml.load_artifact(run, "plot.png") == b"\x89PNG\r\n\x1a\n rest"
    assert Path("plot.png").stat().st_nlink == 1


def test_what_is_no_file_says_so(folder: Path) -> None:
    with ml.start_run() as run:
        with pytest.raises(BadValue, match="does not exist"):
            run.log_file("missing.bin")
        with pytest.raises(BadValue, match="log_dir"):
            run.log_file(folder)
        Path("real").write_text("x")
        with pytest.raises(BadValue, match="there is 'real'"):
            run.log_file("name", "real")
        with pytest.raises(BadValue, match="log_file"):
            run.log_dir("real")


def test_a_folder_is_kept_without_what_links_point_to(folder: Path) -> None:
    secret = folder.parent / "secret"
    secret.write_text("key")
    Path("data/inner").mkdir(parents=True)
    Path("data/inner/a.txt").write_text("a")
    Path("data/b.txt").write_text("b")
    Path("data/link").symlink_to(secret)
    Path("data/loop").symlink_to(folder / "data", target_is_directory=True)
    with ml.start_run() as run, pytest.warns(ml.ChachamlWarning, match="2 links"):
        logged = run.log_dir("data")
    assert [artifact.name for artifact in logged] == ["data/b.txt", "data/inner/a.txt"]
    assert ml.download_artifact(run, "data", "out") == folder / "out" / "data"
    assert Path("out/data/inner/a.txt").read_text() == "a"
    with pytest.raises(BadValue, match="there already"):
        ml.download_artifact(run, "data", "out")
    ml.download_artifact(run, "data", "out", overwrite=True)


def test_downloads_do_not_follow_links_out_of_the_folder(folder: Path) -> None:
    with ml.start_run() as run:
        run.log_text("sub/x", "text")
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    Path("out").mkdir()
    Path("out/sub").symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(BadValue, match="link"):
        ml.download_artifact(run, "sub/x", "out")
    assert not list(elsewhere.iterdir())


def test_tables_of_every_kind() -> None:
    """Row 13: tables are kept as tables."""
    with ml.start_run() as run:
        run.log_table("dicts", [{"a": 1, "b": 2}, {"a": 3, "c": 4}])
        run.log_table("rows", [(1, 2), (3, 4)], headers=["x", "y"])
        run.log_table("whole", {"headers": ["x"], "rows": [[1.5]]})
        run.log_table("empty", [])
        with pytest.raises(BadValue, match="row 1"):
            run.log_table("bad", [[1], [1, 2]])
    assert ml.load_artifact(run, "dicts") == {
        "headers": ["a", "b", "c"],
        "rows": [[1, 2, None], [3, None, 4]],
    }
    assert ml.load_artifact(run, "rows") == {"headers": ["x", "y"], "rows": [[1, 2], [3, 4]]}
    assert ml.load_artifact(run, "whole")["rows"] == [[1.5]]
    assert ml.load_artifact(run, "empty") == {"headers": [], "rows": []}


def test_histograms_sound_and_text() -> None:
    """Row 12: Markdown is kept as Markdown."""
    with ml.start_run() as run:
        run.log_histogram("weights", np.array([0.0, 1.0, 1.0, np.nan]), bins=2)
        run.log_audio("tone.wav", np.array([0.0, 0.5, -0.5]), 8000)
        note = run.log_text("note.md", "# Title")
        page = run.log_html("page", "<b>x</b>")
    assert note is not None
    assert page is not None
    assert (note.content_type, page.content_type) == ("text/markdown", "text/html")
    assert ml.load_artifact(run, "weights") == {"counts": [1, 2], "edges": [0.0, 0.5, 1.0]}
    tone = ml.load_artifact(run, "tone.wav")
    assert tone.rate == 8000
    assert np.allclose(tone.samples, [0, 0.5, -0.5], atol=1e-4)


def test_a_content_type_never_changes_what_is_loaded() -> None:
    with ml.start_run() as run:
        kept = run.log_artifact("x", {"a": 1}, content_type="text/html")
    assert kept is not None
    assert kept.content_type == "text/html"
    assert ml.load_artifact(run, "x") == {"a": 1}


def test_data_sets_are_described() -> None:
    """Row 20: what is known of each data set is kept with the run."""
    with ml.start_run() as run:
        run.log_dataset(np.zeros((3, 2)), name="digits", features=["a", "b"], source="sklearn")
        run.log_dataset(name="held out", role="test", rows=10, hash="abc")
    first, second = ml.run(run.id).datasets
    assert (first.name, first.role, first.rows, first.columns, first.features) == (
        "digits",
        "train",
        3,
        2,
        ("a", "b"),
    )
    assert len(first.digest) == 64
    assert (second.role, second.rows, second.digest) == ("test", 10, "abc")


def test_nothing_can_be_logged_after_the_end() -> None:
    with ml.start_run() as run:
        pass
    with pytest.raises(RunHasEnded):
        run.log_text("late", "x")
    with pytest.raises(RunHasEnded):
        run.log_dataset(name="late")


def test_a_wrong_name_tells_the_nearest() -> None:
    with ml.start_run() as run:
        run.log_text("model", "x")
    with pytest.raises(NotFound, match="'model'"):
        ml.load_artifact(run, "modle")


# trust --------------------------------------------------------------------------------------------


def test_ones_own_pickle_loads_and_another_users_does_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with ml.start_run() as run:
        kept = run.log_artifact("odd", range(3))
    assert kept is not None
    assert kept.format == "pickle"
    assert ml.load_artifact(run, "odd") == range(3)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    with pytest.raises(Untrusted, match="signed by somebody else") as refused:
        ml.load_artifact(run, "odd")
    assert kept.digest in refused.value.hint
    for trust in (False, "0" * 64):
        with pytest.raises(Untrusted):
            ml.load_artifact(run, "odd", trust=trust)
    assert ml.load_artifact(run, "odd", trust=kept.digest) == range(3)
    assert ml.load_artifact(run, "odd", trust=True) == range(3)


def test_a_project_key_makes_its_holders_trust_each_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHACHAML_SIGNING_KEY", "ours")
    with ml.start_run() as run:
        run.log_artifact("odd", range(3))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "a colleague"))
    assert ml.load_artifact(run, "odd") == range(3)
    monkeypatch.setenv("CHACHAML_SIGNING_KEY", "theirs")
    with pytest.raises(Untrusted):
        ml.load_artifact(run, "odd")


def test_a_signature_counts_for_its_run_and_name_alone(folder: Path) -> None:
    """What was signed elsewhere cannot be put in another's place."""
    import apsw

    with ml.start_run() as run:
        run.log_artifact("a", range(3))
        run.log_artifact("b", range(4))
    ml.flush()
    with apsw.Connection("chachaml.db") as db:
        take = "(SELECT digest, signature FROM artifacts WHERE name = 'a')"
        db.execute(f"UPDATE artifacts SET (digest, signature) = {take} WHERE name = 'b'")
    assert ml.load_artifact(run, "a") == range(3)
    with pytest.raises(Untrusted):
        ml.load_artifact(run, "b")


def test_a_key_that_others_may_write_vouches_for_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with ml.start_run() as run:
        run.log_artifact("odd", range(3))
    key = tmp_path / "state" / "chachaml" / "signing.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o666)
    with pytest.raises(Untrusted):
        ml.load_artifact(run, "odd")


# the disk -----------------------------------------------------------------------------------------


def test_nobody_else_can_read_what_is_kept(folder: Path) -> None:
    code = """
import os, chachaml as ml
os.umask(0)
with ml.start_run() as run:
    run.log_artifact("a/b/c", {"x": 1})
"""
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    for path in (folder / "chachaml-artifacts", *(folder / "chachaml-artifacts").rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o400), path


def test_equal_bytes_are_kept_once(folder: Path) -> None:
    for _ in range(3):
        with ml.start_run() as run:
            run.log_artifact("a", b"same" * 1000)
            run.log_artifact("b", b"same" * 1000)
    assert len(list((folder / "chachaml-artifacts" / "blobs").glob("??/*"))) == 1


def test_a_link_planted_in_the_way_is_not_followed(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    with ml.start_run() as run:
        root = folder / "chachaml-artifacts"
        root.mkdir()
        (root / run.id).symlink_to(outside, target_is_directory=True)
        run.log_text("x", "text")
    assert not list(outside.iterdir())
    assert ml.load_artifact(run, "x") == "text"


def test_links_flipped_in_a_race_lead_nowhere(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    stop = threading.Event()
    with ml.start_run() as run:
        shown = folder / "chachaml-artifacts" / run.id
        run.log_text("sub/first", "x")

        def flip() -> None:
            while not stop.is_set():
                try:
                    (shown / "sub").rename(shown / "was")
                    (shown / "sub").symlink_to(outside, target_is_directory=True)
                    (shown / "sub").unlink()
                    (shown / "was").rename(shown / "sub")
                except OSError:
                    pass

        flipper = threading.Thread(target=flip)
        flipper.start()
        try:
            for number in range(300):
                run.log_text(f"sub/{number}", "x")
        finally:
            stop.set()
            flipper.join()
    assert not list(outside.iterdir())
    assert len(ml.list_artifacts(run)) == 301


def test_a_large_file_needs_little_memory(folder: Path) -> None:
    with open("large", "wb") as file:
        file.truncate(200 << 20)
    with ml.start_run() as run:
        tracemalloc.start()
        try:
            kept = run.log_file("large")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert kept is not None
    assert kept.size == 200 << 20
    assert peak < 20 << 20


def test_no_artifact_without_bytes_after_a_kill(folder: Path) -> None:
    """Row 19: never a row without bytes."""
    code = """
import os, signal, threading, chachaml as ml
run = ml.start_run()
for number in range(10**6):
    run.log_artifact(f"{number}", os.urandom(2000))
    if number == 20:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGKILL)).start()
"""
    for _ in range(3):
        subprocess.run([sys.executable, "-c", code], cwd=folder, check=False)
    seen = 0
    for run in ml.runs():
        for artifact in ml.list_artifacts(run):
            assert len(ml.load_artifact(run, artifact.name)) == 2000
            seen += 1
    assert seen > 10


def test_no_room_is_a_warning_and_training_goes_on(folder: Path) -> None:
    code = """
import resource, signal, chachaml as ml
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with ml.start_run() as run:
    run.log_metric("loss", 1.0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000_000, 50_000_000))
    assert run.log_artifact("large", bytes(60_000_000)) is None
    run.log_text("small", "x")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "'large' of run" in done.stderr
    assert "NOT kept" in done.stderr
    run = ml.runs()[0]
    assert [artifact.name for artifact in ml.list_artifacts(run)] == ["small"]
    assert not list((folder / "chachaml-artifacts" / "blobs").glob(".new-*"))


def test_another_folder_for_artifacts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ml.connect("chachaml.db", artifacts="elsewhere")
    with ml.start_run() as run:
        run.log_text("x", "text")
    assert (folder / "elsewhere" / run.id / "x").read_text() == "text"
    assert not (folder / "chachaml-artifacts").exists()


def test_disabled_keeps_nothing(folder: Path) -> None:
    code = """
import chachaml as ml
with ml.start_run() as run:
    assert run.log_artifact("x", 1) is None
    assert run.log_dataset(name="x") is None
"""
    environment = {**os.environ, "CHACHAML_MODE": "disabled"}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True)
    assert not list(folder.iterdir())
