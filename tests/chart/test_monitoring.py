"""The chart's alerts and its Grafana dashboard ask for what `/metrics` has."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import promql_parser
import pytest
import yaml

from fsm_twisted.observe.exposition import FAMILIES, PREFIX
from fsm_twisted.snapshot.reasons import REPLIES
from tests.chart.rendering import CHART, FULL, ROOT, one, render

RULES = yaml.safe_load((CHART / "alerts" / "fsm-ingress.yaml").read_text())
ALERTS: list[Any] = [rule for group in RULES["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((CHART / "dashboards" / "fsm-ingress.json").read_text())
PANELS: list[Any] = [each for each in DASHBOARD["panels"] if each["type"] != "row"]
# Labels that Prometheus adds to what it reads.
SCRAPED = {"instance", "job", "le"}


def series() -> dict[str, set[str]]:
    """The names that a family gives to its series, with their labels."""
    found: dict[str, set[str]] = {}
    for each in FAMILIES:
        endings = ("_bucket", "_sum", "_count") if each.kind == "histogram" else ("",)
        for ending in endings:
            found[f"{PREFIX}{each.name}{ending}"] = {*each.labels, *SCRAPED}
    return found


def selectors(node: Any) -> Iterator[Any]:
    """Every selector of series in an expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        inner = getattr(node, name, None)
        if inner is not None and not isinstance(inner, str | float | int):
            yield from selectors(inner)
    for inner in getattr(node, "args", None) or ():
        yield from selectors(inner)


def check(expression: str) -> None:
    expression = expression.replace("$__rate_interval", "5m")
    known = series()
    found = list(selectors(promql_parser.parse(expression)))
    assert found
    for each in found:
        assert each.name in known, f"there is no {each.name}"
        for label in each.matchers.matchers:
            assert label.name in known[each.name], f"{each.name} has no label {label.name}"
    grouped = re.findall(r"\bby \(([^)]*)\)", expression)
    labels = {name.strip() for group in grouped for name in group.split(",")}
    assert labels <= set.union(*(known[each.name] for each in found))


@pytest.mark.parametrize("alert", [pytest.param(each, id=each["alert"]) for each in ALERTS])
def test_an_alert_asks_for_series_that_exist(alert: Any) -> None:
    check(alert["expr"])
    assert alert["labels"]["severity"] in {"info", "warning", "critical"}
    assert set(alert["annotations"]) == {"summary", "description"}


def test_the_check_of_expressions_can_fail() -> None:
    with pytest.raises(AssertionError, match="no fsm_ingress_request_total"):
        check('sum(rate(fsm_ingress_request_total{reason="x"}[5m]))')
    with pytest.raises(AssertionError, match="no label path"):
        check('sum(rate(fsm_ingress_requests_total{path="x"}[5m]))')
    with pytest.raises(ValueError, match="parenthesis"):
        check("sum(rate(fsm_ingress_requests_total[5m])")


def test_reasons_that_alerts_name_are_reason_codes() -> None:
    named = re.findall(r'replies_total\{reason="(\w+)"', json.dumps(ALERTS).replace("\\", ""))
    assert named
    assert set(named) <= set(REPLIES)


def test_the_page_of_alerts_has_each_of_them() -> None:
    text = (ROOT / "docs" / "alerts.md").read_text()
    assert [each for each in ALERTS if f"`{each['alert']}`" not in text] == []


@pytest.mark.parametrize("panel", [pytest.param(each, id=each["title"]) for each in PANELS])
def test_a_panel_asks_for_series_that_exist(panel: Any) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        check(target["expr"])


def test_panels_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for each in DASHBOARD["panels"]:
        place = each["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken
        taken |= cells
    numbers = [each["id"] for each in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))


def generator() -> ModuleType:
    """tools/grafana.py, which is no package."""
    spec = importlib.util.spec_from_file_location("grafana", ROOT / "tools" / "grafana.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_dashboard_is_what_its_description_says() -> None:
    made = generator().text()
    assert (CHART / "dashboards" / "fsm-ingress.json").read_text() == made, (
        "run python tools/grafana.py"
    )


def test_the_chart_brings_alerts_and_dashboard_as_they_are() -> None:
    objects = render(FULL)
    assert one(objects, "PrometheusRule")["spec"] == RULES
    (text,) = one(objects, "ConfigMap")["data"].values()
    assert json.loads(text) == DASHBOARD
