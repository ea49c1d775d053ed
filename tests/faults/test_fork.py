"""Processes that come from others, by fork, from a pool or a data loader, and their runs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import chachaml as ml
from chachaml.results import Run
from tests.faults.processes import await_line, eventually, run, started
from tests.seeds import SOAK

pytestmark = [
    pytest.mark.usefixtures("folder"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
]

FORK_IN_A_BLOCK = """
import warnings
warnings.simplefilter('ignore', DeprecationWarning)  # of forks beside any thread, since Python 3.12
import os
import chachaml as ml
with ml.start_run(name="forked") as run:
    for step in range(100):
        run.log_metric("parent", step, step)
    child = os.fork()
    for step in range(100, 200):
        run.log_metric("child" if child == 0 else "parent", step, step)
    ml.log_metrics({"a": 1.0, "b": 2.0})
    if child:
        assert os.waitpid(child, 0)[1] == 0
"""


def test_a_fork_within_a_block_goes_on_in_both(folder: Path) -> None:
    ended = run(FORK_IN_A_BLOCK, cwd=folder)
    assert (ended.code, ended.err) == (0, "")
    found = ml.last_run()
    assert found is not None and found.status == "completed" and not found.conflicts
    assert ml.metric(found, "parent").values.tolist() == list(range(200))
    assert ml.metric(found, "child").values.tolist() == list(range(100, 200))
    assert sorted(ml.metric(found, "a").values.tolist()) == [1.0, 1.0]


# The first drain of a long stretch imports numpy, and every one is within SQLite: a child forked in the
# middle of either could hang when it does the same. Children are given ten seconds.
FORKS_WHILE_DRAINING = """
import os, signal, sys
import chachaml as ml
run = ml.start_run(name="forks")
step, values = 0, 2000
for number in range(int(sys.argv[1])):
    for step in range(step, step + values):
        run.log_metric("parent", step, step)
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        for _ in range(values):
            run.log_metric(f"child-{number}", 1.0)
        ml.flush()
        assert ml.metric(run, f"child-{number}").values.sum() == values
        os._exit(0)
    step += 1
    if number % 4 == 3:
        assert os.waitpid(child, 0)[1] == 0, "a child hung or failed"
for _ in range(int(sys.argv[1]) * 3 // 4):
    assert os.wait()[1] == 0, "a child hung or failed"
ml.end_run()
"""


def test_no_child_hangs_that_is_forked_while_the_drainer_works(folder: Path) -> None:
    for _ in range(5 if SOAK else 2):  # the import happens once a process
        forks = 100 if SOAK else 8
        ended = run(FORKS_WHILE_DRAINING, forks, cwd=folder, within=60 + forks)
        assert ended.code == 0, ended.err
        found = ml.last_run()
        assert found is not None and found.status == "completed"
        assert ml.metric(found, "parent").values.tolist() == list(range(2000 * forks))
        counts = {key: summary.count for key, summary in found.summaries.items() if key != "parent"}
        assert counts == {f"child-{number}": 2000 for number in range(forks)}
    assert ml.doctor().well


FORK_DURING_THE_FIRST_IMPORT = """
import os, signal, sys, time
import chachaml as ml
run = ml.start_run(name="import")
for step in range(5000):
    run.log_metric("parent", step, step)
deadline = time.monotonic() + 10
while "numpy" not in sys.modules:
    assert time.monotonic() < deadline
child = os.fork()
if child == 0:
    signal.alarm(10)
    import numpy
    for step in range(5000):
        run.log_metric("child", step, step)
    assert ml.metric(run, "child").values.sum() == sum(range(5000))
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0, "the child hung"
"""


def test_a_child_forked_while_the_drainer_imports_numpy_can_import_it(folder: Path) -> None:
    ended = run(FORK_DURING_THE_FIRST_IMPORT, cwd=folder)
    assert ended.code == 0, ended.err


OWNER_DIES = """
import os, signal, sys, time
import chachaml as ml
run = ml.start_run(name="orphaning")
run.log_metric("owner", 1.0)
if os.fork() == 0:
    os.setsid()
    for step in range(10**9):
        run.log_metric("worker", step, step)
        if step == 100:
            print(os.getpid())
        if step > 100:
            time.sleep(0.001)
signal.pause()
"""


def only_run() -> Run:
    (found,) = ml.runs()
    return found


def test_a_worker_that_outlives_the_owner_keeps_its_data_but_not_the_run(folder: Path) -> None:
    with started(OWNER_DIES, cwd=folder) as process:
        worker = int(await_line(process))
        try:
            eventually(lambda: ml.runs() and "worker" in only_run().summaries)
            assert only_run().status == "running"
            process.kill()
            process.wait()
            assert only_run().status == "crashed"
            before = only_run().summaries["worker"].count
            eventually(lambda: only_run().summaries["worker"].count > before)
            assert only_run().status == "crashed"
        finally:
            os.kill(worker, signal.SIGKILL)
    found = only_run()
    assert found.status == "crashed"
    series = ml.metric(found, "worker")
    assert series.steps.tolist() == list(range(len(series.steps)))


POOL = """
import multiprocessing, os, sys
import chachaml as ml

def work(job):
    run, number = job
    for step in range(1000):
        run.log_metric(f"item-{number}", number * step, step)
    run.log_params({f"item-{number}": number, "shared": "same"})
    return os.getpid()

if __name__ == "__main__":
    with ml.start_run(name=sys.argv[1]) as run:
        run.log_metric("loss", 0.5)
        with multiprocessing.get_context(sys.argv[1]).Pool(4) as pool:
            workers = set(pool.map(work, [(run, number) for number in range(16)], chunksize=1))
            {end}
        run.log_metric("loss", 0.25)
    assert os.getpid() not in workers
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
@pytest.mark.parametrize(
    "end", ["pool.close(); pool.join()", "pool.terminate()"], ids=["joined", "terminated"]
)
def test_what_workers_log_to_the_parent_s_run_is_there(folder: Path, method: str, end: str) -> None:
    script = folder / "pool.py"
    script.write_text(POOL.replace("{end}", end))
    # Workers by spawn import the script: it has to be a file.
    ended = run(
        "import os, sys; os.execv(sys.executable, sys.orig_argv[:1] + sys.argv[1:])",
        script,
        method,
        cwd=folder,
    )
    assert ended.code == 0, ended.err
    found = ml.last_run()
    assert found is not None and found.status == "completed" and not found.conflicts
    for number in range(16):
        assert ml.metric(found, f"item-{number}").values.tolist() == [number * step for step in range(1000)]
    assert found.params == {"shared": "same"} | {f"item-{number}": number for number in range(16)}
    assert ml.metric(found, "loss").values.tolist() == [0.5, 0.25]


LOADER = """
import torch.utils.data
import chachaml as ml

class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 64
    def __getitem__(self, index):
        ml.log_metric("loaded", float(index), index)
        return float(index)

with ml.start_run(name="loader") as run:
    for epoch in range(2):
        for batch in torch.utils.data.DataLoader(Data(), batch_size=8, num_workers=4):
            run.log_metric("loss", float(batch.mean()))
"""


def test_workers_of_a_data_loader_log_to_the_run(folder: Path) -> None:
    pytest.importorskip("torch", exc_type=ImportError)
    ended = run(LOADER, cwd=folder, within=120)
    assert ended.code == 0, ended.err
    found = ml.last_run()
    assert found is not None and found.status == "completed"
    assert sorted(ml.metric(found, "loaded").values.tolist()) == sorted([*range(64), *range(64)])
    assert found.summaries["loss"].count == 16
