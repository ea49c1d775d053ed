"""Makes event files, and says how TensorBoard reads them: python tensorboard_made.py FOLDER."""

import base64
import json
import math
import os
import sys

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboardX import SummaryWriter


def make(folder):
    with SummaryWriter(os.path.join(folder, "train")) as writer:
        for step in range(30):
            writer.add_scalar("loss", 1 / (step + 1), step, walltime=1_700_000_000 + step)
        writer.add_scalar("odd", math.nan, 0, walltime=1_700_000_100)
        writer.add_scalar("odd", math.inf, 1, walltime=1_700_000_101)
        writer.add_histogram("weights", np.random.default_rng(0).normal(size=1000), 3, walltime=1_700_000_102)
        image = np.zeros((3, 4, 5), np.uint8)
        image[0, 1, 2] = 200
        writer.add_image("digits/first", image, 7, walltime=1_700_000_103)
        writer.add_text("notes", "# hello <b>world</b>", 1, walltime=1_700_000_104)
        writer.add_hparams({"lr": 0.1, "name": "a", "deep": True}, {"hparam/accuracy": 0.9}, name="hp")
    with SummaryWriter(os.path.join(folder, "eval")) as writer:
        writer.add_scalars("both", {"a": 1.0, "b": 2.0}, 5, walltime=1_700_000_200)
    # As TensorFlow 2 and PyTorch write them: scalars in tensors, with the name of a plugin.
    plain = EventFileWriter(os.path.join(folder, "tensors"))
    for step in range(5):
        summary = Summary()
        value = summary.value.add(tag="accuracy")
        value.metadata.plugin_data.plugin_name = "scalars"
        value.tensor.dtype = 1
        value.tensor.tensor_shape.SetInParent()
        if step % 2:
            value.tensor.float_val.append(step / 10)
        else:
            value.tensor.tensor_content = np.float32(step / 10).tobytes()
        plain.add_event(Event(wall_time=1_700_000_300 + step, step=step, summary=summary))
    plain.close()


def read(folder):
    found = {}
    for place, _, names in os.walk(folder):
        if not any("tfevents" in name for name in names):
            continue
        events = EventAccumulator(
            place, size_guidance={"scalars": 0, "tensors": 0, "images": 0, "histograms": 0}
        )
        events.Reload()
        tags = events.Tags()
        found[os.path.relpath(place, folder)] = {
            "scalars": {
                t: [[e.step, e.wall_time, repr(e.value)] for e in events.Scalars(t)] for t in tags["scalars"]
            },
            "images": {
                t: [[e.step, base64.b64encode(e.encoded_image_string).decode()] for e in events.Images(t)]
                for t in tags["images"]
            },
            "histograms": {
                t: [
                    [e.step, list(e.histogram_value.bucket_limit), list(e.histogram_value.bucket)]
                    for e in events.Histograms(t)
                ]
                for t in tags["histograms"]
            },
            "tensors": {
                t: [
                    [
                        e.step,
                        repr([s.decode() for s in e.tensor_proto.string_val])
                        if e.tensor_proto.string_val
                        else None,
                    ]
                    for e in events.Tensors(t)
                ]
                for t in tags["tensors"]
            },
        }
    return found


if __name__ == "__main__":
    make(sys.argv[1])
    with open(os.path.join(sys.argv[1], "expected.json"), "w") as file:
        json.dump(read(sys.argv[1]), file, indent=1, sort_keys=True)
