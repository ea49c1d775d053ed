"""A server that dies and comes back, and a line to it that breaks in every way: real ones, both."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["Line", "Server", "free_port"]

Fault = Callable[[bytes], str]
"""Given the beginning of a request, what happens to it: "", "drop", "cut", "500", "503" or "slow"."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Server:
    """``chachaml ui`` in a process of its own, on one port for all its lives."""

    def __init__(self, store: Path, *arguments: str, port: int | None = None) -> None:
        self.store, self.port, self._arguments = store, port or free_port(), arguments
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "chachaml", "ui", str(self.store), str(self.port), "--no-browser"]
        self.process = subprocess.Popen(
            [*command, *self._arguments], stdout=subprocess.PIPE, text=True, env={**os.environ, "PORT": ""}
        )
        assert self.process.stdout is not None
        assert "is served at" in self.process.stdout.readline()

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(how)
        assert process.stdout is not None
        process.stdout.close()
        return process.wait(30)


class Line:
    """A line to a server on which requests meet faults."""

    def __init__(self, to: int, fault: Fault) -> None:
        self._to, self.fault = to, fault
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.faults: dict[str, int] = {}
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client, socket.create_connection(("127.0.0.1", self._to)) as server:
                while request := _request(client, self.port, self._to):
                    fault = self.fault(request[:200])
                    self.faults[fault] = self.faults.get(fault, 0) + 1
                    if fault == "drop":
                        return
                    if fault in ("500", "503"):
                        client.sendall(f"HTTP/1.1 {fault} Oops\r\nContent-Length: 0\r\n\r\n".encode())
                        continue
                    if fault == "slow":
                        time.sleep(random.uniform(0.2, 1.5))
                    server.sendall(request)
                    answer = _whole(server, bodiless=request.startswith(b"HEAD"))
                    if fault == "cut":  # the server has done it, and nobody hears
                        client.sendall(answer[: len(answer) // 2])
                        return
                    client.sendall(answer)
        except OSError:
            return


def _request(client: socket.socket, port: int, to: int) -> bytes:
    """Return the next whole request, meant for the server itself."""
    return _whole(client).replace(f"127.0.0.1:{port}".encode(), f"127.0.0.1:{to}".encode(), 1)


def _whole(line: socket.socket, *, bodiless: bool = False) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := line.recv(65536)):
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    if bodiless:
        return data
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    while length and len(body) < int(length[1]):
        if not (more := line.recv(65536)):
            break
        body += more
    if re.search(rb"(?i)transfer-encoding: *chunked", head):
        while not body.endswith(b"0\r\n\r\n"):
            body += line.recv(65536)
    return head + b"\r\n\r\n" + body
