"""`sweep` and `agent`: W&B's sweeps, done by `chachaml.sweep`."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

from chachaml.compat.wandb.running import Given, active, given
from chachaml.core.errors import BadValue
from chachaml.core.ids import new_id
from chachaml.sweeps.api import Sweep, Trial
from chachaml.sweeps.api import sweep as run_sweep

__all__ = ["agent", "sweep"]

_METHODS = {"grid": "grid", "random": "random", "bayes": "tpe"}
_asked: dict[str, dict[str, Any]] = {}


def sweep(sweep: Any, entity: str | None = None, project: str | None = None, **_: Any) -> str:
    """Describe a sweep; `agent` in this process does it.

    Args:
        sweep: ``method`` ("grid", "random" or "bayes"), ``metric`` with ``name`` and ``goal``,
            ``parameters``, and ``run_cap``.
        entity: Not needed.
        project: The experiment of its runs.

    Returns:
        Its id.

    Raises:
        BadValue: Something of it makes no sense, or is not there.
    """
    if not isinstance(sweep, Mapping) or not isinstance(sweep.get("parameters"), Mapping):
        raise BadValue("a sweep is a dict with 'parameters'", "{'method': 'random', 'parameters': {...}}")
    if sweep.get("method", "random") not in _METHODS:
        raise BadValue(f"a sweep's method is one of {sorted(_METHODS)}, not {sweep.get('method')!r}")
    if "early_terminate" in sweep:
        print("wandb: WARNING early_terminate is not done: all trials run to their end", file=sys.stderr)
    space = {key: dimension(key, about) for key, about in sweep["parameters"].items()}
    ident = new_id()[-8:]
    name = project or sweep.get("project") or sweep.get("name") or "uncategorized"
    _asked[ident] = {**sweep, "space": space, "project": name}
    return ident


def agent(
    sweep_id: str,
    function: Callable[[], Any] | None = None,
    entity: str | None = None,
    project: str | None = None,
    count: int | None = None,
    **_: Any,
) -> Sweep:
    """Try a function with params of a sweep, which it finds in ``wandb.config`` after ``wandb.init()``.

    Args:
        sweep_id: What `sweep` returned.
        function: Takes nothing, and logs the sweep's metric.
        entity: Not needed.
        project: Not needed.
        count: How many trials. Default: ``run_cap``, all of a grid, else 20.

    Returns:
        What the sweep found, as `chachaml.sweep` does.

    Raises:
        BadValue: No such sweep in this process, or no function.
    """
    asked = _asked.get(sweep_id.rpartition("/")[2])
    if asked is None:
        raise BadValue(
            f"there is no sweep {sweep_id!r} in this process", "wandb.sweep({...}) before it, here"
        )
    if function is None:
        raise BadValue("an agent needs the function to try", "wandb.agent(sweep_id, function=train)")
    metric = asked.get("metric") or {}
    method = _METHODS[asked.get("method", "random")]
    if method == "tpe" and importlib.util.find_spec("optuna") is None:
        print("wandb: WARNING bayes needs Optuna (pip install optuna); done at random", file=sys.stderr)
        method = "random"

    def attempt(params: dict[str, Any], trial: Trial) -> None:
        token = given.set(Given(trial.run, params, sweep_id))
        try:
            function()
        finally:
            if (left := active()) is not None and left.live is trial.run:
                left.finish()
            given.reset(token)

    return run_sweep(
        attempt,
        asked["space"],
        count or asked.get("run_cap"),
        "max" if metric.get("goal") == "maximize" else "min",
        name=asked["project"],
        metric=metric.get("name") or "objective",
        method=method,
    )


def dimension(key: str, about: Any) -> Any:
    """Return what values a param of a sweep may have, as `chachaml.sweep` takes them.

    Raises:
        BadValue: A distribution that is not there, or bounds that are missing.
    """
    if not isinstance(about, Mapping) or "parameters" in about:
        raise BadValue(f"parameter {key!r} is nested", f"name what is in it {key}.inner")
    if "value" in about:
        return [about["value"]]
    if "values" in about:
        return list(about["values"])
    if not {"min", "max"} <= about.keys():
        raise BadValue(f"parameter {key!r} has no values, and not min and max")
    low, high = about["min"], about["max"]
    whole = isinstance(low, int) and isinstance(high, int)
    kind = about.get("distribution") or ("int_uniform" if whole else "uniform")
    if kind == "int_uniform":
        return (int(low), int(high))
    if kind == "uniform":
        return (float(low), float(high))
    if kind == "log_uniform_values":
        return (float(low), float(high), "log")
    if kind == "log_uniform":
        return (math.exp(low), math.exp(high), "log")
    if kind in ("q_uniform", "q_log_uniform_values"):
        step = about.get("q", 1)
        return [low + number * step for number in range(int((high - low) / step + 1e-9) + 1)]
    raise BadValue(
        f"the distribution {kind!r} of {key!r} is not there", "uniform, log_uniform_values, q_uniform, ..."
    )
