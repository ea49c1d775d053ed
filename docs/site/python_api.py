"""The pages of the Python API: every public name, under what its module says that it is for."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from types import ModuleType

from docs.site.markdown import prose

import chachaml
from chachaml import integrations

__all__ = ["pages", "public_names"]

AREAS: dict[str, tuple[str, ...]] = {
    "Logging": ("lifecycle", "artifact_calls", "decorating", "hooks", "seeding", "connection"),
    "Finding": ("tracker", "captured", "comparison", "looking", "plotting", "export", "table"),
    "Changing": ("corrections", "cleaning"),
    "Upkeep": ("retention", "accounting"),
    "Models": ("registry",),
    "Pipelines and sweeps": ("pipelines.api", "pipelines.steps", "sweeps.api"),
    "Alerts": ("alerts",),
    "Chat": ("chat",),
    "Moving": tuple(
        f"moving.{name}" for name in ("backups", "importing", "migrating", "mlruns", "page", "parquet")
    ),
}
"""Which modules are told of on which page; those that are in none come under "More"."""

CLASSES = ("live", "results", "points", "registered", "pipelines.shown")
"""Modules of classes that calls return or take, told of in full."""

WITHIN = {"autologging", "guarding", "patching", "recording", "sklearn_autolog"}
"""Modules of integrations that are for the others, and not for users."""

INDEX = """# The Python API

Everything public: `import chachaml as ml`, and each name below is `ml.NAME`. A name that starts with an underscore, or that
is not here, may change without notice. All of it is typed, and the types are checked strictly.

Times that calls take and give are `datetime` in UTC unless a docstring says microseconds; a duration is in seconds.
"""


def public_names() -> list[str]:
    """Return every public name as it is documented: those of public modules under these."""
    found = [_documented(name) for name in chachaml.__all__ if name not in chachaml._MODULES]
    for module in [*chachaml._MODULES.values(), *_integrations()]:
        found += [f"{module}.{name}" for name in getattr(import_module(module), "__all__", ())]
    return [name.replace("chachaml.core.errors", "chachaml.errors") for name in found]


def _documented(name: str) -> str:
    home = chachaml._HOME_OF[name]
    return f"{home if home in chachaml._MODULES.values() else 'chachaml'}.{name}"


def pages() -> dict[str, str]:
    """Return the pages by their place in the site."""
    told = {f"chachaml.{module}" for modules in AREAS.values() for module in modules}
    areas = {title: [f"chachaml.{module}" for module in modules] for title, modules in AREAS.items()}
    areas["More"] = [home for home in chachaml._HOMES if home not in told | {"chachaml.core.errors"}]
    found = {
        title: "\n".join(_home(module) for module in modules) for title, modules in areas.items() if modules
    }
    found["Classes"] = "\n".join(_whole(f"chachaml.{module}") for module in CLASSES)
    found["Integrations"] = "\n".join(_whole(module) for module in _integrations())
    return {
        f"reference/python/{_slug(title)}.md": f"# {title}\n\n{text}" for title, text in found.items()
    } | {"reference/python/index.md": INDEX}


def _slug(title: str) -> str:
    return title.lower().replace(" ", "-")


def _integrations() -> list[str]:
    """Return the modules that connect to other libraries; a new one is among them by itself."""
    found = sorted(module.name for module in pkgutil.iter_modules(integrations.__path__))
    return [f"chachaml.integrations.{name}" for name in found if name not in WITHIN]


def _home(name: str) -> str:
    """Return what is public of a module: all of it if it is public itself, else its names at the top."""
    names = [f"chachaml.{one}" for one in chachaml._HOMES.get(name, ()) if one not in chachaml._MODULES]
    if name in chachaml._MODULES.values():
        return _whole(name, f"At the top too: {', '.join(f'`{one}`' for one in names)}.\n\n" if names else "")
    return _title(import_module(name)) + "".join(_directive(one, getattr(chachaml, one[9:])) for one in names)


def _whole(name: str, more: str = "") -> str:
    module = import_module(name)
    about = prose((module.__doc__ or "").partition("\n\n")[0])
    entries = (_directive(f"{name}.{one}", getattr(module, one)) for one in module.__all__)
    return f"## {name}\n\n{about}\n\n{more}" + "".join(entries)


def _title(module: ModuleType) -> str:
    return "## " + prose((module.__doc__ or "").partition("\n")[0].removesuffix(".")) + "\n\n"


def _directive(name: str, value: object) -> str:
    kind = type(value)
    if inspect.isclass(value):
        return _auto("autoclass", name, ":members:")
    if inspect.isroutine(value):
        return _auto("autofunction", name)
    if kind.__module__.startswith("chachaml"):  # an object whose calls are what counts
        return _auto("autodata", name, ":no-value:") + _directive(f"{kind.__module__}.{kind.__name__}", kind)
    return _auto("autodata", name, ":no-value:")


def _auto(directive: str, name: str, *options: str) -> str:
    lines = [f".. {directive}:: {name}", *(f"   {option}" for option in options)]
    return "```{eval-rst}\n" + "\n".join(lines) + "\n```\n\n"
