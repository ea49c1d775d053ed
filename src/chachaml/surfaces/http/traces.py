"""Traces by OpenTelemetry, which is imported only when they are asked for. Needs the extra ``otel``.

Where they go, and how many, is said by OpenTelemetry's own variables, ``OTEL_EXPORTER_OTLP_ENDPOINT`` first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers
from starlette.types import Scope

from chachaml.core.errors import MissingExtra
from chachaml.surfaces.http.seen import Seen

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

__all__ = ["begin", "request", "step", "trace_of"]

_tracer: Tracer | None = None


@contextmanager
def begin() -> Iterator[None]:
    """Within it, this process sends traces; what is still to be sent at the end is sent.

    Raises:
        MissingExtra: OpenTelemetry is not installed.
    """
    global _tracer
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as missing:
        raise MissingExtra(
            f"traces need OpenTelemetry: {missing}", "pip install 'chachaml[otel]'"
        ) from missing
    import os

    from chachaml import __version__

    about = {"service.name": os.environ.get("OTEL_SERVICE_NAME", "chachaml"), "service.version": __version__}
    provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = provider.get_tracer("chachaml", __version__)
    try:
        yield
    finally:
        _tracer = None
        provider.shutdown()


@contextmanager
def request(scope: Scope, seen: Seen) -> Iterator[str]:
    """Within it, a request is answered; give the id of its trace, '' if there are none."""
    if _tracer is None:
        yield ""
        return
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    headers = Headers(scope=scope)
    parent = TraceContextTextMapPropagator().extract(
        {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
    )
    with _tracer.start_as_current_span(seen.method, parent, SpanKind.SERVER) as span:
        try:
            yield trace_of(span)
        finally:
            _describe(span, scope, seen)


def trace_of(span: Span) -> str:
    """Return the id of a span's trace, as headers have it."""
    return f"{span.get_span_context().trace_id:032x}"


def step(name: str) -> AbstractContextManager[Any]:
    """Within it, a part of a request is done, which is told apart in its trace."""
    if _tracer is None:
        return nullcontext()
    span: AbstractContextManager[Any] = _tracer.start_as_current_span(name)
    return span


def _describe(span: Span, scope: Scope, seen: Seen) -> None:
    """Say of a request's span what the conventions for HTTP ask for."""
    from opentelemetry.trace import StatusCode

    span.update_name(f"{seen.method} {seen.route}".strip())
    span.set_attributes(
        {
            "http.request.method": seen.method,
            "http.route": seen.route,
            "http.response.status_code": seen.status,
            "url.path": seen.path,
            "url.scheme": scope.get("scheme", "http"),
            "client.address": seen.client,
            "chachaml.request_id": seen.id,
        }
    )
    if seen.status >= 500:
        span.set_status(StatusCode.ERROR)
