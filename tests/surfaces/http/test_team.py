"""A team's server: who may do what, on every route; nobody learns of what they may not see."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.served import Served, served

import chachaml as ml
from chachaml import connection as connections
from chachaml.core.access import digest_of, new_token
from chachaml.core.changes import AccountSet, Batch, Change, TokenIssued, TokenRevoked
from chachaml.core.errors import ChachamlError
from chachaml.core.ids import new_id
from chachaml.surfaces.http.everything import all_routes
from chachaml.surfaces.http.routing import Route

GOLDEN = Path(__file__).parent / "permissions.txt"
FOR_EVER = 2**60
ROLES = ("nobody", "reader", "writer", "admin")


class Team:
    """A server with accounts, and a client for each of them."""

    def __init__(self, server: Served) -> None:
        self.server = server
        self.tokens: dict[str, str] = {}
        self.ids: dict[str, str] = {}

    def tell(self, *changes: Change) -> None:
        receipt = self.server.service.store.apply(Batch(changes, command=new_id()))
        assert not receipt.conflicts
        self.server.service.directory.forget()

    def add(
        self, name: str, role: str = "", *, expires: int = FOR_EVER, cap: str = "", **grants: str
    ) -> None:
        self.tell(AccountSet(1, "root", name, "user", role, grants))  # type: ignore[arg-type]
        self.tokens[name], self.ids[name] = new_token(), new_id()
        digest = digest_of(self.tokens[name])
        self.tell(TokenIssued(1, "root", self.ids[name], name, digest, expires, role=cap))  # type: ignore[arg-type]

    def client(self, name: str = "nobody") -> httpx.Client:
        token = self.tokens.get(name)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.server.url, timeout=30, headers=headers)


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    with served(tmp_path / "team.db", team=True, keep=False) as server:
        made = Team(server)
        for role in ROLES[1:]:
            made.add(role, role)
        yield made


def start(client: httpx.Client, **given: Any) -> str:
    answer = client.post("/api/w/runs", json=given)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def test_roles_and_routes_are_as_they_are_written_down(team: Team) -> None:
    """One line for each route: what it needs, and who gets past the guard. A new route needs a new line."""
    # Signing out is last, for it revokes the token that all the others need.
    routes = sorted(all_routes().all, key=lambda route: (route.path == "/logout", route.path, route.method))
    with ExitStack() as stack:
        clients = {role: stack.enter_context(team.client(role)) for role in ROLES}
        lines = [_written_down(route, clients) for route in routes]
    found = "\n".join(lines) + "\n"
    if os.environ.get("CHACHAML_GOLDEN"):  # look at what changed before it is committed
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text()


def _written_down(route: Route, clients: dict[str, httpx.Client]) -> str:
    path = re.sub(r"\{\w+:([^}|]+)\|[^}]*\}", r"\1", route.path)
    path = re.sub(r"\{\w+(:path)?\}", "x", path)
    passed = []
    for role, client in clients.items():
        with client.stream(route.method, path, headers={"Content-Type": "application/json"}) as answer:
            refused = answer.status_code in (401, 403)
            assert answer.status_code < 500 or answer.status_code == 501, (route.method, path)
        passed.append("-" if refused else role)
    return f"{route.method:6} {route.path:50} {route.needs:8} {' '.join(passed)}"


def test_only_these_are_open_to_everybody() -> None:
    assert {(route.method, route.path) for route in all_routes().all if route.needs == "open"} == {
        ("GET", "/login"),
        ("POST", "/login"),
        ("POST", "/logout"),
        ("GET", "/static/{build}/{name:path}"),
        ("GET", "/healthz"),
        ("GET", "/health"),
        ("GET", "/version"),
        ("GET", "/readyz"),
    }


def test_nobody_learns_anything_without_a_token(team: Team) -> None:
    with team.client("admin") as client:
        start(client, experiment="canary-experiment", name="canary")
    with team.client() as client:
        for path in (
            "/api/runs",
            "/api/openapi.json",
            "/api/docs",
            "/",
            "/api/events",
            "/api/store",
            "/api/me",
        ):
            answer = client.get(path)
            assert answer.status_code == 401
            assert "canary" not in answer.text
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert client.get("/healthz").json() == {"ok": True}


@pytest.mark.parametrize(
    "shown",
    [
        "Bearer x",
        "Bearer chm_" + "a" * 43,
        "Basic YTpi",
        "bearer",
        "Bearer " + "x" * 4000,
        "Token abc",
    ],
)
def test_tokens_that_are_none_are_refused(team: Team, shown: str) -> None:
    answer = httpx.get(f"{team.server.url}/api/runs", headers={"Authorization": shown})
    assert answer.status_code == 401
    assert shown[7:] not in answer.text or len(shown) < 10


def test_tokens_are_good_until_they_are_over_revoked_or_their_account_is_off(team: Team) -> None:
    team.add("late", "reader", expires=5)
    team.add("gone", "reader")
    team.add("off", "reader")
    for name, status in (("late", 401), ("gone", 200), ("off", 200)):
        with team.client(name) as client:
            assert client.get("/api/runs").status_code == status
    store = team.server.service.store
    revoked = TokenRevoked(9, "admin", team.ids["gone"])
    store.apply(Batch((revoked, AccountSet(9, "admin", "off", active=False)), command=new_id()))
    time.sleep(1)  # another process did this: servers know within a second
    for name in ("gone", "off"):
        with team.client(name) as client:
            assert client.get("/api/runs").status_code == 401


def test_a_revoked_token_hears_nothing_more(team: Team) -> None:
    with team.client("reader") as client, client.stream("GET", "/api/events") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "retry: 1000"
        team.tell(TokenRevoked(9, "admin", team.ids["reader"]))
        with team.client("writer") as writer:
            start(writer, name="canary")
        assert not [
            line for line in lines if line.startswith("data:") and "runs" in line and "[]" not in line
        ]


def test_when_a_token_was_used_is_kept(team: Team) -> None:
    with team.client("reader") as client:
        client.get("/api/runs")
    team.server.service.directory.keep_uses()
    used = {token.account: token.used for token in team.server.service.store.access().tokens}
    assert used["reader"]
    assert used["writer"] is None


def test_a_token_may_do_less_than_its_account(team: Team) -> None:
    team.add("narrow", "admin", cap="reader")
    with team.client("narrow") as client:
        assert client.get("/api/runs").status_code == 200
        assert client.post("/api/w/runs", json={}).status_code == 403
        assert client.get("/api/accounts").status_code == 403
        assert client.get("/api/me").json()["role"] == "reader"


def test_who_made_a_run_is_who_showed_the_token(team: Team) -> None:
    with team.client("writer") as client:
        run = start(client, created_by="somebody-else")
        assert client.get(f"/api/runs/{run}").json()["created_by"] == "writer"
        client.post(f"/api/runs/{run}/rename", json={"name": "new"})
        client.post(f"/api/w/runs/{run}/end", json={})
        assert {one["by"] for one in client.get("/api/history").json()} == {"writer"}
    from chachaml.core.changes import RunEdited
    from chachaml.store.remote import open_remote
    from chachaml.testing import started

    store = open_remote(team.server.url, team.tokens["writer"])
    other = new_id()
    store.apply(
        Batch((started(other, created_by="ada"), RunEdited(other, 5, "ada", "name", "n")), command="c")
    )
    assert store.get_run(other).created_by == "writer"
    assert store.history(other)[0].by == "writer"
    store.close()


def test_who_logs_where_they_may_not_is_told(team: Team) -> None:
    """What they log where they may is kept."""
    team.add("eve", vision="writer")
    ml.connect(team.server.url, token=team.tokens["eve"])
    with pytest.warns(ml.ChachamlWarning, match="does not keep what eve logs to run .*no right to write"):
        with ml.start_run(experiment="other"):
            ml.log_metric("loss", 1.0)
        ml.flush()
    with ml.start_run(experiment="vision"):
        ml.log_metric("loss", 1.0)
    assert [run.experiment for run in ml.my_runs()] == ["vision"]
    connections.close_all()


def test_mine_are_the_runs_of_the_account_behind_the_token(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the machine calls its user, to read and to undo as well."""
    monkeypatch.setenv("CHACHA_USER", "root")
    team.add("eve", "writer")
    for name in ("eve", "writer"):
        ml.connect(team.server.url, token=team.tokens[name])
        with ml.start_run(name=f"of {name}") as run:
            assert ml.current_user() == name
        ml.rename(run, f"by {name}")
        assert [one.name for one in ml.my_runs()] == [f"by {name}"]
        mine = ml.my_last_run()
        assert mine is not None
        assert mine.created_by == name
    ml.connect(team.server.url, token=team.tokens["eve"])
    assert [one.run for one in ml.undo()] == [ml.my_runs()[0].id]
    connections.close_all()
    ml.connect("http://127.0.0.1:9")
    assert ml.current_user() == "root"


# single experiments -------------------------------------------------------------------------------


@pytest.fixture
def split(team: Team) -> tuple[Team, str, str]:
    """Two experiments: one that bob may write to, and one of which all is called canary."""
    team.add("bob", mine="writer")
    team.add("boss", mine="admin")
    with team.client("admin") as admin:
        hidden = start(
            admin, experiment="canary", name="canary", tags={"canary": "canary"}, params={"canary": "canary"}
        )
        admin.post(f"/api/w/runs/{hidden}/metrics", json={"canary": 1})
        admin.put(f"/api/w/runs/{hidden}/artifacts/canary.txt", content=b"canary")
        admin.post("/api/w/models", json={"name": "canary", "run_id": hidden, "artifact": "canary.txt"})
        admin.post(
            "/api/alerts", json={"name": "canary", "experiment": "canary", "metric": "canary", "threshold": 0}
        )
        admin.post(f"/api/note/{hidden}", json={"note": "canary"})
        admin.post(f"/api/runs/{hidden}/rename", json={"name": "canary 2"})
    with team.client("bob") as bob:
        mine = start(bob, experiment="mine", name="own")
        bob.post(f"/api/w/runs/{mine}/metrics", json={"loss": 1})
    return team, hidden, mine


def test_what_is_not_yours_is_not_there(split: tuple[Team, str, str]) -> None:
    team, hidden, mine = split
    digest = "".join(f"{byte:02x}" for byte in __import__("hashlib").sha256(b"canary").digest())
    with team.client("bob") as bob:
        asked = [
            "/api/runs", "/api/runs?archived=null", "/api/search?metric_key=canary&metric_value=0",
            "/api/rows", "/api/export", "/api/export?format=jsonl", "/api/experiments", "/api/models",
            "/api/history", "/api/alerts", "/api/alert-history", "/api/pipelines", "/api/best?metric=loss",
            f"/api/runs/{mine}", "/api/events?after=0", "/api/runs?filter=tags.canary%20%3D%20'canary'",
        ]  # fmt: skip
        for path in asked:
            with bob.stream("GET", path) as answer:
                text = next(answer.iter_text()) if "events" in path else answer.read().decode()
                assert "canary" not in text, path
                assert hidden not in text, path
        forbidden = [
            *(f"/api/{what}/{hidden}" for what in ("runs", "tags", "datasets")),
            f"/api/runs/{hidden}/artifacts",
            f"/api/runs/{hidden[:12]}",
            f"/api/runs/{mine}/diff/{hidden}",
            f"/api/compare?ids={mine},{hidden}",
            f"/api/series?ids={hidden}&metric=canary",
            f"/api/artifacts/{hidden}/canary.txt/download",
            f"/api/blobs/{digest}",
            f"/api/artifacts/{digest}/download",
            "/api/models/canary",
            "/api/models/canary/version",
        ]
        unknown = "f" * 32
        for path in forbidden:
            answer = bob.get(path)
            assert answer.status_code == 404, path
            missing = bob.get(path.replace(hidden, unknown).replace(hidden[:12], unknown[:12]))
            same = answer.text.replace(hidden, unknown).replace(hidden[:12], unknown[:12])
            assert same == missing.text, path
        assert bob.post("/api/sql", json={"sql": "select * from runs"}).status_code in (400, 403)
        assert [run["id"] for run in bob.get("/api/runs").json()["runs"]] == [mine]


def test_what_is_not_yours_cannot_be_changed(split: tuple[Team, str, str]) -> None:
    team, hidden, mine = split
    with team.client("admin") as admin:
        before = admin.get(f"/api/runs/{hidden}").json()
        with team.client("bob") as bob:
            for method, path, body in [
                ("POST", f"/api/w/runs/{hidden}/metrics", {"loss": 1}),
                ("POST", f"/api/w/runs/{hidden}/params", {"a": 1}),
                ("POST", f"/api/w/runs/{hidden}/end", {}),
                ("POST", f"/api/w/runs/{hidden}/artifacts", {"name": "a", "value": 1}),
                ("POST", "/api/w/metrics", {"series": [{"run": hidden, "key": "a", "values": [1]}]}),
                ("POST", f"/api/tags/{hidden}", {"key": "a", "value": "b"}),
                ("POST", f"/api/note/{hidden}", {"note": "x"}),
                ("POST", f"/api/runs/{hidden}/rename", {"name": "x"}),
                ("POST", "/api/archive", {"run_ids": [hidden]}),
                ("POST", "/api/w/models", {"name": "m", "run_id": hidden, "artifact": "canary.txt"}),
                ("POST", "/api/model-note/canary", {"note": "x"}),
            ]:
                assert bob.request(method, path, json=body).status_code == 404, path
            assert bob.post("/api/w/runs", json={"experiment": "canary"}).status_code == 403
            assert bob.post("/api/move", json={"experiment": "canary", "run_ids": [mine]}).status_code == 403
            assert bob.post("/api/delete", json={"run_ids": [mine]}).status_code == 403
        assert admin.get(f"/api/runs/{hidden}").json() == before


def test_the_admin_of_an_experiment_deletes_there_alone(split: tuple[Team, str, str]) -> None:
    team, hidden, mine = split
    with team.client("bob") as bob:
        bob.post(f"/api/w/runs/{mine}/end", json={})
    with team.client("boss") as boss:
        assert boss.post("/api/delete", json={"run_ids": [hidden]}).status_code == 404
        assert boss.post("/api/delete", json={"run_ids": [mine]}).json()["runs"] == [mine]
        assert boss.get("/api/accounts").status_code == 403
        assert boss.post("/api/alerts", json={"name": "x"}).status_code == 403


def test_a_remote_store_has_no_way_around(split: tuple[Team, str, str]) -> None:
    from chachaml.core.changes import AlertRule, AlertSet, OwnerLost, PointsLogged, RunDeleted, TagsSet
    from chachaml.core.errors import AccessDenied, NotFound
    from chachaml.core.model import RunQuery
    from chachaml.store.remote import open_remote
    from chachaml.testing import Writer

    team, hidden, mine = split
    store = open_remote(team.server.url, team.tokens["bob"])
    assert [row.id for row in store.find_runs(RunQuery(archived=None)).runs] == [mine]
    with pytest.raises(NotFound):
        store.get_run(hidden)
    for ask in (store.check, store.access, store.audit):
        with pytest.raises(AccessDenied):
            ask()
    assert "canary" not in repr(
        [store.keys(), store.experiments(), store.models(), store.alerts(), store.info()]
    )
    assert store.changes_since(0).rows
    assert hidden not in repr(store.changes_since(0))
    point = PointsLogged(hidden, "loss", b"", bytes(8), bytes(8))
    me = AccountSet(1, "x", "bob", role="admin")
    alert = AlertSet(1, "a", "x", AlertRule("odd"), ("http://169.254.169.254/",))
    for change in (point, TagsSet(hidden, 1, {"a": "b"}), RunDeleted(mine, 1, "x"), me, alert):
        with pytest.raises(AccessDenied):
            store.apply(Batch((change,), command=new_id()))
    receipt = Writer(store).write(point, me, PointsLogged(mine, "loss", b"", bytes(8), bytes(8)))
    assert [one.what.split(":")[0] for one in receipt.conflicts] == ["not allowed"] * 2
    assert store.get_run(mine).metrics["loss"].count == 2
    with pytest.raises(AccessDenied):
        store.apply(Batch((OwnerLost("a" * 32, 1), TagsSet(hidden, 1, {"a": "b"})), command=new_id()))
    store.close()


@pytest.mark.parametrize(
    "table",
    [
        "alerts",
        "deliveries",
        "events",
        "tokens",
        "accounts",
        "audit",
        "commands",
        "journals",
        "sqlite_master",
    ],
)
def test_sql_reads_no_more_than_its_views(team: Team, table: str) -> None:
    with team.client("admin") as admin:
        for query in (
            f"SELECT * FROM main.{table}",
            f"SELECT count(*) FROM {table}",
            f"SELECT 1 FROM {table}",
        ):
            assert admin.post("/api/sql", json={"sql": query}).status_code == 400, query
        many = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i, json_each.value"
        many += " FROM n, json_each('[1]'), (SELECT name FROM experiments)"
        assert admin.post("/api/sql", json={"sql": many}).status_code == 200


def test_secrets_of_alerts_are_shown_to_admins_at_most(team: Team) -> None:
    from chachaml.store.remote import open_remote

    url = "https://hooks.slack.com/services/T0/B0/canarysecret"
    with team.client("admin") as admin:
        asked = {"name": "a", "metric": "loss", "threshold": 1, "webhook_url": url, "secret": "canarykey"}
        made = admin.post("/api/alerts", json=asked)
        assert made.status_code == 200, made.text
        assert "canary" not in made.text + admin.get("/api/alerts").text
    for name in ("reader", "writer"):
        store = open_remote(team.server.url, team.tokens[name])
        assert "canary" not in repr(store.alerts()) + repr(store.due_events(FOR_EVER))
        store.close()


# signing in ---------------------------------------------------------------------------------------


def test_a_browser_signs_in_with_a_token_and_out_again(team: Team) -> None:
    with httpx.Client(base_url=team.server.url) as browser:
        assert browser.get("/api/me").status_code == 401
        assert "<form" in browser.get("/login").text
        wrong = browser.post("/login", data={"token": "chm_wrong"})
        assert (wrong.status_code, browser.cookies) == (401, {})
        done = browser.post("/login", data={"token": team.tokens["writer"]})
        assert (done.status_code, done.headers["location"]) == (303, "/")
        cookie = done.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert team.tokens["writer"].lower() not in cookie
        assert browser.get("/api/me").json()["name"] == "writer"
        own = {"Origin": team.server.url}
        assert browser.post("/api/w/runs", json={}, headers=own).status_code == 200
        assert browser.post("/api/w/runs", json={}).status_code == 403
        kept = dict(browser.cookies)
        browser.post("/logout", headers=own)
        assert browser.get("/api/me").status_code == 401
        with httpx.Client(base_url=team.server.url, cookies=kept) as thief:
            assert thief.get("/api/me").status_code == 401


def test_guessing_is_slowed_down(team: Team) -> None:
    statuses = [
        httpx.post(f"{team.server.url}/login", data={"token": f"chm_{n}"}).status_code for n in range(30)
    ]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    refused = httpx.post(f"{team.server.url}/login", data={"token": team.tokens["admin"]})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "place", ["//evil.example", "https://evil.example", "/\\evil.example", "%2F%2Fevil.example"]
)
def test_nobody_is_sent_elsewhere(team: Team, place: str) -> None:
    done = httpx.post(
        f"{team.server.url}/login?next={place}", data={"token": team.tokens["reader"], "next": place}
    )
    assert done.headers["location"] == "/"


# accounts over http -------------------------------------------------------------------------------


def test_an_admin_makes_accounts_and_tokens_and_revokes_them(team: Team) -> None:
    with team.client("admin") as admin:
        assert admin.post("/api/accounts", json={"name": "eve", "grants": {"iris": "reader"}}).json() == {
            "ok": True
        }
        made = admin.post("/api/tokens", json={"account": "eve", "label": "laptop", "days": 1}).json()
        team.tokens["eve"] = made["token"]
        with team.client("eve") as eve:
            assert eve.get("/api/me").json()["grants"] == {"iris": "reader"}
        shown = admin.get("/api/accounts").text
        assert "eve" in shown
        assert made["token"] not in shown
        assert digest_of(made["token"]) not in shown
        admin.delete(f"/api/tokens/{made['id']}")
        with team.client("eve") as eve:
            assert eve.get("/api/me").status_code == 401
        assert admin.delete("/api/tokens/unknown").status_code == 409
        actions = [row["action"] for row in admin.get("/api/audit").json()[:3]]
        assert actions == ["token revoked", "token issued", "account set"]
        assert admin.get("/api/audit").json()[0]["by"] == "admin"
        last = admin.post("/api/accounts", json={"name": "admin", "role": "reader"})
        assert (last.status_code, last.json()["error"]["message"]) == (409, "'admin' is the last admin")


def test_a_token_that_was_shown_already_is_not_shown_as_another(team: Team) -> None:
    """The server forgets what it answered, as by a restart; a second secret would be good for nothing."""
    from tests.served import _listening

    with team.client("admin") as admin:
        same = {"Idempotency-Key": "one"}
        made = admin.post("/api/tokens", json={"account": "reader"}, headers=same).json()
        assert admin.post("/api/tokens", json={"account": "reader"}, headers=same).json() == made
        _listening()[0]._answers.clear()
        again = admin.post("/api/tokens", json={"account": "reader"}, headers=same)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
        listed = [one["id"] for one in admin.get("/api/accounts").json()["tokens"]]
        assert listed.count(made["id"]) == 1


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "a b"}, {"name": "x", "role": "god"}, {"name": "x", "is_admin": True}]
)
def test_bad_accounts_are_refused(team: Team, body: dict[str, Any]) -> None:
    with team.client("admin") as admin:
        assert admin.post("/api/accounts", json=body).status_code == 400


def test_no_secret_is_ever_kept_or_told(team: Team, capfd: pytest.CaptureFixture[str]) -> None:
    with team.client("admin") as admin:
        made = admin.post("/api/tokens", json={"account": "reader"}).json()
        admin.get("/api/runs", params={"filter": "x" * 10})
        admin.post("/api/accounts", json={"name": made["token"][:90] + "!"})
    team.server.service.store.sync()
    for path in team.server.where.path.parent.rglob("*"):
        if path.is_file():
            assert made["token"].encode() not in path.read_bytes(), path
    told = capfd.readouterr()
    assert made["token"] not in told.out + told.err


@pytest.mark.parametrize("name", ["reader", "writer"])
def test_nobody_makes_themselves_an_admin(team: Team, name: str) -> None:
    """Neither where accounts are made nor by a change that is written as data."""
    from chachaml.store.remote import open_remote

    with team.client(name) as client:
        assert client.post("/api/accounts", json={"name": name, "role": "admin"}).status_code == 403
    store = open_remote(team.server.url, team.tokens[name])
    with suppress(ChachamlError):  # or it is told in the receipt
        assert store.apply(Batch((AccountSet(9, "admin", name, role="admin"),), command="c")).conflicts
    store.close()
    (row,) = [one for one in team.server.service.store.access().accounts if one.name == name]
    assert row.role == name


def test_eight_who_set_accounts_at_once_leave_an_admin(team: Team) -> None:
    with team.client("admin") as admin:
        admin.post("/api/accounts", json={"name": "second", "role": "admin"})

        def demote(number: int) -> int:
            body = {"name": ("admin", "second")[number % 2], "role": "admin", "active": False}
            return admin.post("/api/accounts", json=body).status_code

        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(demote, range(8)))
    assert set(statuses) <= {200, 409, 401, 403}
    rows = team.server.service.store.access().accounts
    assert [row.name for row in rows if row.role == "admin" and row.active]


def test_the_golden_table_is_not_all_the_same() -> None:
    needs = {line.split()[2] for line in GOLDEN.read_text().splitlines()}
    assert needs == {"open", "read", "token", "write", "destroy", "manage"}


def test_what_cannot_be_taken_back_is_in_the_audit_log(team: Team) -> None:
    with team.client("admin") as admin:
        run = start(admin, experiment="iris")
        admin.put(f"/api/w/runs/{run}/artifacts/a", content=b"x")
        admin.post("/api/w/models", json={"name": "net", "run_id": run, "artifact": "a"})
        admin.post("/api/models/net/promote", json={"version": 1})
        admin.post("/api/alerts", json={"name": "low", "metric": "loss", "threshold": 1})
        admin.delete("/api/alerts/low")
        admin.delete("/api/models/net?force=true")
        admin.post(f"/api/w/runs/{run}/end", json={})
        admin.post("/api/delete", json={"run_ids": [run]})
        rows = admin.get("/api/audit").json()[:5]
    assert [(row["by"], row["action"], row["target"]) for row in rows] == [
        ("admin", "run deleted", run),
        ("admin", "model deleted", "net"),
        ("admin", "alert deleted", "low"),
        ("admin", "alert set", "low"),
        ("admin", "model promoted", "net"),
    ]
