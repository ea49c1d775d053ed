"""Logs for ever, noting every acknowledged call in a file of its own: what the judge compares with.

    python writer.py STORE ORACLE

The oracle file gets a line when the run is open, then 24 bytes a call: kind, step, value.
"""

from __future__ import annotations

import os
import random
import struct
import sys

import chachaml as ml

NOTE = struct.Struct("<qqd")
POINT, ROW, PARAM = 0, 1, 2


def main(store: str, oracle: str) -> None:
    ml.connect(store)
    note = os.open(oracle, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    dice = random.Random(os.getpid())
    with ml.start_run("kills", name=f"pid-{os.getpid()}") as run:
        os.write(note, run.id.encode().ljust(NOTE.size * 2))
        for step in range(10**9):
            value = dice.gauss(0, 1)
            run.log_metric("loss", value, step)
            os.write(note, NOTE.pack(POINT, step, value))
            if step % 50 == 0:
                run.log_metrics({"a": value, "b": -value}, step)
                os.write(note, NOTE.pack(ROW, step, value))
            if step % 500 == 0:
                run.log_param(f"p{step}", value)
                os.write(note, NOTE.pack(PARAM, step, value))


if __name__ == "__main__":
    main(*sys.argv[1:])
