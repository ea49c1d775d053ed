"""``python -m tests.simulate --schedules 1000000``: the long form, with its figures."""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from .judge import judge
from .simulation import Simulation


def main() -> int:
    """Run schedules with consecutive seeds; return how many failed, at most 255."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulate", description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="the first schedule's number")
    options = parser.parse_args()
    began, failed, points, batches = time.perf_counter(), 0, 0, 0
    for done in range(1, options.schedules + 1):
        seed = options.seed + done - 1
        try:
            simulation = Simulation(seed).run()
            judge(simulation)
            points += simulation.store.inner.info().points
            batches += len(simulation.store.applied)
        except Exception:
            failed += 1
            print(f"\nschedule {seed} failed:\n{traceback.format_exc()}", flush=True)
        if done % 10_000 == 0 or done == options.schedules:
            rate = done / (time.perf_counter() - began)
            print(f"{done:,} schedules up to seed {seed}, {rate:,.0f} a second, {failed} failed", flush=True)
    print(f"{points:,} points and {batches:,} batches judged, {time.perf_counter() - began:,.0f} s")
    return min(failed, 255)


if __name__ == "__main__":
    sys.exit(main())
