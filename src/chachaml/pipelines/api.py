"""`pipeline`: runs pipelines, lists them, goes on with them, and makes reusable ones of functions."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, overload

from chachaml.connection import connection
from chachaml.core.errors import BadValue, NotFound
from chachaml.core.ids import short
from chachaml.core.model import RunQuery, StepRow
from chachaml.core.query import parse
from chachaml.core.values import as_text, canonical
from chachaml.lifecycle import start_run
from chachaml.live import LiveRun
from chachaml.lookup import AnyRun, id_of, resolve
from chachaml.pipelines.executors import executor_of
from chachaml.pipelines.running import Running
from chachaml.pipelines.shown import Pipeline, PipelineResult
from chachaml.pipelines.steps import Step, plan
from chachaml.results import Lines, Run, to_datetime

__all__ = ["Definition", "Pipelines", "pipeline"]

PARAMS = "pipeline-params"
"""The name of the artifact that the params are kept as, whole."""

_definitions: dict[str, Definition] = {}
"""What functions of this process define, by the pipeline's name; the last one counts."""


class Definition:
    """A pipeline that can be run again and again: calling it runs it.

    Made by `chachaml.pipeline` of a function that returns the steps; the function's arguments are the
    pipeline's params.
    """

    def __init__(self, make: Callable[..., Any], name: str, description: str) -> None:
        self.name, self.description = name, description
        self._make = make
        self._signature = inspect.signature(make)
        functools.update_wrapper(self, make)
        _definitions[name] = self

    def __call__(self, *args: Any, **params: Any) -> PipelineResult:
        """Run the pipeline with these params; see `Pipelines.run`."""
        return self.run(*args, **params)

    def run(
        self, *args: Any, executor: Any = None, workers: int | None = None, **params: Any
    ) -> PipelineResult:
        """Run the pipeline with these params, somewhere else if told so; see `Pipelines.run`."""
        bound = self._signature.bind(*args, **params)
        bound.apply_defaults()
        given = dict(bound.arguments)
        return pipeline.run(
            self.name,
            self._make(*bound.args, **bound.kwargs),
            description=self.description,
            params=given,
            executor=executor,
            workers=workers,
        )

    def steps(self, params: Mapping[str, Any]) -> Any:
        """Return the steps for these params."""
        return self._make(**params)

    def resume(
        self, pipeline_id: AnyRun, *, executor: Any = None, workers: int | None = None
    ) -> PipelineResult:
        """Go on with a run of this pipeline; see `Pipelines.resume`."""
        return pipeline.resume(pipeline_id, self, executor=executor, workers=workers)


class Pipelines:
    """The pipelines of the store in use. As a decorator it makes a reusable one: ``@chachaml.pipeline``."""

    @overload
    def __call__(self, make: Callable[..., Any], /) -> Definition: ...
    @overload
    def __call__(
        self, /, *, name: str | None = None, description: str = ""
    ) -> Callable[[Callable[..., Any]], Definition]: ...
    def __call__(
        self, make: Callable[..., Any] | None = None, /, *, name: str | None = None, description: str = ""
    ) -> Any:
        """Make a reusable pipeline of a function that returns the steps; its arguments are the params.

        Args:
            make: The function.
            name: Default: the function's name.
            description: Default: the first line of its docstring.
        """
        if make is None:
            return functools.partial(self, name=name, description=description)
        if not callable(make):
            raise BadValue(
                f"a pipeline is made of a function, not of {make!r}", "pipeline.run(name, steps) runs one"
            )
        about = description or (inspect.getdoc(make) or "").partition("\n")[0]
        return Definition(make, name or make.__name__, about)

    def run(
        self,
        name: str,
        steps: Iterable[Any],
        *,
        description: str = "",
        params: Mapping[str, Any] | None = None,
        executor: Any = None,
        workers: int | None = None,
    ) -> PipelineResult:
        """Run steps, each as a run; a child of the pipeline's own run, in the experiment `name`.

        Steps are functions of a context (`ctx.prev_result`, `ctx.results["name"]`, `ctx.params`), or of
        nothing. One after the other, each takes the result of the one before; with ``needs`` they are a
        graph, and those that need nothing of each other run side by side. When a step fails, those that
        need it are skipped and the others go on; then its error is raised.

        Args:
            name: The pipeline's name.
            steps: Dicts with "name" and "fn", (name, function) pairs, or functions made by `step`.
            description: For people.
            params: Plain values by key, which the steps find in their context.
            executor: Where steps run: in this process by default, or with "threads"; "processes", each
                in one of its own; "dask", or the address or client of a cluster; "ray".
            workers: How many at once. Default: one for a chain, else as many as there are CPUs.

        Returns:
            The last step's result, and how the steps went.

        Raises:
            BadValue: Steps or params that cannot be; nothing was run.
            BaseException: What the first step that failed had raised.
        """
        planned = plan(steps)
        given = _checked(params)
        tags = {
            "pipeline": as_text("pipeline's name", name),
            **({"description": description} if description else {}),
        }
        if not name.strip():
            raise BadValue("a pipeline needs a name", "pipeline.run('train-and-deploy', steps)")
        with executor_of(executor) as execute, start_run(name, name, tags=tags) as run:
            run.log_params(given)
            run.log_artifact(PARAMS, given, format="json")
            going = Running(run, planned, given, execute, _workers(workers, planned, executor))
            going.go()
        return _result(run, going)

    def resume(
        self,
        pipeline_id: AnyRun,
        steps: Iterable[Any] | Definition | None = None,
        *,
        executor: Any = None,
        workers: int | None = None,
    ) -> PipelineResult:
        """Go on with a pipeline that failed, was interrupted or killed: steps that were done stay done.

        Args:
            pipeline_id: The pipeline, by its id or the beginning of it.
            steps: What it was run with. Default: those of the ``@chachaml.pipeline`` of its name.
            executor: As in `run`.
            workers: As in `run`.

        Raises:
            NotFound: No such pipeline, or nobody here knows its steps.
            RunIsLive: It is still running.
            BadValue: It is completed.
        """
        found = self.get(pipeline_id)
        if found.status == "completed":
            raise BadValue(
                f"pipeline {found.name!r} ({short(found.id)}) is completed", "pipeline.run runs it again"
            )
        store = connection().ready(at_once=True)
        given = _params_of(found)
        before: list[StepRow] = store.steps(found.id)
        planned = plan(_steps_of(found.name, given, steps))
        with executor_of(executor) as execute, start_run(resume=found.id) as run:
            going = Running(run, planned, given, execute, _workers(workers, planned, executor), before)
            going.go()
        return _result(run, going)

    def list(self, limit: int = 50) -> Lines[Pipeline]:
        """Return the pipelines that ran last, newest first."""
        store = connection().ready()
        query = RunQuery(filter=parse("tags.pipeline is not null"), limit=limit, with_values=True)
        rows = store.find_runs(query).runs
        return Lines(Pipeline.of(Run.from_row(row), store.steps(row.id)) for row in rows)

    def get(self, pipeline_id: AnyRun) -> Pipeline:
        """Return one pipeline with its steps.

        Args:
            pipeline_id: Its id, the beginning of it, or the short form.

        Raises:
            NotFound: No such pipeline.
        """
        store = connection().ready()
        row = resolve(store, id_of(pipeline_id))
        if "pipeline" not in row.tags:
            raise NotFound(f"run {row.name!r} ({short(row.id)}) is no pipeline", "pipeline.list() lists them")
        return Pipeline.of(Run.from_row(row), store.steps(row.id))


pipeline = Pipelines()


def _checked(params: Mapping[str, Any] | None) -> dict[str, Any]:
    if params is not None and not isinstance(params, Mapping):
        raise BadValue(f"params are a dict, not {type(params).__name__}", "params={'lr': 0.01}")
    given = {str(key): value for key, value in (params or {}).items()}
    for key, value in given.items():
        canonical(key, value)
    return given


def _workers(wanted: int | None, steps: list[Step], executor: Any) -> int:
    """Return how many steps are done at once: in this process a chain needs no thread of its own."""
    if wanted is not None:
        if not isinstance(wanted, int) or wanted < 1:
            raise BadValue(f"workers is a number from 1 up, not {wanted!r}")
        return wanted
    chain = all(len(step.needs or ()) == 1 for step in steps[1:]) and len(
        {step.needs for step in steps}
    ) == len(steps)
    if chain and executor != "threads":
        return 1
    return min(max(len(steps), 1), max(os.cpu_count() or 1, 4))


def _params_of(found: Pipeline) -> dict[str, Any]:
    from chachaml.artifact_calls import load_artifact

    params: dict[str, Any] = load_artifact(found.id, PARAMS)
    return params


def _steps_of(
    name: str, params: Mapping[str, Any], steps: Iterable[Any] | Definition | None
) -> Iterable[Any]:
    definition = _definitions.get(name) if steps is None else steps
    if definition is None:
        raise NotFound(
            f"nobody here knows the steps of pipeline {name!r}",
            "pipeline.resume(id, steps), or import the module whose @chachaml.pipeline defines it",
        )
    made: Iterable[Any] = definition.steps(params) if isinstance(definition, Definition) else definition
    return made


def _result(run: LiveRun, going: Running) -> PipelineResult:
    where = run.connection
    if not where.keeps:
        row = Run(
            id=run.id, experiment=run.experiment, name=run.name, status="completed", started=to_datetime(0)
        )
        return PipelineResult(Pipeline.of(row, list(going.rows.values())), going.result, going.results)
    store = where.ready()
    found = Pipeline.of(Run.from_row(store.get_run(run.id)), store.steps(run.id))
    return PipelineResult(found, going.result, going.results)
