"""What leads where: the front page's contents, and a page for each section that lists its pages.

A page that nobody put anywhere here still gets its place: behind the others of its folder.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["GROUPS", "TOP", "add"]

TOP = (
    "tutorial guide/index reference/index explanation/index examples/index faq troubleshooting changelog "
    "contributing/index adr/index security third-party"
).split()

GROUPS: dict[str, dict[str, str]] = {
    "guide": {
        "Begin": "quickstart tracking notebooks command-line",
        "Log": "capture artifacts distributed spool remote",
        "Find and compare": "search comparing pages charts run-page",
        "Models, pipelines, alerts": "models scikit-learn pipelines alerts patterns",
        "Language models": "agents chat",
        "Teams and servers": "team access http postgres object-storage docker kubernetes running threats",
        "Keep in order": "clean-up retention moving importing durability",
        "With other tools": "integrations mlflow wandb tensorboard integrations/pytorch integrations/lightning"
        " integrations/huggingface integrations/keras integrations/fastai integrations/ultralytics integrations/catboost"
        " integrations/statsmodels integrations/hydra integrations/sacred",
    },
    "reference": {
        "Calls": "python/index commands http mcp settings errors search-language",
        "On disk": "artifact-formats journal schema run-states",
    },
    "reference/python": {
        "": "logging finding changing models pipelines-and-sweeps alerts chat moving more classes integrations"
    },
    "explanation": {"": "design durability performance scale security attacks comparison first-five results"},
    "contributing": {"": "layout extending releasing"},
}

LISTED = ("adr", "examples")
"""Sections of many small pages, which their own page lists and the side bar does not."""

INTROS = {
    "guide": "# How-to guides\n\nOne task a page. Their examples are run by the tests.\n",
    "reference": "# Reference\n\nWhat there is, in full; most of it is made from the code.\n",
    "explanation": "# Explanation\n\nWhy it is as it is, and how that compares.\n",
}


def add(folder: Path) -> None:
    """Write the lists into a staged site, and the pages of sections that have none."""
    for section, groups in GROUPS.items():
        _append(folder / section / "index.md", INTROS.get(section, ""), _grouped(folder / section, groups))
    for section in LISTED:
        _append(folder / section / "index.md", "", _listed(folder / section))
    top = [page for page in TOP if (folder / f"{page}.md").exists()]
    rest = [page for page in _others(folder, set(top)) if "/" not in page]
    _append(folder / "index.md", "", _toctree("", [*top, *rest], hidden=True))


def _grouped(folder: Path, groups: dict[str, str]) -> str:
    named = {name for names in groups.values() for name in names.split()}
    rest = _others(folder, named | {"python/index"})
    there = {
        group: [name for name in names.split() if _exists(folder, name)] for group, names in groups.items()
    }
    if rest:
        last = next(reversed(there)) if len(there) == 1 else "More"
        there[last] = [*there.get(last, []), *rest]
    return "\n".join(_toctree(group, names) for group, names in there.items() if names)


def _listed(folder: Path) -> str:
    """Return the list of a folder's pages, and have Sphinx not look for them elsewhere."""
    lines = []
    for name in _others(folder, set()):
        page = folder / f"{name}.md"
        text = page.read_text()
        page.write_text(f"---\norphan: true\n---\n\n{text}")
        title = text.partition("\n")[0].removeprefix("# ")
        lines.append(f"- [{title}]({name}.md)")
    return "\n".join(lines) + "\n"


def _exists(folder: Path, name: str) -> bool:
    return (folder / f"{name}.md").exists()


def _others(folder: Path, named: set[str]) -> list[str]:
    """Return the pages of a folder that have no place yet."""
    own_index = {sub.parent for sub in folder.rglob("index.md")} - {folder}
    found = [path for path in sorted(folder.rglob("*.md")) if not own_index & set(path.parents)]
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in found]
    return [name for name in names if name not in named and name != "index"]


def _toctree(title: str, names: list[str], *, hidden: bool = False) -> str:
    heading = f"## {title}\n\n" if title else ""
    flag = ":hidden:\n" if hidden else ":maxdepth: 1\n"
    return f"{heading}```{{toctree}}\n{flag}\n" + "\n".join(names) + "\n```\n"


def _append(path: Path, intro: str, text: str) -> None:
    before = path.read_text() if path.exists() else intro
    path.write_text(f"{before}\n{text}")
