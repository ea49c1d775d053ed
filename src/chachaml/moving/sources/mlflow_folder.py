"""MLflow's folder of files, ``mlruns``: one for each experiment, run, metric, param and tag."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from chachaml.core.changes import PointsLogged
from chachaml.core.errors import BadValue
from chachaml.core.model import WholeRun
from chachaml.moving.account import Tally
from chachaml.moving.imported import File, Imported, Version, points_of
from chachaml.moving.mlflow_words import STAGES, run_id
from chachaml.moving.sources.flat_yaml import flat_yaml
from chachaml.moving.sources.listed import files_in
from chachaml.moving.sources.mlflow_models import Logged, by_run, logged_by_id, model_name, packed
from chachaml.moving.sources.mlflow_rows import files_below, folder_of, run_row, version_id

__all__ = ["Folder"]

_STATUSES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}


class Folder:
    """The runs of one ``mlruns`` folder.

    Args:
        folder: The folder.
        tally: Hears what cannot be read.

    Raises:
        BadValue: There are no experiments in it.
    """

    def __init__(self, folder: Path, tally: Tally) -> None:
        self.place, self._folder, self._tally = str(folder), folder, tally
        self._experiments = [
            path.parent for root in (folder, folder / ".trash") for path in sorted(root.glob("*/meta.yaml"))
        ]
        if not self._experiments:
            raise BadValue(f"{folder} is no mlruns folder: it holds no experiments", "name the folder itself")

    together = 100

    def close(self) -> None:
        """Let go of nothing."""

    def count(self) -> int:
        """Return how many runs there are."""
        return sum(1 for _ in self._run_folders())

    def _run_folders(self) -> Iterator[tuple[Path, Path]]:
        for experiment in self._experiments:
            for meta in sorted(experiment.glob("*/meta.yaml")):
                yield experiment, meta.parent

    def runs(self) -> Iterator[Imported]:
        """Yield all runs that can be read."""
        paths = self._model_paths()
        for experiment, folder in self._run_folders():
            try:
                about = flat_yaml((folder / "meta.yaml").read_text())
                name = flat_yaml((experiment / "meta.yaml").read_text()).get("name")
            except (OSError, ValueError) as error:
                self._tally.leave("run", folder.name, str(error))
                continue
            if "start_time" not in about:
                self._tally.leave("run", folder.name, "its meta.yaml is damaged")
                continue
            yield self._run(folder, about, str(name or experiment.name), paths)

    def _run(
        self, folder: Path, about: dict[str, Any], experiment: str, paths: dict[str, list[str]]
    ) -> Imported:
        run = str(about.get("run_id") or about.get("run_uuid") or folder.name)
        status = about.get("status")
        row = run_row(
            run,
            experiment=experiment,
            name=str(about.get("run_name") or about.get("name") or ""),
            user=str(about.get("user_id") or ""),
            status=_STATUSES.get(status, "") if isinstance(status, int) else str(status),
            started=about["start_time"],
            ended=about.get("end_time"),
            deleted=about.get("lifecycle_stage") == "deleted",
            params=self._texts(folder / "params"),
            tags=self._texts(folder / "tags"),
        )
        uri = str(about.get("artifact_uri") or "")
        place = folder / "artifacts"
        inside = place if place.is_dir() else folder_of(uri, [self._folder])
        files: list[File] = list(files_below(inside, self._tally)) if inside else []
        # Copies often leave out folders that are empty, as that of a run without artifacts is.
        if inside is None and uri and not uri.rstrip("/").endswith(f"/{run}/artifacts"):
            self._tally.leave("artifacts", f"of run {run}", f"{uri} is not on this machine")
        for one in self._logged_of.get(run, ()):
            if not Path(one.place).is_dir():
                why = f"{one.place} is not on this machine"
                self._tally.leave("logged model", f"{one.folder} ({one.id})", why)
            files += files_below(Path(one.place), self._tally, f"{one.folder}/")
        files += packed(files, paths.get(run, ()))
        return Imported(WholeRun(row), lambda: self._points(row.id, folder / "metrics"), files)

    def _texts(self, folder: Path) -> dict[str, str]:
        found = {}
        for name, path in files_in(folder, self._tally):
            try:
                found[name] = path.read_text()
            except (OSError, UnicodeDecodeError) as error:
                self._tally.leave(folder.name.removesuffix("s"), str(path), str(error))
        return found

    def _points(self, run: str, folder: Path) -> Iterator[PointsLogged]:
        for key, path in files_in(folder, self._tally):
            rows = []
            for line in path.read_text(errors="replace").splitlines():
                try:
                    rows.append(_point(line))
                except ValueError:
                    self._tally.leave("point", f"of {key} of run {run}", f"{line[:60]!r} is none")
            if rows:
                times, values, steps = zip(*rows, strict=True)
                yield points_of(run, key, steps, times, values)

    @cached_property
    def _logged(self) -> dict[str, Logged]:
        rows = []
        for experiment in self._experiments:
            for meta in sorted(experiment.glob("models/*/meta.yaml")):
                about = flat_yaml(meta.read_text(errors="replace"))
                made, run = about.get("creation_timestamp"), about.get("source_run_id")
                if isinstance(made, int) and run:
                    inside, uri = meta.parent / "artifacts", str(about.get("artifact_location") or "")
                    place = str(inside if inside.is_dir() else folder_of(uri, [self._folder]) or uri)
                    rows.append((made, meta.parent.name, str(run), str(about.get("name")), place))
        return logged_by_id(rows)

    @cached_property
    def _logged_of(self) -> dict[str, list[Logged]]:
        return by_run(self._logged)

    # models -----------------------------------------------------------------------------------------

    def _version_files(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        for model in sorted(self._folder.glob("models/*/meta.yaml")):
            found = []
            for path in model.parent.glob("version-*/meta.yaml"):
                about = flat_yaml(path.read_text(errors="replace"))
                if isinstance(about.get("version"), int):
                    found.append((path.parent, about))
            yield from sorted(found, key=lambda one: one[1]["version"])

    def _model_paths(self) -> dict[str, list[str]]:
        paths: dict[str, list[str]] = {}
        for _, about in self._version_files():
            paths.setdefault(str(about.get("run_id")), []).append(self._path_of(about))
        return paths

    def _path_of(self, about: dict[str, Any]) -> str:
        source, run = str(about.get("source") or ""), str(about.get("run_id") or "")
        root = source[: source.find(f"/{run}/artifacts")] + f"/{run}/artifacts"
        return model_name(source, root, self._logged)

    def versions(self) -> Iterator[Version]:
        """Yield all versions of models, ascending."""
        for folder, about in self._version_files():
            model = flat_yaml((folder.parent / "meta.yaml").read_text(errors="replace"))
            name, number, run = str(about.get("name")), about["version"], str(about.get("run_id") or "")
            path = self._path_of(about)
            if not run or not path:
                why = f"its files are at {about.get('source')}, not with a run"
                self._tally.leave("version", f"{number} of {name}", why)
                continue
            aliases = self._texts(folder.parent / "aliases")
            created = about.get("creation_timestamp") or 0
            yield Version(
                id=version_id(name, number, run, created),
                model=name,
                number=number,
                run=run_id(run),
                artifact=f"{path}.zip",
                time=created * 1000,
                by=str(about.get("user_id") or ""),
                stage=STAGES.get(str(about.get("current_stage")), "none"),
                description=str(about.get("description") or ""),
                model_description=str(model.get("description") or ""),
                tags=self._texts(folder / "tags"),
                model_tags=self._texts(folder.parent / "tags"),
                aliases=[alias for alias, meant in aliases.items() if meant.strip() == str(number)],
            )


def _point(line: str) -> tuple[int, float, int]:
    """Return time in microseconds, value and step of a line; the oldest files have no steps."""
    time, value, *step = line.split(" ")
    found = int(time) * 1000, float(value), int(step[0]) if step else 0
    if max(abs(found[0]), abs(found[2])) >= 2**63:
        raise ValueError("a time or step of more than 64 bits")
    return found
