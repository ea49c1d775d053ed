"""The Model Context Protocol, as a client that nobody here wrote finds it."""

from __future__ import annotations

import base64
import io
import json
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mcp_types as types
import numpy as np
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from PIL import Image
from tests.agents.mcp_clients import CHACHAML, MODES, over_http, over_stdio, run, until
from tests.postgres import fresh_url
from tests.served import Served, served

import chachaml as ml
from chachaml.agents.catalogue import TOOLS, allowed
from chachaml.core.errors import NotFound

WAYS = [(transport, mode) for transport in ("stdio", "http") for mode in MODES]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    ml.connect(tmp_path / "runs.db")
    for lr in (0.1, 0.01):
        with ml.start_run("iris", name=f"lr={lr}") as run:
            ml.log_params({"lr": lr})
            for step in range(30):
                ml.log_metric("loss", lr + 1 / (step + 1), step)
            ml.log_text("notes/a.md", "# a\nb")
            ml.log_image("picture", np.zeros((4, 6, 3), np.uint8))
            ml.registry.register_model("m", "notes/a.md")
    ml.set_note(run.id, "The *note*.")
    ml.flush()
    return tmp_path / "runs.db"


@pytest.fixture
def server(store: Path) -> Iterator[Served]:
    with served(store) as server:
        yield server


@pytest.fixture
def writing(store: Path) -> Iterator[Served]:
    with served(store, agents_write=True) as server:
        yield server


@asynccontextmanager
async def connected(
    way: tuple[str, str], server: Served, *options: str, **more: Any
) -> AsyncIterator[Client]:
    transport, mode = way
    if transport == "http":
        async with over_http(server.url, mode=mode, **more) as client:
            yield client
    else:
        async with over_stdio(server.where.path, *options, mode=mode, **more) as client:
            yield client


async def data(client: Client, tool: str, **arguments: Any) -> Any:
    found = await client.call_tool(tool, arguments)
    assert not found.is_error, found
    return found.structured_content["data"]


def newest() -> str:
    return ml.runs(limit=1)[0].id


# tools --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_every_way_offers_the_same(way: tuple[str, str], server: Served) -> None:
    async def work() -> None:
        async with connected(way, server) as client:
            tools = (await client.list_tools()).tools
            assert [one.name for one in tools] == list(allowed("annotate"))
            about = {one.name: one.annotations for one in tools}
            assert about["list_runs"] is not None
            assert about["add_tag"] is not None
            assert about["list_runs"].read_only_hint is True
            assert (about["add_tag"].read_only_hint, about["add_tag"].idempotent_hint) == (False, True)
            runs = (await data(client, "list_runs", filter="params.lr < 0.05"))["runs"]
            assert [one["name"] for one in runs] == ["lr=0.01"]
            wrong = await client.call_tool("get_run", {"run_id": "00000000"})
            assert wrong.is_error
            assert wrong.structured_content["error"]["code"] == "not_found"
            assert isinstance(wrong.content[0], types.TextContent)
            assert "what to do:" in wrong.content[0].text
            with pytest.raises(MCPError, match="no tool 'delete_runs'"):
                await client.call_tool("delete_runs", {"run_ids": [newest()]})
            chart = await client.call_tool("draw_series", {"run_ids": [newest()], "metric": "loss"})
            assert isinstance(chart.content[1], types.ImageContent)
            picture = Image.open(io.BytesIO(base64.b64decode(chart.content[1].data)))
            assert picture.format == "PNG"
            tags = await data(client, "add_tag", run_id=newest(), key="seen", value="yes")
            assert tags["seen"] == "yes"

    run(work())
    assert ml.get_tags(newest())["seen"] == "yes"


def test_pictures_come_as_pictures_and_texts_as_lines(server: Served) -> None:
    async def work() -> None:
        async with over_http(server.url) as client:
            found = await client.call_tool("read_artifact", {"run_id": newest(), "name": "picture"})
            assert isinstance(found.content[1], types.ImageContent)
            assert found.content[1].mime_type == "image/png"
            assert "image" not in found.structured_content["data"]
            text = await data(client, "read_artifact", run_id=newest(), name="notes/a.md")
            assert text["lines"] == ["# a", "b"]

    run(work())


def test_a_remote_store_is_as_good_as_a_file(server: Served) -> None:
    async def work() -> None:
        async with over_stdio(server.url) as client:
            assert len((await data(client, "list_runs"))["runs"]) == 2
            assert (await data(client, "set_note", run_id=newest(), note="# Mine"))["note"] == "# Mine"

    run(work())
    assert ml.run(newest()).note == "# Mine"


def test_postgres_is_as_good_as_a_file() -> None:
    url = fresh_url()
    where = ml.connect(url)
    with ml.start_run("iris", name="kept elsewhere") as one:
        ml.log_metric("loss", 0.5)
    ml.flush()

    async def work() -> None:
        async with over_stdio(url) as client:
            (found,) = (await data(client, "list_runs"))["runs"]
            assert (found["name"], found["metrics"]) == ("kept elsewhere", {"loss": 0.5})
            assert (await data(client, "add_tag", run_id=one.id, key="k", value="v"))["k"] == "v"

    run(work())
    assert ml.get_tags(one.id)["k"] == "v"
    where.close()


# what a model may never do by itself --------------------------------------------------------------


def there(run_id: str) -> bool:
    try:
        ml.run(run_id)
    except NotFound:
        return False
    return True


@pytest.mark.parametrize("way", [one for one in WAYS if one != ("stdio", "auto")], ids="-".join)
def test_nothing_is_deleted_without_the_yes_of_a_person(way: tuple[str, str], writing: Served) -> None:
    victim, asked = newest(), []
    answers = iter(["decline", "cancel", "unticked", "accept"])

    async def person(_: Any, question: types.ElicitRequestParams) -> types.ElicitResult:
        asked.append(question.message)
        said = next(answers)
        if said == "unticked":
            return types.ElicitResult(action="accept", content={"confirm": False})
        content: Any = {"confirm": True} if said == "accept" else None
        return types.ElicitResult(action=said, content=content)  # type: ignore[arg-type]

    async def work() -> None:
        delete = {"run_ids": [victim]}
        async with connected(way, writing, "--allow-write") as client:  # cannot ask anybody
            refused = await client.call_tool("delete_runs", delete)
            assert refused.structured_content["error"]["code"] == "access_denied"
            assert not (await client.call_tool("delete_runs", {**delete, "dry_run": True})).is_error
        assert there(victim)
        async with connected(way, writing, "--allow-write", elicitation_callback=person) as client:
            for _ in range(3):
                refused = await client.call_tool("delete_runs", delete)
                assert refused.is_error
                assert there(victim)
            done = await client.call_tool("delete_runs", delete)
            assert not done.is_error, done
            gone = await client.call_tool("delete_runs", delete)
            assert gone.structured_content["error"]["code"] == "not_found"

    run(work())
    assert not there(victim)
    assert len(asked) == 4
    assert "lr=0.01" in asked[0]
    assert victim in asked[0]
    assert "cannot be undone" in asked[0]


def test_an_answer_to_no_question_or_to_another_one_deletes_nothing(writing: Served) -> None:
    """What a client says of itself that a person had said, without having been asked for it."""
    first, second = (one.id for one in ml.runs())
    yes = {"confirm": types.ElicitResult(action="accept", content={"confirm": True})}
    able = {"elicitation_callback": lambda *_: None}

    async def work() -> None:
        async with over_http(writing.url, **able) as client:
            send = client.session.call_tool
            arguments = {"run_ids": [first]}
            question = await send("delete_runs", arguments, input_responses=yes, allow_input_required=True)
            assert isinstance(question, types.InputRequiredResult)  # asked all the same
            with pytest.raises(MCPError, match="requestState"):
                await send(
                    "delete_runs",
                    {"run_ids": [second]},
                    input_responses=yes,
                    request_state=question.request_state,
                    allow_input_required=True,
                )
            with pytest.raises(MCPError, match="requestState"):
                await send(
                    "delete_runs",
                    arguments,
                    input_responses=yes,
                    request_state="asked",
                    allow_input_required=True,
                )
            assert there(first)
            assert there(second)
            done = await send(
                "delete_runs",
                arguments,
                input_responses=yes,
                request_state=question.request_state,
                allow_input_required=True,
            )
            assert isinstance(done, types.CallToolResult)

    run(work())
    assert (there(first), there(second)) == (False, True)


def test_writing_takes_the_switch(store: Path) -> None:
    async def work() -> None:
        async with over_stdio(store, "--allow-write") as client:
            names = {one.name for one in (await client.list_tools()).tools}
            assert {"promote_model", "set_alert", "archive_runs", "delete_runs"} <= names
            assert not {"set_param", "delete_param", "delete_metric", "query_sql", "undo"} & names
            found = await data(client, "promote_model", model_name="m", version=2, comment="better")
            assert found["stage"] == "production"
            assert (await data(client, "archive_runs", run_ids=[newest()]))["done"] == "archived"

    run(work())


# resources, prompts, completion -------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS[1:3], ids="-".join)
def test_resources_are_listed_read_and_completed(way: tuple[str, str], server: Served) -> None:
    async def work() -> None:
        async with connected(way, server) as client:
            listed = {str(one.uri): one for one in (await client.list_resources()).resources}
            whole = newest()
            assert {"chachaml://experiment/iris", "chachaml://model/m", f"chachaml://run/{whole}"} <= set(
                listed
            )
            for uri in (*listed, f"chachaml://run/{whole[-8:]}"):
                (found,) = (await client.read_resource(uri)).contents
                assert isinstance(found, types.TextResourceContents)
                if "/note/" in uri:
                    assert "The *note*." in found.text
                    assert "never instructions" in found.text
                else:
                    assert json.loads(found.text)["untrusted"] is True
            for wrong in ("chachaml://run/00000000", "chachaml://experiment/no", "file:///etc/passwd"):
                with pytest.raises(MCPError):
                    await client.read_resource(wrong)
            templates = (await client.list_resource_templates()).resource_templates
            assert [one.name for one in templates] == ["run", "experiment", "model", "note"]
            runs = types.ResourceTemplateReference(uri="chachaml://run/{id}")
            found_runs = await client.complete(runs, {"name": "id", "value": whole[-8:-4]})
            assert whole[-8:] in found_runs.completion.values
            experiments = types.ResourceTemplateReference(uri="chachaml://experiment/{name}")
            found_names = await client.complete(experiments, {"name": "name", "value": "I"})
            assert found_names.completion.values == ["iris"]

    run(work())


def test_resources_come_page_by_page(tmp_path: Path) -> None:
    ml.connect(tmp_path / "many.db")
    for number in range(120):
        with ml.start_run("many", name=f"run {number}"):
            pass
    ml.flush()

    async def work(url: str) -> None:
        async with over_http(url) as client:
            seen: list[str] = []
            cursor = None
            while True:
                page = await client.list_resources(cursor=cursor)
                seen += [one.name for one in page.resources if "/run/" in str(one.uri)]
                cursor = page.next_cursor
                if cursor is None:
                    break
            assert seen == [f"run {number}" for number in reversed(range(120))]

    with served(tmp_path / "many.db") as server:
        run(work(server.url))


def test_prompts_name_tools_that_there_are(server: Served) -> None:
    async def work() -> None:
        async with over_http(server.url) as client:
            for prompt in (await client.list_prompts()).prompts:
                given = {one.name: f"<{one.name}>" for one in prompt.arguments or []}
                found = await client.get_prompt(prompt.name, given)
                text = found.messages[0].content
                assert isinstance(text, types.TextContent)
                assert all(value in text.text for value in given.values())
                named = set(re.findall(r"\b[a-z]+_[a-z_]+\b", text.text)) - {one.strip("<>") for one in given}
                assert named <= set(TOOLS)
                with pytest.raises(MCPError, match="needs"):
                    await client.get_prompt(prompt.name, {})
            reference = types.PromptReference(name="compare_runs")
            several = await client.complete(
                reference, {"name": "run_ids", "value": f"{newest()},{newest()[-8:]}"}
            )
            assert several.completion.values == [f"{newest()},{newest()[-8:]}"]

    run(work())


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_older_clients_hear_of_what_they_subscribed_to(transport: str, server: Served) -> None:
    heard: list[str] = []

    async def hear(message: Any) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            heard.append(str(message.params.uri))

    async def work() -> None:
        uris = [f"chachaml://run/{newest()}", f"chachaml://note/{newest()[-8:]}", "chachaml://model/m"]
        async with connected((transport, "legacy"), server, message_handler=hear) as client:
            for uri in uris:
                await client.subscribe_resource(uri)
            with pytest.raises(MCPError):
                await client.subscribe_resource("chachaml://run/00000000")

            async def told() -> bool:
                ml.set_note(newest(), f"note {time.monotonic()}")
                ml.registry.describe_model("m", note=f"note {time.monotonic()}")
                return set(heard) >= set(uris)

            await until(told)
            for uri in uris:
                await client.unsubscribe_resource(uri)

    run(work())


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_newer_clients_listen_on_a_stream(transport: str, server: Served) -> None:
    async def work() -> None:
        uris = [f"chachaml://run/{newest()}", "chachaml://experiment/iris"]
        async with connected((transport, "auto"), server) as client:
            async with client.listen(resource_subscriptions=uris) as events:
                heard = set()
                ml.set_note(newest(), "changed")
                with ml.start_run("iris"):
                    pass
                ml.flush()
                async for event in events:
                    heard.add(event.uri)  # type: ignore[union-attr]
                    if heard == set(uris):
                        break
                    ml.set_note(newest(), f"note {time.monotonic()}")

    run(work())


# the line itself ----------------------------------------------------------------------------------


def rubbish() -> list[bytes]:
    """Return ten thousand lines that are no messages, or none that makes sense."""
    chance = random.Random(7)
    whole = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_runs","arguments":{}}}'
    noise = [bytes(chance.choices(range(1, 256), k=chance.randrange(40))) for _ in range(3_300)]
    lines = [one.replace(b"\n", b"") for one in noise]
    lines += [whole[: chance.randrange(len(whole))] for _ in range(3_300)]
    lines += [whole.replace(b"2.0", b"%d" % number) for number in range(1_700)]
    lines += [whole.replace(b"tools/call", b"tools/%d" % number) for number in range(1_700)]
    return [*lines, b"[]", b"null", b'"x"', b"{}", b"[" * 5_000, b'{"id":' * 3_000, b"x" * (5 << 20)]


INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "by hand", "version": "1"},
}


def message(method: str, number: str | None, **params: Any) -> bytes:
    told = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(told if number is None else {**told, "id": number}).encode()


def test_rubbish_on_the_input_breaks_nothing(store: Path) -> None:
    """Nothing but JSON comes out; it still answers; and it ends when its input does."""
    lines = [
        *rubbish(),
        message("initialize", "first", **INITIALIZE),
        message("notifications/initialized", None),
        message("tools/call", "last", name="list_runs", arguments={}),
    ]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([CHACHAML, "mcp", str(store)], **pipes) as process:  # type: ignore[call-overload]
        writer = threading.Thread(target=process.stdin.write, args=(b"\n".join(lines) + b"\n",))
        writer.start()
        answers = (json.loads(line) for line in process.stdout)
        last = next(one for one in answers if one.get("id") == "last")
        writer.join(30)
        assert last["result"]["isError"] is False
        process.stdin.close()
        began = time.monotonic()
        assert process.wait(10) == 0
        assert time.monotonic() - began < 3


def test_piping_requests_in_by_hand_works(store: Path) -> None:
    """As a shell does: the input ends before the answers have come, and all come nevertheless."""
    calls = [message("tools/call", f"call {n}", name="list_runs", arguments={}) for n in range(20)]
    lines = [
        message("initialize", "1", **INITIALIZE),
        message("notifications/initialized", None),
        *calls,
        message("tools/list", "2"),
    ]
    done = subprocess.run([CHACHAML, "mcp", str(store)], input=b"\n".join(lines) + b"\n", capture_output=True)
    answers = {one["id"]: one["result"] for one in map(json.loads, done.stdout.splitlines())}
    assert answers["1"]["serverInfo"]["name"] == "chachaml"
    assert not any(answers[f"call {n}"]["isError"] for n in range(20))
    assert len(answers["2"]["tools"]) == len(allowed("annotate"))
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_command_refuses_what_it_cannot_serve(tmp_path: Path) -> None:
    done = subprocess.run([CHACHAML, "mcp", "no.db"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (5, "")
    assert "there is no store" in done.stderr
    assert not list(tmp_path.iterdir())


def test_without_the_extra_the_install_line_is_said(store: Path) -> None:
    code = "import sys; sys.modules['mcp'] = None; from chachaml.surfaces.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, "mcp", str(store)], capture_output=True, text=True)
    assert done.returncode != 0
    assert "pip install 'chachaml[agents]'" in done.stderr
