"""Makes runs with W&B offline, and says how its own reader of files reads them: python wandb_made.py FOLDER."""

import json
import os
import sys
from pathlib import Path

folder = sys.argv[1]
os.environ.update(
    WANDB_MODE="offline",
    WANDB_DIR=folder,
    WANDB_DATA_DIR=folder,
    WANDB_CACHE_DIR=folder,
    WANDB_CONFIG_DIR=folder,
    WANDB_SILENT="true",
    WANDB_CONSOLE="off",
    WANDB_DISABLE_GIT="true",
    WANDB_DISABLE_CODE="true",
)
import numpy as np
import wandb


def make():
    run = wandb.init(
        project="digits",
        name="first",
        group="g1",
        job_type="train",
        tags=["a", "b"],
        notes="# why\n<b>",
        config={"lr": 0.01, "deep": {"a": [1, None, "x"]}, "flag": True},
        settings=wandb.Settings(x_disable_stats=True, x_disable_machine_info=True),
    )
    for step in range(30):
        run.log({"loss": 1 / (step + 1), "train/acc": step / 30})
    run.log({"loss": float("nan"), "text": "hello", "nested": {"x": 1.5, "y": {"z": 2}}}, step=50)
    run.log(
        {
            "img": wandb.Image(np.zeros((4, 5, 3), np.uint8)),
            "hist": wandb.Histogram([1, 2, 3]),
            "table": wandb.Table(columns=["a", "b"], data=[[1, "x"], [2, "y"]]),
        },
        step=51,
    )
    run.summary["best"] = 0.5
    run.config.update({"late": 3})
    run.finish()
    bad = wandb.init(
        project="digits",
        name="failed",
        settings=wandb.Settings(x_disable_stats=True, x_disable_machine_info=True),
    )
    bad.log({"loss": 2.0})
    bad.finish(exit_code=1)


if __name__ == "__main__":
    make()


def read(path):
    """Return the history of a .wandb file by W&B's own messages; the framing is that of LevelDB's logs."""
    from wandb.proto import wandb_internal_pb2 as pb

    data, at, parts, rows = Path(path).read_bytes(), 7, b"", []
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        parts += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            record = pb.Record.FromString(parts)
            parts = b""
            if record.WhichOneof("record_type") == "history":
                row = {}
                for item in record.history.item:
                    kind = (
                        item.WhichOneof("value")
                        if "value" in pb.HistoryItem.DESCRIPTOR.oneofs_by_name
                        else None
                    )
                    if item.value_json:
                        value = json.loads(item.value_json)
                    else:
                        value = next(
                            (
                                getattr(item, name)
                                for name in ("number", "integer", "text", "boolean", "json")
                                if name in {f.name for f, _ in item.ListFields()}
                            ),
                            0,
                        )
                    row[item.key or ".".join(item.nested_key)] = (
                        repr(float(value))
                        if isinstance(value, (int, float)) and not isinstance(value, bool)
                        else value
                    )
                rows.append(row)
    return rows


if __name__ == "__main__":
    found = {os.path.basename(path): read(path) for path in map(str, Path(folder).glob("wandb/*/*.wandb"))}
    with open(os.path.join(folder, "expected.json"), "w") as file:
        json.dump(found, file, indent=1, sort_keys=True)
