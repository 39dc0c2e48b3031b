"""Settings to the small option values that rooms take, and to what files must give."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fsm_twisted.assembly.errors import StartError
from fsm_twisted.compiler.certificates import (
    CertificateFault,
    parse_certificate,
    self_signed,
)
from fsm_twisted.control.access_log import AccessLog, LineWriter
from fsm_twisted.http1.grammar import HeadLimits
from fsm_twisted.net.tls_parameters import TlsParameters
from fsm_twisted.observe.access_format import tells_bodies
from fsm_twisted.observe.access_lines import make_lines
from fsm_twisted.observe.exposition import series
from fsm_twisted.observe.report import Number
from fsm_twisted.proxy.options import PlainHttp, ProxyOptions
from fsm_twisted.settings import Settings
from fsm_twisted.snapshot.model import CertificateEntry

if TYPE_CHECKING:
    from fsm_twisted.control.span_export import SpanExport

_SHORTEST_KEY_BYTES = 16


def proxy_options(settings: Settings) -> ProxyOptions:
    """Choose what the proxy needs of the settings."""
    return ProxyOptions(
        limits=HeadLimits(
            settings.request_line_limit, settings.head_limit, settings.head_fields_limit
        ),
        body_limit_bytes=settings.body_limit or None,
        header_seconds=settings.header_timeout,
        body_seconds=settings.body_timeout,
        idle_seconds=settings.idle_timeout,
        connect_seconds=settings.connect_timeout,
        upstream_seconds=settings.upstream_timeout,
        tunnel_seconds=settings.tunnel_timeout,
        plain_http=settings.plain_http_on_tls_hosts if settings.https else PlainHttp.SERVE,
        has_https=bool(settings.https),
        https_redirect_port=settings.https_redirect_port,
        hsts=settings.hsts or "",
        trusted_proxies=settings.trusted_proxies,
        proxy_protocol=settings.proxy_protocol,
        tls=TlsParameters(
            settings.tls_min_version, settings.tls_ciphers, settings.tls_suites or ""
        ),
        http2=settings.http2,
        h2c=settings.h2c,
        http2_streams=settings.http2_max_streams,
        max_connections=settings.max_connections,
        max_connections_per_client=settings.max_connections_per_client,
        access_share=settings.access_log_sample if settings.access_log is not None else None,
        access_bodies=tells_bodies(settings.access_log_format),
        trace_share=settings.trace_sample if settings.trace_collector is not None else None,
        affinity_key=_affinity_key(settings),
    )


def access_log(settings: Settings) -> AccessLog | None:
    """
    Open the access log, if there is to be one.

    Raises:
        StartError: The file cannot be opened.
    """
    if settings.access_log is None:
        return None
    try:
        writer = LineWriter(settings.access_log)
    except OSError as error:
        msg = f"--access-log: cannot open {settings.access_log}: {error.strerror}"
        raise StartError(msg) from None
    lines = make_lines(settings.access_log_format, settings.access_log_redact)
    return AccessLog(writer, lines)


def span_export(settings: Settings) -> SpanExport | None:
    """
    Make what sends spans to the collector, if there is one.

    Raises:
        StartError: The library for it is not installed.
    """
    if settings.trace_collector is None:
        return None
    try:
        # Some megabytes and a tenth of a second, for those who want it.
        from fsm_twisted.control.span_export import SpanExport  # noqa: PLC0415
    except ImportError:
        msg = "--trace-collector needs OpenTelemetry: pip install 'fsm-twisted[otel]'"
        raise StartError(msg) from None
    return SpanExport(settings.trace_collector)


def _affinity_key(settings: Settings) -> bytes:
    if settings.session_key_file is None:
        return secrets.token_bytes(32)
    key = _read("--session-key-file", settings.session_key_file)
    if len(key) < _SHORTEST_KEY_BYTES:
        msg = f"--session-key-file: {settings.session_key_file} is shorter than 16 bytes"
        raise StartError(msg)
    return key


def default_certificate(settings: Settings) -> CertificateEntry:
    """
    Return the certificate for unknown server names.

    Raises:
        StartError: The files cannot be read or do not fit together.
    """
    if settings.default_tls_cert is None or settings.default_tls_key is None:
        return self_signed(datetime.now(UTC))
    chain = _read("--default-tls-cert", settings.default_tls_cert)
    key = _read("--default-tls-key", settings.default_tls_key)
    parsed = parse_certificate({"tls.crt": chain, "tls.key": key})
    if isinstance(parsed, CertificateFault):
        msg = f"--default-tls-cert, --default-tls-key: {parsed.what}"
        raise StartError(msg)
    return parsed.entry


def default_expiry(default: CertificateEntry) -> Mapping[str, Number]:
    """Return until when the certificate for unknown server names is valid, as a series."""
    parsed = parse_certificate({"tls.crt": default.chain_pem, "tls.key": default.key_pem})
    if isinstance(parsed, CertificateFault):
        return {}
    # No Secret has such a name.
    labels = {"namespace": "", "secret_name": "default certificate"}
    return {series("certificate_expiry_seconds", **labels): int(parsed.not_after.timestamp())}


def _read(option: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        msg = f"{option}: cannot read {path}: {error.strerror}"
        raise StartError(msg) from None
