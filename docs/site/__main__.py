"""Builds the site: ``python -m docs.site [FOLDER]``, by default build/site."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from docs.site.staging import ROOT, stage
from sphinx.cmd.build import build_main

__all__ = ["build", "main"]


def build(target: Path) -> int:
    """Build the site into `target`, which is emptied first; return 0 if nothing had to be said."""
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        sources, doctrees = Path(folder, "sources"), Path(folder, "doctrees")
        stage(sources)
        conf = str(Path(__file__).parent)
        quiet = ["--quiet", "--fail-on-warning", "--fresh-env", "--jobs", "auto"]
        return build_main(["-b", "html", "-c", conf, "-d", str(doctrees), *quiet, str(sources), str(target)])


def main(arguments: list[str] | None = None) -> int:
    """Build the site, and say where it is."""
    parser = argparse.ArgumentParser(prog="python -m docs.site", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "build" / "site")
    folder = parser.parse_args(arguments).folder
    code = build(folder)
    if code == 0:
        print(f"the documentation is at {folder / 'index.html'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
