"""
The options of ``twistd fsm-ingress``: one table, from text to a frozen `Settings`.

Help, docs/options.md and the parser are made from the same table.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import attrs

from fsm_twisted.net.addresses import ListenAddress, parse_address
from fsm_twisted.proxy.options import Network, PlainHttp

_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_LONGEST_SECONDS = 7 * 86400
_LAST_PORT = 65535
_MOST_WORKERS = 256


class SettingsError(Exception):
    """A command line that cannot be used; the text is one line for the operator."""


class LogLevelName(Enum):
    """Accepted values of ``--log-level``."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"
    CRITICAL = "critical"


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


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,7}(?:\.[0-9]{1,3})?s?", text):
        raise ValueError
    value = float(text.removesuffix("s"))
    if value > _LONGEST_SECONDS:
        raise ValueError
    return value


def _positive_seconds(text: str) -> float:
    value = _seconds(text)
    if not value:
        raise ValueError
    return value


def _size(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,12})([kmgKMG]?)", text)
    if match is None:
        raise ValueError
    return int(match[1]) * _UNITS[match[2].lower()]


def _head_size(text: str) -> int:
    value = _size(text)
    if not 1024 <= value <= 1024**2:  # noqa: PLR2004  stated in the option's text
        raise ValueError
    return value


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,6}", text):
        raise ValueError
    return int(text)


def _most(text: str) -> int:
    return 0 if text == "0" else _count(text)


def _switch(text: str) -> bool:
    if text not in {"on", "off"}:
        raise ValueError
    return text == "on"


def _workers(text: str) -> int | None:
    if text == "auto":
        return None
    if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) > _MOST_WORKERS:
        raise ValueError
    return int(text)


def _port(text: str) -> int:
    value = _count(text)
    if value > _LAST_PORT:
        raise ValueError
    return value


def _network(text: str) -> Network:
    return ipaddress.ip_network(text, strict=False)


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?", text):
        raise ValueError
    return text


def _controller(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9.-]+/[A-Za-z0-9/._-]+", text):
        raise ValueError
    return text


def _path(text: str) -> str:
    if not text:
        raise ValueError
    return text


_ADDRESS = "tcp:PORT[:interface=A][:backlog=N], tcp6:…, unix:PATH, systemd:INDEX"
_SECONDS = "seconds, such as 15 or 0.5"
_SIZE = "a size in bytes, such as 65536, 64k or 10m"

OPTIONS: tuple[Option, ...] = (
    Option(
        "manifests",
        "Where objects come from",
        None,
        _path,
        "a file or folder",
        "Serve the manifests in this file or folder and follow its changes.",
        repeatable=True,
    ),
    Option(
        "ingress-class",
        "Where objects come from",
        "pipy",
        _name,
        "a class name",
        "The class that is ours although no IngressClass of that name can be read.",
    ),
    Option(
        "controller-name",
        "Where objects come from",
        "flomesh.io/ingress-pipy",
        _controller,
        "DOMAIN/NAME",
        "Every IngressClass with this spec.controller is ours.",
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
        "Answer /livez and /readyz here.",
    ),
    Option(
        "default-tls-cert",
        "TLS",
        None,
        _path,
        "a PEM file",
        "Chain for unknown server names; without it a self-signed one is made.",
    ),
    Option("default-tls-key", "TLS", None, _path, "a PEM file", "Key of --default-tls-cert."),
    Option(
        "plain-http-on-tls-hosts",
        "TLS",
        "redirect",
        PlainHttp,
        "redirect, forbid, serve",
        "What plain HTTP gets on a host of spec.tls: 308, 403, or the route itself.",
    ),
    Option("https-redirect-port", "TLS", "443", _port, "a port", "Port of the redirect's target."),
    Option(
        "trusted-proxies",
        "Who the client is",
        None,
        _network,
        "a network, such as 10.0.0.0/8",
        "Believe these peers: X-Forwarded-*, Forwarded, X-Request-ID, PROXY protocol.",
        repeatable=True,
    ),
    Option(
        "proxy-protocol",
        "Who the client is",
        "off",
        _switch,
        "on, off",
        "Expect a PROXY header (v1 or v2) on every connection of --http and --https.",
    ),
    Option(
        "session-key-file",
        "Who the client is",
        None,
        _path,
        "a file of 16 bytes or more",
        "Signs affinity cookies; the same in all replicas. Without it: random at start.",
    ),
    Option(
        "header-timeout",
        "Time",
        "15",
        _positive_seconds,
        _SECONDS,
        "For a whole request head, and for a TLS handshake.",
    ),
    Option(
        "body-timeout",
        "Time",
        "60",
        _positive_seconds,
        _SECONDS,
        "Longest silence of a client in a body, either way.",
    ),
    Option(
        "idle-timeout",
        "Time",
        "75",
        _positive_seconds,
        _SECONDS,
        "Longest wait for the next request of a connection.",
    ),
    Option(
        "connect-timeout",
        "Time",
        "5",
        _positive_seconds,
        _SECONDS,
        "For an endpoint to accept a connection.",
    ),
    Option(
        "upstream-timeout",
        "Time",
        "60",
        _positive_seconds,
        _SECONDS,
        "Longest silence of an endpoint.",
    ),
    Option(
        "tunnel-timeout",
        "Time",
        "3600",
        _positive_seconds,
        _SECONDS,
        "Longest silence of a WebSocket or other tunnel.",
    ),
    Option(
        "drain-delay",
        "Time",
        "0",
        _seconds,
        _SECONDS,
        "On SIGTERM, keep accepting so long, not ready any more.",
    ),
    Option(
        "drain-timeout",
        "Time",
        "30",
        _seconds,
        _SECONDS,
        "After that, finish what runs for at most so long.",
    ),
    Option(
        "request-line-limit",
        "Limits",
        "16k",
        _head_size,
        "1k to 1m",
        "Longest request line (414).",
    ),
    Option("head-limit", "Limits", "32k", _head_size, "1k to 1m", "Largest head (431)."),
    Option(
        "head-fields-limit",
        "Limits",
        "128",
        _count,
        "a number above 0",
        "Most fields of a head (431).",
    ),
    Option(
        "body-limit",
        "Limits",
        "0",
        _size,
        _SIZE,
        "Largest request body (413) where no annotation says otherwise; 0: any.",
    ),
    Option(
        "max-connections",
        "Limits",
        "0",
        _most,
        "a number; 0: any",
        "Most client connections of a process; an idle one makes room.",
    ),
    Option(
        "max-connections-per-client",
        "Limits",
        "0",
        _most,
        "a number; 0: any",
        "Most of them from one address; --trusted-proxies are exempt.",
    ),
    Option(
        "workers",
        "Process",
        "auto",
        _workers,
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
)
_BY_NAME = {option.name: option for option in OPTIONS}


@attrs.frozen
class Settings:
    """What the operator wants; a field for each option, times in seconds, sizes in bytes."""

    manifests: tuple[str, ...]
    ingress_class: str
    controller_name: str
    http: tuple[ListenAddress, ...]
    https: tuple[ListenAddress, ...]
    admin: ListenAddress
    default_tls_cert: str | None
    default_tls_key: str | None
    plain_http_on_tls_hosts: PlainHttp
    https_redirect_port: int
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
    max_connections: int
    max_connections_per_client: int
    workers: int | None
    log_level: LogLevelName


def parse_settings(arguments: Sequence[str]) -> Settings:
    """
    Read a command line, without the program's name.

    Raises:
        SettingsError: An option is unknown or lacks a value, a value is not accepted, or no
            source is named. The text names the option, the value and what is accepted.
    """
    given = _split(arguments)
    values: dict[str, Any] = {}
    for option in OPTIONS:
        texts = given.get(option.name, [] if option.default is None else [option.default])
        read = [_read(option, text) for text in texts if not _is_none(option, text)]
        if option.repeatable:
            values[option.key] = tuple(read)
        else:
            values[option.key] = read[-1] if read else None
    settings = Settings(**values)
    _check(settings)
    return settings


def _is_none(option: Option, text: str) -> bool:
    return option.name == "http" and text == "none"


def _split(arguments: Sequence[str]) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name, equals, value = argument.partition("=")
        option = _BY_NAME.get(name[2:]) if name.startswith("--") else None
        if option is None:
            raise SettingsError(_unknown(argument, name))
        if not equals:
            if not rest:
                msg = f"--{option.name} needs a value; accepted: {option.accepted}"
                raise SettingsError(msg)
            value = rest.pop(0)
        given.setdefault(option.name, []).append(value)
    return given


def _unknown(argument: str, name: str) -> str:
    if not name.startswith("-"):
        return f"{argument!r} is no option; --help lists them"
    close = difflib.get_close_matches(name.lstrip("-"), _BY_NAME, n=1)
    proposal = f"did you mean --{close[0]}?" if close else "--help lists the options"
    shown = name if name.isprintable() else ascii(name)
    return f"unknown option {shown}; {proposal}"


def _read(option: Option, text: str) -> Any:
    try:
        return option.read(text)
    except ValueError as error:
        why = str(error)
        said = f" ({why})" if _is_ours(why) else ""
        msg = f"--{option.name}: {text!r} is not accepted{said}; accepted: {option.accepted}"
        raise SettingsError(msg) from None


def _is_ours(why: str) -> bool:
    # Enum and int say things about Python in their errors.
    return bool(why) and "is not a valid" not in why and "invalid literal" not in why


def _check(settings: Settings) -> None:
    if not settings.manifests:
        msg = "no source of objects: name a file or folder with --manifests"
        raise SettingsError(msg)
    if not settings.http and not settings.https:
        msg = "--http none without --https leaves nothing to listen on"
        raise SettingsError(msg)
    if (settings.default_tls_cert is None) != (settings.default_tls_key is None):
        msg = "--default-tls-cert and --default-tls-key go together; give both or neither"
        raise SettingsError(msg)
    if settings.proxy_protocol:
        _check_proxy_protocol(settings)
    if settings.request_line_limit > settings.head_limit:
        msg = "--request-line-limit is over --head-limit; accepted: at most the same"
        raise SettingsError(msg)


def _check_proxy_protocol(settings: Settings) -> None:
    if not settings.trusted_proxies:
        msg = (
            "--proxy-protocol on believes nobody without --trusted-proxies; "
            "name the network of the load balancer there"
        )
        raise SettingsError(msg)
    if any(each.family == "unix" for each in (*settings.http, *settings.https)):
        msg = (
            "--proxy-protocol on cannot trust the peers of a unix: listener, which have no "
            "address; listen on tcp: or tcp6:"
        )
        raise SettingsError(msg)


def help_text() -> str:
    """Return what ``--help`` shows: the options by group, with defaults and what is accepted."""
    lines = ["Usage: twistd [options of twistd] fsm-ingress [options]", ""]
    group = ""
    for option in OPTIONS:
        if option.group != group:
            group = option.group
            lines += [f"{group}:", ""]
        lines.append(f"  --{option.name}=  {option.accepted}")
        default = "" if option.default is None else f" [default: {option.default}]"
        repeat = " Repeatable." if option.repeatable else ""
        lines += [f"      {option.meaning}{repeat}{default}", ""]
    lines.append("  --help, --version")
    return "\n".join(lines)
