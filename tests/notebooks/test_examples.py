"""The example notebooks, run by a Jupyter kernel as they are in the repository."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples" / "notebooks").glob("*.ipynb"))


def test_there_are_some() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {"quickstart", "comparing", "registry"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_first_cell_to_its_last(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs for cell in code), "it is kept without what it printed"
    client = NotebookClient(notebook, timeout=60, resources={"metadata": {"path": tmp_path}})
    client.execute(env={"PATH": str(Path(sys.executable).parent), "PYTHONPATH": ":".join(sys.path)})
    assert any("text/html" in output.get("data", {}) for cell in code for output in cell.outputs)
    assert (tmp_path / "chachaml.db").exists()
