"""The examples as pages: what each says of itself, and its code."""

from __future__ import annotations

import ast
import json
from pathlib import Path

__all__ = ["pages", "places"]

ROOT = Path(__file__).parents[2]

INDEX = """# Examples

Programs to read and to run, `python examples/NAME.py` each; they make a store in the folder where they run. The
[patterns](../guide/patterns.md) show what the twenty-five use cases are about.
"""


def places() -> dict[str, str]:
    """Return where each example's page is in the site."""
    return {
        path.relative_to(ROOT).as_posix(): path.relative_to(ROOT).with_suffix(".md").as_posix()
        for path in sorted((ROOT / "examples").rglob("*"))
        if path.suffix in (".py", ".ipynb") and not path.name.startswith("_")
    }


def pages() -> dict[str, str]:
    """Return the text of these pages, and of the one that leads to them."""
    return {place: _page(ROOT / source) for source, place in places().items()} | {"examples/index.md": INDEX}


def _page(path: Path) -> str:
    return _notebook(path) if path.suffix == ".ipynb" else _script(path)


def _script(path: Path) -> str:
    text = path.read_text()
    about = (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    where = path.relative_to(ROOT).as_posix()
    return f"# {path.stem}\n\n{about}\n\n`{where}`:\n\n```python\n{text}```\n"


def _notebook(path: Path) -> str:
    parts = [f"`{path.relative_to(ROOT).as_posix()}`\n"]
    for cell in json.loads(path.read_text())["cells"]:
        text = "".join(cell["source"])
        parts.append(f"```python\n{text}\n```\n" if cell["cell_type"] == "code" else text + "\n")
    return "\n".join([*parts[1:2], parts[0], *parts[2:]])
