"""How long ten thousand runs with ten million points take to move: python -m benchmarks.moving [RUNS]

Ten metrics of a hundred points for each run. Prints seconds and the most memory that the process ever had.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np

from chachaml.core.changes import Batch, ParamsLogged, PointsLogged, RunEnded, RunStarted
from chachaml.core.ids import new_id
from chachaml.store.sqlite import open_sqlite

KEYS, POINTS = 10, 100
TABLES = Path(__file__).parent.parent / "tests" / "moving" / "fixtures" / "mlflow" / "mlflow.sql"


def make_store(path: Path, runs: int) -> None:
    """Make a store with so many runs."""
    rng, steps = np.random.default_rng(0), np.arange(POINTS, dtype="<i8")
    with closing(open_sqlite(path)) as store:
        for start in range(0, runs, 200):
            changes: list = []
            for number in range(start, min(start + 200, runs)):
                run, began = new_id(), 1_700_000_000_000_000 + number * 10**6
                times = (began + steps * 10_000 + rng.integers(0, 1000, POINTS)).astype("<i8").tobytes()
                changes.append(
                    RunStarted(run, began, f"e{number % 20}", f"run {number}", "ada", tags={"a": "b"})
                )
                changes.append(ParamsLogged(run, began, {f"p{no}": str(no * number) for no in range(10)}))
                changes += [
                    PointsLogged(run, f"m{no}", steps.tobytes(), times, rng.normal(size=POINTS).tobytes())
                    for no in range(KEYS)
                ]
                changes.append(RunEnded(run, began + 10**6, "completed"))
            store.apply(Batch(tuple(changes), command=new_id()))


def make_mlflow(path: Path, runs: int) -> None:
    """Make a database with MLflow's own tables and so many runs."""
    rng = np.random.default_rng(0)
    with closing(sqlite3.connect(path)) as db, db:
        parts = TABLES.read_text().split(";\n")
        db.executescript(";\n".join(part for part in parts if not part.lstrip().startswith("INSERT")))
        for table in ("metrics", "params", "tags"):
            db.execute(f"CREATE INDEX index_{table}_run_uuid ON {table} (run_uuid)")
        db.execute("INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (1, 'e', 'active')")
        for number in range(runs):
            run, began = new_id(), 1_700_000_000_000 + number * 1000
            columns = "run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, experiment_id"
            row = (run, f"run {number}", "ada", "FINISHED", began, began + 1000, "active", 1)
            db.execute(f"INSERT INTO runs ({columns}) VALUES ({','.join('?' * len(row))})", row)
            db.executemany(
                "INSERT INTO params VALUES (?, ?, ?)", [(f"p{no}", str(no), run) for no in range(10)]
            )
            for no in range(KEYS):
                values = rng.normal(size=POINTS).tolist()
                rows = [(f"m{no}", value, began + 10 * at, run, at, 0) for at, value in enumerate(values)]
                db.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", rows)


def measured(code: str, folder: Path) -> tuple[float, float]:
    """Return the seconds that a piece of Python takes in a process of its own, and its most memory in MB."""
    timed = f"""
import time, resource
import chachaml as ml
began = time.monotonic()
done = {code}
assert done.runs and done.verified is not False, done
print(time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", timed], cwd=folder, capture_output=True, text=True, check=True
    )
    seconds, memory = done.stdout.split()
    return float(seconds), float(memory)


def main() -> None:
    """Measure and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_store(folder / "a.db", runs)
        make_mlflow(folder / "mlflow.db", runs)
        print(f"{runs:,} runs, {runs * KEYS * POINTS:,} points, load {os.getloadavg()[0]:.1f}")
        for what, code in (
            ("migrate, verified", "ml.migrate('a.db', 'b.db')"),
            ("back up, verified", "ml.backup('saved', 'a.db')"),
            ("import from MLflow's SQLite", "ml.import_runs('mlflow', 'mlflow.db', store='c.db')"),
        ):
            seconds, memory = measured(code, folder)
            print(f"{what:<30} {seconds:7.1f} s  {memory:6.0f} MB")
        print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
