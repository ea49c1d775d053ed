"""How runs and series look: plain text for prompts and pipes, HTML for notebooks, charts for terminals.

Pure functions over what reads return; no store is opened here. The text functions need neither
rich nor numpy, so that a `repr` is quick; they take a `Paint` that adds colour where the reader
is a terminal. Text written by users is escaped everywhere.
"""

from __future__ import annotations

from chachaml.display.alerts import alert_text, condition_text, event_text
from chachaml.display.axes import Curve
from chachaml.display.changes import clean_up_text, correction_text, experiment_text
from chachaml.display.comparison import comparison_html, comparison_text
from chachaml.display.html import run_html, runs_html
from chachaml.display.models import lineage_text, model_text, move_text, version_text
from chachaml.display.moving import moved_text
from chachaml.display.pipelines import pipeline_text
from chachaml.display.plot import plot_text, sparkline
from chachaml.display.signs import SIGNS, carried
from chachaml.display.svg import chart_svg, sparkline_svg
from chachaml.display.sweeps import sweep_text
from chachaml.display.tables import table_html, table_text
from chachaml.display.text import artifact_text, dataset_text, run_text, runs_text
from chachaml.display.upkeep import retention_text, rule_text, usage_text
from chachaml.display.words import Paint, ansi, count, duration, moment, number, path_text, plain, safe, size

__all__ = [
    "SIGNS",
    "Curve",
    "Paint",
    "alert_text",
    "ansi",
    "artifact_text",
    "carried",
    "chart_svg",
    "clean_up_text",
    "comparison_html",
    "comparison_text",
    "condition_text",
    "correction_text",
    "count",
    "dataset_text",
    "duration",
    "event_text",
    "experiment_text",
    "lineage_text",
    "model_text",
    "moment",
    "move_text",
    "moved_text",
    "number",
    "path_text",
    "pipeline_text",
    "plain",
    "plot_text",
    "retention_text",
    "rule_text",
    "run_html",
    "run_text",
    "runs_html",
    "runs_text",
    "safe",
    "size",
    "sparkline",
    "sparkline_svg",
    "sweep_text",
    "table_html",
    "table_text",
    "usage_text",
    "version_text",
]
