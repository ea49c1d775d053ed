"""How the source is laid out: layers, no cycles, budgets, and names that shadow nothing.

There is no list of exceptions. Imports under ``if TYPE_CHECKING`` do not count; those inside
functions do.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import chachaml

SRC = Path(chachaml.__file__).parent
FILES = sorted(SRC.rglob("*.py"))

# What each part may import, besides itself. Whoever is at the top may import all below.
LAYERS: dict[str, set[str]] = {
    "core": set(),
    "store": {"core"},
    "artifacts": {"core"},
    "capture": {"core"},
    "journal": {"core", "store.protocol"},
    "testing": {"core", "store.protocol", "artifacts"},
    "display": {"core"},
    "shown": {"display"},
    "table": {"core", "display", "shown"},
    "points": {"core", "display", "shown", "table"},
    "curves": {"core", "connection"},
    "loading": {"core", "connection", "artifacts"},
    "results": {"core", "display", "shown", "table", "curves"},
}
SURFACES = {"surfaces", "web", "demos", "__main__"}
ABOVE = {"ops": {"agents", "chat"}, "agents": {"chat"}, "chat": set[str]()}
"""What stands between them and the surfaces, and which of these each must not import."""

HOMES = {
    "apsw": ("store",),
    "psycopg": ("store",),
    "psycopg_pool": ("store",),
    "click": ("surfaces", "web"),
    "starlette": ("surfaces", "web"),
    "uvicorn": ("surfaces", "web"),
    "httpx": ("surfaces", "web", "store", "moving"),
    "mcp": ("surfaces",),
    "mcp_types": ("surfaces",),
    "jinja2": ("surfaces", "web"),
    "opentelemetry": ("surfaces",),
    "anthropic": ("chat",),
    "openai": ("chat",),
    "httpx2": ("chat",),
    "obstore": ("artifacts",),
    "boto3": ("artifacts",),
    "pytest": ("testing",),
}

MOST_LINES, MEDIAN_LENGTH, P95_LENGTH = 600, 10, 45


def part_of(module: str) -> str:
    """Return the folder or top-level module that `module` belongs to; '' for the package itself."""
    return module.split(".")[1] if "." in module else ""


def name_of(path: Path) -> str:
    parts = ("chachaml", *path.relative_to(SRC).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def trees() -> dict[str, ast.Module]:
    return {name_of(path): ast.parse(path.read_text(), str(path)) for path in FILES}


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every node that runs: none under ``if TYPE_CHECKING``."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if is_type_checking(child):
            assert isinstance(child, ast.If)
            for other in child.orelse:
                yield from nodes(other)
        else:
            yield from nodes(child)


def imports(module: str) -> set[str]:
    """Return the full names of all modules that `module` imports, wherever in it."""
    found = set()
    for node in nodes(trees()[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relative to itself in line {node.lineno}"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in trees() else node.module)
    return found - {module}


def own_imports(module: str) -> set[str]:
    return {name for name in imports(module) if name.split(".")[0] == "chachaml"}


def may_import(module: str, target: str) -> bool:
    part, below = part_of(module), part_of(target)
    if part == below or part in SURFACES:
        return True
    if part in ABOVE:
        return below not in SURFACES | ABOVE[part]
    if part in LAYERS:
        inner = target.removeprefix("chachaml.")
        return any(inner == allowed or inner.startswith(allowed + ".") for allowed in LAYERS[part])
    return below not in SURFACES | {"ops", "agents", "chat", "testing", ""}


@pytest.mark.parametrize("module", sorted(trees()))
def test_imports_point_one_way(module: str) -> None:
    if module == "chachaml":
        return  # its names are bound lazily
    wrong = {target for target in own_imports(module) if not may_import(module, target)}
    assert not wrong, f"{module} must not import {sorted(wrong)}"


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {module: own_imports(module) - {"chachaml"} for module in trees()}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail("a cycle of imports: " + " <- ".join(error.args[1]))


@pytest.mark.parametrize("module", sorted(trees()))
def test_libraries_are_imported_only_at_home(module: str) -> None:
    for target in imports(module):
        homes = HOMES.get(target.split(".")[0])
        assert homes is None or part_of(module) in homes, f"{module} must not import {target}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_no_file_is_too_long(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= MOST_LINES, f"{lines} lines"


def lengths() -> list[tuple[int, str]]:
    """Return how many lines each function takes, docstring included, and its name."""
    found = []
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert node.end_lineno is not None
                found.append((node.end_lineno - node.lineno + 1, f"{module}.{node.name}"))
    return sorted(found)


def test_functions_are_short() -> None:
    found = lengths()
    longest = ", ".join(f"{name}: {lines}" for lines, name in found[-5:])
    assert statistics.median(lines for lines, _ in found) <= MEDIAN_LENGTH, longest
    assert found[int(len(found) * 0.95)][0] <= P95_LENGTH, longest


def test_public_names_are_sorted_and_there() -> None:
    names = list(chachaml.__all__)
    assert names == sorted(names)
    assert len(names) == len(set(names))
    for name in names:
        assert getattr(chachaml, name) is not None
    assert set(names) <= set(dir(chachaml))


@pytest.mark.parametrize("module", sorted(set(trees()) - {"chachaml"}))
def test_every_name_that_a_module_offers_is_there(module: str) -> None:
    if module.endswith("__main__"):
        return
    loaded = importlib.import_module(module)
    for name in getattr(loaded, "__all__", ()):
        assert hasattr(loaded, name), name


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Yield each call in the source: the module, the call, and what is called."""
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield module, node, ast.unparse(node.func)


def test_pickles_are_loaded_in_one_place() -> None:
    loaders = {"pickle", "cloudpickle", "dill", "joblib", "torch", "marshal", "shelve", "cPickle", "_pickle"}
    found = [
        (module, what)
        for module, _, what in calls()
        if what.split(".")[0] in loaders and what.split(".")[-1] in ("load", "loads", "Unpickler", "open")
    ]
    assert found == [("chachaml.artifacts.formats", "pickle.loads")]


_RUNS_OR_UNPACKS = {"eval", "extractall", "unpack_archive", "system", "popen"}


def test_nothing_runs_text_as_code() -> None:
    for module, call, what in calls():
        where = f"{module}:{call.lineno}"
        assert what.split(".")[-1] not in _RUNS_OR_UNPACKS, where
        assert what != "exec" or isinstance(call.args[0], ast.Constant), where
        assert not any(keyword.arg == "shell" for keyword in call.keywords), where


def test_digests_are_strong() -> None:
    for module, call, what in calls():
        assert what.split(".")[-1] not in ("md5", "sha1"), f"{module}:{call.lineno}"
        if what.endswith("hashlib.new"):
            assert "sha256" in ast.unparse(call), f"{module}:{call.lineno}"


def test_secrets_are_compared_in_a_time_that_tells_nothing() -> None:
    """By `compare_digest`, or by looking up their digest; ids of tokens are no secrets."""
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
                sides = [ast.unparse(side) for side in (node.left, *node.comparators)]
                secret = [
                    side for side in sides if re.search(r"(?i)(token|secret|password|signature)$", side)
                ]
                told = [side for side in sides if side.startswith(("'", '"')) or side.endswith(".id")]
                assert not secret or told, f"{module}:{node.lineno}: {' and '.join(sides)}"


def python(code: str) -> str:
    """Return what `code` prints in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_module_shadows_a_public_name() -> None:
    modules = [
        module.name
        for module in pkgutil.walk_packages([str(SRC)], "chachaml.")
        if not module.name.endswith("__main__")
    ]
    code = f"""
import importlib, types, chachaml
before = {{name: getattr(chachaml, name) for name in chachaml.__all__}}
for module in {modules!r}:
    importlib.import_module(module)
for name, value in before.items():
    now = getattr(chachaml, name)
    if now is not value or (isinstance(now, types.ModuleType) and name not in chachaml._MODULES):
        print(name, "is now", now)
"""
    assert python(code) == ""


def test_importing_chachaml_is_light() -> None:
    heavy = ("numpy", "apsw", "click", "rich", "sklearn", "backports.zstd", "asyncio")
    loaded = python("import sys, chachaml; print(*sys.modules)").split()
    assert not {name for name in loaded if name in heavy}


def test_the_package_says_what_version_it_is() -> None:
    text = (SRC.parents[1] / "pyproject.toml").read_text()
    assert f'\nversion = "{chachaml.__version__}"\n' in text
