"""W&B's artifacts: named folders in versions, kept among the artifacts of the run that logged them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from chachaml.artifact_calls import artifact_path
from chachaml.core.errors import BadValue
from chachaml.core.names import check_artifact_name
from chachaml.live import LiveRun
from chachaml.results import Run
from chachaml.tracker import run as read_run
from chachaml.tracker import runs

__all__ = ["Artifact", "keep_artifact", "of_path", "stored"]

_TAG = "wandb.artifact."


class Artifact:
    """A named set of files.

    Args:
        name: Its name.
        type: For example "dataset" or "model".
        description: For people.
        metadata: Plain data about it.
    """

    def __init__(
        self, name: str, type: str, description: str | None = None, metadata: Any = None, **_: Any
    ) -> None:
        self.name, self.type = check_artifact_name(name), type
        self.description, self.metadata = description, dict(metadata or {})
        self.version, self.aliases = "", list[str]()
        self.entries: dict[str, Any] = {}
        self._run: Run | None = None

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"chachaml.compat.wandb's Artifact has no {name!r}; its files are among its run's artifacts"
        )

    @property
    def digest(self) -> str:
        """What tells its content from any other."""
        told = [(one.name, one.digest) for one in self._kept()] if self._run else sorted(self.entries)
        return sha256(repr(told).encode()).hexdigest()

    # making one ---------------------------------------------------------------------------------------

    def add_file(self, local_path: Any, name: str | None = None, **_: Any) -> None:
        """Add a file."""
        path = Path(local_path)
        if not path.is_file():
            raise BadValue(f"there is no file {path}", "artifact.add_dir adds a folder")
        self.entries[name or path.name] = path

    def add_dir(self, local_path: Any, name: str | None = None, **_: Any) -> None:
        """Add all files of a folder and those below it; links are passed over."""
        folder = Path(local_path)
        if not folder.is_dir():
            raise BadValue(f"there is no folder {folder}", "artifact.add_file adds a file")
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                inner = path.relative_to(folder).as_posix()
                self.entries[f"{name}/{inner}" if name else inner] = path

    def add_reference(self, uri: Any, name: str | None = None, **_: Any) -> None:
        """Add the address of something that stays where it is."""
        self.entries[(name or str(uri).rstrip("/").rpartition("/")[2]) + ".reference.txt"] = f"{uri}\n"

    def add(self, obj: Any, name: str, **_: Any) -> None:
        """Add a table, picture or the like."""
        self.entries[str(name)] = obj

    @contextmanager
    def new_file(self, name: str, mode: str = "w", encoding: str | None = None) -> Iterator[IO[Any]]:
        """Give a file to write to, which is added."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            with path.open(mode.replace("x", "w"), encoding=encoding) as file:
                yield file
            self.entries[name] = path.read_bytes()

    def wait(self, timeout: int | None = None) -> Artifact:
        """Return the artifact: it is kept already."""
        return self

    # reading one --------------------------------------------------------------------------------------

    def _kept(self) -> list[Any]:
        found = self._run.artifacts if self._run else ()
        return [one for one in found if one.name.startswith(f"{self.name}/")]

    def download(self, root: Any = None, **_: Any) -> str:
        """Put its files into a folder, and return that.

        Args:
            root: Default: ``artifacts/NAME`` below the working folder.

        Raises:
            BadValue: It was not logged by a run.
        """
        if self._run is None:
            raise BadValue(
                f"artifact {self.name!r} is not of a run yet", "wandb.use_artifact(name).download()"
            )
        folder = Path(root) if root else Path("artifacts") / f"{self.name}-{self.version}"
        for one in self._kept():
            place = folder / one.name.removeprefix(f"{self.name}/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(artifact_path(self._run, one.name).read_bytes())
        return str(folder)

    def get_path(self, name: str) -> Any:
        """Return an entry, whose ``download()`` gives its path."""
        return _Entry(self, name)

    def file(self, root: Any = None) -> str:
        """Put its only file into a folder, and return its path."""
        names = [one.name.removeprefix(f"{self.name}/") for one in self._kept()]
        if len(names) != 1:
            raise BadValue(f"artifact {self.name!r} has {len(names)} files", "artifact.download()")
        return str(Path(self.download(root)) / names[0])


class _Entry:
    def __init__(self, artifact: Artifact, name: str) -> None:
        self._artifact, self._name = artifact, name

    def download(self, root: Any = None) -> str:
        """Put the artifact's files into a folder, and return the path of this one."""
        return str(Path(self._artifact.download(root)) / self._name)


def of_path(given: Any, name: str | None, type: str | None, otherwise: str) -> Artifact:
    """Return an artifact as it is, or one of a file or folder."""
    if isinstance(given, Artifact):
        return given
    path = Path(given)
    artifact = Artifact(name or f"{otherwise}-{path.name}", type or "unspecified")
    if path.is_dir():
        artifact.add_dir(path)
    else:
        artifact.add_file(path)
    return artifact


def keep_artifact(live: LiveRun, artifact: Artifact, aliases: Sequence[str]) -> None:
    """Keep an artifact's files in a run as ``NAME/...``; a tag names its version, aliases and type."""
    artifact.version = f"v{len(_logged(artifact.name))}"
    artifact.aliases = list(dict.fromkeys(["latest", *aliases]))
    for name, value in artifact.entries.items():
        whole = f"{artifact.name}/{name}"
        if callable(keep := getattr(value, "keep", None)):
            keep(live, whole)
        elif isinstance(value, (Path, bytes)):
            live.log_artifact(
                whole, value, format="file" if isinstance(value, Path) else "bytes", overwrite=True
            )
        else:
            live.log_text(whole, str(value), overwrite=True)
    if artifact.metadata or artifact.description:
        about = {"description": artifact.description, "metadata": artifact.metadata}
        live.log_artifact(f"{artifact.name}.about.json", about, format="json", overwrite=True)
    live.add_tag(_TAG + artifact.name, " ".join([artifact.version, artifact.type, *artifact.aliases]))


def _logged(name: str) -> list[Run]:
    """Return the runs that logged an artifact of this name, the last first."""
    return [run for run in runs() if _TAG + name in run.tags]


def stored(name: str) -> Artifact | None:
    """Return an artifact that a run logged: the newest that a version or alias names; None if none does."""
    name, _, alias = name.rpartition("/")[2].partition(":")
    for run in _logged(name):
        version, kind, *aliases = run.tags[_TAG + name].split(" ")
        if alias in ("", "latest", version) or alias in aliases:
            found = Artifact(name, kind)
            found.version, found.aliases, found._run = version, aliases, read_run(run.id)
            return found
    return None
