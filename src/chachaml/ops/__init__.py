"""The operations: one typed function per verb. Commands, HTTP and agents all offer these.

`OPERATIONS` has them by name; one module per noun defines them.
"""

from __future__ import annotations

from typing import Any

from chachaml.ops import (
    alerts,
    analysis,
    cleaning,
    corrections,
    lineage,
    models,
    pipelines,
    runs,
    store,
    tables,
    upkeep,
    views,
)
from chachaml.ops.operation import Effect, Operation, operation

__all__ = ["OPERATIONS", "Effect", "Operation", "operation"]

OPERATIONS: dict[str, Operation[..., Any]] = {
    one.name: one
    for module in (
        runs,
        tables,
        lineage,
        analysis,
        corrections,
        cleaning,
        store,
        models,
        pipelines,
        alerts,
        upkeep,
        views,
    )
    for one in vars(module).values()
    if isinstance(one, Operation)
}
