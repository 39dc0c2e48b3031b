"""Texts of options to values; each raises ValueError for what it does not accept."""

from __future__ import annotations

import ipaddress
import re
from enum import Enum
from urllib.parse import urlsplit

from fsm_twisted.objects.label_selector import label_selector_fault
from fsm_twisted.observe.access_format import make_line, make_redaction
from fsm_twisted.proxy.options import Network

_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_LONGEST_SECONDS = 7 * 86400
_PRELOADED_SECONDS = 365 * 86400
_LAST_PORT = 65535
_MOST_WORKERS = 256


class LogFormat(Enum):
    """Accepted values of ``--log-format``."""

    TEXT = "text"
    JSON = "json"


class LogLevelName(Enum):
    """Accepted values of ``--log-level``."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"
    CRITICAL = "critical"


def read_seconds(text: str) -> float:
    """Read a time in seconds."""
    if not re.fullmatch(r"[0-9]{1,7}(?:\.[0-9]{1,3})?s?", text):
        raise ValueError
    value = float(text.removesuffix("s"))
    if value > _LONGEST_SECONDS:
        raise ValueError
    return value


def read_positive_seconds(text: str) -> float:
    """Read a time above 0 in seconds."""
    value = read_seconds(text)
    if not value:
        raise ValueError
    return value


def read_hsts(text: str) -> str | None:
    """Read the value of Strict-Transport-Security, None for off."""
    if text == "off":
        return None
    age, *words = [each.strip() for each in text.split(";")]
    known = {"includesubdomains": "includeSubDomains", "preload": "preload"}
    found = [known.get(each.lower(), "") for each in words]
    match = re.fullmatch(r"max-age=([0-9]{1,10})", age, re.IGNORECASE)
    if match is None or "" in found or len(set(found)) < len(found):
        raise ValueError
    if "preload" in found and (len(found) == 1 or int(match[1]) < _PRELOADED_SECONDS):
        raise ValueError("preload needs includeSubDomains and a year, see hstspreload.org")
    return "; ".join((f"max-age={int(match[1])}", *sorted(found)))


def read_size(text: str) -> int:
    """Read a size in bytes."""
    match = re.fullmatch(r"([0-9]{1,12})([kmgKMG]?)", text)
    if match is None:
        raise ValueError
    return int(match[1]) * _UNITS[match[2].lower()]


def read_head_size(text: str) -> int:
    """Read a size from 1 KiB to 1 MiB, in bytes."""
    value = read_size(text)
    if not 1024 <= value <= 1024**2:  # noqa: PLR2004  stated in the option's text
        raise ValueError
    return value


def read_count(text: str) -> int:
    """Read a number above 0."""
    if not re.fullmatch(r"[1-9][0-9]{0,6}", text):
        raise ValueError
    return int(text)


def read_most(text: str) -> int:
    """Read a number, 0 for none."""
    return 0 if text == "0" else read_count(text)


def read_switch(text: str) -> bool:
    """Read on or off."""
    if text not in {"on", "off"}:
        raise ValueError
    return text == "on"


def read_workers(text: str) -> int | None:
    """Read a number of workers, None for auto."""
    if text == "auto":
        return None
    if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) > _MOST_WORKERS:
        raise ValueError
    return int(text)


def read_port(text: str) -> int:
    """Read a TCP port."""
    value = read_count(text)
    if value > _LAST_PORT:
        raise ValueError
    return value


def read_network(text: str) -> Network:
    """Read an IP network."""
    return ipaddress.ip_network(text, strict=False)


def read_label(text: str) -> str:
    """Read a DNS label, as the name of a namespace is one."""
    if not re.fullmatch(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", text):
        raise ValueError
    return text


def read_selector(text: str) -> str:
    """Read a label selector."""
    if (fault := label_selector_fault(text)) is not None:
        raise ValueError(fault)
    return text


def read_name(text: str) -> str:
    """Read a DNS name."""
    if not re.fullmatch(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?", text):
        raise ValueError
    return text


def read_object(text: str) -> tuple[str, str]:
    """Read the namespace and the name of an object."""
    namespace, _, name = text.partition("/")
    return read_label(namespace), read_name(name)


def read_address(text: str) -> str:
    """Read an IP address or a DNS name."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return read_name(text)


def read_controller(text: str) -> str:
    """Read a domain and a name."""
    if not re.fullmatch(r"[a-z0-9.-]+/[A-Za-z0-9/._-]+", text):
        raise ValueError
    return text


def read_path(text: str) -> str:
    """Read a path."""
    if not text:
        raise ValueError
    return text


def read_access_log(text: str) -> str | None:
    """Read a path or ``-`` for standard output, None for off."""
    return None if text == "off" else read_path(text)


def read_access_format(text: str) -> str:
    """Read the name of a format of the access log, or a format."""
    make_line(text)
    return text


def read_collector(text: str) -> str:
    """Read the URL of an OTLP collector; without a path it is that of traces."""
    match = re.fullmatch(r"(https?://[A-Za-z0-9.:\[\]-]+)(/[!-~]*)?", text)
    if match is None or not _has_host(match[1]):
        raise ValueError
    path = match[2] or "/"
    return match[1] + ("/v1/traces" if path == "/" else path)


def _has_host(url: str) -> bool:
    parts = urlsplit(url)  # which raises ValueError, as does the port that is none
    return bool(parts.hostname) and parts.port != 0


def read_share(text: str) -> float:
    """Read a number from 0 to 1."""
    if not re.fullmatch(r"0|1|0?\.[0-9]{1,9}|1\.0{1,9}", text):
        raise ValueError
    return float(text)


def read_redaction(text: str) -> str:
    """Read the name of something that the access log may not show."""
    make_redaction((text,))
    return text
