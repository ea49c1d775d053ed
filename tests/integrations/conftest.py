"""Trainings with real libraries; those in heavy/ want libraries that `make test-integrations` installs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import chachaml as ml
from chachaml.integrations import guarding

collect_ignore = [] if os.environ.get("CHACHAML_INTEGRATIONS") else ["heavy"]


@pytest.fixture(autouse=True)
def trouble(folder: Path) -> Iterator[set[str]]:
    """A fresh store, and nothing patched after; what could not be logged fails the test unless it says so."""
    guarding.told.clear()
    expected: set[str] = set()
    yield expected
    ml.autolog(disable=True)
    found = set(guarding.told)
    guarding.told.clear()
    assert found == expected
