"""Alerts: what fires and what does not, and how people are told."""

from __future__ import annotations

import base64
import hmac
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import chachaml as ml
from chachaml.core.errors import BadQuery, BadValue, NoActiveRun, NotFound

alerts = ml.alerts


class Receiver:
    """A webhook that keeps what it gets, and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.connections = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                outer.connections += 1
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.got.append(({key.lower(): value for key, value in self.headers.items()}, body))
                status = outer.answers.pop(0) if outer.answers else 200
                self.send_response(status)
                self.send_header("location", f"http://127.0.0.1:{outer.port}/elsewhere")
                self.end_headers()
                self.wfile.write(b"secret answer")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/services/T000/B000/secret-x9Z3"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    made = Receiver()
    monkeypatch.setenv("CHACHAML_ALERT_HOSTS", f"127.0.0.1:{made.port}")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> Path:
    ml.connect(tmp_path / "chachaml.db")
    return tmp_path


def logged(experiment: str = "iris", **metrics: float) -> Any:
    with ml.start_run(experiment) as run:
        ml.log_metrics(metrics)
    return run


def wait_until(so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# what fires ---------------------------------------------------------------------------------------


def test_row_57_a_threshold_fires_for_its_experiment_only() -> None:
    set_ = alerts.set_alert("accuracy-drop", experiment="iris", metric_key="accuracy", op="<", threshold=0.9)
    assert repr(set_) == "<alert accuracy-drop: accuracy < 0.9, in iris>"
    logged("wine", accuracy=0.1)
    assert list(alerts.check_alerts()) == []
    run = logged(accuracy=0.85)
    (event,) = alerts.check_alerts()
    assert (event.alert, event.run, event.value, event.level) == ("accuracy-drop", run.id, 0.85, "warning")
    assert event.text.startswith("accuracy = 0.85 < 0.9 in run ")


def test_a_preview_says_what_would_have_fired_and_tells_nobody() -> None:
    for values in ((0.5, 0.95), (0.8, 0.7), (0.95,)):
        with ml.start_run("iris"):
            for value in values:
                ml.log_metric("accuracy", value)
    logged("wine", accuracy=0.1)
    found = alerts.preview_alert(experiment="iris", metric="accuracy", op="<", threshold=0.9)
    assert (found.condition, found.runs) == ("accuracy < 0.9", 3)
    assert [(one.value, one.still) for one in found.fires] == [(0.7, True), (0.5, False)]
    with pytest.raises(BadValue, match="which metric"):
        alerts.preview_alert(threshold=0.9)
    assert not alerts.alerts(inactive=True)


def test_a_delivery_is_tried_without_a_trace(receiver: Receiver) -> None:
    alerts.set_alert("loud", status="failed", webhook_url=receiver.url, secret="whisper")
    (way,) = alerts.try_alert("loud")
    assert (way.status, way.outcome) == ("delivered", "HTTP 200")
    (body,) = receiver.bodies()
    assert "This is a test" in body["text"]
    assert not alerts.alert_history()
    alerts.set_alert("loud", status="crashed", keep_targets=True)
    alerts.try_alert("loud")
    assert len(receiver.got) == 2, "it goes on telling those that it told"
    alerts.set_alert("quiet", status="failed")
    with pytest.raises(BadValue, match="tells nobody"):
        alerts.try_alert("quiet")


@pytest.mark.parametrize(
    ("op", "fires"), [(">", False), (">=", True), ("<", False), ("<=", True), ("=", True)]
)
def test_operators_compare(op: str, fires: bool) -> None:
    logged(loss=0.5)
    alerts.set_alert("a", metric="loss", op=op, threshold=0.5)
    assert len(alerts.check_alerts()) == fires


def test_row_58_an_alert_of_the_same_name_is_replaced() -> None:
    alerts.set_alert("a", metric="loss", threshold=1)
    alerts.set_alert("a", metric="loss", threshold=5)
    logged(loss=3)
    assert [one.rule.threshold for one in alerts.alerts()] == [5]
    assert list(alerts.check_alerts()) == []


def test_row_59_checking_takes_the_newest_run_that_has_the_metric() -> None:
    logged(accuracy=0.99)
    bad = logged(accuracy=0.5)
    logged(other=1)
    alerts.set_alert("drop", metric="accuracy", op="<", threshold=0.9)
    assert [event.run for event in alerts.check_alerts()] == [bad.id]
    logged(accuracy=0.95)
    assert list(alerts.check_alerts()) == []


def test_it_fires_once_for_a_run() -> None:
    alerts.set_alert("drop", metric="accuracy", op="<", threshold=0.9)
    logged(accuracy=0.5)
    first, second = alerts.check_alerts(), alerts.check_alerts()
    assert (len(first), len(second), len(alerts.alert_history("drop"))) == (1, 0, 1)
    logged(accuracy=0.4)
    assert len(alerts.check_alerts()) == 1


def test_row_64_checking_gives_a_summary(receiver: Receiver) -> None:
    alerts.set_alert("a", metric="loss", threshold=1, webhook_url=receiver.url, cooldown=3600)
    alerts.set_alert("b", metric="none", threshold=1)
    logged(loss=2)
    done = alerts.check_alerts()
    assert (done.checked, done.fired, done.skipped, done.delivered, done.failed) == (2, 1, 0, 1, 0)
    assert repr(done).splitlines()[0] == "checked 2, fired 1, skipped 0, delivered 1, failed 0"
    logged(loss=3)
    done = alerts.check_alerts()
    assert (done.checked, done.fired, done.skipped) == (2, 0, 1)


def test_all_that_an_alert_may_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    alerts.set_alert("lowest", metric="loss", of="min", op="<", threshold=0.2)
    alerts.set_alert("highest", metric="loss", of="max", op=">", threshold=5)
    alerts.set_alert("nan", metric="loss", nan=True)
    alerts.set_alert("stuck", metric="loss", no_improvement=3)
    alerts.set_alert("stuck-max", metric="accuracy", no_improvement=3, direction="max")
    alerts.set_alert("failed", status=["failed", "crashed"])
    alerts.set_alert("words", filter="params.lr > 0.5 and metrics.loss.max > 5")
    with pytest.raises(ValueError, match="boom"), ml.start_run("iris"):
        ml.log_params({"lr": 1.0})
        for step, value in enumerate((9.0, 0.1, 0.3, float("nan"), 0.4)):
            ml.log_metric("loss", value, step)
            ml.log_metric("accuracy", step, step)
        raise ValueError("boom")
    fired = {event.alert: event.text for event in alerts.check_alerts()}
    assert set(fired) == {"lowest", "highest", "nan", "stuck", "failed", "words"}
    assert fired["failed"].startswith("failed: ValueError: boom in run ")
    assert fired["stuck"].startswith("loss is at best 0.1 for 3 steps")


def test_a_silent_run_is_noticed() -> None:
    alerts.set_alert("silent", silent_minutes=0.0005)
    run = ml.start_run("iris")
    ml.log_metric("loss", 1)
    time.sleep(0.1)
    (event,) = alerts.check_alerts()
    assert event.run == run.id
    run.end()


def test_other_runs_that_failed_since_are_noticed_too() -> None:
    with pytest.raises(ValueError, match="old"), ml.start_run("iris"):
        raise ValueError("old")
    logged(loss=1)
    alerts.set_alert("failed", status="failed")
    failed = []
    for _ in range(3):
        with pytest.raises(ValueError, match="new"), ml.start_run("iris") as run:
            failed.append(run.id)
            raise ValueError("new")
    logged(loss=1)
    assert [event.run for event in alerts.check_alerts()] == failed


def test_what_is_no_longer_so_is_resolved(receiver: Receiver) -> None:
    alerts.set_alert(
        "high", metric="loss", threshold=1, webhook_url=receiver.url, notify_resolved=True, level="error"
    )
    run = ml.start_run("iris")
    ml.log_metric("loss", 2)
    assert len(alerts.check_alerts()) == 1
    assert alerts.alerts()[0].firing == run.id
    ml.log_metric("loss", 0.5)
    assert list(alerts.check_alerts()) == []
    run.end()
    assert alerts.alerts()[0].firing is None
    wait_until(lambda: len(receiver.got) == 2)
    assert [body["type"] for body in receiver.bodies()] == ["alert.fired", "alert.resolved"]
    assert [event.resolved for event in alerts.alert_history("high")] == [True, False]


def test_row_63_switched_off_muted_and_deleted_alerts_keep_their_history() -> None:
    alerts.set_alert("a", metric="loss", threshold=1)
    logged(loss=2)
    assert len(alerts.check_alerts()) == 1
    assert alerts.deactivate_alert("a").active is False
    logged(loss=3)
    assert (len(alerts.check_alerts()), len(alerts.alerts())) == (0, 0)
    assert [one.name for one in alerts.alerts(inactive=True)] == ["a"]
    assert alerts.reactivate_alert("a").active
    assert alerts.mute_alert("a", minutes=5).muted_until is not None
    assert len(alerts.check_alerts()) == 0
    assert alerts.mute_alert("a", minutes=0).muted_until is None
    assert len(alerts.check_alerts()) == 1
    alerts.delete_alert("a")
    assert len(alerts.alert_history("a")) == 2
    with pytest.raises(NotFound, match="no alert 'a'"):
        alerts.deactivate_alert("a")


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({}, "needs one thing to wait for"),
        ({"metric": "loss", "threshold": 1, "nan": True}, "not threshold and odd"),
        ({"threshold": 1}, "which metric"),
        ({"metric": "loss", "threshold": 1, "op": "!="}, "op must be one of"),
        ({"metric": "loss", "threshold": "high"}, "threshold"),
        ({"metric": "loss", "threshold": 1, "of": "mean"}, "of must be one of"),
        ({"metric": "loss", "no_improvement": 0}, "from 1 up"),
        ({"status": "broken"}, "status must be one of"),
        ({"status": "failed", "metric": "loss"}, "does not go with status"),
        ({"metric": "loss", "nan": True, "cooldown": -1}, "from 0 up"),
        ({"metric": "loss", "nan": True, "level": "bad"}, "level must be one of"),
        ({"metric": "loss", "nan": True, "webhook_url": "hooks"}, "told by a URL"),
    ],
)
def test_what_cannot_be_is_refused_at_once(about: dict[str, Any], why: str) -> None:
    with pytest.raises(BadValue, match=why):
        alerts.set_alert("a", **about)
    assert alerts.alerts(inactive=True) == ()
    with pytest.raises(BadQuery):
        alerts.set_alert("a", filter="metrics.loss >")


# by itself ----------------------------------------------------------------------------------------


def test_alerts_are_judged_while_a_run_logs_and_when_it_ends(receiver: Receiver) -> None:
    alerts.set_alert("nan", metric="loss", nan=True, webhook_url=receiver.url)
    alerts.set_alert("failed", status="failed", webhook_url=receiver.url)
    with pytest.raises(ValueError, match="boom"), ml.start_run("iris") as run:
        ml.log_metric("loss", float("nan"))
        wait_until(lambda: len(receiver.got) == 1)
        assert ml.run(run.id).status == "running"
        raise ValueError("boom")
    wait_until(lambda: len(receiver.got) == 2)
    assert [body["alert"] for body in receiver.bodies()] == ["nan", "failed"]


SCRIPT = """
import chachaml as ml
with ml.start_run("iris"):
    ml.log_metric("accuracy", 0.5)
    {more}
"""


def test_a_short_script_tells_before_it_ends(store: Path, receiver: Receiver) -> None:
    alerts.set_alert("drop", metric="accuracy", op="<", threshold=0.9, webhook_url=receiver.url)
    subprocess.run([sys.executable, "-c", SCRIPT.format(more="pass")], cwd=store, check=True, timeout=60)
    assert [body["alert"] for body in receiver.bodies()] == ["drop"]


def test_what_a_killed_process_did_not_tell_others_do(store: Path, receiver: Receiver) -> None:
    more = f"ml.alert('Look', 'here', url={receiver.url!r}); ml.flush(); import os; os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(more=more)], cwd=store, timeout=60)
    assert done.returncode == -9
    wait_until(
        lambda: (
            alerts.check_alerts() is not None
            and alerts.alert_history()[0].deliveries[0].status == "delivered"
        )
    )
    assert [body["title"] for body in receiver.bodies()] == ["Look"]


def test_a_script_tells_something_itself(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoActiveRun):
        ml.alert("Nothing")
    monkeypatch.setenv("CHACHAML_ALERT_URL", receiver.url)
    with ml.start_run("iris") as run:
        ml.alert("Diverged", "loss > 1e9", "error")
        with pytest.raises(BadValue):
            ml.alert("x", level="bad")
        wait_until(lambda: receiver.got)
    (body,) = receiver.bodies()
    assert (body["title"], body["message"], body["level"], body["run"]) == (
        "Diverged",
        "loss > 1e9",
        "error",
        run.id,
    )
    (event,) = alerts.alert_history(run=run)
    assert (event.alert, event.title, event.level) == ("", "Diverged", "error")


# telling ------------------------------------------------------------------------------------------


def test_row_60_slack_is_told_in_its_own_form_with_nothing_to_click(receiver: Receiver) -> None:
    alerts.set_alert("<!channel>", metric="loss", threshold=1, webhook_url=receiver.url, form="slack")
    with ml.start_run("iris", name="<http://evil|click> & co") as run:
        ml.log_metric("loss", 2)
    alerts.check_alerts()
    (body,) = receiver.bodies()
    assert body == {
        "text": "⚠️ *&lt;!channel&gt;*: loss = 2 &gt; 1 in run &lt;http://evil|click&gt; &amp; co\n"
        f"run `{run.id[-8:]}`"
    }


def test_what_is_posted_is_signed(receiver: Receiver) -> None:
    alerts.set_alert("a", metric="loss", threshold=1, webhook_url=receiver.url, secret="shared")
    logged(loss=2)
    alerts.check_alerts()
    headers, body = receiver.got[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(b"shared", signed, "sha256").digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60


def test_row_61_and_62_a_failed_delivery_is_known_and_tried_again(receiver: Receiver) -> None:
    receiver.answers = [503, 302, 404]
    for name in ("a", "b", "c", "d"):
        alerts.set_alert(name, metric="loss", threshold=1, webhook_url=receiver.url)
    logged(loss=2)
    done = alerts.check_alerts()
    assert (done.fired, done.delivered, done.failed) == (4, 1, 3)
    ways = {event.alert: event.deliveries[0] for event in alerts.alert_history()}
    said = {name: (way.status, way.attempts, way.outcome) for name, way in ways.items()}
    assert said == {
        "a": ("pending", 1, "HTTP 503"),
        "b": ("pending", 1, "HTTP 302"),
        "c": ("failed", 1, "HTTP 404"),
        "d": ("delivered", 1, "HTTP 200"),
    }
    assert len(receiver.got) == 4  # the redirect was not followed
    assert "secret answer" not in repr(alerts.alert_history())


def test_urls_and_secrets_are_never_shown(receiver: Receiver, store: Path) -> None:
    made = alerts.set_alert("a", metric="loss", threshold=1, webhook_url=receiver.url, secret="canary-secret")
    logged(loss=2)
    done = alerts.check_alerts()
    shown = [made, alerts.alerts(), done, alerts.alert_history(), *alerts.alert_history()]
    texts = [repr(one) for one in shown] + [alerts.alerts().to_json(), alerts.alert_history().to_json()]
    for words in (["alerts", "--json"], ["alerts", "history", "--json"], ["export", "--format", "jsonl"]):
        command = [sys.executable, "-m", "chachaml", *words]
        texts.append(subprocess.run(command, cwd=store, capture_output=True, text=True, check=True).stdout)
    for text in texts:
        assert "B000" not in text
        assert "canary-secret" not in text
    assert f"http://127.0.0.1:{receiver.port}/…x9Z3" in repr(made)


def test_many_points_cause_one_message(receiver: Receiver) -> None:
    alerts.set_alert("nan", metric="loss", nan=True, webhook_url=receiver.url)
    with ml.start_run("iris"):
        for step in range(20_000):
            ml.log_metric("loss", float("nan") if step % 2 else 1.0, step)
    for _ in range(3):
        alerts.check_alerts()
    assert len(receiver.got) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of apprise's own
def test_services_of_apprise_are_told_if_this_user_allows_it(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"json://127.0.0.1:{receiver.port}/secret-x9Z3"
    made = alerts.set_alert("a", metric="loss", threshold=1, urls=[url])
    assert made.targets == ("json://…x9Z3",)
    logged(loss=2)
    alerts.check_alerts()
    way = alerts.alert_history()[0].deliveries[0]
    assert (way.status, way.outcome) == ("failed", "services of apprise are not told")
    assert receiver.connections == 0
    monkeypatch.setenv("CHACHAML_ALERT_APPRISE", "on")
    logged(loss=3)
    alerts.check_alerts()
    assert alerts.alert_history()[0].deliveries[0].outcome == "told"
    (body,) = receiver.bodies()
    assert (body["title"], body["type"]) == ("a", "warning")
    assert body["message"].startswith("loss = 3 > 1")
