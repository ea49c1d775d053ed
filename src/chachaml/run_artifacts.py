"""What a live run can log besides numbers: files, values, tables, pictures, data sets."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any

from chachaml.core import settings
from chachaml.core.changes import ArtifactLogged, DatasetLogged
from chachaml.core.errors import ArtifactExists, BadValue, NotFound, StoreError, StoreUnavailable
from chachaml.core.ids import short
from chachaml.core.names import check_artifact_name
from chachaml.core.values import as_text

if TYPE_CHECKING:
    from chachaml.artifacts.blobs import Blob
    from chachaml.artifacts.formats import Encoded
    from chachaml.connection import Connection
    from chachaml.journal.journal import Journal
    from chachaml.results import Artifact, Dataset

__all__ = ["RunArtifacts"]


class RunArtifacts:
    """The part of a live run that keeps artifacts and data sets."""

    id: str
    name: str
    _connection: Connection
    _journal: Journal
    _lock: threading.RLock

    def log_artifact(
        self,
        name: str,
        value: object,
        *,
        format: str | None = None,
        content_type: str | None = None,
        overwrite: bool = False,
    ) -> Artifact | None:
        """Keep any value under a name; `chachaml.load_artifact` gives it back.

        Args:
            name: Any text, with slashes for folders.
            value: Plain data, text, bytes, a path (the file is copied), an array, a frame, a figure,
                an image, a tensor, a model, or whatever else can be pickled.
            format: How to keep it: "json", "text", "md", "html", "bytes", "file", "npy", "npz",
                "table", "pandas", "polars", "arrow", "histogram", "figure", "image", "plotly", "audio",
                "safetensors", "skops" or "pickle". Default: by the value's type, safe ones first.
            content_type: What to tell those who show it. Default: by format, name and first bytes.
            overwrite: Replace the run's artifact of that name.

        Returns:
            What is kept; None if nothing is, because there is no room (of which a warning tells) or
            chachaml is disabled.

        Raises:
            ArtifactExists: The run has one of that name, which stays as it is.
            BadValue: The name, or a value that the format does not take.
            MissingExtra: The format needs a library that is not installed.
        """
        check_artifact_name(name)
        if not self._connection.keeps or not self._listens():
            return None
        self._refuse_second(name, overwrite=overwrite)
        from chachaml.artifacts.formats import encode

        return self._keep(name, encode(name, value, format, content_type), overwrite=overwrite)

    def log_file(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        *,
        content_type: str | None = None,
        overwrite: bool = False,
    ) -> Artifact | None:
        """Keep a copy of a file, of any size; see `log_artifact`.

        Args:
            path: The file.
            name: What to call it. Default: the file's own name.
            content_type: Default: by its name and first bytes.
            overwrite: Replace the run's artifact of that name.
        """
        file = Path(path).expanduser()
        if name is not None and not file.exists() and Path(name).is_file():
            raise BadValue(f"there is no file {str(path)!r}, but there is {name!r}", "log_file(path, name)")
        about = {"content_type": content_type, "overwrite": overwrite}
        return self.log_artifact(file.name if name is None else name, file, format="file", **about)  # type: ignore[arg-type]

    def log_dir(
        self, path: str | os.PathLike[str], name: str | None = None, *, overwrite: bool = False
    ) -> tuple[Artifact, ...]:
        """Keep a copy of every file in a folder and those below it, as ``name/...``.

        Links are passed over, and a warning says how many: what they point to may lie anywhere.

        Args:
            path: The folder.
            name: What to call it. Default: the folder's own name.
            overwrite: Replace the run's artifacts of these names.

        Raises:
            ArtifactExists: The run has one of these names; nothing was logged.
            BadValue: Not a folder.
        """
        folder = Path(path).expanduser()
        if not folder.is_dir():
            raise BadValue(f"{folder.absolute()} is not a folder", "chachaml.log_file logs a single file")
        prefix = check_artifact_name(folder.resolve().name if name is None else name.rstrip("/"))
        files, links = _files_in(folder)
        if links:
            text = f"{links:,} links in {folder} were not logged: what they point to may lie anywhere"
            self._connection.tell(f"links:{folder}", text)
        named = {
            check_artifact_name(f"{prefix}/{file.relative_to(folder).as_posix()}"): file for file in files
        }
        for each in named:
            self._refuse_second(each, overwrite=overwrite)
        logged = (
            self.log_artifact(each, file, format="file", overwrite=overwrite) for each, file in named.items()
        )
        return tuple(artifact for artifact in logged if artifact)

    def log_model(
        self,
        model: object,
        name: str = "model",
        *,
        example: Any = None,
        format: str | None = None,
        overwrite: bool = False,
    ) -> Artifact | None:
        """Keep a model in a format by its type, safe ones first, with what it takes, gives and needs.

        skops for scikit-learn, the libraries' own for XGBoost, LightGBM, ONNX and Keras, safetensors
        for the weights of a PyTorch module; what nothing else fits is pickled and signed. Beside it,
        as ``<name>.about.json``, are its class, its signature and the packages that it needs.

        Args:
            model: The model.
            name: The artifact's name.
            example: Some of what the model is given. It is asked for a prediction of it, and the names,
                types and shapes of both are kept; the example itself is not.
            format: As in `log_artifact`. Default: by type.
            overwrite: Replace the run's artifact of that name.

        Raises:
            ArtifactExists: The run has one of that name, which stays as it is.
            MissingExtra: The format needs a library that is not installed.
        """
        from chachaml.artifacts import models

        kept = self.log_artifact(name, models.keepable(model), format=format, overwrite=overwrite)
        if kept is not None:
            about = models.describe(model, kept.format, example)
            self.log_artifact(models.about_name(name), about, format="json", overwrite=overwrite)
        return kept

    def log_text(self, name: str, text: str, *, overwrite: bool = False) -> Artifact | None:
        """Keep text; as Markdown if the name ends in ``.md``, as HTML if in ``.html``."""
        ending = name.rpartition(".")[2].lower() if isinstance(name, str) else ""
        kind = {"md": "md", "markdown": "md", "html": "html", "htm": "html"}.get(ending, "text")
        return self.log_artifact(name, text, format=kind, overwrite=overwrite)

    def log_html(self, name: str, html: str, *, overwrite: bool = False) -> Artifact | None:
        """Keep a page of HTML."""
        return self.log_artifact(name, html, format="html", overwrite=overwrite)

    def log_image(self, name: str, image: Any, *, overwrite: bool = False) -> Artifact | None:
        """Keep an image as PNG, or an image's file as it is.

        Args:
            name: For example "samples/0.png".
            image: A path, a PIL image, a figure, or an array or tensor of shape (height, width) or
                (height, width, 1, 3 or 4), or with the channels first: uint8, or floats from 0 to 1.
            overwrite: Replace the run's artifact of that name.
        """
        if isinstance(image, (str, os.PathLike)):
            return self.log_artifact(name, image, format="file", overwrite=overwrite)
        kind = "figure" if hasattr(image, "savefig") else "image"
        return self.log_artifact(name, image, format=kind, overwrite=overwrite)

    def log_figure(self, name: str, figure: Any, *, overwrite: bool = False) -> Artifact | None:
        """Keep a figure: one of matplotlib (or with its ``savefig``) as PNG, one of plotly as it is."""
        kind = "figure" if hasattr(figure, "savefig") else "plotly"
        return self.log_artifact(name, figure, format=kind, overwrite=overwrite)

    def log_table(
        self, name: str, rows: Any, *, headers: Sequence[str] | None = None, overwrite: bool = False
    ) -> Artifact | None:
        """Keep a table.

        Args:
            name: For example "confusion".
            rows: Dicts; or sequences of cells; or ``{"headers": ..., "rows": ...}``; or a frame of
                pandas, polars or Arrow, which stays what it is.
            headers: Names of the columns, for sequences of cells.
            overwrite: Replace the run's artifact of that name.

        Raises:
            BadValue: Rows of unequal lengths.
        """
        from chachaml.artifacts.tables import as_table

        if hasattr(rows, "columns") and not isinstance(rows, Mapping):
            return self.log_artifact(name, rows, overwrite=overwrite)
        return self.log_artifact(name, as_table(rows, headers), format="table", overwrite=overwrite)

    def log_histogram(
        self, name: str, values: Any, *, bins: int = 64, overwrite: bool = False
    ) -> Artifact | None:
        """Keep a histogram of numbers: how many fall into each of `bins` ranges of equal width."""
        from chachaml.artifacts.tables import histogram

        return self.log_artifact(name, histogram(values, bins), format="histogram", overwrite=overwrite)

    def log_audio(
        self, name: str, samples: Any, sample_rate: int = 44_100, *, overwrite: bool = False
    ) -> Artifact | None:
        """Keep sound as a WAV file of 16 bits, or a sound's file as it is.

        Args:
            name: For example "sample.wav".
            samples: A path, or numbers between -1 and 1 of shape (samples,) or (samples, channels).
            sample_rate: Samples a second.
            overwrite: Replace the run's artifact of that name.
        """
        if isinstance(samples, (str, os.PathLike)):
            return self.log_artifact(name, samples, format="file", overwrite=overwrite)
        from chachaml.artifacts.media import Sound

        sound = Sound(samples, sample_rate)
        return self.log_artifact(name, sound, format="audio", overwrite=overwrite)

    def log_dataset(
        self,
        data: Any = None,
        *,
        name: str = "",
        role: str = "train",
        rows: int | None = None,
        columns: int | None = None,
        features: Iterable[str] | None = None,
        hash: str | None = None,
        source: str = "",
    ) -> Dataset | None:
        """Keep what identifies data that the run uses, not the data itself.

        Args:
            data: A frame (pandas, polars, Arrow), an array or tensor, a tuple of them such as
                ``(X, y)``, or the path of a file. What is not given below is found out from it.
            name: For people.
            role: "train", "validation", "test", or whatever it is.
            rows: How many.
            columns: How many.
            features: Names of the columns.
            hash: What tells it from other data. Default: SHA-256 of its contents.
            source: Where it came from.

        Raises:
            BadValue: Data of a kind that cannot be hashed here.
        """
        if not self._connection.keeps or not self._listens():
            return None
        from chachaml.artifacts.fingerprint import describe
        from chachaml.results import Dataset

        found = describe(data)
        logged = DatasetLogged(
            self.id,
            time_ns() // 1000,
            as_text("data set's name", name or found.name),
            as_text("role", role),
            found.rows if rows is None else int(rows),
            found.columns if columns is None else int(columns),
            found.features if features is None else tuple(as_text("feature", str(each)) for each in features),
            as_text("hash", found.digest if hash is None else hash),
            as_text("source", source or found.source),
        )
        with self._lock:
            self._announce()
            self._journal.log(logged)
        return Dataset.from_change(logged)

    # keeping ----------------------------------------------------------------------------------------

    def _refuse_second(self, name: str, *, overwrite: bool) -> None:
        """Raise if the run has an artifact of that name, as far as this process or its disk knows."""
        if overwrite:
            return
        if name not in self._artifacts:
            from chachaml.artifacts.view import view_path

            if not os.path.lexists(view_path(self._connection.blobs(), self.id, name)):
                return
            self._artifacts |= self._stored_names()
        if name in self._artifacts:
            raise ArtifactExists(
                f"run {self.name!r} ({short(self.id)}) has an artifact {name!r} already; it stays as it is",
                "choose another name, or replace it: overwrite=True",
            )

    def _stored_names(self) -> set[str]:
        """Return the run's artifacts that the store knows, other processes' included."""
        try:
            run = self._connection.ready(at_once=True).get_run(self.id)
        except (NotFound, StoreError):
            return set()
        return {artifact.name for artifact in run.artifacts}

    def _keep(self, name: str, encoded: Encoded, *, overwrite: bool) -> Artifact | None:
        from chachaml.artifacts import formats, signing, view
        from chachaml.results import Artifact

        blobs = self._connection.blobs()
        try:
            blob = self._put(name, encoded)
        except OSError as error:
            self._not_kept(name, error)
            return None
        trust = signing.sign(blob.digest, self.id, name) if formats.needs_trust(encoded.format) else ""
        about = (blob.digest, blob.size, encoded.content_type, encoded.format, trust)
        logged = ArtifactLogged(self.id, time_ns() // 1000, name, *about, overwrite)
        with self._lock:
            if not self._listens():
                return None
            self._announce()
            self._journal.log(logged)
            self._artifacts.add(name)
        if blobs.shows:
            with contextlib.suppress(OSError):  # the view is made again when it is asked for
                view.place(blobs, self.id, name, blob.digest)
        return Artifact.from_change(logged)

    def _put(self, name: str, encoded: Encoded) -> Blob:
        blobs = self._connection.blobs()
        if isinstance(encoded.data, bytes):
            return blobs.put_bytes(encoded.data)
        from chachaml.artifacts.progress import bar

        with encoded.data.open("rb") as file, bar(name, encoded.data.stat().st_size) as progress:
            return blobs.put(file, progress)

    def _not_kept(self, name: str, error: OSError) -> None:
        why = f"artifact {name!r} of run {self.name!r} was NOT kept: {error}"
        if settings.strict():
            raise StoreUnavailable(why) from error
        self._connection.tell(f"artifact:{error.errno}", why)

    # what the run itself brings -----------------------------------------------------------------------

    _artifacts: set[str]

    def _announce(self) -> None: ...

    def _listens(self) -> bool: ...  # type: ignore[empty-body]


def _files_in(folder: Path) -> tuple[list[Path], int]:
    """Return the files in a folder and those below it, sorted, and how many links were passed over."""
    files, links = [], 0
    for at, folders, names in os.walk(folder):
        below = [Path(at, each) for each in folders]
        found = [Path(at, each) for each in names]
        links += sum(each.is_symlink() for each in (*below, *found))
        files += [each for each in found if each.is_file() and not each.is_symlink()]
    return sorted(files), links
