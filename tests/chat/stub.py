"""A provider that says what a test wants said, on a real socket, in three protocols to the letter.

It streams as Anthropic's Messages, OpenAI's Responses and OpenAI's Chat Completions do, and refuses what
they would refuse: results that belong to no call, calls without results, reasoning that is not given back.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Event = tuple[str, dict[str, Any]]


@dataclass
class Say:
    """A reply: text, then calls as (name, arguments), the arguments a text where they are to be no JSON."""

    text: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    tokens: tuple[int, int] = (100, 10)
    stop: str = ""  # "length" or "refused"
    thinking: str = ""
    id: str = ""  # of its calls, where a server gives all the same
    pause: float = 0.0  # seconds between two events
    cut: int | None = None  # close the line after so many events
    error: int | None = None  # after so many events, tell of an error in the midst of the stream


@dataclass
class Fail:
    """A refusal, before any reply."""

    status: int
    kind: str = "invalid_request_error"
    message: str = "no"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Seen:
    """A request: its path, its headers in lower case, and its body."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    hung_up: bool = False  # whether the client left before the end


class Stub:
    """The server; `script` is what it says next, the last thing again and again if `forever`."""

    def __init__(self) -> None:
        self.script: list[Say | Fail] = []
        self.forever = False
        self.seen: list[Seen] = []
        self.wrong: list[str] = []
        self._count = 0
        self._lock = threading.Lock()
        stub = self

        class Handler(_Handler):
            provider = stub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def says(self, *replies: Say | Fail) -> None:
        self.script += replies

    def next(self) -> Say | Fail:
        with self._lock:
            if not self.script:
                return Fail(500, "test", "the test foresaw no such request")
            return self.script[0] if self.forever and len(self.script) == 1 else self.script.pop(0)

    def number(self) -> int:
        with self._lock:
            self._count += 1
            return self._count

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def stubbed() -> Iterator[Stub]:
    stub = Stub()
    try:
        yield stub
    finally:
        stub.close()
    assert not stub.wrong, stub.wrong


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    provider: Stub

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        models = {
            "object": "list",
            "data": [{"id": "tiny", "object": "model", "created": 1, "owned_by": "me"}],
        }
        self._json(200, models if self.path == "/v1/models" else {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        seen = Seen(self.path, {key.lower(): value for key, value in self.headers.items()}, body)
        self.provider.seen.append(seen)
        speak, check = _PROTOCOLS[self.path]
        if wrong := check(body):
            self.provider.wrong.append(wrong)
            self._json(400, {"type": "error", "error": {"type": "invalid_request_error", "message": wrong}})
            return
        reply = self.provider.next()
        if isinstance(reply, Fail):
            error = {"type": reply.kind, "message": reply.message}
            self._json(reply.status, {"type": "error", "error": error}, reply.headers)
            return
        self._stream(reply, list(speak(reply, self.provider.number())), seen)

    def _json(self, status: int, data: Any, headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _stream(self, reply: Say, frames: list[str], seen: Seen) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        if reply.error is not None:
            frames[reply.error :] = [_ERRORS[self.path]]
        try:
            for no, frame in enumerate(frames):
                if no == reply.cut:
                    self.close_connection = True
                    self.connection.shutdown(2)
                    return
                self._chunk(frame)
                if reply.pause:
                    time.sleep(reply.pause)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            seen.hung_up = True
            self.close_connection = True

    def _chunk(self, text: str) -> None:
        # Cut where no reader expects it: lines and characters come in pieces.
        raw = text.encode()
        for part in (raw[: len(raw) // 2], raw[len(raw) // 2 :]):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            self.wfile.flush()


def pieces(text: str, size: int = 7) -> Iterator[str]:
    for at in range(0, len(text), size):
        yield text[at : at + size]


def _arguments(given: Any) -> str:
    return given if isinstance(given, str) else json.dumps(given)


def _named(event: Event) -> str:
    return f"event: {event[0]}\ndata: {json.dumps({'type': event[0], **event[1]}, ensure_ascii=False)}\n\n"


# Anthropic: Messages ------------------------------------------------------------------------------


def messages(reply: Say, number: int) -> Iterator[str]:
    yield from map(_named, _messages(reply, number))


def _messages(reply: Say, number: int) -> Iterator[Event]:
    counts = {"input_tokens": reply.tokens[0] - 40, "cache_read_input_tokens": 40, "output_tokens": 1}
    about = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": "claude", "content": []}
    yield "message_start", {"message": {**about, "stop_reason": None, "stop_sequence": None, "usage": counts}}
    yield "ping", {}
    index = 0
    if reply.thinking:
        yield _block(index, {"type": "thinking", "thinking": "", "signature": ""})
        for piece in pieces(reply.thinking):
            yield _delta(index, "thinking_delta", "thinking", piece)
        yield _delta(index, "signature_delta", "signature", f"signed {reply.thinking}")
        yield "content_block_stop", {"index": index}
        index += 1
    if reply.text:
        yield _block(index, {"type": "text", "text": ""})
        for piece in pieces(reply.text):
            yield _delta(index, "text_delta", "text", piece)
        yield "content_block_stop", {"index": index}
        index += 1
    for name, given in reply.calls:
        yield _block(index, {"type": "tool_use", "id": f"toolu_{number}_{index}", "name": name, "input": {}})
        for piece in ("", *pieces(_arguments(given))):
            yield _delta(index, "input_json_delta", "partial_json", piece)
        yield "content_block_stop", {"index": index}
        index += 1
    why = {"length": "max_tokens", "refused": "refusal"}.get(
        reply.stop, "tool_use" if reply.calls else "end_turn"
    )
    delta = {"stop_reason": why, "stop_sequence": None}
    yield "message_delta", {"delta": delta, "usage": {"output_tokens": reply.tokens[1]}}
    yield "message_stop", {}


def _block(index: int, block: dict[str, Any]) -> Event:
    return "content_block_start", {"index": index, "content_block": block}


def _delta(index: int, kind: str, field_: str, piece: str) -> Event:
    return "content_block_delta", {"index": index, "delta": {"type": kind, field_: piece}}


def check_messages(body: dict[str, Any]) -> str:
    if not body["stream"] or not body["max_tokens"] or body["tool_choice"]["type"] not in ("auto", "none"):
        return "the request is not whole"
    for before, message in zip([None, *body["messages"]], [*body["messages"], None], strict=True):
        blocks = before["content"] if before and isinstance(before["content"], list) else []
        called = {one["id"] for one in blocks if one["type"] == "tool_use"}
        content = message["content"] if message and isinstance(message["content"], list) else []
        told = {one["tool_use_id"] for one in content if one["type"] == "tool_result"}
        if called != told:
            return f"tool_use ids {called} have results {told}"
        for one in blocks:
            if one["type"] == "thinking" and one["signature"] != f"signed {one['thinking']}":
                return "thinking came back changed"
            if one["type"] == "text" and not one["text"]:
                return "text content blocks must be non-empty"
    return ""


# OpenAI: Responses --------------------------------------------------------------------------------


def responses(reply: Say, number: int) -> Iterator[str]:
    for no, (kind, data) in enumerate(_responses(reply, number)):
        yield _named((kind, {**data, "sequence_number": no}))


def _response(number: int, status: str, **more: Any) -> dict[str, Any]:
    about = {"id": f"resp_{number}", "object": "response", "created_at": 1, "model": "gpt", "output": []}
    rest = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "incomplete_details": None}
    return {**about, **rest, "status": status, "error": None, **more}


def _responses(reply: Say, number: int) -> Iterator[Event]:
    yield "response.created", {"response": _response(number, "in_progress")}
    at = 0
    if reply.thinking:
        thought = {"id": f"rs_{number}", "type": "reasoning", "summary": []}
        yield "response.output_item.added", {"output_index": at, "item": thought}
        whole = {**thought, "encrypted_content": f"sealed {reply.thinking}"}
        yield "response.output_item.done", {"output_index": at, "item": whole}
        at += 1
    if reply.text:
        item = {"id": f"msg_{number}", "type": "message", "role": "assistant", "content": []}
        yield "response.output_item.added", {"output_index": at, "item": {**item, "status": "in_progress"}}
        place = {"item_id": item["id"], "output_index": at, "content_index": 0}
        for piece in pieces(reply.text):
            yield "response.output_text.delta", {**place, "delta": piece, "logprobs": []}
        yield "response.output_text.done", {**place, "text": reply.text, "logprobs": []}
        part = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
        whole = {**item, "status": "completed", "content": [part]}
        yield "response.output_item.done", {"output_index": at, "item": whole}
        at += 1
    for name, given in reply.calls:
        ids = {"id": f"fc_{number}_{at}", "call_id": f"call_{number}_{at}"}
        item = {**ids, "type": "function_call", "name": name, "arguments": "", "status": "in_progress"}
        yield "response.output_item.added", {"output_index": at, "item": item}
        for piece in pieces(_arguments(given)):
            where = {"item_id": ids["id"], "output_index": at}
            yield "response.function_call_arguments.delta", {**where, "delta": piece}
        whole = {**item, "arguments": _arguments(given), "status": "completed"}
        yield "response.output_item.done", {"output_index": at, "item": whole}
        at += 1
    details = {"cached_tokens": 40, "cache_write_tokens": 0}
    usage = {
        "input_tokens": reply.tokens[0],
        "input_tokens_details": details,
        "output_tokens": reply.tokens[1],
    }
    usage |= {"output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": sum(reply.tokens)}
    if reply.stop:
        reason = {"length": "max_output_tokens", "refused": "content_filter"}[reply.stop]
        ended = _response(number, "incomplete", usage=usage, incomplete_details={"reason": reason})
        yield "response.incomplete", {"response": ended}
    else:
        yield "response.completed", {"response": _response(number, "completed", usage=usage)}


def check_responses(body: dict[str, Any]) -> str:
    if not body["stream"] or body["store"] is not False or not body["instructions"]:
        return "the request is not whole"
    called = [one["call_id"] for one in body["input"] if one.get("type") == "function_call"]
    told = [one["call_id"] for one in body["input"] if one.get("type") == "function_call_output"]
    if called != told:
        return f"calls {called} have outputs {told}"
    for one in body["input"]:
        if one.get("type") == "reasoning" and not one["encrypted_content"].startswith("sealed "):
            return "reasoning came back without its content"
    return ""


# compatible: Chat Completions ---------------------------------------------------------------------


def completions(reply: Say, number: int) -> Iterator[str]:
    for data in _completions(reply, number):
        yield f"data: {json.dumps(data)}\n\n"
    yield "data: [DONE]\n\n"


def _completions(reply: Say, number: int) -> Iterator[dict[str, Any]]:
    about = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 1, "model": "tiny"}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**about, "choices": [choice], "usage": None}

    yield chunk({"role": "assistant", "content": ""})
    for piece in pieces(reply.text):
        yield chunk({"content": piece})
    for no, (name, given) in enumerate(reply.calls):
        call = {"index": no, "id": reply.id or f"call_{number}_{no}", "type": "function"}
        yield chunk({"tool_calls": [{**call, "function": {"name": name, "arguments": ""}}]})
        for piece in pieces(_arguments(given)):
            yield chunk({"tool_calls": [{"index": no, "function": {"arguments": piece}}]})
    why = {"length": "length", "refused": "content_filter"}.get(
        reply.stop, "tool_calls" if reply.calls else "stop"
    )
    yield chunk({}, why)
    counts = {"prompt_tokens": reply.tokens[0], "completion_tokens": reply.tokens[1]}
    yield {**about, "choices": [], "usage": {**counts, "total_tokens": sum(reply.tokens)}}


def check_completions(body: dict[str, Any]) -> str:
    if not body["stream"] or body["messages"][0]["role"] != "system":
        return "the request is not whole"
    waiting: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                return f"no call {message['tool_call_id']}"
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            return f"calls {waiting} have no results"
        waiting = [one["id"] for one in message.get("tool_calls", ())]
        for one in message.get("tool_calls", ()):
            json.loads(one["function"]["arguments"])
    return f"calls {waiting} have no results" if waiting else ""


_PROTOCOLS: dict[str, tuple[Callable[[Say, int], Iterator[str]], Callable[[dict[str, Any]], str]]] = {
    "/v1/messages": (messages, check_messages),
    "/v1/responses": (responses, check_responses),
    "/v1/chat/completions": (completions, check_completions),
}

_OVERLOADED = {"type": "overloaded_error", "message": "Overloaded"}
_ERRORS = {
    "/v1/messages": _named(("error", {"error": _OVERLOADED})),
    "/v1/responses": _named(
        ("error", {"code": "server_error", "message": "Overloaded", "param": None, "sequence_number": 3})
    ),
    "/v1/chat/completions": 'data: {"error": {"type": "server_error", "message": "Overloaded"}}\n\n',
}
