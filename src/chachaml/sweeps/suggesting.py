"""What to try next: all combinations in turn, at random, or what Optuna thinks best.

Every suggester is told of trials that others did, so that workers of one sweep learn from each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Literal, NamedTuple, Protocol

from chachaml.core.errors import BadValue, MissingExtra
from chachaml.sweeps.space import Dimension, Range, grid

__all__ = ["Finished", "Suggester", "suggester_of"]

Direction = Literal["max", "min"]


class Finished(NamedTuple):
    """A trial that was done: its number, params and value; None if it failed or was pruned."""

    number: int
    params: dict[str, Any]
    value: float | None
    points: dict[int, float]
    """Values of the metric by step, of a pruned trial."""


class Suggester(Protocol):
    """Says what to try."""

    def suggest(self, number: int) -> dict[str, Any] | None:
        """Return the params of the trial of this number; None if there is nothing left to try."""
        ...

    def learn(self, trial: Finished) -> None:
        """Take into account what came of a trial, whoever did it."""
        ...

    def should_prune(self, number: int, points: Mapping[int, float]) -> bool:
        """Tell whether a trial of these values so far is not worth going on with."""
        ...


class _Fixed:
    """Suggests what does not depend on what was found."""

    def learn(self, trial: Finished) -> None:
        """Learn nothing."""

    def should_prune(self, number: int, points: Mapping[int, float]) -> bool:  # noqa: ARG002
        """Go on with every trial."""
        return False


class Grid(_Fixed):
    """All combinations, by number."""

    def __init__(self, space: Mapping[str, Dimension]) -> None:
        self._all = list(grid(space))

    def suggest(self, number: int) -> dict[str, Any] | None:
        """Return the combination of this number."""
        return self._all[number] if number < len(self._all) else None


class AtRandom(_Fixed):
    """Each param by itself, evenly; the same numbers for the same seed."""

    def __init__(self, space: Mapping[str, Dimension], seed: int) -> None:
        self._space, self._seed = space, seed

    def suggest(self, number: int) -> dict[str, Any] | None:
        """Return the params of this number, whoever asks."""
        random = Random(f"{self._seed}/{number}")
        return {key: dimension.pick(random) for key, dimension in self._space.items()}


class ByOptuna:
    """What a sampler of Optuna suggests, and its pruner prunes."""

    def __init__(
        self, space: Mapping[str, Dimension], direction: Direction, sampler: Any, pruner: Any
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna
        self._space = {key: _distribution(optuna, dimension) for key, dimension in space.items()}
        self._choices = dict(space)
        self._study = optuna.create_study(direction=f"{direction}imize", sampler=sampler, pruner=pruner)
        self._asked: dict[int, Any] = {}
        self._said: dict[int, set[int]] = {}
        """The steps of which each trial's values are known to Optuna."""

    def suggest(self, number: int) -> dict[str, Any] | None:
        """Return what is worth trying after all that was learnt."""
        trial = self._asked[number] = self._study.ask(self._space)
        return self._plain(trial.params)

    def _plain(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return what Optuna asked for as what the function takes: choices are asked for by number."""
        plain = dict(asked)
        for key, dimension in self._choices.items():
            if not isinstance(dimension, Range):
                plain[key] = dimension.values[asked[key]]
        return plain

    def learn(self, trial: Finished) -> None:
        """Tell the study of a trial: one that it asked for, or somebody else's."""
        states = self._optuna.trial.TrialState
        asked = self._asked.pop(trial.number, None)
        params = {key: value for key, value in trial.params.items() if key in self._choices}
        failed = states.PRUNED if trial.points else states.FAIL
        state = states.COMPLETE if trial.value is not None else failed
        ours = asked is not None and params == self._plain(asked.params)
        if asked is not None:
            self._study.tell(asked, trial.value if ours else None, state=state if ours else states.FAIL)
        if ours:
            return
        if trial.value is not None or trial.points:
            self._study.add_trial(
                self._optuna.trial.create_trial(
                    state=state,
                    value=trial.value,
                    params={key: self._index(key, value) for key, value in params.items()},
                    distributions={key: self._space[key] for key in params},
                    intermediate_values=trial.points,
                )
            )

    def _index(self, key: str, value: Any) -> Any:
        dimension = self._choices[key]
        return value if isinstance(dimension, Range) else dimension.values.index(value)

    def should_prune(self, number: int, points: Mapping[int, float]) -> bool:
        """Ask the pruner."""
        trial, said = self._asked[number], self._said.setdefault(number, set())
        for step, value in points.items():
            if step not in said:
                said.add(step)
                trial.report(value, step)
        return bool(trial.should_prune())


def _distribution(optuna: Any, dimension: Dimension) -> Any:
    kinds = optuna.distributions
    if isinstance(dimension, Range):
        if dimension.whole:
            return kinds.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
        return kinds.FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    # By number: Optuna takes few kinds of values, and compares 1 and True as equal.
    return kinds.CategoricalDistribution(list(range(len(dimension.values))))


def suggester_of(
    method: Any, space: Mapping[str, Dimension], direction: Direction, seed: int, pruner: Any
) -> Suggester:
    """Return what suggests by this method.

    Args:
        method: "grid", "random", "tpe", "gp", "cmaes", or a sampler of Optuna.
        space: What the params may be.
        direction: Whether high or low values are good.
        seed: For what is random.
        pruner: A pruner of Optuna, or "median"; None prunes nothing.

    Raises:
        BadValue: No such method, or a pruner without Optuna's methods.
        MissingExtra: Optuna is needed and not installed.
    """
    if method in ("grid", "random"):
        if pruner is not None:
            raise BadValue(f"method {method!r} prunes nothing", "method='tpe' takes a pruner")
        return Grid(space) if method == "grid" else AtRandom(space, seed)
    try:
        import optuna
    except ImportError:
        hint = "pip install 'chachaml[optuna]', or method='random'"
        raise MissingExtra(f"method {method!r} needs optuna, which is not installed", hint) from None
    samplers = {"tpe": "TPESampler", "gp": "GPSampler", "cmaes": "CmaEsSampler"}
    if isinstance(method, str):
        if method not in samplers:
            raise BadValue(f"there is no method {method!r}", "one of: grid, random, " + ", ".join(samplers))
        method = getattr(optuna.samplers, samplers[method])(seed=seed)
    if pruner == "median":
        pruner = optuna.pruners.MedianPruner(n_startup_trials=3)
    return ByOptuna(space, direction, method, pruner or optuna.pruners.NopPruner())
