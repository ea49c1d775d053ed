"""A `SummaryWriter` as PyTorch and tensorboardX have it, which logs to a run.

``from chachaml.compat.tensorboard import SummaryWriter`` in place of ``torch.utils.tensorboard`` or
``tensorboardX``. Neither is needed, nor TensorBoard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from chachaml.core.errors import BadValue
from chachaml.lifecycle import start_apart
from chachaml.live import LiveRun

__all__ = ["SummaryWriter"]

_NOT_KEPT = {
    "add_video": "log its file: run.log_file(path)",
    "add_mesh": "log its vertices as an artifact: run.log_artifact(name, vertices)",
    "add_onnx_graph": "log the file: run.log_file(path)",
    "add_openvino_graph": "log the file: run.log_file(path)",
    "add_tensor": "log it as an artifact: run.log_artifact(name, tensor)",
}


class SummaryWriter:
    """Logs what a `SummaryWriter` is told to a run of its own, which ends with `close` or the program.

    Args:
        log_dir: Names the run: ``runs/baseline`` is run "baseline" of experiment "runs". Default: a readable
            name, in experiment "runs".
        comment: Added to the name.
        run: A run to log to instead; it is not ended by `close`.
        others: What the originals take besides, for files that are not written here.
    """

    def __init__(
        self,
        log_dir: str | Path | None = None,
        comment: str = "",
        *others: Any,
        logdir: str | Path | None = None,
        run: LiveRun | None = None,
        **more: Any,
    ) -> None:
        del others, more
        self.log_dir = str(log_dir or logdir or "")
        place = Path(self.log_dir) if self.log_dir else None
        name = (place.name if place else "") + comment
        experiment = place.parent.name if place else ""
        self._owns = run is None
        self.run = run or start_apart(experiment or "runs", name.strip("_") or None)
        self._steps: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owns:
            self.run.end("completed" if error is None else "failed", error)

    def close(self) -> None:
        """End the run, if it is the writer's own."""
        if self._owns:
            self.run.end()

    def flush(self) -> None:
        """Do nothing: what was logged is kept once the call returns."""

    def get_logdir(self) -> str:
        """Return the folder that was given."""
        return self.log_dir

    def __getattr__(self, name: str) -> Any:
        if name in _NOT_KEPT:
            raise AttributeError(f"chachaml's SummaryWriter has no {name}; {_NOT_KEPT[name]}")
        raise AttributeError(
            f"chachaml's SummaryWriter has no {name!r}; writer.run is the run that it logs to"
        )

    # numbers ------------------------------------------------------------------------------------------

    def add_scalar(self, tag: str, scalar_value: Any, global_step: Any = None, *_: Any, **__: Any) -> None:
        """Log a value of a metric; its time is now."""
        self.run.log_metric(tag, scalar_value, _whole(global_step))

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: Mapping[str, Any], global_step: Any = None, *_: Any
    ) -> None:
        """Log several metrics as ``main_tag/tag``."""
        named = {f"{main_tag}/{tag}": value for tag, value in tag_scalar_dict.items()}
        self.run.log_metrics(named, _whole(global_step))

    def add_hparams(
        self, hparam_dict: Mapping[str, Any], metric_dict: Mapping[str, Any], *_: Any, **__: Any
    ) -> None:
        """Log params, and metrics of one point."""
        self.run.log_params({key: _plain(value) for key, value in hparam_dict.items()})
        for key, value in metric_dict.items():
            self.run.log_metric(key, value)

    # what is seen -------------------------------------------------------------------------------------

    def add_histogram(self, tag: str, values: Any, global_step: Any = None, *_: Any, **given: Any) -> None:
        """Keep a histogram as ``histograms/TAG/STEP.json``."""
        most = given.get("max_bins") or 64
        name = self._name("histograms", tag, global_step, "json")
        self.run.log_histogram(name, _array(values), bins=most, overwrite=True)

    def add_histogram_raw(
        self,
        tag: str,
        min: Any,
        max: Any,
        num: Any,
        sum: Any,
        sum_squares: Any,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: Any = None,
        *_: Any,
    ) -> None:
        """Keep a histogram whose counts are known: each limit is where its bucket ends."""
        del max, num, sum, sum_squares
        counts = [float(count) for count in _array(bucket_counts)]
        edges = [float(min), *(float(limit) for limit in _array(bucket_limits))]
        name = self._name("histograms", tag, global_step, "json")
        found = {"counts": counts, "edges": edges}
        self.run.log_artifact(name, found, format="histogram", overwrite=True)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: Any = None,
        dataformats: str = "CHW",
    ) -> None:
        """Keep an image as ``images/TAG/STEP.png``.

        Args:
            tag: What it shows.
            img_tensor: uint8, or floats from 0 to 1.
            global_step: Default: one more than the last.
            walltime: Not kept.
            dataformats: The order of height, width and channels: "CHW", "HWC" or "HW".
        """
        name = self._name("images", tag, global_step, "png")
        self.run.log_image(name, _picture(_array(img_tensor), dataformats), overwrite=True)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Any = None,
        walltime: Any = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Keep several images, each as ``images/TAG/STEP-0.png``."""
        step = self._step(f"images/{tag}", global_step)
        images, order = _array(img_tensor), dataformats.upper()
        images = _moved(images, order, "N" + order.replace("N", "")) if "N" in order else images[None]
        for number, image in enumerate(images):
            name = f"images/{tag}/{step}-{number}.png"
            self.run.log_image(name, _picture(image, order.replace("N", "")), overwrite=True)

    def add_figure(
        self, tag: str, figure: Any, global_step: Any = None, close: bool = True, walltime: Any = None
    ) -> None:
        """Keep a figure of matplotlib, or a list of them, as PNG; and close it, if not told otherwise."""
        some = figure if isinstance(figure, Sequence) else [figure]
        step = self._step(f"figures/{tag}", global_step)
        for number, one in enumerate(some):
            end = f"-{number}" if len(some) > 1 else ""
            self.run.log_figure(f"figures/{tag}/{step}{end}.png", one, overwrite=True)
            if close:
                from matplotlib import pyplot

                pyplot.close(one)

    def add_audio(
        self, tag: str, snd_tensor: Any, global_step: Any = None, sample_rate: int = 44_100, *_: Any
    ) -> None:
        """Keep sound, of shape (1, samples) and between -1 and 1, as ``audio/TAG/STEP.wav``."""
        name = self._name("audio", tag, global_step, "wav")
        self.run.log_audio(name, _array(snd_tensor).ravel(), int(sample_rate or 44_100), overwrite=True)

    def add_text(self, tag: str, text_string: str, global_step: Any = None, *_: Any) -> None:
        """Keep text in Markdown as ``text/TAG/STEP.md``."""
        self.run.log_text(self._name("text", tag, global_step, "md"), str(text_string), overwrite=True)

    def add_graph(self, model: Any, input_to_model: Any = None, *_: Any, **__: Any) -> None:
        """Keep the model as it prints itself, as ``graph.txt``."""
        self.run.log_text("graph.txt", f"{model}\n", overwrite=True)

    def add_embedding(
        self,
        mat: Any,
        metadata: Any = None,
        label_img: Any = None,
        global_step: Any = None,
        tag: str = "default",
        metadata_header: Sequence[str] | None = None,
    ) -> None:
        """Keep an embedding as a table: a row for each point, its metadata first; pictures are not kept."""
        rows = _array(mat).tolist()
        labels = [_cells(one) for one in metadata] if metadata is not None else [[]] * len(rows)
        if len(labels) != len(rows):
            raise BadValue(f"an embedding of {len(rows)} points has metadata for {len(labels)}")
        width = len(labels[0]) if labels else 0
        heads = list(metadata_header or (["label"] if width == 1 else [f"label {i}" for i in range(width)]))
        headers = [*heads, *(str(number) for number in range(len(rows[0]) if rows else 0))]
        cells = [[*label, *row] for label, row in zip(labels, rows, strict=True)]
        name = self._name("embeddings", tag, global_step, "json")
        self.run.log_table(name, cells, headers=headers, overwrite=True)

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        *_: Any,
    ) -> None:
        """Keep a precision-recall curve as a table of thresholds, precision and recall."""
        import numpy as np

        truth, said = _array(labels).ravel().astype(bool), _array(predictions).ravel()
        rows = []
        for threshold in np.linspace(0.0, 1.0, min(num_thresholds, 127)):
            positive = said >= threshold
            right = float((positive & truth).sum())
            precision = right / positive.sum() if positive.any() else 1.0
            recall = right / truth.sum() if truth.any() else 0.0
            rows.append(
                {"threshold": float(threshold), "precision": float(precision), "recall": float(recall)}
            )
        self.run.log_table(self._name("pr_curves", tag, global_step, "json"), rows, overwrite=True)

    def add_custom_scalars(self, layout: Mapping[str, Any]) -> None:
        """Keep a layout of charts as ``layout.json``; the pages here have their own."""
        self.run.log_artifact("layout.json", dict(layout), format="json", overwrite=True)

    # names --------------------------------------------------------------------------------------------

    def _name(self, kind: str, tag: str, step: Any, ending: str) -> str:
        return f"{kind}/{tag.strip('/')}/{self._step(f'{kind}/{tag}', step)}.{ending}"

    def _step(self, what: str, given: Any) -> int:
        step = _whole(given)
        step = self._steps.get(what, -1) + 1 if step is None else step
        self._steps[what] = max(step, self._steps.get(what, -1))
        return step


def _whole(step: Any) -> int | None:
    return None if step is None else int(step)


def _plain(value: Any) -> Any:
    """Return a param as plain data: what is a number of another library is one."""
    return value.item() if hasattr(value, "item") else value


def _array(values: Any) -> Any:
    """Return an array of numpy's, of a tensor too that has a gradient or lies on a device."""
    import numpy as np

    for step in ("detach", "cpu"):
        values = getattr(values, step)() if hasattr(values, step) else values
    return np.asarray(values)


def _cells(value: Any) -> list[Any]:
    some = value if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    return [_plain(one) for one in some]


def _moved(image: Any, order: str, wanted: str) -> Any:
    if sorted(order) != sorted(wanted) or image.ndim != len(order):
        raise BadValue(f"an image of shape {image.shape} does not have the axes {order!r}")
    return image.transpose([order.index(axis) for axis in wanted])


def _picture(image: Any, order: str) -> Any:
    """Return an image with its channels last; floats are cut off at 0 and 1, as the originals do."""
    order = order.upper()
    image = _moved(image, order, "HWC" if "C" in order else "HW")
    return image if image.dtype.kind in "ui" else image.clip(0, 1)
