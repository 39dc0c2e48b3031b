from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.demo.document import document_from
from fsm_twisted.demo.tables import Style, age, aligned, matches, table

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (119, "119s"), (120, "2m"), (10799, "179m"), (10800, "3h"), (172800, "2d")],
)
def test_the_age_is_short(seconds: int, shown: str) -> None:
    created = (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")

    assert age(created, NOW) == shown


def test_a_file_without_a_date_has_no_known_age() -> None:
    assert age("", NOW) == "<unknown>"


@given(
    st.lists(st.lists(st.text("ab", min_size=1, max_size=9), min_size=3, max_size=3), min_size=1)
)
def test_every_column_begins_at_one_place(rows: list[list[str]]) -> None:
    lines = aligned(rows).splitlines()
    second = 3 + max(len(row[0]) for row in rows)

    assert [line.split() for line in lines] == rows
    assert all(line[second - 3 : second] == "   " for line in lines)
    assert all(line[second] != " " for line in lines)


@pytest.mark.parametrize(
    ("selector", "is_chosen"),
    [
        ("", True),
        ("a=1", True),
        ("a==1", True),
        ("a=2", False),
        ("a!=2", True),
        ("a!=1", False),
        ("a", True),
        ("c", False),
        ("a=1,b/x=2", True),
        ("a=1, b/x=3", False),
    ],
)
def test_a_selector_chooses_by_labels(selector: str, is_chosen: bool) -> None:  # noqa: FBT001
    assert matches(selector, {"a": "1", "b/x": "2"}) is is_chosen


def test_the_controllers_service_looks_as_in_the_article() -> None:
    service = document_from(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "fsm-ingress-pipy-controller",
                "creationTimestamp": "2025-12-31T23:50:00Z",
            },
            "spec": {
                "type": "LoadBalancer",
                "clusterIP": "10.43.144.20",
                "ports": [{"port": 80, "nodePort": 30508}, {"port": 443, "nodePort": 30607}],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.12"}]}},
        }
    )

    assert table("Service", [service], Style(NOW)) == (
        "NAME                          TYPE           CLUSTER-IP     EXTERNAL-IP   "
        "PORT(S)                      AGE\n"
        "fsm-ingress-pipy-controller   LoadBalancer   10.43.144.20   10.0.0.12     "
        "80:30508/TCP,443:30607/TCP   10m\n"
    )
