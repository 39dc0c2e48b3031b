"""
Write the Grafana dashboard of the chart from a description that a person can read.

Run ``python tools/grafana.py`` after a change of the panels or of the metrics; tests/chart fails
while charts/fsm/dashboards/fsm-ingress.json is behind. Every expression is checked there against
the metrics that exist.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs

ROOT: Final = Path(__file__).resolve().parent.parent
FILE: Final = ROOT / "charts" / "fsm" / "dashboards" / "fsm-ingress.json"
WIDTH: Final = 24  # Grafana's grid
HEIGHT: Final = 8
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_OURS: Final = 'namespace=~"$namespace", ingress=~"$ingress"'
_FAILED: Final = f'{_OURS}, status="5xx"'


@attrs.frozen
class Panel:
    """
    One picture.

    ``queries`` are pairs of legend and expression, ``unit`` is Grafana's name of it. ``kind`` is
    its plugin: timeseries, stat, table, heatmap. ``bad`` is the value from which a stat is red.
    """

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = HEIGHT
    bad: float | None = None
    is_low_bad: bool = False
    description: str = ""


@attrs.frozen
class Row:
    """A heading and the panels below it."""

    title: str
    panels: tuple[Panel, ...]


def _rate(metric: str, by: str = "", match: str = _OURS) -> str:
    inner = f"rate(fsm_ingress_{metric}{{{match}}}[$__rate_interval])"
    return f"sum by ({by}) ({inner})" if by else f"sum({inner})"


def _quantile(share: float, metric: str, by: str = "") -> str:
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, {_rate(f'{metric}_bucket', labels)})"


_SUCCESS: Final = (
    f"1 - ({_rate('requests_total', match=_FAILED)} or vector(0)) / {_rate('requests_total')}"
)

ROWS: Final = (
    Row(
        "Is it well?",
        (
            Panel(
                "Problems of objects",
                (("", "sum(max by (reason) (fsm_ingress_findings)) or vector(0)"),),
                kind="stat",
                width=4,
                height=4,
                bad=1,
                description="Findings of severity warning or error; `fsm-ingress lint --cluster` "
                "and the dashboard of the admin port name objects and remedies.",
            ),
            Panel(
                "Requests that did not fail",
                (("", _SUCCESS),),
                unit="percentunit",
                kind="stat",
                width=4,
                height=4,
                bad=0.99,
                is_low_bad=True,
            ),
            Panel(
                "Requests",
                (("", _rate("requests_total")),),
                unit="reqps",
                kind="stat",
                width=4,
                height=4,
            ),
            Panel(
                "99 % are faster than",
                (("", _quantile(0.99, "request_duration_seconds")),),
                unit="s",
                kind="stat",
                width=4,
                height=4,
                bad=2,
            ),
            Panel(
                "First certificate ends in",
                (("", "min(fsm_ingress_certificate_expiry_seconds) - time()"),),
                unit="s",
                kind="stat",
                width=4,
                height=4,
                bad=14 * 86400,
                is_low_bad=True,
            ),
            Panel(
                "Workers missing",
                (("", "sum(fsm_ingress_workers_wanted - fsm_ingress_workers)"),),
                kind="stat",
                width=4,
                height=4,
                bad=1,
            ),
        ),
    ),
    Row(
        "Broken things",
        (
            Panel(
                "Problems by reason",
                (("{{reason}}", "max by (reason) (fsm_ingress_findings) > 0"),),
            ),
            Panel(
                "Answers of the proxy itself",
                (("{{reason}}", _rate("replies_total", "reason", "")),),
                unit="reqps",
                description="Who said 502? Reason codes are explained in docs/reason-codes.md.",
            ),
            Panel(
                "Endpoints left out, requests sent again",
                (
                    ("left out now", "sum(fsm_ingress_endpoints_ejected)"),
                    ("ejections/s", _rate("ejections_total", match="")),
                    ("retries/s", _rate("retries_total")),
                ),
            ),
        ),
    ),
    Row(
        "Traffic",
        (
            Panel(
                "Requests by Ingress",
                (("{{namespace}}/{{ingress}}", _rate("requests_total", "namespace, ingress")),),
                unit="reqps",
            ),
            Panel(
                "Requests by class of status",
                (("{{status}}", _rate("requests_total", "status")),),
                unit="reqps",
            ),
            Panel(
                "Bytes",
                (
                    ("to endpoints", _rate("request_bytes_total")),
                    ("to clients", _rate("response_bytes_total")),
                ),
                unit="Bps",
            ),
            Panel(
                "Failed requests by Ingress",
                (
                    (
                        "{{namespace}}/{{ingress}}",
                        _rate("requests_total", "namespace, ingress", _FAILED),
                    ),
                ),
                unit="reqps",
            ),
            Panel(
                "Connections and requests in flight",
                (
                    ("connections", "sum(fsm_ingress_connections)"),
                    ("in flight", "sum(fsm_ingress_requests_in_flight)"),
                    ("idle to endpoints", "sum(fsm_ingress_pool_idle_connections)"),
                ),
            ),
            Panel(
                "Connections accepted and refused",
                (
                    ("accepted", _rate("connections_accepted_total", match="")),
                    ("refused: {{reason}}", _rate("connections_refused_total", "reason", "")),
                ),
                unit="cps",
            ),
        ),
    ),
    Row(
        "Time",
        (
            Panel(
                "Time of requests",
                tuple(
                    (f"p{share * 100:g}", _quantile(share, "request_duration_seconds"))
                    for share in (0.5, 0.9, 0.99)
                ),
                unit="s",
            ),
            Panel(
                "Time of endpoints",
                tuple(
                    (f"p{share * 100:g}", _quantile(share, "response_duration_seconds"))
                    for share in (0.5, 0.9, 0.99)
                ),
                unit="s",
            ),
            Panel(
                "What we add, on average",
                (
                    (
                        "overhead",
                        f"{_rate('overhead_seconds_total', match='')} / "
                        f"{_rate('response_duration_seconds_count', match='')}",
                    ),
                ),
                unit="s",
                description="From a request's head until its endpoint has it.",
            ),
            Panel(
                "Slowest Ingresses",
                (
                    (
                        "{{namespace}}/{{ingress}}",
                        "topk(10, "
                        + _quantile(0.99, "request_duration_seconds", "namespace, ingress")
                        + ")",
                    ),
                ),
                unit="s",
                width=12,
            ),
            Panel(
                "Requests by time",
                (("{{le}}", _rate("request_duration_seconds_bucket", "le")),),
                kind="heatmap",
                width=12,
            ),
        ),
    ),
    Row(
        "TLS",
        (
            Panel(
                "Handshakes",
                (("{{result}}", _rate("tls_handshakes_total", "result", "")),),
                unit="ops",
                width=12,
            ),
            Panel(
                "Certificates by time left",
                (
                    (
                        "{{namespace}}/{{secret_name}}",
                        "sort(min by (namespace, secret_name) "
                        "(fsm_ingress_certificate_expiry_seconds) - time())",
                    ),
                ),
                unit="s",
                kind="table",
                width=12,
            ),
        ),
    ),
    Row(
        "Control",
        (
            Panel(
                "Configuration",
                (
                    ("generation, {{instance}}", "fsm_ingress_snapshot_generation"),
                    ("longest apart, ms", "max(fsm_ingress_workers_apart_longest_seconds) * 1000"),
                ),
            ),
            Panel(
                "API server last heard of",
                (("{{kind}}", "max by (kind) (fsm_ingress_informer_last_event_age_seconds)"),),
                unit="s",
            ),
            Panel(
                "Lists and watches that failed",
                (
                    (
                        "{{kind}}: {{reason}}",
                        _rate("informer_failures_total", "kind, reason", ""),
                    ),
                ),
                unit="ops",
            ),
            Panel(
                "Statuses and Events waiting",
                (
                    ("statuses", "sum(fsm_ingress_status_waiting)"),
                    ("Events", "sum(fsm_ingress_events_waiting)"),
                    ("leaders", "sum(fsm_ingress_leader)"),
                ),
            ),
            Panel(
                "Processor time of workers",
                (
                    (
                        "{{instance}} {{worker}}",
                        "rate(fsm_ingress_worker_cpu_seconds_total[$__rate_interval])",
                    ),
                ),
                unit="percentunit",
            ),
            Panel(
                "Memory of workers",
                (("{{instance}} {{worker}}", "fsm_ingress_worker_resident_bytes"),),
                unit="bytes",
            ),
        ),
    ),
)


def _placed(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """Yield rows and panels with their numbers and places, left to right."""
    number = y = 0
    for row in rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
        }
        y, x, height = y + 1, 0, 0
        for panel in row.panels:
            number += 1
            if x + panel.width > WIDTH:
                x, y = 0, y + height
            place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
            yield {"id": number, **_drawn(panel), "gridPos": place}
            x, height = x + panel.width, panel.height
        y += height


def _drawn(panel: Panel) -> dict[str, Any]:
    is_instant = panel.kind in {"stat", "table"}
    targets = [
        {
            "refId": chr(ord("A") + at),
            "datasource": _SOURCE,
            "expr": expression,
            "legendFormat": legend,
            "instant": is_instant,
            "range": not is_instant,
            "format": {"table": "table", "heatmap": "heatmap"}.get(panel.kind, "time_series"),
        }
        for at, (legend, expression) in enumerate(panel.queries)
    ]
    defaults: dict[str, Any] = {"unit": panel.unit}
    if panel.bad is not None:
        low, high = ("red", "green") if panel.is_low_bad else ("green", "red")
        steps = [{"color": low, "value": None}, {"color": high, "value": panel.bad}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {},
    }


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "label": name.capitalize(),
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "refresh": 2,
        "sort": 1,
        "current": {"text": "All", "value": "$__all"},
    }


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Source"}
    requests = "fsm_ingress_requests_total"
    return {
        "uid": "fsm-ingress",
        "title": "FSM Ingress",
        "tags": ["ingress", "fsm"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                source,
                _variable("namespace", f"label_values({requests}, namespace)"),
                _variable(
                    "ingress", f'label_values({requests}{{namespace=~"$namespace"}}, ingress)'
                ),
            ]
        },
        "annotations": {"list": []},
        "panels": list(_placed(ROWS)),
    }


def text() -> str:
    """Return the file."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
    print(f"written {FILE}")
