"""All settings in one table, and where their values come from.

Of several places the first one counts: an argument of a call, the environment, ``[tool.chachaml]`` in
the nearest ``pyproject.toml``, the user's own file, the default.
"""

from __future__ import annotations

import difflib
import os
import re
import time
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from chachaml.core.addresses import artifacts_from_environment, from_environment
from chachaml.core.errors import BadValue, ChachamlWarning

__all__ = ["SETTINGS", "Found", "Setting", "flag", "found", "number", "path", "text", "user_file"]

Kind = Literal["text", "path", "flag", "number", "choice"]

_FLAGS = {"": False, "0": False, "false": False, "no": False, "off": False}
_FLAGS |= {"1": True, "true": True, "yes": True, "on": True}


class Setting(NamedTuple):
    """One setting. What only the user may decide, a project's file cannot set."""

    name: str
    kind: Kind
    default: str
    about: str
    choices: tuple[str, ...] = ()
    in_project: bool = True
    secret: bool = False

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "CHACHA_USER" if self.name == "user" else f"CHACHAML_{self.name.upper()}"


_PROVIDERS = ("", "anthropic", "openai", "compatible", "offline")

SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("store", "path", "chachaml.db", "where runs are kept"),
        Setting("token", "text", "", "shown to a server", (), False, True),
        Setting("require_token", "flag", "off", "ask a token even of who reads, on this machine", (), False),
        Setting("url", "text", "", "how others reach a server; several with spaces between", (), False),
        Setting("trusted_proxies", "text", "", "addresses of proxies to believe", (), False),
        Setting("read_store", "text", "", "replica of the database, for a server's pages", (), False),
        Setting("log_format", "choice", "text", "how a server writes its log", ("text", "json"), False),
        Setting("traces", "flag", "off", "send a server's traces by OpenTelemetry", (), False),
        Setting("drain", "number", "0", "seconds that a server told to stop goes on", (), False),
        Setting("artifacts", "path", "", "folder or bucket of the artifacts; beside the store if empty"),
        Setting(
            "artifacts_direct",
            "flag",
            "off",
            "have clients of a server send and fetch at the bucket",
            (),
            False,
        ),
        Setting("s3_endpoint", "text", "", "where S3 is, if not at Amazon", (), False),
        Setting("s3_region", "text", "", "region of the bucket", (), False),
        Setting("s3_profile", "text", "", "profile of ~/.aws with the credentials", (), False),
        Setting(
            "user",
            "text",
            "",
            "who made a run; the system's user if empty, a server's account if it has any",
            in_project=False,
        ),
        Setting("mode", "choice", "", "disabled: nothing is kept, every call is a no-op", ("", "disabled")),
        Setting("strict", "flag", "off", "raise when a run ends and something could not be stored"),
        Setting("journal", "choice", "auto", "how journals are written", ("auto", "mmap", "write")),
        Setting("capture", "flag", "on", "keep code version, machine and packages of each run"),
        Setting("capture_diff", "flag", "off", "keep what is not committed as an artifact"),
        Setting("system_metrics", "number", "0", "seconds between measurements of the machine; 0: none"),
        Setting("console", "flag", "off", "keep what the process prints"),
        Setting("console_limit", "number", "1000000", "characters of it to keep, for each run"),
        Setting("ranks", "choice", "together", "whether ranks of one job share a run", ("together", "apart")),
        Setting("job", "text", "", "what names a job to its ranks, where nothing else does", (), False),
        Setting("alert_url", "text", "", "where alerts of scripts are posted", (), False, True),
        Setting("alert_hosts", "text", "", "hosts that alerts may call besides public ones", (), False),
        Setting("alert_apprise", "flag", "off", "tell alerts by the services of apprise", (), False),
        Setting("chat", "flag", "on", "off: no question goes to a language model", (), False),
        Setting("chat_provider", "choice", "", "whom to ask; empty: who is set up", _PROVIDERS, False),
        Setting("chat_anthropic_model", "text", "claude-sonnet-5-5", "Anthropic's model to ask", (), False),
        Setting("chat_openai_model", "text", "gpt-6.2-sol", "OpenAI's model to ask", (), False),
        Setting("chat_url", "text", "", "address of an OpenAI-compatible server", (), False),
        Setting("chat_model", "text", "", "its model; its first one if empty", (), False),
        Setting("chat_key", "text", "", "its key, if it wants one", (), False, True),
        Setting("chat_rounds", "number", "8", "rounds of tool calls for one answer", (), False),
        Setting("chat_tokens", "number", "200000", "tokens for one answer, in and out together", (), False),
        Setting("chat_seconds", "number", "180", "seconds for one answer", (), False),
        Setting("chat_share", "flag", "off", "let a team's members use the server's keys", (), False),
        Setting("retention_every", "number", "3600", "seconds between a server's looks at old runs; 0: no"),
        Setting("signing_key", "text", "", "key that signs pickles, shared by a team", (), False, True),
    )
}


class Found(NamedTuple):
    """A setting's value as text, and where it comes from."""

    value: str
    source: str
    folder: Path | None = None
    """What a relative path in a file is relative to."""


_BY_TYPE = {"store": from_environment, "artifacts": artifacts_from_environment}
"""What DB_TYPE, and the variables that go with it, say."""


def found(name: str) -> Found:
    """Return what a setting is set to outside of calls."""
    setting = SETTINGS[name]
    if (given := os.environ.get(setting.variable)) is not None:
        return Found(given, f"the environment variable {setting.variable}")
    if name in _BY_TYPE and (given := _BY_TYPE[name]()):
        return Found(given, "the environment variables that go with DB_TYPE")
    for values, file in _files():
        if name in values and (file == user_file() or _is_of_project(setting, values[name])):
            return Found(_as_text(values[name]), str(file), file.parent)
    return Found(setting.default, "the default")


def text(name: str) -> str:
    """Return a text, or one of several choices.

    Raises:
        BadValue: Not one of the choices; says where it is set.
    """
    setting, given = SETTINGS[name], found(name)
    value = given.value.lower() if setting.choices else given.value
    if setting.choices and value not in setting.choices:
        raise _bad(setting, given, "one of " + ", ".join(repr(choice) for choice in setting.choices))
    return value


def flag(name: str) -> bool:
    """Return whether something is on.

    Raises:
        BadValue: Neither on nor off; says where it is set.
    """
    given = found(name)
    try:
        return _FLAGS[given.value.strip().lower()]
    except KeyError:
        raise _bad(SETTINGS[name], given, "on or off") from None


def number(name: str) -> float:
    """Return a number of 0 or more.

    Raises:
        BadValue: Not one; says where it is set.
    """
    given = found(name)
    try:
        value = float(given.value or 0)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise _bad(SETTINGS[name], given, "a number of 0 or more")
    return value


def path(name: str) -> Path | None:
    """Return a path, None if it is not set; a relative one in a file is relative to the file's folder."""
    given = found(name)
    if not given.value:
        return None
    place = Path(given.value).expanduser()
    return (given.folder / place if given.folder else place).absolute()


def user_file() -> Path:
    """Return where the user's own settings are."""
    try:
        home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    except RuntimeError:  # a user without a home
        home = "/nonexistent"
    return Path(home) / "chachaml" / "config.toml"


def _bad(setting: Setting, given: Found, wanted: str) -> BadValue:
    shown = "***" if setting.secret else repr(given.value)
    return BadValue(f"{setting.name} must be {wanted}, not {shown}", f"it is set by {given.source}")


def _as_text(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


# files --------------------------------------------------------------------------------------------

_ADDRESS = re.compile(r"\s*[a-z][a-z0-9+.:-]+:/", re.IGNORECASE)

_LOOK_AGAIN = 1.0
"""Seconds for which the files are taken to be as they were."""

_seen: tuple[str, float, list[tuple[dict[str, Any], Path]]] = ("", 0.0, [])


def _files() -> list[tuple[dict[str, Any], Path]]:
    """Return what the project's file says, then the user's, each with its path."""
    global _seen
    try:
        here = os.getcwd()  # noqa: PTH109 - quicker by far
    except OSError:
        here = ""
    key = f"{here}\0{os.environ.get('XDG_CONFIG_HOME', '')}"
    if _seen[0] != key or time.monotonic() - _seen[1] > _LOOK_AGAIN:
        _seen = (key, time.monotonic(), list(_read_all(here)))
    return _seen[2]


def _read_all(here: str) -> list[tuple[dict[str, Any], Path]]:
    files = []
    if project := _project_file(here):
        files.append((_table(project, ("tool", "chachaml")), project))
    files.append((_table(user_file(), ()), user_file()))
    return [(values, file) for values, file in files if values]


def _project_file(here: str) -> Path | None:
    if not here:
        return None
    for folder in (Path(here), *Path(here).parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            return file
    return None


def _table(file: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    try:
        about = file.stat()
    except OSError:
        return {}
    return _parsed(file, keys, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=8)
def _parsed(file: Path, keys: tuple[str, ...], _changed: int, _size: int) -> dict[str, Any]:
    """Return the settings in a file; what is wrong with it is a warning, told once."""
    try:
        content = file.read_bytes()
        if keys and b"chachaml" not in content:
            return {}
        import tomllib

        values: Any = tomllib.loads(content.decode())
    except (OSError, ValueError) as error:
        _warn(f"{file} cannot be read: {error}")
        return {}
    for key in keys:
        values = values.get(key, {}) if isinstance(values, dict) else {}
    if not isinstance(values, dict):
        return {}
    for name in values:
        if name not in SETTINGS:
            near = difflib.get_close_matches(name, SETTINGS, 1)
            _warn(
                f"{file} has an unknown setting {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            )
        elif keys and not _is_of_project(SETTINGS[name], values[name]):
            what = f"{name!r} to an address" if SETTINGS[name].in_project else repr(name)
            _warn(f"{file} cannot set {what}: it is the user's, in {user_file()} or the environment")
    return values


def _is_of_project(setting: Setting, value: Any) -> bool:
    """Tell whether a project may say this: no server or bucket, for it may be a stranger's folder."""
    return setting.in_project and not (setting.kind == "path" and _ADDRESS.match(str(value)))


def _warn(message: str) -> None:
    warnings.warn(f"chachaml: {message}", ChachamlWarning, stacklevel=2)
