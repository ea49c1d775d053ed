"""The process and the machine, as far as that is quickly known; never what the environment holds."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sys
from pathlib import Path

from chachaml.core.changes import Fact

__all__ = ["facts", "started_as"]

_SECRET = re.compile(r"(?i)(token|secret|passw|api.?key|credential|auth)")
_MOST_ARGUMENTS, _LONGEST_ARGUMENT = 100, 1000


def facts() -> dict[str, Fact]:
    """Return what is known of this process and its machine."""
    found: dict[str, Fact] = {
        "python": platform.python_version(),
        "python.implementation": platform.python_implementation(),
        "host": platform.node(),
        "platform": f"{sys.platform} {platform.release()} {platform.machine()}",
        "cpu.count": os.cpu_count() or 0,
    }
    with contextlib.suppress(OSError):
        found["cwd"] = str(Path.cwd())
    if seed := os.environ.get("PYTHONHASHSEED"):
        found["seed.pythonhashseed"] = seed
    return found | _hardware()


def started_as() -> dict[str, Fact]:
    """Return how this process was started: its script, and its arguments without secrets.

    To be asked while the script runs: Python forgets its file at the end.
    """
    found: dict[str, Fact] = {"argv": _arguments(sys.argv)}
    if script := _script():
        found["script"] = script
    return found


def _arguments(arguments: list[str]) -> list[str]:
    """Return arguments as text, without the values of those that look like secrets."""
    kept: list[str] = []
    hide = False
    for argument in arguments[:_MOST_ARGUMENTS]:
        name, equals, _ = argument.partition("=")
        if hide and not argument.startswith("-"):
            argument = "***"
        elif equals and _SECRET.search(name):
            argument = f"{name}=***"
        hide = not equals and argument.startswith("-") and bool(_SECRET.search(argument))
        kept.append(_clean(argument[:_LONGEST_ARGUMENT]))
    return kept


def _clean(text: str) -> str:
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()


def _script() -> str:
    """Return the file that was started; '' at a prompt."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    return _clean(str(Path(path).absolute())) if path else ""


def _hardware() -> dict[str, Fact]:
    """Return what the system's own files tell; they need no process and no library."""
    found: dict[str, Fact] = {}
    with contextlib.suppress(OSError, ValueError, AttributeError):
        found["memory"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError):
        model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if model:
            found["cpu"] = model[1].strip()
    gpus = []
    for about in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        with contextlib.suppress(OSError):
            model = re.search(r"^Model:\s*(.+)$", about.read_text(), re.MULTILINE)
            gpus.append(model[1].strip() if model else "NVIDIA GPU")
    if gpus:
        found["gpu"] = gpus
    return found
