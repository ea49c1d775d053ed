"""Which rank of a distributed job this process is, and how all ranks find one run without a word."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from chachaml.core import configuration
from chachaml.core.ids import derived_id
from chachaml.journal.liveness import identity

__all__ = ["Rank", "rank", "shared_id"]


class Rank(NamedTuple):
    """One process of a job. ``job`` tells the job from any other; it is '' where nothing does."""

    number: int
    size: int
    launcher: str
    job: str


class _Launcher(NamedTuple):
    """The variables in which a launcher says rank, number of ranks, and number of them on this machine."""

    name: str
    rank: str
    size: str
    here: tuple[str, ...] = ()


_LAUNCHERS = (
    _Launcher("torchrun", "RANK", "WORLD_SIZE", ("LOCAL_WORLD_SIZE", "LOCAL_SIZE")),
    _Launcher("Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", ("OMPI_COMM_WORLD_LOCAL_SIZE",)),
    _Launcher("MPI", "PMI_RANK", "PMI_SIZE", ("MPI_LOCALNRANKS",)),
    _Launcher("Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
)
"""Slurm is last: under it mpirun starts its own helpers, whose variables its ranks inherit."""

_NAMES = ("TORCHELASTIC_RUN_ID", "PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "SLURM_JOB_ID")
"""Any of these names a job."""

_BESIDES = (
    "SLURM_CLUSTER_NAME",
    "SLURM_STEP_ID",
    "MASTER_ADDR",
    "MASTER_PORT",
    "TORCHELASTIC_RESTART_COUNT",
    "SLURM_RESTART_COUNT",
)
"""These are alike for all ranks, and tell apart what follows under one name."""

_RANK = "CHACHAML_RANK_PID"
"""Which process is the rank: what it starts inherits the launcher's variables, and is none."""

_begun: Counter[str] = Counter()
"""How many runs this process has begun, by their parent's id."""


def rank() -> Rank | None:
    """Return which rank of a job this process is; None if it is no job, or not one of its ranks.

    Raises:
        BadValue: The setting ``ranks`` makes no sense.
    """
    found = next((one for one in _LAUNCHERS if _number(one.rank) is not None), None)
    if found is None or (_number(found.size) or 0) < 2:
        return None
    if configuration.text("ranks") == "apart":
        return None
    if os.environ.setdefault(_RANK, str(os.getpid())) != str(os.getpid()):
        return None
    return Rank(_number(found.rank) or 0, _number(found.size) or 0, found.name, _job(found))


def shared_id(job: str, parent: str) -> str:
    """Return the id of the run that all ranks begin now: the next one below a parent, '' for none."""
    _begun[parent] += 1
    return derived_id("rank", job, parent, _begun[parent])


def _number(variable: str) -> int | None:
    text = os.environ.get(variable, "")
    return int(text) if text.isascii() and text.isdigit() else None


def _job(launcher: _Launcher) -> str:
    if given := configuration.text("job"):
        return given
    besides = [f"{name}={os.environ.get(name, '')}" for name in _BESIDES]
    if _number(launcher.size) in [_number(name) for name in launcher.here]:
        return "\0".join([_launched_by(launcher.rank), *besides])
    names = [text for name in _NAMES if (text := os.environ.get(name)) and text != "none"]
    return "\0".join([*names, *besides]) if names else ""


def _launched_by(variable: str) -> str:
    """Return who started the ranks of this machine: the nearest process above that is no rank itself."""
    for pid in _above(os.getppid()):
        try:
            given = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:  # another user's, or a system that does not tell
            return identity(pid)
        if not any(one.startswith(f"{variable}=".encode()) for one in given):
            return identity(pid)
    return identity(os.getppid())  # all of the machine inherits a rank


def _above(pid: int) -> Iterator[int]:
    """Yield a process, its parent, and so on."""
    while pid > 0:
        yield pid
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            return
