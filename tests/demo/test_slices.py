from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.demo.applications import Httpbin
from fsm_twisted.demo.document import Document, section, sections, text, texts
from fsm_twisted.demo.slices import Location, slices_for
from fsm_twisted.demo.workloads import Route, Selection, Workload

WEB = Selection("n", "web", {"app": "web"}, (Route("http", 8000), Route("tls", "secure")))


def workload(labels: Mapping[str, str], namespace: str = "n") -> Workload:
    return Workload(namespace, "web", "r1", 1, labels, Httpbin(), {"secure": 8443})


def location(
    address: str, ports: Mapping[int, int] | None = None, of: Workload | None = None
) -> Location:
    same = {8000: 8000, 8443: 8443}
    return Location(f"web-{address}", of or workload({"app": "web"}), address, ports or same)


def addresses(document: Document) -> list[str]:
    return [a for e in sections(document.body, "endpoints") for a in texts(e, "addresses")]


def ports(document: Document) -> dict[str, str]:
    return {text(p, "name"): text(p, "port") for p in sections(document.body, "ports")}


def test_a_slice_names_its_service_its_ports_and_its_pods() -> None:
    (made,) = slices_for([WEB], [location("127.0.1.1"), location("127.0.1.2")])

    assert made.namespace == "n"
    assert made.labels["kubernetes.io/service-name"] == "web"
    assert ports(made) == {"http": "8000", "tls": "8443"}
    assert addresses(made) == ["127.0.1.1", "127.0.1.2"]
    assert section(sections(made.body, "endpoints")[0], "targetRef")["name"] == "web-127.0.1.1"


def test_pods_of_other_labels_or_namespaces_are_left_out() -> None:
    others = [workload({"app": "shop"}), workload({"app": "web"}, "m"), workload({})]

    assert slices_for([WEB], [location("127.0.1.1", of=other) for other in others]) == ()


def test_a_service_without_a_running_pod_has_no_slice() -> None:
    assert slices_for([WEB], []) == ()


def test_a_port_whose_name_no_container_has_is_left_out() -> None:
    selection = Selection("n", "web", {"app": "web"}, (Route("a", "nowhere"), Route("b", 8000)))
    (made,) = slices_for([selection], [location("127.0.1.1")])

    assert ports(made) == {"b": "8000"}


@given(st.lists(st.sampled_from([8000, 41000, 42000]), min_size=1, max_size=6))
def test_every_pod_stands_in_exactly_one_slice_with_its_own_ports(found: list[int]) -> None:
    pods = [location(f"127.0.1.{n}", {8000: p, 8443: 8443}) for n, p in enumerate(found, 1)]
    made = slices_for([WEB], pods)
    told = {a: ports(one)["http"] for one in made for a in addresses(one)}

    assert told == {pod.address: str(pod.ports[8000]) for pod in pods}
    assert sum(len(addresses(one)) for one in made) == len(pods)
    assert len({one.name for one in made}) == len(made)
