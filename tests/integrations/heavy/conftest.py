"""What the tests with heavy libraries share: a backend for Keras, and no downloads."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "torch"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["YOLO_OFFLINE"] = "true"
os.environ["OMP_NUM_THREADS"] = "1"
