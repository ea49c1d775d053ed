"""The machines again, on Postgres: it must agree with memory after every step, too."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from tests.postgres import fresh_url
from tests.seeds import SOAK
from tests.stateful.test_alarm_machine import AlarmMachine
from tests.stateful.test_registry_machine import RegistryMachine
from tests.stateful.test_store_machine import StoreMachine

from chachaml.store.postgres import open_postgres
from chachaml.store.protocol import Store


class _InPostgres:
    """Opens the store in a schema of its own."""

    _url = ""

    def open(self) -> Store:
        self._url = self._url or fresh_url()
        return open_postgres(self._url)


class PostgresStoreMachine(_InPostgres, StoreMachine):
    pass


class PostgresRegistryMachine(_InPostgres, RegistryMachine):
    pass


class PostgresAlarmMachine(_InPostgres, AlarmMachine):
    pass


short = settings(
    max_examples=1_000 if SOAK else 4,
    stateful_step_count=60 if SOAK else 12,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestPostgresStore = PostgresStoreMachine.TestCase
TestPostgresRegistry = PostgresRegistryMachine.TestCase
TestPostgresAlarms = PostgresAlarmMachine.TestCase
for case in (TestPostgresStore, TestPostgresRegistry, TestPostgresAlarms):
    case.settings = short
del case  # or it would be collected once more
