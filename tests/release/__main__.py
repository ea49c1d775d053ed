"""Builds the package and tries it as users get it: from the wheel, in fresh environments, on each Python.

``python -m tests.release [TESTS ...]`` builds into dist/, has twine look at it, installs the wheel for each
Python from 3.11 that is found, runs TESTS there without the source, and has strict type checkers read a
user's code.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

__all__ = ["main", "pythons"]

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
TESTS = ["tests/contract", "tests/query", "tests/unit", "tests/api", "tests/surfaces/test_cli.py"]
NEEDED = (
    "tests",
    "docs",
    "examples",
    "benchmarks",
    "README.md",
    "CHANGELOG.md",
    "pyproject.toml",
    "constraints.txt",
)
"""What tests read beside themselves; src is not among it, so what they import is the wheel."""

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SIDE_BY_SIDE = ["-n", "auto", "--maxprocesses", "4", "--dist", "worksteal"]
PYRIGHT = "1.1.414"


def pythons() -> dict[str, Path]:
    """Return the Pythons of this machine that the package is for: those on the path, and pyenv's."""
    found = {}
    for version in PYTHONS:
        homes = sorted(
            Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{version}.*")
        )
        named = [str(home / "bin" / "python") for home in homes] + [shutil.which(f"python{version}")]
        for one in filter(None, named):
            said = subprocess.run(
                [one, "-c", "import sys; print(sys.version)"], capture_output=True, text=True
            )
            if said.stdout.startswith(f"{version}."):
                found[version] = Path(one)
                break
    return found


def run(*command: object, folder: Path = ROOT, needed: bool = True) -> bool:
    """Run a command, tell whether it succeeded, and end with it if it is `needed` and did not."""
    print("$", *command, file=sys.stderr)
    settings = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "CHACHA"))}
    done = subprocess.run([str(part) for part in command], cwd=folder, env=settings)
    if done.returncode and needed:
        sys.exit(done.returncode)
    return not done.returncode


def built() -> Path:
    """Build sdist and wheel from a clean folder, look at both, and return the wheel."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DIST)
    run(sys.executable, "-m", "twine", "check", "--strict", *sorted(DIST.iterdir()))
    (wheel,) = DIST.glob("*.whl")
    complete(wheel)
    return wheel


def complete(wheel: Path) -> None:
    """See that all of the package is in the wheel, and nothing else."""
    names = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    wanted = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    missing = {name for name in wanted - names if "__pycache__" not in name}
    strange = {name for name in names - wanted if ".dist-info/" not in name}
    if missing or strange or not any(name.endswith("licenses/THIRD-PARTY.md") for name in names):
        sys.exit(f"{wheel.name} lacks {sorted(missing)} and has {sorted(strange)}")


def environment(python: Path, wheel: Path, folder: Path) -> Path:
    """Return the Python of a fresh environment with the wheel and what its tests need."""
    run(python, "-m", "venv", folder)
    own = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = (own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*install, "--upgrade", "pip")
    run(*install, "--prefer-binary", "--group", f"{ROOT / 'pyproject.toml'}:dev", wheel)
    return own


def tried(python: Path, wheel: Path, tests: list[str], folder: Path) -> tuple[Path, bool]:
    """Run the tests against the wheel; return the Python of its environment, and whether all passed."""
    own = environment(python, wheel, folder / "venv")
    place = folder / "place"
    place.mkdir()
    for name in NEEDED:
        source = ROOT / name
        shutil.copytree(source, place / name) if source.is_dir() else shutil.copy(source, place / name)
    run(own, "-c", "import chachaml, sys; assert sys.prefix in chachaml.__file__", folder=place)
    command = (own, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SIDE_BY_SIDE, *tests)
    return own, run(*command, folder=place, needed=False)


def checked(own: Path, folder: Path) -> None:
    """Have mypy and pyright read a user's code against the installed package."""
    shutil.copy(Path(__file__).with_name("user_code.py"), folder / "user_code.py")
    run(own, "-m", "mypy", "--strict", "user_code.py", folder=folder)
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict", "include": ["user_code.py"]}')
    run("npx", "--yes", f"pyright@{PYRIGHT}", "--pythonpath", own, "user_code.py", folder=folder)


def main(arguments: list[str] | None = None) -> int:
    """Do it all; what fails ends it, except that tests are run on all Pythons."""
    parser = argparse.ArgumentParser(prog="python -m tests.release", description=__doc__)
    parser.add_argument("tests", nargs="*", default=TESTS)
    tests = parser.parse_args(arguments).tests
    wheel = built()
    found = pythons()
    failed = []
    with tempfile.TemporaryDirectory(prefix="chachaml-release-") as name:
        Path(name).chmod(0o755)  # Postgres, which tests start as another user, has to get at its libraries
        for version, python in found.items():
            folder = Path(name, version)
            folder.mkdir()
            began = time.monotonic()
            own, passed = tried(python, wheel, tests, folder)
            verdict = "passed" if passed else "failed"
            print(f"Python {version}: {verdict} in {time.monotonic() - began:.0f} s", file=sys.stderr)
            failed += [] if passed else [version]
        checked(own, folder)
    if failed:
        sys.exit(f"{wheel.name}: tests fail on Python {', '.join(failed)}")
    missing = [version for version in PYTHONS if version not in found]
    print(
        f"{wheel.name}: good on Python {', '.join(found)}"
        + f"; not here: {', '.join(missing)}" * bool(missing)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
