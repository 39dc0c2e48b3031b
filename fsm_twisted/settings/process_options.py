"""Options: logs and processes."""

from __future__ import annotations

from fsm_twisted.settings.option import Option
from fsm_twisted.settings.readers import (
    LogFormat,
    LogLevelName,
    read_access_format,
    read_access_log,
    read_collector,
    read_redaction,
    read_share,
    read_switch,
    read_workers,
)

PROCESS: tuple[Option, ...] = (
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
        "trace-collector",
        "Traces",
        None,
        read_collector,
        "a URL, such as http://collector:4318",
        "Send spans there by OTLP over HTTP; needs the extra [otel].",
    ),
    Option(
        "trace-sample",
        "Traces",
        "0.01",
        read_share,
        "a number from 0 to 1",
        "Share of the requests that are sampled where no trusted proxy decides it.",
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
        "reuse-port",
        "Process",
        "off",
        read_switch,
        "on, off",
        "A listening socket for each worker (SO_REUSEPORT) instead of one for all.",
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
