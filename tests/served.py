"""A real server on a real socket, for tests: it listens all the time, with a fresh store for each test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from chachaml.away import Team
from chachaml.connection import Connection
from chachaml.core import settings
from chachaml.surfaces.http.application import Application
from chachaml.surfaces.http.service import Options, Service
from chachaml.surfaces.http.serving import Running, listen, origins_of

SESSION = "chm_of-the-tests"


class Served(NamedTuple):
    """A server that is up: its address, its state, and the connection behind it."""

    url: str
    service: Service
    where: Connection


@cache
def _listening() -> tuple[Application, int]:
    """Return the application that listens, and its port; it ends with the process."""
    sockets = listen("127.0.0.1", 0)
    up = threading.Event()
    running = Running(None, lambda _: up.set())  # type: ignore[arg-type]
    threading.Thread(target=running.run, args=(sockets,), daemon=True).start()
    assert up.wait(30)
    application = running.config.app
    assert isinstance(application, Application)
    return application, sockets[0].getsockname()[1]


@contextmanager
def served(path: Path, **options: Any) -> Iterator[Served]:
    """Serve the store at `path`; options are those of `chachaml.surfaces.http.service.Options`."""
    application, port = _listening()
    address = settings.database(path)
    where = Team(path, address) if address else Connection(path)
    given = {"origins": origins_of("127.0.0.1", port), "session": SESSION, **options}
    service = Service(where, Options(**given))
    application.service = service
    application._answers.clear()
    try:
        yield Served(f"http://127.0.0.1:{port}", service, where)
    finally:
        service.feed.stop()
        service.close()
        where.close()
