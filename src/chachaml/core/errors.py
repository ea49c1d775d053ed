"""Every error that chachaml raises on purpose.

    ChachamlError
    ├── BadValue            a value, key, name or option that cannot be kept        400
    │   └── BadQuery        a filter that makes no sense                            400
    ├── NoActiveRun         a log call outside any run                              400
    ├── NotFound            no run, metric or series of that name                   404
    │   └── AmbiguousId     an id prefix that fits several runs                     404
    ├── Conflict            the request contradicts what is recorded                409
    │   ├── ParamConflict   a param logged again with another value
    │   ├── RunHasEnded     a log call on a handle after its own end
    │   ├── RunIsLive       resuming a run that another process still owns
    │   └── ArtifactExists  a second artifact of one name in a run
    ├── Untrusted           loading would run code that nobody here vouches for     403
    ├── MissingExtra        a library that is not installed                         501
    ├── ProviderError       a language model's provider did not answer as it should 502
    │   └── OutOfTime       the answer took longer than it may                      504
    ├── ArtifactDamaged     an artifact's bytes are not those that were logged      500
    └── StoreError          the store cannot be used                                503
        ├── StoreUnavailable   cannot be opened or written just now
        ├── ForeignFile        the file is not a chachaml store
        ├── NotSignedIn        the server does not know who asks                    401
        ├── AccessDenied       the server knows, and does not allow it              403
        ├── SchemaTooOld       shared, and written by an older chachaml
        ├── SchemaTooNew       written by a newer chachaml
        └── StoreDamaged       the file's pages are corrupted

Each class has a ``code`` for machines and an HTTP ``status``; each error has a message that
says what and where, and a ``hint`` with the next thing to type.
"""

from __future__ import annotations

__all__ = [
    "AccessDenied",
    "AmbiguousId",
    "ArtifactDamaged",
    "ArtifactExists",
    "BadQuery",
    "BadValue",
    "ChachamlError",
    "ChachamlWarning",
    "Conflict",
    "ForeignFile",
    "MissingExtra",
    "NoActiveRun",
    "NotFound",
    "NotSignedIn",
    "OutOfTime",
    "ParamConflict",
    "ProviderError",
    "RunHasEnded",
    "RunIsLive",
    "SchemaTooNew",
    "SchemaTooOld",
    "StoreDamaged",
    "StoreError",
    "StoreUnavailable",
    "Untrusted",
]


class ChachamlError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: What happened and where.
        hint: What to type or do next; may be empty.
    """

    code = "error"
    status = 500

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class BadValue(ChachamlError, ValueError):
    """A value, key, name or option that cannot be kept; nothing was stored."""

    code = "bad_value"
    status = 400


class BadQuery(BadValue):
    """A filter or order that makes no sense from some place on.

    Args:
        why: What is wrong, or what was expected.
        text: All of the filter.
        at: Where in it the mistake is.
        hint: The nearest thing that would do.
        name: The name that was not known, if it was one.
    """

    code = "bad_query"

    def __init__(self, why: str, text: str, at: int, hint: str = "", name: str = "") -> None:
        start = text.rfind("\n", 0, at) + 1
        line = text[start:].partition("\n")[0]
        before, column = max(0, at - start - 60), at - start
        shown = f"\n  {line[before : before + 100]}\n  {' ' * (column - before)}^" if text else ""
        super().__init__(f"{why} (at column {column + 1}){shown}", hint)
        self.why, self.text, self.at, self.name = why, text, at, name


class NoActiveRun(ChachamlError):
    """A log call outside any run."""

    code = "no_active_run"
    status = 400


class NotFound(ChachamlError, LookupError):
    """Nothing of that id, prefix or name in the store."""

    code = "not_found"
    status = 404


class AmbiguousId(NotFound):
    """An id prefix that fits several runs."""

    code = "ambiguous_id"


class Conflict(ChachamlError):
    """The request contradicts what is already recorded."""

    code = "conflict"
    status = 409


class ParamConflict(Conflict):
    """A param of this run was logged before with another value; the first one stays."""

    code = "param_conflict"


class RunHasEnded(Conflict):
    """A log call on a handle after its own end."""

    code = "run_has_ended"


class RunIsLive(Conflict):
    """The run is still owned by a living process."""

    code = "run_is_live"


class ArtifactExists(Conflict):
    """The run has an artifact of that name; its bytes stay as they are."""

    code = "artifact_exists"


class Untrusted(ChachamlError):
    """Loading the artifact would run code, and nobody here vouches for it; nothing was run."""

    code = "untrusted"
    status = 403


class MissingExtra(ChachamlError, ImportError):
    """A library is needed that is not installed."""

    code = "missing_extra"
    status = 501


class ProviderError(ChachamlError):
    """The provider of a language model refused, failed, or could not be reached."""

    code = "provider_error"
    status = 502


class OutOfTime(ProviderError):
    """The answer took longer than it may."""

    code = "out_of_time"
    status = 504


class ArtifactDamaged(ChachamlError):
    """An artifact's bytes are not those that were logged."""

    code = "artifact_damaged"


class StoreError(ChachamlError):
    """The store cannot be used."""

    code = "store_error"
    status = 503


class StoreUnavailable(StoreError):
    """The store cannot be opened or written just now; what was logged stays in the journal."""

    code = "store_unavailable"


class NotSignedIn(StoreError):
    """A server does not know who asks; what was logged stays in the journal."""

    code = "not_signed_in"
    status = 401


class AccessDenied(StoreError):
    """Who asks is not allowed to do this; what was logged stays in the journal."""

    code = "access_denied"
    status = 403


class ForeignFile(StoreError):
    """The file is not a chachaml store; it was left untouched."""

    code = "foreign_file"


class SchemaTooOld(StoreError):
    """The store is shared and was written by an older chachaml; ``chachaml upgrade`` brings it up to date."""

    code = "schema_too_old"


class SchemaTooNew(StoreError):
    """The store was written by a newer chachaml; it was left untouched."""

    code = "schema_too_new"


class StoreDamaged(StoreError):
    """The store's file is corrupted."""

    code = "store_damaged"


class ChachamlWarning(UserWarning):
    """Something could not be done as asked; training goes on."""
