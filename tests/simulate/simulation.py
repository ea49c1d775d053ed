"""One schedule: everything that happens in it follows from its seed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random

from chachaml.core.changes import Batch, OwnerLost
from chachaml.core.errors import StoreUnavailable
from chachaml.journal.drainer import Drain

from .processes import STRETCHES, Clock, Process, persist
from .world import DiskSource, FlakyStore


class Simulation:
    """Several processes, several runs, one store, and what goes wrong between them.

    Args:
        seed: The schedule's number.
    """

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.clock = Clock(random)
        self.store = FlakyStore(random, random.choice((0.0, 0.1, 0.5)), self._meanwhile)
        self.processes: list[Process] = []
        self.helpers: list[Drain] = []
        self.runs: list[str] = []
        self.owners: dict[str, list[Process]] = {}
        """Of each run, those who started or resumed it, in that order."""
        self.power_was_lost = False
        self._busy = False
        self._errands: list[tuple[float, Callable[[], None]]] = [
            (30, self._log),
            (12, self._drain),
            (8, self._help),
            (2, self._join),
            (2, self._end),
            (2, self._kill),
            (2, self._resume),
            (2, self._bury_part),
            (2, self._sync),
            (1, self._suspect),
            (1, self._fill_or_free_a_disk),
            (1, self._scar),
            (0.5, self._close),
            (0.1, self._lose_power),
        ]

    def run(self) -> Simulation:
        """Let everything happen, then let the store be well and everybody finish."""
        weights = [weight for weight, _ in self._errands]
        errands = [errand for _, errand in self._errands]
        self._start()
        steps = self.random.randint(4, self.random.choice((15, 25, 60)))
        for errand in self.random.choices(errands, weights, k=steps):
            with suppress(StoreUnavailable):
                errand()
        self._finish()
        return self

    # who there is -----------------------------------------------------------------------------------

    def _process(self) -> Process:
        process = Process(len(self.processes) + 1, self.random, self.clock, self.store)
        self.processes.append(process)
        return process

    def _living(self) -> Process | None:
        living = [process for process in self.processes if process.alive]
        return self.random.choice(living) if living else None

    def _dead(self) -> Process | None:
        dead = [process for process in self.processes if not process.alive and not process.gone]
        return self.random.choice(dead) if dead else None

    def _start(self) -> None:
        run = f"{len(self.runs):032x}"
        self.runs.append(run)
        process = self._living() if self.random.random() < 0.3 else None
        process = process or self._process()
        process.start(run)
        self.owners[run] = [process]

    def _join(self) -> None:
        if self.random.random() < 0.3 and len(self.runs) < 3:
            self._start()
        elif len(self.processes) < 6:
            self._process().join(self.random.choice(self.runs))

    # what they do -----------------------------------------------------------------------------------

    def _log(self) -> None:
        process = self._living()
        if process and process.runs:
            for _ in range(self.random.choice((1, 1, 3, 10))):
                process.log_something()

    def _end(self) -> None:
        process = self._living()
        if process and process.runs:
            process.end(self.random.choice(process.runs))

    def _resume(self) -> None:
        """Go on with a run that nobody owns any more, once all that is known of it is in the store."""
        run = self.random.choice(self.runs)
        owner = self.owners[run][-1]
        if owner.alive and run in owner.runs:
            # A second owner while the first lives: what a user gets who resumes on another machine.
            if len(self.owners[run]) > 1 or self.random.random() < 0.8:
                return
        elif not self._bring_in(owner) and len(self.owners[run]) > 1:
            return
        process = self._process()
        process.resume(run)
        self.owners[run].append(process)

    def _bring_in(self, process: Process) -> bool:
        if process.gone:
            return True
        if not process.alive:
            return persist(process.bury())
        source = DiskSource(process.disk, alive=True)
        drain = Drain(source, self.store)
        while drain.step():
            pass
        return self.store.applied_to(process.id) >= process.journal.end() and not process.journal.held

    def _drain(self) -> None:
        process = self._living()
        if process:
            process.drain_once()

    def _sync(self) -> None:
        process = self._living()
        if process:
            process.sync()

    # what others do to them -------------------------------------------------------------------------

    def _help(self) -> None:
        """Drain somebody's journal, begin or stop doing so: the original, or a copy of its files."""
        draw = self.random.random()
        if draw < 0.3 or not self.helpers:
            process = self.random.choice(self.processes)
            copied = self.random.random() < 0.2
            source = DiskSource(process.disk.copy() if copied else process.disk, alive=not copied)
            self.helpers.append(Drain(source, self.store, stretch=self.random.choice(STRETCHES)))
        elif draw < 0.4:
            self.helpers.remove(self.random.choice(self.helpers))
        else:
            self.random.choice(self.helpers).step()

    def _meanwhile(self) -> None:
        if not self._busy:
            self._busy = True
            try:
                with suppress(StoreUnavailable):
                    self.random.choice((self._help, self._log, self._drain_another))()
            finally:
                self._busy = False

    def _drain_another(self) -> None:
        if self.helpers:
            self.random.choice(self.helpers).step()

    def _suspect(self) -> None:
        """Take somebody for dead who may well live."""
        process = self.random.choice(self.processes)
        lost = OwnerLost(process.id, self.clock.now())
        self.store.apply(Batch((lost,), command=f"suspect {len(self.store.applied)} {self.clock.value()}"))

    def _kill(self) -> None:
        process = self._living()
        if process:
            process.kill()

    def _bury_part(self) -> None:
        """Bring in a dead process's journal, and be killed oneself after any step of it."""
        process = self._dead()
        if process:
            for _ in zip(process.bury(), range(self.random.choice((1, 2, 3, 99))), strict=False):
                pass

    def _close(self) -> None:
        """Let somebody leave, or be killed while leaving."""
        process = self._living()
        if process and not process.disk.full:
            process.alive = False
            for _ in zip(process.close(), range(self.random.choice((1, 3, 99))), strict=False):
                pass

    def _fill_or_free_a_disk(self) -> None:
        process = self._living()
        if process:
            process.disk.full = not process.disk.full

    def _scar(self) -> None:
        process = self._living()
        if process:
            process.scar()

    def _lose_power(self) -> None:
        """Everything runs on one machine, which goes dark."""
        self.power_was_lost = True
        for process in self.processes:
            if not process.gone:
                process.lose_power()
        self.helpers.clear()
        self.store.lose_power()

    def _finish(self) -> None:
        self.store.faults = 0.0
        for process in self.random.sample(self.processes, len(self.processes)):
            process.disk.full = False
            if process.alive and self.random.random() < 0.5:
                persist(process.close())
            elif not process.gone:
                if process.alive:
                    process.kill()
                persist(process.bury())
