"""Traces, as a collector of OpenTelemetry gets them from a server in a process of its own."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.running.test_running import serving

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector(BaseHTTPRequestHandler):
    """Takes spans by OTLP over HTTP."""

    spans: list[Any]
    services: set[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        sent = ExportTraceServiceRequest.FromString(body)
        for resource in sent.resource_spans:
            self.services |= {one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += scope.spans
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def collecting() -> Iterator[tuple[str, type[Collector]]]:
    handler = type("Ours", (Collector,), {"spans": [], "services": set()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def told_of(span: Any) -> dict[str, Any]:
    return {one.key: one.value.int_value or one.value.string_value for one in span.attributes}


def test_a_request_is_a_span_of_whoever_asks_with_what_was_done_within(tmp_path: Path) -> None:
    parent = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    with collecting() as (collector, got):
        traced = {"CHACHAML_TRACES": "on", "OTEL_EXPORTER_OTLP_ENDPOINT": collector}
        with serving(tmp_path, "x.db", **traced) as (url, process):
            made = httpx.post(f"{url}/api/w/runs", json={"experiment": "e"}, headers=parent)
            assert made.status_code == 200
            assert httpx.get(f"{url}/nothing").status_code == 404
            process.terminate()
            assert process.wait(30) == 0
    spans = {span.name: span for span in got.spans}
    whole, written = spans["POST /api/w/runs"], spans["write"]
    assert (whole.trace_id.hex(), whole.parent_span_id.hex()) == (TRACE, PARENT)
    assert written.parent_span_id == whole.span_id
    about = told_of(whole)
    assert about["http.route"] == "/api/w/runs"
    assert about["http.response.status_code"] == 200
    assert about["chachaml.request_id"] == made.headers["x-request-id"]
    lost = spans["GET"]
    assert lost.trace_id.hex() != TRACE
    assert not lost.parent_span_id
    assert "chachaml" in got.services


def test_opentelemetry_is_imported_only_for_traces() -> None:
    code = """
import sys
import chachaml.surfaces.http.serving
print([name for name in sys.modules if name.startswith("opentelemetry.sdk")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
