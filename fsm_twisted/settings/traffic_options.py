"""Options: times and limits of requests."""

from __future__ import annotations

from fsm_twisted.settings.option import Option
from fsm_twisted.settings.readers import (
    read_count,
    read_head_size,
    read_most,
    read_positive_seconds,
    read_seconds,
    read_size,
)

_SECONDS = "seconds, such as 15 or 0.5"
_SIZE = "a size in bytes, such as 65536, 64k or 10m"

TRAFFIC: tuple[Option, ...] = (
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
)
