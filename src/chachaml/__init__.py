"""Experiment tracking and light MLOps for Python, used from the REPL first.

import chachaml as ml

with ml.start_run(experiment="iris", name="baseline") as run:
    ml.log_params({"lr": 0.01})
    ml.log_metric("loss", 0.31, step=7)

ml.runs()
ml.best_run(experiment="iris", metric="loss", direction="min")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chachaml import alerts as alerts
    from chachaml import chat as chat
    from chachaml import registry as registry
    from chachaml import retention as retention
    from chachaml.accounting import usage
    from chachaml.alerts import (
        alert,
    )
    from chachaml.artifact_calls import (
        artifact_path,
        download_artifact,
        list_artifacts,
        load_artifact,
        log_artifact,
        log_audio,
        log_dataset,
        log_dir,
        log_figure,
        log_file,
        log_histogram,
        log_html,
        log_image,
        log_table,
        log_text,
    )
    from chachaml.captured import (
        console,
        packages,
    )
    from chachaml.cleaning import (
        archive_runs,
        delete_archived,
        delete_runs,
        restore_runs,
    )
    from chachaml.comparison import (
        Comparison,
        compare,
        compare_runs,
        print_comparison,
    )
    from chachaml.connection import connect
    from chachaml.core import errors
    from chachaml.core.errors import ChachamlError, ChachamlWarning
    from chachaml.corrections import (
        create_experiment,
        delete_metric,
        delete_param,
        experiment,
        experiments,
        history,
        move_runs,
        rename,
        set_param,
        undo,
    )
    from chachaml.decorating import (
        tracked,
    )
    from chachaml.export import (
        export_runs,
        sql,
    )
    from chachaml.health import doctor
    from chachaml.hooks import (
        on_run_end,
    )
    from chachaml.integrations.autologging import autolog
    from chachaml.lifecycle import (
        batched_metrics,
        current_run,
        end_run,
        log_metric,
        log_metrics,
        log_param,
        log_params,
        start_run,
    )
    from chachaml.looking import (
        inspect,
        runs_table,
    )
    from chachaml.moving.backups import (
        backup,
        restore_backup,
    )
    from chachaml.moving.importing import import_runs
    from chachaml.moving.migrating import migrate
    from chachaml.moving.mlruns import export_mlflow
    from chachaml.moving.page import export_html
    from chachaml.moving.parquet import export_parquet
    from chachaml.moving.watching import watch_tensorboard
    from chachaml.pipelines.api import (
        pipeline,
    )
    from chachaml.pipelines.steps import (
        step,
    )
    from chachaml.plotting import (
        Plot,
        plot,
    )
    from chachaml.registry import (
        load_model,
        log_model,
    )
    from chachaml.seeding import (
        set_seed,
    )
    from chachaml.sweeps.api import (
        Pruned,
        sweep,
    )
    from chachaml.table import (
        Table,
    )
    from chachaml.tracker import (
        add_tag,
        best_run,
        children,
        count_runs,
        current_user,
        flush,
        get_tags,
        last_run,
        metric,
        my_last_run,
        my_runs,
        remove_tag,
        run,
        runs,
        search_runs,
        set_note,
        sync,
    )

__version__ = "0.7.0"

_HOMES = {
    "chachaml.accounting": ("usage",),
    "chachaml.alerts": ("alert",),
    "chachaml.sweeps.api": (
        "Pruned",
        "sweep",
    ),
    "chachaml.moving.backups": (
        "backup",
        "restore_backup",
    ),
    "chachaml.moving.importing": ("import_runs",),
    "chachaml.moving.migrating": ("migrate",),
    "chachaml.moving.mlruns": ("export_mlflow",),
    "chachaml.moving.page": ("export_html",),
    "chachaml.moving.parquet": ("export_parquet",),
    "chachaml.moving.watching": ("watch_tensorboard",),
    "chachaml.pipelines.api": ("pipeline",),
    "chachaml.pipelines.steps": ("step",),
    "chachaml.registry": (
        "load_model",
        "log_model",
    ),
    "chachaml.captured": (
        "console",
        "packages",
    ),
    "chachaml.seeding": ("set_seed",),
    "chachaml.decorating": ("tracked",),
    "chachaml.hooks": ("on_run_end",),
    "chachaml.looking": (
        "inspect",
        "runs_table",
    ),
    "chachaml.plotting": (
        "Plot",
        "plot",
    ),
    "chachaml.comparison": (
        "Comparison",
        "compare",
        "compare_runs",
        "print_comparison",
    ),
    "chachaml.export": (
        "export_runs",
        "sql",
    ),
    "chachaml.table": ("Table",),
    "chachaml.cleaning": (
        "archive_runs",
        "delete_archived",
        "delete_runs",
        "restore_runs",
    ),
    "chachaml.corrections": (
        "create_experiment",
        "delete_metric",
        "delete_param",
        "experiment",
        "experiments",
        "history",
        "move_runs",
        "rename",
        "set_param",
        "undo",
    ),
    "chachaml.artifact_calls": (
        "artifact_path",
        "download_artifact",
        "list_artifacts",
        "load_artifact",
        "log_artifact",
        "log_audio",
        "log_dataset",
        "log_dir",
        "log_figure",
        "log_file",
        "log_histogram",
        "log_html",
        "log_image",
        "log_table",
        "log_text",
    ),
    "chachaml.connection": ("connect",),
    "chachaml.integrations.autologging": ("autolog",),
    "chachaml.integrations.jupyter": ("load_ipython_extension", "unload_ipython_extension"),
    "chachaml.lifecycle": (
        "batched_metrics",
        "current_run",
        "end_run",
        "log_metric",
        "log_metrics",
        "log_param",
        "log_params",
        "start_run",
    ),
    "chachaml.tracker": (
        "add_tag",
        "best_run",
        "children",
        "count_runs",
        "current_user",
        "flush",
        "get_tags",
        "last_run",
        "metric",
        "my_last_run",
        "my_runs",
        "registry",
        "remove_tag",
        "run",
        "runs",
        "search_runs",
        "set_note",
        "sync",
    ),
    "chachaml.core.errors": ("ChachamlError", "ChachamlWarning"),
    "chachaml.health": ("doctor",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

_MODULES = {
    "alerts": "chachaml.alerts",
    "chat": "chachaml.chat",
    "errors": "chachaml.core.errors",
    "registry": "chachaml.registry",
    "retention": "chachaml.retention",
}
"""Public names that are modules."""

__all__ = [
    "ChachamlError",
    "ChachamlWarning",
    "Comparison",
    "Plot",
    "Pruned",
    "Table",
    "add_tag",
    "alert",
    "alerts",
    "archive_runs",
    "artifact_path",
    "autolog",
    "backup",
    "batched_metrics",
    "best_run",
    "chat",
    "children",
    "compare",
    "compare_runs",
    "connect",
    "console",
    "count_runs",
    "create_experiment",
    "current_run",
    "current_user",
    "delete_archived",
    "delete_metric",
    "delete_param",
    "delete_runs",
    "doctor",
    "download_artifact",
    "end_run",
    "errors",
    "experiment",
    "experiments",
    "export_html",
    "export_mlflow",
    "export_parquet",
    "export_runs",
    "flush",
    "get_tags",
    "history",
    "import_runs",
    "inspect",
    "last_run",
    "list_artifacts",
    "load_artifact",
    "load_model",
    "log_artifact",
    "log_audio",
    "log_dataset",
    "log_dir",
    "log_figure",
    "log_file",
    "log_histogram",
    "log_html",
    "log_image",
    "log_metric",
    "log_metrics",
    "log_model",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "metric",
    "migrate",
    "move_runs",
    "my_last_run",
    "my_runs",
    "on_run_end",
    "packages",
    "pipeline",
    "plot",
    "print_comparison",
    "remove_tag",
    "rename",
    "restore_backup",
    "restore_runs",
    "run",
    "runs",
    "runs_table",
    "search_runs",
    "set_note",
    "set_param",
    "set_seed",
    "sql",
    "start_run",
    "step",
    "sweep",
    "sync",
    "tracked",
    "undo",
    "usage",
    "watch_tensorboard",
]


def __getattr__(name: str) -> Any:
    """Load a public name with its first use, so that importing chachaml costs next to nothing."""
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _HOME_OF:
        raise AttributeError(f"module 'chachaml' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
