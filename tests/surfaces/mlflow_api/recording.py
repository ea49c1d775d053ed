"""What MLflow's own clients send and are answered, written down to be sent again without them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import httpx

__all__ = ["Exchange", "recorded"]


class Exchange(NamedTuple):
    """A request, and what came back: bodies are text, statuses numbers."""

    method: str
    path: str
    kind: str
    agent: str
    body: str
    status: int
    answer: str

    def line(self) -> str:
        return json.dumps(self, ensure_ascii=False) + "\n"

    @classmethod
    def of(cls, line: str) -> Exchange:
        return cls(*json.loads(line))


@contextmanager
def recorded(url: str, kept: list[Exchange]) -> Iterator[str]:
    """Give the address of a server that hands all to the one at `url`, and keeps what passes."""

    class Between(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            names = ("Content-Type", "User-Agent", "Authorization")
            headers = {name: value for name in names if (value := self.headers.get(name))}
            answer = httpx.request(self.command, url + self.path, content=body, headers=headers, timeout=60)
            about: Any = (self.headers.get("Content-Type") or "", self.headers.get("User-Agent") or "")
            kept.append(
                Exchange(
                    self.command,
                    self.path,
                    *about,
                    body.decode(errors="replace"),
                    answer.status_code,
                    answer.text,
                )
            )
            self.send_response(answer.status_code)
            for name in ("content-type", "content-disposition"):
                if value := answer.headers.get(name):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on  # noqa: N815 - as it calls them

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Between) as between:
        thread = threading.Thread(target=between.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{between.server_port}"
        finally:
            between.shutdown()
            thread.join()
