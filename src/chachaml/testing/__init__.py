"""What every store must do, as tests for whoever writes one.

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            with closing(MyStore(tmp_path / "runs.db")) as store:
                yield store

        def reopen(self, store):
            path = store.info().location
            store.close()
            return MyStore(path)

Collected by pytest as usual. Each test is one promise of `chachaml.store.protocol` or of
`chachaml.core.model`. Needs pytest.
"""

from __future__ import annotations

from chachaml.testing.access import AccessContract
from chachaml.testing.alarms import AlarmContract
from chachaml.testing.artifacts import ArtifactContract
from chachaml.testing.concurrency import ThreadContract
from chachaml.testing.copies import CopyContract
from chachaml.testing.corrections import CorrectionContract
from chachaml.testing.material import ODD_FLOATS, ODD_TEXTS, ODD_VALUES, Writer, ended, points, started
from chachaml.testing.reads import FeedContract, QueryContract, SeriesContract
from chachaml.testing.registry import RegistryContract
from chachaml.testing.steps import StepContract
from chachaml.testing.upkeep import UpkeepContract
from chachaml.testing.writes import BatchContract, RunContract

__all__ = ["ODD_FLOATS", "ODD_TEXTS", "ODD_VALUES", "StoreContract", "Writer", "ended", "points", "started"]


class StoreContract(
    BatchContract,
    RunContract,
    ArtifactContract,
    CopyContract,
    CorrectionContract,
    RegistryContract,
    StepContract,
    AlarmContract,
    AccessContract,
    UpkeepContract,
    QueryContract,
    SeriesContract,
    FeedContract,
    ThreadContract,
):
    """All that a store promises. Override the fixture ``store``, and `reopen` where stores are files."""
