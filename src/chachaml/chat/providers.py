"""Who may be asked: the providers, what is set up for each, and the keys, which stay with whoever gives them.

An address is set by the owner of the machine alone: never by who asks, nor by the folder they are in.
"""

from __future__ import annotations

import os
from typing import Literal, NamedTuple, get_args
from urllib.parse import urlsplit

from chachaml.chat.models import Language
from chachaml.core import configuration
from chachaml.core.errors import BadValue, MissingExtra

__all__ = [
    "OFFLINE",
    "ORDER",
    "PROVIDERS",
    "Choice",
    "Provider",
    "ProviderName",
    "choose",
    "key_of",
    "made",
    "set_up",
]

ProviderName = Literal["anthropic", "openai", "compatible", "offline"]

OFFLINE: ProviderName = "offline"

ORDER: tuple[ProviderName, ...] = ("compatible", "anthropic", "openai")
"""Who is asked if nothing is said: a server of one's own first."""

_PREFIXES: tuple[tuple[str, ProviderName], ...] = (("sk-ant-", "anthropic"), ("sk-", "openai"))


class Provider(NamedTuple):
    """A provider, and the settings that tell of it."""

    title: str
    model_setting: str
    variable: str
    """The environment variable of its key."""


PROVIDERS: dict[ProviderName, Provider] = {
    "anthropic": Provider("Anthropic", "chat_anthropic_model", "ANTHROPIC_API_KEY"),
    "openai": Provider("OpenAI", "chat_openai_model", "OPENAI_API_KEY"),
    "compatible": Provider("an OpenAI-compatible server", "chat_model", "CHACHAML_CHAT_KEY"),
}


class Choice(NamedTuple):
    """Whom to ask, and with which key."""

    provider: ProviderName
    model: str = ""
    key: str = ""

    def __repr__(self) -> str:
        return f"Choice({self.provider!r}, {self.model!r}, {'***' if self.key else ''!r})"


def choose(
    provider: str | None = None, model: str | None = None, key: str | None = None, *, own_keys: bool = True
) -> Choice:
    """Return whom to ask; nobody, if nothing is set up and nothing is given.

    Args:
        provider: Default: as it is set; else whose the key seems to be; else who is set up.
        model: Default: as it is set.
        key: Default: the environment's, else the keyring's.
        own_keys: Whether the environment's and the keyring's may be used.

    Raises:
        BadValue: There is no such provider, or no key for it.
    """
    if not configuration.flag("chat"):
        return Choice(OFFLINE)
    key = _checked(key or "")
    name = _named(provider or configuration.text("chat_provider")) or _guessed(key) or _found(own_keys)
    if name == OFFLINE:
        return Choice(OFFLINE)
    known = PROVIDERS[name]
    if name == "compatible":
        address()
    key = key or (key_of(name) if own_keys else "")
    if not key and name != "compatible":
        raise BadValue(
            f"there is no key for {known.title}", f'set {known.variable}, or give api_key="..." with the call'
        )
    return Choice(name, model or configuration.text(known.model_setting), key)


def _checked(key: str) -> str:
    """Return a key; one that no header could hold is refused without being repeated."""
    key = key.strip()
    if len(key) > 1_000 or not key.isascii() or not key.isprintable() or " " in key:
        raise BadValue("that is no key: keys are printable ASCII without spaces")
    return key


def _named(provider: str) -> ProviderName | None:
    if not provider:
        return None
    for name in get_args(ProviderName):
        if name == provider:
            return name  # type: ignore[no-any-return]
    raise BadValue(f"there is no provider {provider[:60]!r}", "one of: " + ", ".join(get_args(ProviderName)))


def _guessed(key: str) -> ProviderName | None:
    if not key:
        return None
    name = next((name for prefix, name in _PREFIXES if key.startswith(prefix)), None)
    if name is None:
        raise BadValue("whose key is this?", 'provider="anthropic", "openai" or "compatible"')
    return name


def _found(own_keys: bool) -> ProviderName:
    return next((name for name in ORDER if set_up(name, own_keys=own_keys)), OFFLINE)


def set_up(name: ProviderName, *, own_keys: bool = True) -> bool:
    """Tell whether a provider can be asked without anything being given."""
    if name == "compatible":
        return bool(configuration.text("chat_url")) and (own_keys or not key_of(name))
    return own_keys and bool(key_of(name))


def key_of(name: ProviderName) -> str:
    """Return the key of a provider that is at hand, '' for none: the environment's, else the keyring's."""
    given = configuration.text("chat_key") if name == "compatible" else ""
    return _checked(given or os.environ.get(PROVIDERS[name].variable, "") or _from_keyring(name))


def _from_keyring(name: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return ""
    try:
        return keyring.get_password("chachaml", name) or ""
    except (KeyringError, RuntimeError, OSError):  # none on this machine, or locked
        return ""


def address() -> str:
    """Return the address of the OpenAI-compatible server.

    Raises:
        BadValue: There is none, or it is no address.
    """
    url = configuration.text("chat_url")
    if not url:
        raise BadValue(
            "no OpenAI-compatible server is set up",
            "set CHACHAML_CHAT_URL, such as http://localhost:11434/v1",
        )
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise BadValue(
            "chat_url is no address of a server", f"http://host:port/v1; it is set by {_where('chat_url')}"
        )
    return url


def _where(setting: str) -> str:
    return configuration.found(setting).source


def made(choice: Choice) -> Language:
    """Return the language model that was chosen.

    Raises:
        MissingExtra: Its SDK is not installed.
    """
    try:
        if choice.provider == "anthropic":
            from chachaml.chat.claude import Claude

            return Claude(choice.model, choice.key)
        if choice.provider == "openai":
            from chachaml.chat.gpt import Gpt

            return Gpt(choice.model, choice.key)
        from chachaml.chat.compatible import Compatible

        return Compatible(choice.model, choice.key, address())
    except ImportError as error:
        raise MissingExtra(
            f"asking a language model needs the SDK of its provider: {error.name} is not installed",
            "pip install 'chachaml[agents]'",
        ) from None
