"""Addresses of Postgres databases: how they are written, what of them may be shown, and their passwords.

    postgresql://user:password@host:5432/database?schema=team_a&sslmode=require
    jdbc:postgresql://host:5432/database

Whatever names a store is shown somewhere: a prompt, a log, an error. So the password is taken out of an
address as soon as it is read, and kept here, in this process's memory alone.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode

from chachaml.core.errors import BadValue

__all__ = [
    "SCHEMA",
    "Address",
    "address_of",
    "artifacts_from_environment",
    "from_environment",
    "is_postgres",
    "shown",
]

SCHEMA = "chachaml"
"""The schema that holds a store's tables, if the address names none."""

_SCHEMES = ("postgresql://", "postgres://", "jdbc:postgresql://")
_HINT = "postgresql://user@host:5432/database"

_PLACE = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::(\d+))?")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_SECRET = re.compile(r"(postgres(?:ql)?://[^\s:/?#@]*):\S*@")
_SECRET_OPTION = re.compile(r"(?i)([?&](?:password|sslpassword)=)[^&]*")

_JDBC = {"currentschema": "schema", "applicationname": "application_name"}
"""What JDBC calls some options."""

_secrets: dict[str, dict[str, str]] = {}
"""Passwords, by the address without them."""


class Address(NamedTuple):
    """A database and a schema in it.

    Attributes:
        public: The address as it may be shown.
        options: What a driver is given, but for the password.
        schema: The schema that holds the store's tables.
    """

    public: str
    options: dict[str, str]
    schema: str

    @property
    def secrets(self) -> dict[str, str]:
        """What a driver is given besides; {} if it is to look in PGPASSWORD, or in the user's .pgpass."""
        if known := _secrets.get(self.public):
            return known
        password = os.environ.get("DB_PASSWORD", "") if _by_variables() else ""
        return {"password": password} if password else {}


def is_postgres(text: str) -> bool:
    """Tell whether a text is the address of a Postgres database."""
    return text.startswith(_SCHEMES)


def shown(text: str) -> str:
    """Return a text in which every address has lost its password."""
    return _SECRET_OPTION.sub(r"\1***", _SECRET.sub(r"\1:***@", text))


def from_environment() -> str:
    """Return the address in JDBC_URL or the path in DB_PATH, whichever DB_TYPE says; '' without one.

    Raises:
        BadValue: There is no address.
    """
    if os.environ.get("DB_TYPE", "").lower() == "sqlite":
        return os.environ.get("DB_PATH", "")
    if not _by_variables():
        return ""
    text = os.environ.get("JDBC_URL", "")
    if not is_postgres(text):
        raise BadValue(
            f"DB_TYPE is postgres, and JDBC_URL is {shown(text)!r}",
            "JDBC_URL=jdbc:postgresql://host:5432/database",
        )
    return text


def artifacts_from_environment() -> str:
    """Return the folder in ARTIFACT_DIR; '' without a DB_TYPE, for others may mean something else by it."""
    return os.environ.get("ARTIFACT_DIR", "") if os.environ.get("DB_TYPE") else ""


def _by_variables() -> bool:
    return os.environ.get("DB_TYPE", "").lower() in ("postgres", "postgresql")


def address_of(text: str) -> Address:
    """Return what an address says; its password is remembered for the next time, when it is left out.

    Raises:
        BadValue: It is none, or names no database.
    """
    jdbc = text.startswith("jdbc:")
    rest = text.partition("://")[2]
    login, _, place = rest.rpartition("@") if "@" in rest.partition("?")[0] else ("", "", rest)
    place, _, query = place.partition("?")
    places, _, database = place.partition("/")
    user, _, password = (unquote(part) for part in login.partition(":"))
    given = _options(query)
    hosts, ports = _hosts(places, text)
    named = {
        "host": given.pop("host", "") or hosts or os.environ.get("PGHOST", "") or "localhost",
        "port": given.pop("port", "") or ports,
        "user": given.pop("user", user) or (os.environ.get("DB_USER", "") if jdbc or _by_variables() else ""),
        "dbname": given.pop("dbname", "") or unquote(database),
    }
    secrets = {"password": given.pop("password", password), "sslpassword": given.pop("sslpassword", "")}
    schema = given.pop("schema", SCHEMA)
    if not named["dbname"]:
        raise BadValue(f"{shown(text)!r} names no database", _HINT)
    if not _PLAIN.fullmatch(schema):
        raise BadValue(f"a schema cannot be called {schema!r}", "lowercase letters, digits and _")
    public = _public(named, {**given, **({"schema": schema} if schema != SCHEMA else {})})
    if any(secrets.values()):
        _secrets[public] = {name: value for name, value in secrets.items() if value}
    return Address(public, {**{name: value for name, value in named.items() if value}, **given}, schema)


def _options(query: str) -> dict[str, str]:
    """Return the options behind the question mark, by the names that libpq has for them."""
    options = {_JDBC.get(name.lower(), name): value for name, value in parse_qsl(query)}
    if (ssl := options.pop("ssl", None)) is not None and ssl.lower() != "false":
        options.setdefault("sslmode", "verify-full")
    return options


def _hosts(places: str, text: str) -> tuple[str, str]:
    """Return hosts and ports as libpq takes them, each several with commas between."""
    hosts, ports = [], []
    for place in places.split(","):
        found = _PLACE.fullmatch(place)
        if found is None:
            raise BadValue(
                f"{shown(text)!r} is no address of a database",
                f"{_HINT}; spell / ? # @ : % in a password as %2F %3F %23 %40 %3A %25",
            )
        hosts.append(unquote(found[1].strip("[]")))
        ports.append(found[2] or "")
    return ",".join(hosts), ",".join(ports) if any(ports) else ""


def _public(named: dict[str, str], options: dict[str, str]) -> str:
    hosts = [f"[{one}]" if ":" in one else quote(one, safe="") for one in named["host"].split(",")]
    ports = named["port"].split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    places = ",".join(f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=False))
    login = quote(named["user"], safe="") + "@" if named["user"] else ""
    query = "?" + urlencode(options, safe="/") if options else ""
    return f"postgresql://{login}{places}/{quote(named['dbname'], safe='')}{query}"
