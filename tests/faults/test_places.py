"""Folders that cannot be written, homes that are missing, users that nobody knows: training goes on."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import chachaml as ml
from tests.faults.processes import OWN_MOUNTS, Finished, has_room_for_mounts, run

pytestmark = pytest.mark.usefixtures("folder")

TRAINING = """
import sys
import chachaml as ml
with ml.start_run("places", name="placed") as run:
    run.log_param("lr", 0.1)
    for step in range(20_000):
        run.log_metric("loss", step, step)
sys.exit(7)
"""

IS_ROOT = getattr(os, "getuid", int)() == 0
DENIED = "-dac_override,-dac_read_search"
# Root may write everywhere; without these rights it is as any other user.
AS_A_USER = ("setpriv", f"--inh-caps={DENIED}", f"--bounding-set={DENIED}") if IS_ROOT else ()
# Whoever may mount because they are root in a name space of their own is themselves again in another.
AS_ONESELF = () if IS_ROOT else ("unshare", f"--map-user={os.getuid()}", f"--map-group={os.getgid()}")
# In a mount namespace of its own, the folder is mounted over itself, to be read only.
READ_ONLY = (
    *OWN_MOUNTS,
    "sh",
    "-c",
    'mount --bind . . && mount -o remount,ro,bind . && cd . && cd "$PWD" && exec "$@"',
    "sh",
    *AS_ONESELF,
)


def train(folder: Path, through: Sequence[str] = (), **env: str) -> Finished:
    ended = run(TRAINING, cwd=folder, through=through, env=env)
    assert ended.code == 7, ended
    assert "Traceback" not in ended.err
    return ended


def assert_all_there(store: Path) -> None:
    ml.connect(store)
    (found,) = ml.runs(experiment="places")
    assert (found.status, found.params) == ("completed", {"lr": 0.1})
    assert ml.metric(found, "loss").values.tolist() == list(range(20_000))


@pytest.fixture(params=["permissions", "read-only mount"])
def locked(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Sequence[str]]:
    """A folder that cannot be written, and how to run a command so that it meets it so."""
    folder = tmp_path / "locked"
    folder.mkdir()
    if request.param == "permissions":
        if IS_ROOT and not shutil.which("setpriv"):
            pytest.skip("this needs setpriv, of util-linux, to give up root's rights")
        folder.chmod(0o555)
        return folder, AS_A_USER
    if not has_room_for_mounts():
        pytest.skip("this needs mounts of its own: run it as root, or allow user namespaces")
    return folder, READ_ONLY


def test_a_read_only_folder_gets_its_runs_later(locked: tuple[Path, Sequence[str]]) -> None:
    folder, through = locked
    ended = train(folder, through)
    assert len(ended.said) == 1 and "chachaml sync" in ended.err
    assert list(folder.iterdir()) == []
    folder.chmod(0o755)
    assert ml.sync(folder / "chachaml.db").drained == 1
    assert_all_there(folder / "chachaml.db")


def test_without_a_home_the_temporary_folder_keeps_the_runs(
    locked: tuple[Path, Sequence[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, through = locked
    (tmp_path / "temporary").mkdir()
    nowhere = {"HOME": "/nonexistent", "XDG_STATE_HOME": "", "TMPDIR": str(tmp_path / "temporary")}
    ended = train(folder, through, **nowhere)
    assert len(ended.said) == 1
    folder.chmod(0o755)
    for name, value in nowhere.items():
        monkeypatch.setenv(name, value)
    assert_all_there(folder / "chachaml.db")


def test_where_nothing_at_all_can_be_written_the_loss_is_loud(locked: tuple[Path, Sequence[str]]) -> None:
    folder, through = locked
    inside = folder / "nothing"
    ended = train(folder, through, XDG_STATE_HOME=str(inside), TMPDIR=str(inside))
    assert "LOST" in ended.err
    assert len(ended.said) <= 3


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A store with a finished run, and one whose process was killed before it was brought in."""
    folder = tmp_path / "locked"
    folder.mkdir(exist_ok=True)
    train(folder)
    killed = run(
        "import os, chachaml as ml\n"
        "ml.start_run('killed'); ml.log_metric('loss', 1.0); os.kill(os.getpid(), 9)",
        cwd=folder,
    )
    assert killed.code == -9
    return folder


READING = """
import chachaml as ml
for run in ml.runs(experiment="places"):
    print(run.status, ml.metric(run, "loss").values.sum(), ml.best_run(metric="loss").metric_value)
"""


@pytest.mark.parametrize("how", ["permissions", "read-only mount"])
def test_a_read_only_store_can_be_read(kept: Path, how: str) -> None:
    if how == "permissions":
        if IS_ROOT and not shutil.which("setpriv"):
            pytest.skip("this needs setpriv, of util-linux, to give up root's rights")
        for path in (kept, *kept.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
    elif not has_room_for_mounts():
        pytest.skip("this needs mounts of its own: run it as root, or allow user namespaces")
    ended = run(READING, cwd=kept, through=AS_A_USER if how == "permissions" else READ_ONLY)
    for path in (kept, *kept.rglob("*")):
        path.chmod(0o755)
    assert (ended.code, ended.out) == (0, f"completed {float(sum(range(20_000)))} 19999.0\n"), ended
    ml.connect(kept / "chachaml.db")
    assert {found.status for found in ml.runs()} == {"completed", "crashed"}


def test_a_folder_of_journals_that_is_another_user_s_is_gone_around(tmp_path: Path) -> None:
    if IS_ROOT and not shutil.which("setpriv"):
        pytest.skip("this needs setpriv, of util-linux, to give up root's rights")
    folder = tmp_path / "shared"
    (folder / "chachaml-journal").mkdir(parents=True)
    (folder / "chachaml-journal").chmod(0o555)
    ended = train(folder, AS_A_USER)
    assert ended.err == ""
    assert_all_there(folder / "chachaml.db")


def test_the_journal_of_another_user_hinders_nobody(kept: Path) -> None:
    if IS_ROOT and not shutil.which("setpriv"):
        pytest.skip("this needs setpriv, of util-linux, to give up root's rights")
    (journal,) = (kept / "chachaml-journal").iterdir()
    for path in journal.iterdir():
        path.chmod(0)
    ended = run(
        TRAINING.replace("sys.exit(7)", "print(len(ml.runs()), *ml.doctor().problems)"),
        cwd=kept,
        through=AS_A_USER,
    )
    for path in journal.iterdir():
        path.chmod(0o600)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("2 journal ") and "cannot be brought in" in ended.out
    ml.connect(kept / "chachaml.db")
    assert {found.status for found in ml.runs()} == {"completed", "crashed"}


def test_a_store_in_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    store = tmp_path / "not" / "yet" / "chachaml.db"
    ended = train(tmp_path, CHACHAML_STORE=str(store))
    assert len(ended.said) <= 1
    store.parent.mkdir(parents=True, exist_ok=True)
    assert_all_there(store)


@pytest.mark.skipif(not IS_ROOT, reason="only root can become a user that nobody knows")
def test_a_user_without_a_name_is_a_number(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    os.chown(folder, 54321, 54321)
    for above in (tmp_path, *tmp_path.parents[:2]):
        above.chmod(0o755)
    right = "+dac_read_search"  # to read this Python and this checkout, wherever they are
    unknown = ("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups")
    ended = train(folder, (*unknown, f"--inh-caps={right}", f"--ambient-caps={right}"), USER="", HOME="/")
    assert ended.err == ""
    assert_all_there(folder / "chachaml.db")
    assert ml.runs()[0].created_by == "54321"


STRICT = """
import os, sys
import chachaml as ml
from chachaml.core.errors import StoreUnavailable
run = ml.start_run()
run.log_metric("loss", 1.0)
try:
    {call}
except StoreUnavailable:
    sys.exit(9)
"""


def test_strict_raises_at_the_end_of_the_run(tmp_path: Path) -> None:
    store = tmp_path / "nowhere" / "chachaml.db"
    for call, strict, code in (
        ("run.end()", "1", 9),
        ("run.end()", "", 0),
        ("run.log_metric('x', 1)", "1", 0),
    ):
        env = {"CHACHAML_STORE": str(store), "CHACHAML_STRICT": strict}
        assert run(STRICT.format(call=call), cwd=tmp_path, env=env).code == code


LOCKED = """
import time
import apsw
import chachaml as ml
with ml.start_run():
    ml.log_metric("loss", 1.0)
    ml.flush()
    holder = apsw.Connection("chachaml.db")
    holder.execute("BEGIN EXCLUSIVE")
    slowest = 0.0
    for step in range(200_000):
        began = time.perf_counter()
        ml.log_metric("loss", 1.0, step)
        slowest = max(slowest, time.perf_counter() - began)
print(slowest, time.monotonic())
"""


def test_neither_log_calls_nor_the_end_wait_for_a_locked_store(tmp_path: Path) -> None:
    ended = run(LOCKED, cwd=tmp_path)
    done = time.monotonic()
    assert ended.code == 0, ended
    slowest, since = map(float, ended.out.split())
    assert slowest < 0.5
    assert done - since < 6.5
    ml.connect(tmp_path / "chachaml.db")
    assert ml.runs()[0].summaries["loss"].count == 200_001
