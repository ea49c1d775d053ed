"""What a running server holds: the store, who may use it, and what it does by itself."""

from __future__ import annotations

import base64
import hmac
import secrets
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, cast

from anyio import CapacityLimiter
from starlette.datastructures import Headers

from chachaml.connection import Connection
from chachaml.core import configuration
from chachaml.core.access import digest_of
from chachaml.core.changes import Batch, Change, Receipt
from chachaml.core.errors import ChachamlError, NotSignedIn
from chachaml.core.ids import command_id, is_remote
from chachaml.journal.recovery import GONE_AFTER, Recovered, bury_silent
from chachaml.store.protocol import Beating, Secretive, Store
from chachaml.surfaces.http.actors import ANYBODY, OWNER, Actor, Directory
from chachaml.surfaces.http.chats import Chats
from chachaml.surfaces.http.committing import Committer
from chachaml.surfaces.http.events import LiveFeed
from chachaml.surfaces.http.guard import Guard, Limiter
from chachaml.surfaces.http.guarded import Guarded
from chachaml.surfaces.http.measures import Measures
from chachaml.surfaces.http.proxies import Proxies
from chachaml.surfaces.http.replica import Replica
from chachaml.surfaces.http.scoped import Scoped
from chachaml.surfaces.http.vitals import Vitals

if TYPE_CHECKING:
    from chachaml.alerting.watching import Watcher
    from chachaml.artifacts.blobs import LocalBlobs
    from chachaml.retaining import Sweeper
    from chachaml.surfaces.mcp.http import Mounted

__all__ = ["Options", "Service"]

_FLUSH_EVERY = 0.25
_ALERTS_EVERY = 2.0
_REAP_EVERY = 15.0
_SENT_KEPT = 10_000
_SLOW_AT_ONCE = 4
_UPLOADS_AT_ONCE = 64

LINK_LASTS = 300.0


class Options(NamedTuple):
    """How a server is to be run.

    ``origins`` are its own addresses, as browsers name them. ``team`` asks everybody who they are;
    otherwise ``session`` is the secret of whoever started it, and ``require_token`` asks even who reads.
    """

    origins: tuple[str, ...]
    team: bool = False
    require_token: bool = False
    session: str = ""
    prefix: str = ""
    """Where below its origin it is, such as ``/tracker``; '' for all of it."""
    keep: bool = True
    """Whether it brings in what processes of this machine log, and sees to alerts; one of several does."""
    artifacts_at: str = "mlflow-artifacts:"
    """The URI below which MLflow's clients find artifacts; theirs means the server that they talk to."""
    agents_write: bool = False
    """Whether language models may do more than read and annotate, as far as whoever asks may."""
    proxies: tuple[str, ...] = ()
    """Addresses and networks of the proxies that are believed."""
    read_store: str = ""
    """The address of a replica of the database, which pages are read from; '' for none."""
    drain: float = 0.0
    """Seconds that it goes on once it is told to stop, so that balancers hear of it in time."""

    @property
    def cookie(self) -> str:
        """The name of the browser's cookie: ports of one machine share their cookies."""
        if self.secure:
            return "__Host-chachaml"
        return "chachaml_" + (self.origins[0].rpartition(":")[2].strip("/") or "80")

    @property
    def wrote(self) -> str:
        """The name of the cookie of a browser that changed something just now."""
        return self.cookie + "-wrote"

    @property
    def secure(self) -> bool:
        """Whether browsers reach it by https alone."""
        return self.origins[0].startswith("https://")


class Service:
    """One server's state. Used from its threads as well as from its event loop.

    Args:
        where: The store, and the way to it.
        options: How it is run.
    """

    def __init__(self, where: Connection, options: Options) -> None:
        self.where, self.options = where, options
        self.store = where.store(create=True)
        self.guard = Guard(options.origins, by_address=options.team)
        self.proxies = Proxies(options.proxies)
        self.replica = Replica(options.read_store, self.store) if options.read_store else None
        self.directory = Directory(self.store)
        self.measures = Measures()
        self.committer = Committer(self.store, self.note, self.measures.transaction)
        self.logins = Limiter(rate=0.2, burst=10)
        self.calls = Limiter(rate=1_000, burst=5_000)
        self.questions = Limiter(rate=0.5, burst=30)
        self.secret = _secret_of(self.store)
        self.chats = Chats(self.store, self.secret)
        self.slow = CapacityLimiter(_SLOW_AT_ONCE)
        """For work that may take many seconds: it must not keep all threads from the rest."""
        self.uploads = CapacityLimiter(_UPLOADS_AT_ONCE)
        """For bytes that come as slowly as their senders like."""
        self.links: dict[str, float] = {}
        """Digests of one-time links, and until when they are good."""
        self.experiment_names: dict[str, str] = {}
        """Names of experiments by the ids that MLflow's clients know them by."""
        self.one_by_one = threading.Lock()
        """Held where something is read, and written again with a part of it changed."""
        self.feed = LiveFeed(self)
        self.vitals = Vitals(self)
        self.draining = False
        """Whether it was told to stop."""
        self.agents: Mounted | None = None
        """The server of the Model Context Protocol, once somebody has asked for it."""
        self._sent: dict[tuple[str, str], None] = {}
        self._noted: set[str] = set()
        self._began = time.monotonic()
        self._watcher: Watcher | None = None
        self._sweeper: Sweeper | None = None
        self._sweep_every = configuration.number("retention_every")
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="chachaml-keeper", daemon=True)
        if options.keep:
            self._keeper.start()

    # who asks -------------------------------------------------------------------------------------

    def actor(self, headers: Headers) -> Actor:
        """Return who asks.

        Raises:
            NotSignedIn: A token is needed, or the one that was shown is good for nothing.
        """
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            scheme, shown = "bearer", _password(shown)  # whatever the user's name is
        if scheme.lower() == "bearer":
            return self._known(shown.strip(), "this token is unknown, over, or revoked")
        if scheme:
            raise NotSignedIn("only tokens are understood", "Authorization: Bearer TOKEN")
        asked = self.options.team or self.options.require_token
        if cookie := _cookie(headers, self.options.cookie):
            try:
                return self._known(cookie, "your session is over")
            except NotSignedIn:
                if asked:
                    raise  # else it is of an earlier start of this server: a page that is open goes on
        if asked:
            raise NotSignedIn("who are you?", "set CHACHAML_TOKEN, or send Authorization: Bearer TOKEN")
        return ANYBODY

    def _known(self, token: str, why: str) -> Actor:
        if not self.options.team:
            if hmac.compare_digest(token.encode(errors="replace"), self.options.session.encode()):
                return OWNER
            raise NotSignedIn(
                why, "open the address that the server printed; the token changes with each start"
            )
        actor = self.directory.actor(token)
        if actor is None:
            raise NotSignedIn(why, "an admin makes new ones: chachaml admin token NAME")
        return actor

    def store_for(self, actor: Actor, source: Store | None = None) -> Store:
        """Return the store, or the source in its place, as somebody may use it."""
        if actor.grants and not actor.everywhere:
            return cast(Store, Scoped(source or self.store, actor))
        return cast(Store, Guarded(source or self.store, actor))

    def connection_for(self, actor: Actor, source: Store | None = None) -> Served:
        """Return the way to the store that operations use on somebody's behalf."""
        return Served(self.where, self.store_for(actor, source))

    def replica_for(self, headers: Headers) -> Store | None:
        """Return the replica to read for a page, None if the store itself is to be read.

        That is so for programs, and for a browser that changed something just now: they see what they wrote.
        """
        if self.replica is None or "sec-fetch-site" not in headers or _cookie(headers, self.options.wrote):
            return None
        return self.replica.fresh()

    def feed_source(self) -> Store:
        """Return the store that live events are read from: pages that hear of a change have to find it."""
        return (self.replica and self.replica.fresh()) or self.store

    def one_time_link(self) -> str:
        """Return the path of a link that signs in whoever opens it first, within five minutes."""
        code = secrets.token_urlsafe(32)
        self.links[digest_of(code)] = time.monotonic() + LINK_LASTS
        return f"{self.options.prefix}/login?code={code}"

    # what it does by itself -------------------------------------------------------------------------

    def note(self, runs: Iterable[str]) -> None:
        """Hear that something was written to some runs."""
        self._noted.update(runs)

    def hear(self, journal: str) -> None:
        """Hear from a process elsewhere that logs nothing; so do the other servers of the store."""
        if is_remote(journal) and isinstance(self.store, Beating):
            self.store.beat(journal)

    def sent(self, actor: Actor, digest: str) -> None:
        """Remember that somebody sent bytes, and so has them."""
        if actor.grants:
            self._sent[(actor.name, digest)] = None
            while len(self._sent) > _SENT_KEPT:
                self._sent.pop(next(iter(self._sent)))

    def has_sent(self, actor: Actor, digest: str) -> bool:
        """Tell whether somebody sent these bytes lately."""
        return (actor.name, digest) in self._sent

    def _keep(self) -> None:
        """Bring in what processes on this machine leave, look after alerts and old runs, miss who is gone."""
        alerts = reaped = time.monotonic()
        while not self._stopping.wait(_FLUSH_EVERY):
            try:
                self.where.flush()
                now = time.monotonic()
                if now - alerts >= _ALERTS_EVERY:
                    alerts = now
                    self._look_at_alerts()
                    self._look_at_retention()
                if now - reaped >= _REAP_EVERY:
                    reaped = now
                    self.reap()
                    self.directory.keep_uses()
            except ChachamlError as error:
                self._began = time.monotonic()  # nobody could be heard meanwhile
                self.where.tell("keeping", f"what other processes log cannot be brought in: {error.message}")

    def _look_at_alerts(self) -> None:
        noted, self._noted = self._noted, set()
        if self._watcher is None and self.store.alerts():
            from chachaml.alerting.watching import Watcher

            self._watcher = Watcher(lambda: self.store)
        if self._watcher is not None and noted:
            self._watcher.note(noted)

    def _look_at_retention(self) -> None:
        """Have old runs looked at from time to time, once there are rules for them."""
        if self._sweeper is None and self._sweep_every and self.store.retention():
            from chachaml.retaining import Sweeper

            self._sweeper = Sweeper(self.where, self.store, self._sweep_every)

    def reap(self, gone_after: float = GONE_AFTER) -> None:
        """Let runs crash of whose process, on another machine, nothing was heard for long."""
        if isinstance(self.store, Beating):
            bury_silent(self.store, heard_for=time.monotonic() - self._began, gone_after=gone_after)

    def close(self) -> None:
        """Finish what was begun."""
        self._stopping.set()
        if self.agents is not None:
            self.agents.stop_soon()
        if self._keeper.ident is not None:
            self._keeper.join(10)
        if self._sweeper is not None:
            self._sweeper.close(10)
        self.committer.close()
        with suppress(ChachamlError):
            self.directory.keep_uses()
        if self._watcher is not None:
            self._watcher.close(2.0)
        if self.replica is not None:
            self.replica.close()


class Served(Connection):
    """The connection that operations use on behalf of somebody who asks a server.

    Args:
        whole: The server's own.
        store: The store as that somebody may use it.
    """

    def __init__(self, whole: Connection, store: Store) -> None:
        super().__init__(whole.path)
        self.artifacts, self.bucket = whole.artifacts, whole.bucket
        self._whole, self._own = whole, store

    def store(self, *, create: bool = False) -> Store:  # noqa: ARG002 - as in Connection
        """Return the store."""
        return self._own

    def ready(self, *, at_once: bool = False) -> Store:  # noqa: ARG002 - as in Connection
        """Return the store; the server itself brings in what is on its way."""
        return self._own

    def flush(self, *, at_once: bool = False) -> Recovered:  # noqa: ARG002 - as in Connection
        """Do nothing: the server does it by itself."""
        return Recovered()

    def blobs(self) -> LocalBlobs:
        """Return where the bytes of artifacts are kept."""
        return self._whole.blobs()

    def command(self, *changes: Change) -> Receipt:
        """Apply changes at once."""
        return self._own.apply(Batch(changes, command=command_id()))


def _secret_of(store: Store) -> str:
    """Return what all servers of a store sign with; a fresh one for a store that nobody else can serve."""
    return store.secret() if isinstance(store, Secretive) else secrets.token_hex(32)


def _password(shown: str) -> str:
    """Return the password of basic credentials; '' if they are none."""
    try:
        return base64.b64decode(shown.strip(), validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _cookie(headers: Headers, name: str) -> str:
    """Return the value of a cookie; '' if there is none, or more than one of its name."""
    pairs = [part.strip().partition("=") for part in headers.get("cookie", "").split(";")]
    values = [value for key, _, value in pairs if key == name]
    return values[0] if len(values) == 1 else ""
