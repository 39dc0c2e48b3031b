"""``explain``: where a request goes, and why not elsewhere."""

from __future__ import annotations

import sys
from typing import Any

import click

from fsm_twisted.admin.documents.world import Json
from fsm_twisted.cli.errors import FOUND
from fsm_twisted.cli.lists import name_of
from fsm_twisted.cli.offline import NO_SLICES
from fsm_twisted.cli.options import Where, output_option, where_options
from fsm_twisted.cli.switches import Command
from fsm_twisted.cli.text import say, show_json, show_lines, show_table


@click.command(cls=Command)
@where_options
@click.argument("words", nargs=-1, required=True, metavar="[METHOD] URL")
@click.option(
    "--header", "-H", multiple=True, metavar="'NAME: VALUE'", help="A header. Repeatable."
)
@click.option("--client", metavar="ADDRESS", default="", help="The client's IP address.")
@output_option
def explain(
    where: Where, words: tuple[str, ...], header: tuple[str, ...], client: str, output: str
) -> None:
    """
    Where does a request go, and why?

    Shows listener, certificate, route, rewrite, policies and endpoint, and every other path that
    wanted the request. Ends with 1 when it reaches no Service.
    """
    if len(words) > 2:  # noqa: PLR2004  a method and a URL
        raise click.UsageError("explain takes a method and a URL, or a URL alone")
    method, url = ("GET", words[0]) if len(words) == 1 else words
    parameters = [("url", url), ("method", method), *(("header", each) for each in header)]
    if client:
        parameters.append(("client", client))
    told = where.told().tell("explain", parameters)
    if output == "json":
        show_json(told)
    else:
        show_explanation(told)
    if not _reaches(told):
        sys.exit(FOUND)


def _reaches(told: Json) -> bool:
    # Manifests seldom hold endpoints.
    if NO_SLICES in told["hints"]:
        return True
    route = told["route"]
    if told["outcome"]["kind"] == "redirected":
        return route is not None and route["state"] != "broken"
    return told["outcome"]["kind"] in {"forwarded", "passed"}


def show_explanation(told: Json) -> None:
    """Write an explanation for people."""
    is_good = told["outcome"]["kind"] in {"forwarded", "passed"}
    say(told["summary"], "bold green" if is_good else "bold yellow")
    show_lines(
        (
            ("listener", _listener(told["listener"])),
            ("certificate", _certificate(told["certificate"])),
            ("route", _route(told["route"])),
            ("rewrite", _rewrite(told["rewrite"])),
            ("policies", _policies(told["policies"])),
            ("endpoint", _endpoint(told["endpoint"])),
            *(("hint", each) for each in told["hints"]),
        )
    )
    if told["candidates"]:
        columns = ("VERDICT", "HOST", "PATH", "MATCH", "GOES TO", "INGRESS", "WHY")
        rows = (
            (
                each["verdict"],
                each["host"] or "*",
                each["path"],
                each["match"],
                each["backend"],
                name_of(each["ingress"]),
                each["why"],
            )
            for each in told["candidates"]
        )
        show_table(columns, rows, "")
        more = told["candidates_total"] - len(told["candidates"])
        if more:
            say(f"and {more} more")
    for each in told["findings"]:
        show_finding(each)


def show_finding(each: Json) -> None:
    """Write one finding as two lines: what it is, and what to do."""
    style = "red" if each["severity"] == "error" else "yellow"
    about = each["object"]
    origin = f"{each['origin']}: " if each["origin"] else ""
    say(
        f"{origin}{each['severity']}: {about['kind']} {name_of(about)}: {each['message']} "
        f"[{each['code']}]",
        style,
    )
    say(f"    {each['consequence']}; to mend it: {each['remedy']}")


def _listener(listener: Json) -> str:
    if not listener["is_open"]:
        return f"none for {listener['kind']}"
    return ", ".join(listener["addresses"]) or f"{listener['kind']}, wherever it listens"


def _certificate(certificate: Json | None) -> str:
    if certificate is None:
        return ""
    if certificate["is_default"]:
        return "the default certificate: no Secret answers for this server name"
    covers = "" if certificate["covers_host"] else ", which does NOT cover the host"
    return f"Secret {name_of(certificate['secret'])}, {certificate['days_left']} days left{covers}"


def _route(route: Json | None) -> str:
    if route is None:
        return ""
    return (
        f"{route['match']} {route['path']} of {route['host'] or 'every host'}, "
        f"Ingress {name_of(route['ingress'])}, {route['where']}, {route['state']}"
    )


def _rewrite(rewrite: Json | None) -> str:
    if rewrite is None:
        return ""
    pair = f"{rewrite['from']} becomes {rewrite['to']}"
    return (
        f"{rewrite['before']} becomes {rewrite['after']} ({pair})" if "after" in rewrite else pair
    )


def _policies(policies: Json | None) -> str:
    if policies is None:
        return ""
    usual: dict[str, Any] = {
        "access_log": True, "hash_by": "client-ip", "affinity": "none", "protocol": "http/1.1",
    }  # fmt: skip
    told = {
        name: value for name, value in policies.items() if value not in (None, usual.get(name))
    }
    return ", ".join(f"{name} {_policy(value)}" for name, value in told.items())


def _policy(value: Any) -> str:
    """Write a policy of several parts in one line."""
    if not isinstance(value, dict):
        return str(value)
    # What identifies authorities tells people nothing.
    parts = (f"{name} {each}" for name, each in value.items() if each and name != "fingerprint")
    return f"({', '.join(parts)})"


def _endpoint(endpoint: Json | None) -> str:
    if endpoint is None:
        return ""
    target = f", which sees {endpoint['target']}" if endpoint["target"] else ""
    likely = "" if endpoint["is_sure"] else "for example "
    return f"{likely}{endpoint['endpoint']} ({endpoint['how']}){target}"
