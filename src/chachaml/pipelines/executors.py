"""Where steps are done: in this thread, in others, in processes, on a Dask or a Ray cluster.

Each executor takes a task and gives its outcome; the scheduler calls several at once from threads.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from chachaml.core.errors import BadValue, MissingExtra
from chachaml.live import LiveRun
from chachaml.pipelines.work import Outcome, Task, do

if TYPE_CHECKING:
    from multiprocessing.connection import Connection as Pipe

__all__ = ["Executor", "executor_of"]

Executor = Callable[[Task], Outcome]

NAMES = ("threads", "processes", "dask", "ray")


@contextmanager
def executor_of(wanted: Any) -> Iterator[Executor]:
    """Give the executor that is wanted; what it starts, it ends.

    Args:
        wanted: None or "threads" for this process; "processes"; "dask" for a local cluster; the
            address of a Dask scheduler, or a ``distributed.Client``; "ray".

    Raises:
        BadValue: None of these.
        MissingExtra: The library is not installed.
    """
    if wanted in (None, "threads"):
        yield in_this_process
    elif wanted == "processes":
        yield in_a_process
    elif wanted == "ray":
        with _on_ray() as executor:
            yield executor
    elif wanted == "dask" or (isinstance(wanted, str) and "://" in wanted) or hasattr(wanted, "submit"):
        with _on_dask(wanted) as executor:
            yield executor
    else:
        raise BadValue(
            f"there is no executor {wanted!r}", "one of: " + ", ".join(NAMES) + ", or a Dask client"
        )


def in_this_process(task: Task) -> Outcome:
    """Do a task in this thread; one with a timeout in another, which is left alone when time is up."""
    if task.step.timeout is None:
        return do(task)
    opened: list[LiveRun] = []
    outcomes: list[Outcome] = []
    within = contextvars.copy_context()
    thread = threading.Thread(
        target=lambda: outcomes.append(within.run(do, task, opened.append)),
        name=f"chachaml-step-{task.step.name}",
        daemon=True,
    )
    thread.start()
    thread.join(task.step.timeout)
    if outcomes:
        return outcomes[0]
    error = _too_slow(task)
    for run in opened:
        run.end("failed", error)
    return Outcome(opened[0].id if opened else "", error=error)


def _too_slow(task: Task) -> TimeoutError:
    return TimeoutError(f"step {task.step.name!r} was not done after {task.step.timeout:g} seconds")


# processes ----------------------------------------------------------------------------------------


def in_a_process(task: Task) -> Outcome:
    """Do a task in a process of its own, which is ended when time is up."""
    spawn = get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_in_child, args=(task, theirs), name=f"chachaml-step-{task.step.name}")
    try:
        process.start()
    except Exception as error:  # pickling raises anything
        hint = "a process finds functions and what they return by module and name: define them in a file"
        what = BadValue(f"step {task.step.name!r} cannot be sent to a process: {error}", hint)
        return Outcome(error=what)
    finally:
        theirs.close()
    try:
        return _outcome(task, ours, process)
    finally:
        ours.close()
        process.join(5)
        if process.is_alive():
            process.kill()
        process.join()


def _outcome(task: Task, pipe: Pipe[Any, Any], process: Any) -> Outcome:
    run = ""
    try:
        run = pipe.recv()  # said at once, or never
        if not pipe.poll(task.step.timeout):
            process.terminate()
            return Outcome(run, error=_too_slow(task))
        outcome: Outcome = pipe.recv()
        return outcome
    except EOFError:
        process.join()
        died = f"the process of step {task.step.name!r} died with exit code {process.exitcode}"
        return Outcome(run, error=RuntimeError(died))
    except Exception as error:  # what was sent cannot be made again here, as some exceptions cannot
        return Outcome(run, error=error)


def _in_child(task: Task, pipe: Pipe[Any, Any]) -> None:
    outcome = do(task, lambda run: pipe.send(run.id))
    if not outcome.run:
        pipe.send("")
    try:
        pipe.send(outcome)
    except Exception as error:  # nothing was sent: it is pickled first
        why = outcome.error or error
        pipe.send(Outcome(outcome.run, error=RuntimeError(f"{type(why).__name__}: {why}")))


# clusters -----------------------------------------------------------------------------------------


@contextmanager
def _on_dask(wanted: Any) -> Iterator[Executor]:
    try:
        from distributed import Client
        from distributed import TimeoutError as TooSlow
    except ImportError:
        raise MissingExtra(
            "executor 'dask' needs distributed, which is not installed", "pip install 'chachaml[dask]'"
        ) from None
    own = not hasattr(wanted, "submit")
    client = (Client() if wanted == "dask" else Client(wanted)) if own else wanted

    def execute(task: Task) -> Outcome:
        future = client.submit(do, task, pure=False, retries=0)
        try:
            outcome: Outcome = future.result(timeout=task.step.timeout)
            return outcome
        except TooSlow:
            future.cancel()
            return Outcome(error=_too_slow(task))
        except Exception as error:  # the worker died, or the result could not be sent
            return Outcome(error=error)

    try:
        yield execute
    finally:
        if own:
            client.close()
            if client.cluster is not None:
                client.cluster.close()


@contextmanager
def _on_ray() -> Iterator[Executor]:
    try:
        import ray
    except ImportError:
        raise MissingExtra(
            "executor 'ray' needs ray, which is not installed", "pip install 'chachaml[ray]'"
        ) from None
    own = not ray.is_initialized()
    if own:
        ray.init(log_to_driver=False)
    remote = ray.remote(do).options(max_retries=0)

    def execute(task: Task) -> Outcome:
        reference = remote.remote(task)
        try:
            outcome: Outcome = ray.get(reference, timeout=task.step.timeout)
            return outcome
        except ray.exceptions.GetTimeoutError:
            ray.cancel(reference, force=True)
            return Outcome(error=_too_slow(task))
        except Exception as error:
            return Outcome(error=error)

    try:
        yield execute
    finally:
        if own:
            ray.shutdown()
