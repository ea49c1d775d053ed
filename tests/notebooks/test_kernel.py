"""In a real Jupyter kernel: cells that log, and what their results show."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = [
    "import chachaml as ml",
    "run = ml.start_run('notebook', name='first')\n"
    "for step in range(50):\n    run.log_metric('loss', 1 / (1 + step), step)\n"
    "run.log_params({'lr': 0.1, 'note': '<b>bold</b>'})",
    "ml.end_run()",
    "with ml.start_run('notebook', name='second') as other:\n    ml.log_params({'lr': 0.2})",
    "ml.runs()",
    "ml.run(run.id)",
    "ml.compare(run, other)",
    "ml.plot('loss')",
    "ml.export_runs(format='table')",
    "ml.runs().df()",
    "ml.runs('metrics.los > 1')",
    "ml.runs('metrics.loss >')",
]


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What each cell gave, run by a kernel in a folder of its own."""
    folder: Path = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    kernel = {"name": "python3", "display_name": "Python", "language": "python"}
    notebook.metadata["kernelspec"] = kernel
    client = NotebookClient(notebook, timeout=60, allow_errors=True, resources={"metadata": {"path": folder}})
    client.execute(env={"PATH": str(Path(sys.executable).parent), "PYTHONPATH": ":".join(sys.path)})
    return [cell.outputs for cell in notebook.cells]


def html_of(outputs: list[Any], cell: str) -> str:
    (shown,) = outputs[CELLS.index(cell)]
    html: str = shown.data["text/html"]
    assert "<script" not in html
    return html


def test_results_show_themselves(outputs: list[Any]) -> None:
    runs = html_of(outputs, "ml.runs()")
    assert "second" in runs and "first" in runs
    card = html_of(outputs, "ml.run(run.id)")
    assert {"svg", "polyline", "table"} <= Tags(card).seen
    assert "&lt;b&gt;bold" in card
    compared = html_of(outputs, "ml.compare(run, other)")
    assert 'class="differs">lr' in compared
    chart = html_of(outputs, "ml.plot('loss')")
    assert Tags(chart).seen >= {"svg", "title", "polyline"}
    assert "lr" in html_of(outputs, "ml.export_runs(format='table')")
    assert "second" in html_of(outputs, "ml.runs().df()")


def test_what_cannot_be_shown_is_said(outputs: list[Any]) -> None:
    said = "".join(str(output) for output in outputs[CELLS.index("ml.runs('metrics.los > 1')")])
    assert "did you mean 'loss'" in said
    (error,) = outputs[CELLS.index("ml.runs('metrics.loss >')")]
    assert error.ename == "BadQuery"
    assert "expected a value" in error.evalue


def test_no_other_cell_failed(outputs: list[Any]) -> None:
    failed = [
        cell for cell, some in zip(CELLS, outputs, strict=True) for o in some if o.output_type == "error"
    ]
    assert failed == ["ml.runs('metrics.loss >')"]


def test_the_extension_keeps_the_cells_that_led_to_a_run(tmp_path: Path) -> None:
    cells = [
        "%load_ext chachaml",
        "import chachaml as ml\nlr = 0.1",
        "with ml.start_run('cells', name='whole') as run:\n    ml.log_params({'lr': lr})",
        "open_run = ml.start_run('cells', name='open')",
        "1 / 0",
        "ml.load_artifact(open_run.id, 'notebook.py')",
        "%unload_ext chachaml",
        "ml.end_run()\nwith ml.start_run('cells', name='bare') as bare:\n    pass",
        "ml.load_artifact(run.id, 'notebook.py'), [each.name for each in ml.list_artifacts(bare.id)]",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python"}
    client = NotebookClient(
        notebook, timeout=60, allow_errors=True, resources={"metadata": {"path": tmp_path}}
    )
    client.execute(env={"PATH": str(Path(sys.executable).parent), "PYTHONPATH": ":".join(sys.path)})
    shown = [
        cell.outputs[-1].get("data", {}).get("text/plain", "") for cell in notebook.cells if cell.outputs
    ]
    text, names = eval(shown[-1])
    assert text == "".join(f"# %% [{at}]\n{cell}\n\n" for at, cell in enumerate(cells[:3], 1))[:-1]
    assert "1 / 0" in eval(shown[1])
    assert names == []
