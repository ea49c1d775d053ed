"""The entry of a measured process: run one function, answer with one line of JSON."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["barrier"]

_ANSWERS = 3
"""The file number that answers go to."""


def barrier(**news: Any) -> None:
    """Tell the benchmark that this process is ready, with `news`, and wait until it lets it go on."""
    _say({"ready": True, **news})
    sys.stdin.readline()


def _say(answer: dict[str, Any]) -> None:
    os.write(_ANSWERS, (json.dumps(answer) + "\n").encode())


def main() -> None:
    """Run ``module.function`` with its arguments, in the folder that is current."""
    # What a tool prints must not get into the answers.
    os.dup2(1, _ANSWERS, inheritable=False)
    os.dup2(2, 1)
    module, _, function = sys.argv[1].rpartition(".")
    arguments = json.loads(sys.argv[2])
    _say(getattr(import_module(f"benchmarks.{module}"), function)(Path.cwd(), **arguments))


if __name__ == "__main__":
    main()
