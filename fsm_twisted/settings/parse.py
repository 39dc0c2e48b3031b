"""A command line to `Settings`, and the help."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from fsm_twisted.settings.model import Settings
from fsm_twisted.settings.option import Option
from fsm_twisted.settings.table import OPTIONS

_BY_NAME = {option.name: option for option in OPTIONS}


class SettingsError(Exception):
    """A command line that cannot be used; the text is one line for the operator."""


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
        given.setdefault(option.name, []).append(value if equals else _value(option, rest))
    return given


def _value(option: Option, rest: list[str]) -> str:
    """Take the value of *option* from what follows it; a switch may stand alone."""
    if option.is_switch and (not rest or rest[0].startswith("--")):
        return "on"
    if not rest:
        msg = f"--{option.name} needs a value; accepted: {option.accepted}"
        raise SettingsError(msg)
    return rest.pop(0)


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
    namespaces = settings.watch_namespace or settings.watch_namespace_selector
    if settings.manifests and (settings.kubeconfig or settings.context or namespaces):
        msg = (
            "--manifests takes objects from files alone; "
            "leave --kubeconfig, --context and --watch-namespace away, or --manifests"
        )
        raise SettingsError(msg)
    if settings.watch_namespace and settings.watch_namespace_selector:
        msg = "--watch-namespace and --watch-namespace-selector: give one of them"
        raise SettingsError(msg)
    if not settings.http and not settings.https:
        msg = "--http none without --https leaves nothing to listen on"
        raise SettingsError(msg)
    if (settings.default_tls_cert is None) != (settings.default_tls_key is None):
        msg = "--default-tls-cert and --default-tls-key go together; give both or neither"
        raise SettingsError(msg)
    if settings.ssl_passthrough and not settings.https:
        msg = "--ssl-passthrough on needs a listener for TLS; add --https"
        raise SettingsError(msg)
    _check_status(settings)
    if settings.proxy_protocol:
        _check_proxy_protocol(settings)
    if settings.request_line_limit > settings.head_limit:
        msg = "--request-line-limit is over --head-limit; accepted: at most the same"
        raise SettingsError(msg)


def _check_status(settings: Settings) -> None:
    if settings.manifests and (settings.publish_service or settings.publish_status_address):
        msg = (
            "--manifests takes objects from files, which have no status; "
            "leave --publish-service and --publish-status-address away"
        )
        raise SettingsError(msg)
    if settings.publish_service is not None and settings.publish_status_address:
        msg = (
            "--publish-service and --publish-status-address both say which address our Ingresses "
            "have; give one of them"
        )
        raise SettingsError(msg)
    if settings.service_lb and settings.publish_service is None:
        msg = "--service-lb on needs the Service to write to; name it with --publish-service"
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
