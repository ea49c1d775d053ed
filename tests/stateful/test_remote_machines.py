"""The machines again, with a server between: the store behind it must agree with memory, too."""

from __future__ import annotations

from contextlib import ExitStack

from hypothesis import HealthCheck, settings
from tests.seeds import SOAK
from tests.served import SESSION, served
from tests.stateful.test_alarm_machine import AlarmMachine
from tests.stateful.test_registry_machine import RegistryMachine
from tests.stateful.test_store_machine import StoreMachine

from chachaml.store.protocol import Store
from chachaml.store.remote import open_remote


class _Behind:
    """Opens the store through a server, which goes on when the store is opened again."""

    _server: ExitStack | None = None

    def open(self) -> Store:
        if self._server is None:
            self._server = ExitStack()
            self._url = self._server.enter_context(served(self.path, keep=False)).url  # type: ignore[attr-defined]
        return open_remote(self._url, SESSION)

    def teardown(self) -> None:
        if self._server is not None:
            self._server.close()
        super().teardown()  # type: ignore[misc]


class RemoteStoreMachine(_Behind, StoreMachine):
    pass


class RemoteRegistryMachine(_Behind, RegistryMachine):
    pass


class RemoteAlarmMachine(_Behind, AlarmMachine):
    pass


short = settings(
    max_examples=300 if SOAK else 8,
    stateful_step_count=40 if SOAK else 15,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestRemoteStore = RemoteStoreMachine.TestCase
TestRemoteRegistry = RemoteRegistryMachine.TestCase
TestRemoteAlarms = RemoteAlarmMachine.TestCase
for case in (TestRemoteStore, TestRemoteRegistry, TestRemoteAlarms):
    case.settings = short
del case  # or it would be collected once more
