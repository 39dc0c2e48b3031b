"""The one table of options: help, docs/options.md and the parser are made from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from fsm_twisted.net.addresses import parse_address
from fsm_twisted.proxy.options import PlainHttp
from fsm_twisted.settings.readers import (
    LogFormat,
    LogLevelName,
    read_access_format,
    read_access_log,
    read_address,
    read_controller,
    read_count,
    read_head_size,
    read_label,
    read_most,
    read_name,
    read_network,
    read_object,
    read_path,
    read_port,
    read_positive_seconds,
    read_redaction,
    read_seconds,
    read_selector,
    read_share,
    read_size,
    read_switch,
    read_workers,
)


@attrs.frozen
class Option:
    """
    One option: how it is written, read, and explained.

    ``accepted`` completes the sentence "accepted: …"; ``read`` raises ValueError for anything
    else, and a text of that error, if it has one, is shown as well.
    """

    name: str
    group: str
    default: str | None
    read: Callable[[str], Any]
    accepted: str
    meaning: str
    repeatable: bool = False

    @property
    def key(self) -> str:
        """Return the name of the field of `Settings`."""
        return self.name.replace("-", "_")


_ADDRESS = "tcp:PORT[:interface=A][:backlog=N], tcp6:…, unix:PATH, systemd:INDEX"
_SECONDS = "seconds, such as 15 or 0.5"
_SIZE = "a size in bytes, such as 65536, 64k or 10m"

OPTIONS: tuple[Option, ...] = (
    Option(
        "manifests",
        "Where objects come from",
        None,
        read_path,
        "a file or folder",
        "Serve the manifests in this file or folder and follow its changes.",
        repeatable=True,
    ),
    Option(
        "kubeconfig",
        "Where objects come from",
        None,
        read_path,
        "a file",
        "Follow this cluster; else the pod's account, $KUBECONFIG or ~/.kube/config.",
    ),
    Option(
        "context",
        "Where objects come from",
        None,
        read_path,
        "a name",
        "The context of the kubeconfig, instead of its current one.",
    ),
    Option(
        "watch-namespace",
        "Where objects come from",
        None,
        read_label,
        "a namespace",
        "Follow only this namespace of the cluster; a Role there suffices then.",
        repeatable=True,
    ),
    Option(
        "watch-namespace-selector",
        "Where objects come from",
        None,
        read_selector,
        "a label selector, such as 'team=web' or 'env in (a,b),!old'",
        "Follow only namespaces with such labels, as they come and go.",
    ),
    Option(
        "events",
        "Where objects come from",
        "on",
        read_switch,
        "on, off",
        "Tell of findings as Events of the cluster, and of Ingresses that are served.",
    ),
    Option(
        "ingress-class",
        "Where objects come from",
        "pipy",
        read_name,
        "a class name",
        "The class that is ours although no IngressClass of that name can be read.",
    ),
    Option(
        "controller-name",
        "Where objects come from",
        "flomesh.io/ingress-pipy",
        read_controller,
        "DOMAIN/NAME",
        "Every IngressClass with this spec.controller is ours.",
    ),
    Option(
        "publish-service",
        "In a cluster",
        None,
        read_object,
        "NAMESPACE/NAME",
        "Write the addresses of this Service into the status of our Ingresses.",
    ),
    Option(
        "publish-status-address",
        "In a cluster",
        None,
        read_address,
        "an IP address or a host name",
        "Write this address into the status of our Ingresses, instead of a Service's.",
        repeatable=True,
    ),
    Option(
        "service-lb",
        "In a cluster",
        "off",
        read_switch,
        "on, off",
        "Give --publish-service the addresses of the nodes that our pods run on.",
    ),
    Option(
        "election",
        "In a cluster",
        None,
        read_switch,
        "on, off",
        "Let one replica at a time write; without it: on when there is a status to write.",
    ),
    Option(
        "election-id",
        "In a cluster",
        "fsm-ingress-pipy",
        read_name,
        "the name of a Lease",
        "Replicas with the same one elect their leader by it.",
    ),
    Option(
        "election-namespace",
        "In a cluster",
        None,
        read_label,
        "a namespace",
        "Where that Lease is; else $POD_NAMESPACE, the pod's own, or 'default'.",
    ),
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
        "Answer /livez, /readyz and /metrics here.",
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
    Option(
        "header-timeout",
        "Time",
        "15",
        read_positive_seconds,
        _SECONDS,
        "For a whole request head, and for a TLS handshake.",
    ),
    Option(
        "body-timeout",
        "Time",
        "60",
        read_positive_seconds,
        _SECONDS,
        "Longest silence of a client in a body, either way.",
    ),
    Option(
        "idle-timeout",
        "Time",
        "75",
        read_positive_seconds,
        _SECONDS,
        "Longest wait for the next request of a connection.",
    ),
    Option(
        "connect-timeout",
        "Time",
        "5",
        read_positive_seconds,
        _SECONDS,
        "For an endpoint to accept a connection.",
    ),
    Option(
        "upstream-timeout",
        "Time",
        "60",
        read_positive_seconds,
        _SECONDS,
        "Longest silence of an endpoint.",
    ),
    Option(
        "tunnel-timeout",
        "Time",
        "3600",
        read_positive_seconds,
        _SECONDS,
        "Longest silence of a WebSocket or other tunnel.",
    ),
    Option(
        "drain-delay",
        "Time",
        "0",
        read_seconds,
        _SECONDS,
        "On SIGTERM, keep accepting so long, not ready any more.",
    ),
    Option(
        "drain-timeout",
        "Time",
        "30",
        read_seconds,
        _SECONDS,
        "After that, finish what runs for at most so long.",
    ),
    Option(
        "request-line-limit",
        "Limits",
        "16k",
        read_head_size,
        "1k to 1m",
        "Longest request line (414).",
    ),
    Option("head-limit", "Limits", "32k", read_head_size, "1k to 1m", "Largest head (431)."),
    Option(
        "head-fields-limit",
        "Limits",
        "128",
        read_count,
        "a number above 0",
        "Most fields of a head (431).",
    ),
    Option(
        "body-limit",
        "Limits",
        "0",
        read_size,
        _SIZE,
        "Largest request body (413) where no annotation says otherwise; 0: any.",
    ),
    Option(
        "http2-max-streams",
        "Limits",
        "128",
        read_count,
        "a number above 0",
        "Most requests of one HTTP/2 connection at the same time.",
    ),
    Option(
        "max-connections",
        "Limits",
        "0",
        read_most,
        "a number; 0: any",
        "Most client connections of a process; an idle one makes room.",
    ),
    Option(
        "max-connections-per-client",
        "Limits",
        "0",
        read_most,
        "a number; 0: any",
        "Most of them from one address; --trusted-proxies are exempt.",
    ),
    Option(
        "access-log",
        "Access log",
        "off",
        read_access_log,
        "off, a file, - for standard output",
        "Write a line for each request; SIGUSR1 opens the file anew.",
    ),
    Option(
        "access-log-format",
        "Access log",
        "json",
        read_access_format,
        "json, nginx, or a format such as '$status $request'",
        "How lines are written; nginx: as ingress-nginx does by default.",
    ),
    Option(
        "access-log-sample",
        "Access log",
        "1",
        read_share,
        "a number from 0 to 1",
        "Share of the requests that are written down.",
    ),
    Option(
        "access-log-redact",
        "Access log",
        None,
        read_redaction,
        "client, host, path, query, query:NAME, referer, server_name, user_agent",
        "Write REDACTED in its place.",
        repeatable=True,
    ),
    Option(
        "workers",
        "Process",
        "auto",
        read_workers,
        "a number up to 256; auto: one for each usable processor; 0: all in one process",
        "Processes that serve clients; auto obeys CPU affinity and the cgroup's quota.",
    ),
    Option(
        "log-level",
        "Process",
        "info",
        LogLevelName,
        "debug, info, warn, error, critical",
        "Least level that is logged.",
    ),
    Option(
        "log-format",
        "Process",
        "text",
        LogFormat,
        "text, json",
        "How the program's own log is written.",
    ),
)
