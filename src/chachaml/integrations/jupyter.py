"""Jupyter and IPython: ``%load_ext chachaml`` keeps the cells that led to each run with it."""

from __future__ import annotations

from typing import Any

from chachaml import current
from chachaml.integrations.guarding import guard, guarded
from chachaml.live import LiveRun

__all__ = ["CELLS", "load_ipython_extension", "unload_ipython_extension"]

CELLS = "notebook.py"
"""The artifact that holds the cells run so far, in the order in which they were run."""


class _Extension:
    """Keeps the source of cells with the runs that they log to."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def start(self) -> None:
        current.on_open.append(self._opened)
        self._shell.events.register("post_run_cell", self._cell_has_run)
        for run in current.open_runs():
            self._opened(run)

    def stop(self) -> None:
        current.on_open.remove(self._opened)
        self._shell.events.unregister("post_run_cell", self._cell_has_run)

    @guarded("jupyter")
    def _opened(self, run: Any) -> None:
        if isinstance(run, LiveRun) and run.owner:
            run.before_end(lambda: self._keep(run))

    def _cell_has_run(self, *_: Any) -> None:
        """Keep what there is by now: a kernel may be killed before its run ends."""
        for run in current.open_runs():
            if isinstance(run, LiveRun) and run.owner:
                self._keep(run)

    @guarded("jupyter")
    def _keep(self, run: LiveRun) -> None:
        if self._opened in current.on_open:
            run.log_artifact(CELLS, self._cells(), format="text", overwrite=True)

    def _cells(self) -> str:
        cells = enumerate(self._shell.history_manager.input_hist_raw)
        return "\n".join(f"# %% [{number}]\n{cell.rstrip()}\n" for number, cell in cells if cell.strip())


_loaded: dict[int, _Extension] = {}


def load_ipython_extension(shell: Any) -> None:
    """Keep the source of cells with the runs that are started from now on; for ``%load_ext chachaml``."""
    if id(shell) not in _loaded:
        _loaded[id(shell)] = _Extension(shell)
        _loaded[id(shell)].start()


def unload_ipython_extension(shell: Any) -> None:
    """Keep no more cells; for ``%unload_ext chachaml``."""
    if extension := _loaded.pop(id(shell), None):
        with guard("jupyter"):
            extension.stop()
