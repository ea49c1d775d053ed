"""A line to an object store that makes trouble when told to."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

__all__ = ["Front", "fronted"]


class Front:
    """What is asked of the object store, and what happens to it."""

    url = ""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        """Methods and paths, in order."""
        self.refuse: Callable[[str, str], tuple[int, str] | None] = lambda method, path: None
        """Given method and path: the status and the code to answer with in the store's place."""
        self.renamed: Callable[[str, str], str] = lambda method, path: path
        """Given method and path: the path to ask the store for instead."""
        self.headers: Callable[[str, httpx.Response], dict[str, str]] = lambda method, answer: {}
        """Given method and the store's answer: headers to give besides."""
        self.cut: Callable[[str, str], bool] = lambda method, path: False
        """Given method and path: whether the line breaks in the middle of the answer."""
        self.signed: list[str] = []
        """What PUTs say that the SHA-256 of their bytes is, in order."""


@contextmanager
def fronted(endpoint: str, certificate: Path | None = None) -> Iterator[Front]:
    """Put a line in front of the object store at `endpoint`; one of TLS, given a certificate with its key."""
    front, client = Front(), httpx.Client(base_url=endpoint, timeout=30)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            front.asked.append((self.command, self.path))
            if self.command == "PUT":
                front.signed.append(self.headers.get("x-amz-content-sha256", ""))
            if trouble := front.refuse(self.command, self.path):
                said = f"<Error><Code>{trouble[1]}</Code><Message>no</Message></Error>".encode()
                return self.give(trouble[0], {}, said)
            path = front.renamed(self.command, self.path)
            answer = client.request(self.command, path, content=body, headers=dict(self.headers))
            cut = front.cut(self.command, self.path)
            headers = {**answer.headers, **front.headers(self.command, answer)}
            return self.give(answer.status_code, headers, answer.content, cut=cut)

        def give(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            length = headers.get("content-length", "0") if self.command == "HEAD" else str(len(body))
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if cut else body)
            self.close_connection = self.close_connection or cut

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        server.socket, scheme = context.wrap_socket(server.socket, server_side=True), "https"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    front.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    try:
        yield front
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        client.close()
