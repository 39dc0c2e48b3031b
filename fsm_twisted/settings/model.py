"""What the operator wants, as one frozen value."""

from __future__ import annotations

import attrs

from fsm_twisted.net.addresses import ListenAddress
from fsm_twisted.net.tls_parameters import TlsVersion
from fsm_twisted.proxy.options import Network, PlainHttp
from fsm_twisted.settings.readers import LogFormat, LogLevelName


@attrs.frozen
class Settings:
    """What the operator wants; a field for each option, times in seconds, sizes in bytes."""

    manifests: tuple[str, ...]
    kubeconfig: str | None
    context: str | None
    watch_namespace: tuple[str, ...]
    watch_namespace_selector: str | None
    events: bool
    ingress_class: str
    controller_name: str
    publish_service: tuple[str, str] | None
    publish_status_address: tuple[str, ...]
    service_lb: bool
    election: bool | None
    election_id: str
    election_namespace: str | None
    http: tuple[ListenAddress, ...]
    https: tuple[ListenAddress, ...]
    admin: ListenAddress
    admin_api: bool
    admin_host: tuple[str, ...]
    http2: bool
    h2c: bool
    default_tls_cert: str | None
    default_tls_key: str | None
    tls_min_version: TlsVersion
    tls_ciphers: str
    tls_suites: str | None
    mtls: bool
    plain_http_on_tls_hosts: PlainHttp
    https_redirect_port: int
    hsts: str | None
    ssl_passthrough: bool
    allow_cross_namespace_secrets: bool
    trusted_proxies: tuple[Network, ...]
    proxy_protocol: bool
    session_key_file: str | None
    header_timeout: float
    body_timeout: float
    idle_timeout: float
    connect_timeout: float
    upstream_timeout: float
    tunnel_timeout: float
    drain_delay: float
    drain_timeout: float
    request_line_limit: int
    head_limit: int
    head_fields_limit: int
    body_limit: int
    http2_max_streams: int
    max_connections: int
    max_connections_per_client: int
    access_log: str | None
    access_log_format: str
    access_log_sample: float
    access_log_redact: tuple[str, ...]
    trace_collector: str | None
    trace_sample: float
    workers: int | None
    reuse_port: bool
    log_level: LogLevelName
    log_format: LogFormat
