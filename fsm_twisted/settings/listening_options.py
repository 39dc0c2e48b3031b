"""Options: who may connect, how, and who the client is."""

from __future__ import annotations

from fsm_twisted.net.addresses import parse_address
from fsm_twisted.net.tls_parameters import CIPHERS, TlsVersion, read_ciphers, read_suites
from fsm_twisted.proxy.options import PlainHttp
from fsm_twisted.settings.option import Option
from fsm_twisted.settings.readers import (
    read_hsts,
    read_name,
    read_network,
    read_path,
    read_port,
    read_switch,
)

_ADDRESS = "tcp:PORT[:interface=A][:backlog=N], tcp6:…, unix:PATH[:mode=666], systemd:INDEX"

LISTENING: tuple[Option, ...] = (
    Option(
        "http",
        "Listening",
        "tcp:8000",
        parse_address,
        _ADDRESS,
        "Accept plain HTTP here; 'none' for no such listener.",
        repeatable=True,
    ),
    Option(
        "https", "Listening", None, parse_address, _ADDRESS, "Accept HTTPS here.", repeatable=True
    ),
    Option(
        "admin",
        "Listening",
        "tcp:10254:interface=127.0.0.1",
        parse_address,
        _ADDRESS,
        "Answer /livez, /readyz, /metrics and /api here.",
    ),
    Option(
        "admin-api",
        "Listening",
        "on",
        read_switch,
        "on, off",
        "Tell there what is served and what is broken (/api).",
    ),
    Option(
        "admin-host",
        "Listening",
        None,
        read_name,
        "a DNS name",
        "Answer /api under this name, too, besides addresses and localhost.",
        repeatable=True,
    ),
    Option(
        "http2",
        "Listening",
        "on",
        read_switch,
        "on, off",
        "Speak HTTP/2 with clients of --https that ask for it (ALPN h2).",
    ),
    Option(
        "h2c",
        "Listening",
        "off",
        read_switch,
        "on, off",
        "Speak HTTP/2 with clients of --http that begin with it (prior knowledge).",
    ),
    Option(
        "default-tls-cert",
        "TLS",
        None,
        read_path,
        "a PEM file",
        "Chain for unknown server names; without it a self-signed one is made.",
    ),
    Option("default-tls-key", "TLS", None, read_path, "a PEM file", "Key of --default-tls-cert."),
    Option(
        "tls-min-version",
        "TLS",
        "1.2",
        TlsVersion,
        "1.2, 1.3",
        "Oldest version of TLS that clients may speak.",
    ),
    Option(
        "tls-ciphers",
        "TLS",
        CIPHERS,
        read_ciphers,
        "a list of OpenSSL, such as ECDHE+AESGCM:!aNULL",
        "For TLS 1.2; our order counts.",
    ),
    Option(
        "tls-suites",
        "TLS",
        None,
        read_suites,
        "names with ':' between them, such as TLS_AES_256_GCM_SHA384",
        "Cipher suites of TLS 1.3; our order counts. Without it: all of them.",
    ),
    Option(
        "mtls",
        "TLS",
        "off",
        read_switch,
        "on, off",
        "Ask clients of all TLS hosts for certificates; 503 without an authority.",
    ),
    Option(
        "plain-http-on-tls-hosts",
        "TLS",
        "redirect",
        PlainHttp,
        "redirect, forbid, serve",
        "What plain HTTP gets on a host of spec.tls: 308, 403, or the route itself.",
    ),
    Option(
        "https-redirect-port", "TLS", "443", read_port, "a port", "Port of the redirect's target."
    ),
    Option(
        "hsts",
        "TLS",
        "off",
        read_hsts,
        "off, max-age=SECONDS[; includeSubDomains][; preload]",
        "Strict-Transport-Security of HTTPS answers of TLS hosts that have none.",
    ),
    Option(
        "ssl-passthrough",
        "TLS",
        "off",
        read_switch,
        "on, off",
        "Pass TLS of hosts through, unopened, whose Ingress says ssl-passthrough.",
    ),
    Option(
        "allow-cross-namespace-secrets",
        "TLS",
        "off",
        read_switch,
        "on, off",
        "Let annotations name Secrets of other namespaces; never spec.tls.",
    ),
    Option(
        "trusted-proxies",
        "Who the client is",
        None,
        read_network,
        "a network, such as 10.0.0.0/8",
        "Believe these peers: X-Forwarded-*, Forwarded, X-Request-ID, PROXY protocol.",
        repeatable=True,
    ),
    Option(
        "proxy-protocol",
        "Who the client is",
        "off",
        read_switch,
        "on, off",
        "Expect a PROXY header (v1 or v2) on every connection of --http and --https.",
    ),
    Option(
        "session-key-file",
        "Who the client is",
        None,
        read_path,
        "a file of 16 bytes or more",
        "Signs affinity cookies; the same in all replicas. Without it: random at start.",
    ),
)
