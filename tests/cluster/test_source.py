"""A source on an API server in memory: everything that can happen between the two."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.logger import capturedLogs

from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import ObjectRef, Secret, Service
from fsm_twisted.sources.cluster.access import Access
from fsm_twisted.sources.cluster.shelf import Shelf
from tests.cluster.memory import Asked, Object
from tests.cluster.world import (
    ALL,
    CLASSES,
    INGRESSES,
    OLD_SLICES,
    SECRETS,
    SERVICES,
    SLICES,
    World,
    endpoint_slice,
    ingress,
    names,
    secret,
    service,
)


@pytest.fixture
def world() -> Iterator[World]:
    """A world that is stopped in the end, with nothing left behind."""
    made = World()
    yield made
    stopped = made.source.stop()
    assert stopped.called
    assert made.network.open_connections == 0
    assert made.clock.getDelayedCalls() == []


def of(path: str, *, watch: bool) -> object:
    return lambda asked: asked.path == path and ("watch" in asked.query) == watch


def a_watch(asked: Asked) -> bool:
    return "watch" in asked.query


def test_everything_is_told_at_once_when_all_kinds_are_known(world: World) -> None:
    world.server.put(INGRESSES, ingress("web", "tls"))
    world.server.put(SERVICES, service("web"))
    world.server.put(SLICES, endpoint_slice("web", "10.0.0.1"))
    world.server.put(SECRETS, secret("tls"))
    world.server.put(CLASSES, {"metadata": {"name": "pipy"}, "spec": {"controller": "a/b"}})

    assert world.source.missing() != ""
    world.start()

    assert [names(each) for each in world.told] == [
        ["EndpointSlice/web", "Ingress/web", "IngressClass/pipy", "Secret/tls", "Service/web"]
    ]
    assert world.source.missing() == ""
    assert world.server.watched() == ALL


def test_an_empty_cluster_is_told_too(world: World) -> None:
    world.start()

    assert [each.objects for each in world.told] == [()]


def test_watches_begin_at_the_version_of_the_list_and_ask_for_bookmarks(world: World) -> None:
    world.server.put(SERVICES, service("web"))
    world.server.version = 700
    world.start()

    (asked,) = world.server.watches(SERVICES)
    assert asked.query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "700",
        "timeoutSeconds": "270",
    }


def test_long_lists_come_in_pages(world: World) -> None:
    for number in range(1001):
        world.server.put(SERVICES, service(f"s{number}"))
    world.start()

    assert len(world.of("Service")) == 1001
    assert [each.query["limit"] for each in world.server.lists(SERVICES)] == ["500"] * 3


def test_a_continue_token_that_is_too_old_leads_to_one_whole_list(world: World) -> None:
    for number in range(501):
        world.server.put(SERVICES, service(f"s{number}"))
    world.server.are_tokens_expired = True
    world.start()

    assert len(world.of("Service")) == 501
    assert [each.query.get("limit") for each in world.server.lists(SERVICES)] == [
        "500",
        "500",
        None,
    ]


def test_changes_arrive(world: World) -> None:
    world.start()
    world.server.put(SERVICES, service("web"))
    world.run(0.3)
    assert world.names == ["Service/web"]

    world.server.put(SERVICES, service("web", 81))
    world.run(0.3)
    (value,) = world.source.contents.objects
    assert isinstance(value, Service)
    assert value.ports[0].port == 81

    world.server.delete(SERVICES, "default", "web")
    world.run(0.3)
    assert world.names == []


def test_a_burst_is_told_once(world: World) -> None:
    world.start()
    for number in range(1000):
        world.server.put(SERVICES, service(f"s{number}"))
    world.run(1)

    assert len(world.told) == 2
    assert len(world.of("Service")) == 1000


@pytest.mark.parametrize(
    ("path", "item"),
    [
        (SERVICES, service("web")),
        (INGRESSES, ingress("web")),
        (SLICES, endpoint_slice("web", "10.0.0.1")),
    ],
)
def test_a_change_that_comes_alone_is_told_in_the_next_turn(
    world: World, path: str, item: Object
) -> None:
    world.start()
    world.run(10)
    world.server.put(path, item)
    world.network.settle()
    world.clock.advance(0)

    assert len(world.names) == 1


def test_of_a_slow_burst_the_first_is_told_at_once_and_the_rest_together(world: World) -> None:
    world.start()
    world.run(10)
    for number in range(20):
        world.server.put(SERVICES, service(f"s{number}"))
        world.run(0.01, step=0.01)
    told = [len(names(each)) for each in world.told[1:]]
    world.run(1)

    assert told[0] == 1
    assert len(told) <= 2
    assert len(world.of("Service")) == 20


def test_what_has_not_changed_is_shared_with_the_contents_before(world: World) -> None:
    world.server.put(INGRESSES, ingress("web"))
    world.server.put(SERVICES, service("web"))
    world.start()
    before = world.source.contents.inventory
    world.server.put(SLICES, endpoint_slice("web", "10.0.0.1"))
    world.run(1)
    after = world.source.contents.inventory

    assert after == Inventory.of(world.source.contents.objects)
    assert after.slices_of("default", "web")
    assert after.ingresses is before.ingresses
    assert after.services is before.services


def test_what_says_the_same_is_the_same_object_and_is_not_told(world: World) -> None:
    world.server.put(SERVICES, service("web"))
    world.start()
    (before,) = world.source.contents.objects
    changed = service("web")
    changed["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    world.server.put(SERVICES, changed)
    world.run(1)
    world.server.compact()
    world.server.put(SERVICES, service("other"))
    world.server.break_watches()
    world.run(5)

    assert len(world.told) == 2
    assert any(each is before for each in world.source.contents.objects)


def test_a_bookmark_moves_the_version_from_which_we_watch_again(world: World) -> None:
    world.start()
    world.run(10)
    world.server.bookmark()
    world.run(1)
    world.server.compact()
    asked = len(world.server.lists())
    world.server.end_watches()
    world.run(1)

    assert len(world.server.lists()) == asked
    assert world.server.watched() == ALL
    assert {each.query["resourceVersion"] for each in world.server.watches()[-5:]} == {
        str(world.server.version)
    }


def test_a_stream_that_ends_early_is_not_begun_again_at_once(world: World) -> None:
    world.start()
    world.server.end_watches()
    world.run(0.1)
    assert world.server.watched() == []

    world.run(1)
    assert world.server.watched() == ALL


def test_nothing_is_lost_while_a_watch_is_away(world: World) -> None:
    world.start()
    world.run(10)
    world.server.break_watches()
    world.server.put(SERVICES, service("web"))
    world.run(2)

    assert world.names == ["Service/web"]
    assert len(world.server.lists(SERVICES)) == 1


@pytest.mark.parametrize("is_status", [True, False])
def test_a_version_that_is_too_old_leads_to_a_list_by_diff(
    world: World, *, is_status: bool
) -> None:
    for name in ("a", "b"):
        world.server.put(SERVICES, service(name))
    world.start()
    world.run(10)
    world.server.break_watches()
    world.server.delete(SERVICES, "default", "a")
    world.server.put(SERVICES, service("c"))
    if is_status:
        world.server.fail_once(lambda asked: a_watch(asked) and asked.path == SERVICES, 410)
    else:
        world.server.compact()
    world.run(2)

    assert [names(each) for each in world.told] == [
        ["Service/a", "Service/b"],
        ["Service/b", "Service/c"],
    ]
    assert len(world.server.lists(SERVICES)) == 2


def test_a_version_that_became_too_old_in_an_outage_costs_no_further_pause(world: World) -> None:
    world.start()
    world.run(10)
    world.network.is_down = True
    world.server.break_watches()
    world.run(60)
    world.server.put(SERVICES, service("new"))
    world.server.compact()
    world.network.is_down = False
    before = len(world.server.watches(SERVICES))
    while len(world.server.watches(SERVICES)) == before:
        world.run(0.1)
    world.run(0.5)

    assert world.names == ["Service/new"]


def test_an_outage_that_is_told_in_ever_other_words_does_not_fill_the_log(world: World) -> None:
    world.start()
    for status in range(500, 600):
        world.server.fail_once(lambda asked: asked.path == SERVICES, status)
    with capturedLogs() as events:
        world.server.break_watches()
        world.run(2000, step=1)

    told = [each for each in events if ": no 5" in each.get("what", "")]
    assert 2 < len(told) < 20
    assert any("everything is followed again" in each["log_format"] for each in events)


def test_a_fault_of_ours_with_a_secret_is_logged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.server.put(SECRETS, secret("tls"))
    world.start()
    monkeypatch.delattr(Shelf, "take")
    with capturedLogs() as events:
        world.server.put(INGRESSES, ingress("web", "tls"))
        world.run(1)

    assert [each["log_failure"] for each in events if "log_failure" in each]


def test_a_version_that_stays_too_old_is_not_asked_for_without_pause(world: World) -> None:
    world.start()
    world.run(10)
    for _ in range(50):
        world.server.fail_once(lambda asked: a_watch(asked) and asked.path == SERVICES, 410)
    world.server.break_watches()
    world.run(10)

    assert 2 < len(world.server.lists(SERVICES)) < 10


@pytest.mark.parametrize(
    "line",
    [b"{\n", b"[]\n", b'{"type": "ADDED"}\n', b"x" * 9_000_000, b"[" * 100_000 + b"\n"],
    ids=["half", "list", "no-object", "endless", "deep"],
)
def test_a_line_that_is_no_event_leads_to_a_list(world: World, line: bytes) -> None:
    world.start()
    world.server.put(SERVICES, service("web"))
    world.run(10)
    world.server.send(SERVICES, line)
    world.run(2)

    assert len(world.server.lists(SERVICES)) == 2
    assert world.server.watched() == ALL
    assert world.names == ["Service/web"]


def test_half_a_line_at_the_end_is_no_event(world: World) -> None:
    world.start()
    world.run(10)
    world.server.send(SERVICES, b'{"type": "ADDED", "object": {"metadata": {"name": "half"}}}')
    world.server.end_watches()
    world.run(2)

    assert world.names == []
    assert len(world.server.lists(SERVICES)) == 1


def test_a_silent_stream_is_given_up(world: World) -> None:
    world.start()
    world.network.is_stuck = True
    world.run(299, step=1)
    assert len(world.server.watches()) == 5
    world.run(3, step=1)
    world.network.is_stuck = False
    world.run(2)

    assert len(world.server.watches()) == 10
    assert world.server.watched() == ALL


def test_a_head_that_does_not_come_is_given_up(world: World) -> None:
    world.network.is_stuck = True
    world.source.start()
    world.run(31, step=1)
    assert "no answer within 30 s" in world.source.missing()

    world.network.is_stuck = False
    world.run(2)
    assert world.source.missing() == ""


def test_without_the_api_server_the_last_contents_stay(world: World) -> None:
    world.server.put(SERVICES, service("web"))
    world.start()
    world.run(100, step=1)
    world.network.is_down = True
    world.server.break_watches()
    world.run(600, step=0.5)

    assert world.names == ["Service/web"]
    assert len(world.told) == 1
    assert world.source.missing() == ""

    world.network.is_down = False
    world.run(31)
    assert world.server.watched() == ALL
    assert len(world.server.lists(SERVICES)) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_patience_gets_it_and_no_list(world: World, status: int) -> None:
    world.start()
    world.run(10)
    world.server.fail_once(
        lambda asked: a_watch(asked) and asked.path == SERVICES, status, Retry_After="20"
    )
    world.server.end_watches()
    world.run(19.9)
    assert len(world.server.watches(SERVICES)) == 2
    world.run(2)

    assert len(world.server.watches(SERVICES)) == 3
    assert len(world.server.lists(SERVICES)) == 1


def test_an_older_server_is_asked_for_older_slices(world: World) -> None:
    world.server.served -= {SLICES}
    world.server.served |= {OLD_SLICES}
    item = endpoint_slice("web", "10.0.0.1")
    item["endpoints"][0]["topology"] = {"topology.kubernetes.io/zone": "z"}
    world.server.put(OLD_SLICES, item)
    world.start()

    assert world.names == ["EndpointSlice/web"]
    assert OLD_SLICES in world.server.watched()


def test_an_upgraded_server_is_asked_for_newer_slices(world: World) -> None:
    world.server.served -= {SLICES}
    world.server.served |= {OLD_SLICES}
    world.start()
    world.run(10)
    world.server.served -= {OLD_SLICES}
    world.server.served |= {SLICES}
    world.server.put(SLICES, endpoint_slice("web", "10.0.0.1"))
    world.server.end_watches()
    world.run(5)

    assert world.names == ["EndpointSlice/web"]
    assert world.server.watched() == ALL


# Credentials and rights.


def test_a_forbidden_kind_is_a_problem_with_the_rule_to_add(world: World) -> None:
    world.server.forbidden = {SECRETS, CLASSES}
    world.server.put(INGRESSES, ingress("web", "tls"))
    world.start()

    assert world.names == ["Ingress/web"]
    problems = {str(each.ref): each for each in world.source.contents.problems}
    assert sorted(problems) == ["IngressClass *", "Secret *"]
    assert problems["Secret *"].reason == "kind_forbidden"
    assert (
        '{apiGroups: [""], resources: ["secrets"], verbs: [get, list, watch]}'
        in problems["Secret *"].instead
    )

    world.server.forbidden = set()
    world.server.put(SECRETS, secret("tls"))
    world.run(60, step=0.5)
    assert world.source.contents.problems == ()
    assert world.names == ["Ingress/web", "Secret/tls"]


@pytest.mark.parametrize("path", [SERVICES, SLICES])
def test_without_services_or_slices_nothing_is_told(world: World, path: str) -> None:
    world.server.forbidden = {path}
    world.start()
    world.run(60, step=1)

    assert world.told == []
    assert path.rpartition("/")[2] in world.source.missing()


def test_a_right_that_is_taken_away_takes_no_objects_away(world: World) -> None:
    world.server.put(SERVICES, service("web"))
    world.start()
    world.run(10)
    world.server.forbidden = {SERVICES}
    world.server.end_watches()
    world.run(60, step=1)

    assert world.names == ["Service/web"]
    assert [str(each.ref) for each in world.source.contents.problems] == ["Service *"]


def test_401_renews_the_credentials_and_asks_again_at_once(world: World) -> None:
    world.server.accepted = "second"
    world.keeper.next = Access("http://memory:6443", authorization=b"Bearer second")
    world.start()

    assert len(world.told) == 1
    assert world.keeper.renewed


def test_401_for_renewed_credentials_is_met_with_pauses(world: World) -> None:
    world.server.accepted = "never"
    world.start()
    world.run(60, step=0.5)

    assert len(world.server.asked) < 4 * 2 * 12
    assert "401" in world.source.missing()


# Secrets.


def test_only_secrets_that_an_ingress_refers_to_are_kept(world: World) -> None:
    world.server.put(INGRESSES, ingress("web", "tls"))
    for name in ("tls", "other"):
        world.server.put(SECRETS, secret(name))
    world.start()
    world.server.put(SECRETS, secret("another"))
    world.run(1)

    assert world.of("Secret") == ["tls"]


def test_a_secret_that_becomes_wanted_is_there_when_its_ingress_is_told(world: World) -> None:
    for number in range(20):
        world.server.put(SECRETS, secret(f"tls{number}"))
    world.start()
    world.server.put(INGRESSES, ingress("web", *(f"tls{number}" for number in range(20))))
    world.run(0.5)

    assert [(len(names(each, "Ingress")), len(names(each, "Secret"))) for each in world.told] == [
        (0, 0),
        (1, 20),
    ]


def test_a_secret_that_is_wanted_no_longer_is_forgotten(world: World) -> None:
    world.server.put(INGRESSES, ingress("web", "tls"))
    world.server.put(SECRETS, secret("tls"))
    world.start()
    world.server.put(INGRESSES, ingress("web"))
    world.run(1)

    assert world.names == ["Ingress/web"]


def test_a_secret_that_does_not_exist_yet_comes_with_the_watch(world: World) -> None:
    world.start()
    world.server.put(INGRESSES, ingress("web", "tls"))
    world.run(1)
    assert world.names == ["Ingress/web"]
    world.server.put(SECRETS, secret("tls"))
    world.run(1)

    assert world.names == ["Ingress/web", "Secret/tls"]


def test_a_secret_that_cannot_be_fetched_holds_nothing_up_for_long(world: World) -> None:
    world.server.put(SECRETS, secret("tls"))
    world.start()
    for _ in range(6):
        world.server.fail_once(lambda asked: asked.path.endswith("/tls"), 500)
    world.server.put(INGRESSES, ingress("web", "tls"))
    world.run(1.5)
    assert world.names == ["Ingress/web"]
    world.run(60)

    assert world.names == ["Ingress/web", "Secret/tls"]


def test_what_the_watch_says_of_a_secret_counts_more_than_an_older_answer(world: World) -> None:
    world.server.put(SECRETS, secret("tls", "old"))
    world.start()
    world.server.fail_once(lambda asked: asked.path.endswith("/tls"), 500)
    world.server.put(INGRESSES, ingress("web", "tls"))
    world.run(0.1)
    world.server.put(SECRETS, secret("tls", "new"))
    world.run(10)

    value = next(each for each in world.source.contents.objects if isinstance(each, Secret))
    assert value.data == {"key": b"new"}
    assert len([each for each in world.server.asked if each.path.endswith("/tls")]) == 1


def test_annotations_name_secrets_too(world: World) -> None:
    item = ingress("web")
    item["metadata"]["annotations"] = {
        "pipy.ingress.kubernetes.io/tls-trusted-ca-secret": "ca",
        "pipy.ingress.kubernetes.io/upstream-ssl-secret": "other/up",
        "somebody.else/auth-secret": "no",
    }
    world.server.put(INGRESSES, item)
    for name, namespace in (("ca", "default"), ("up", "other"), ("no", "default")):
        world.server.put(SECRETS, secret(name, namespace=namespace))
    world.start()

    assert world.of("Secret") == ["ca", "up"]


@pytest.mark.parametrize("value", ["a/b/c", "../pods", "x/../../pods/y", "Ca", "a?b", "/ca"])
def test_what_is_no_name_of_a_secret_becomes_no_path_of_the_api(world: World, value: str) -> None:
    item = ingress("web", value)
    item["metadata"]["annotations"] = {"pipy.ingress.kubernetes.io/upstream-ssl-secret": value}
    world.server.put(INGRESSES, item)
    world.start()

    paths = {each.path.rpartition("?")[0] or each.path for each in world.server.asked}
    assert not [path for path in paths if path.endswith(value) or "/secrets/" in path]


# Objects that cannot be used.


def test_a_broken_object_harms_nobody_else_and_keeps_its_last_good_version(world: World) -> None:
    world.server.put(SERVICES, service("good"))
    world.server.put(SERVICES, service("bad"))
    world.start()
    broken = service("bad")
    broken["spec"]["ports"] = 7
    world.server.put(SERVICES, broken)
    world.server.put(SERVICES, {**broken, "metadata": {"name": "new", "namespace": "default"}})
    world.run(1)

    assert world.of("Service") == ["bad", "good"]
    problems = {str(each.ref): each.instead for each in world.source.contents.problems}
    assert problems == {
        "Service default/bad": "its last good version still counts",
        "Service default/new": "the object is not served",
    }
    world.server.put(SERVICES, service("bad", 81))
    world.server.delete(SERVICES, "default", "new")
    world.run(1)
    assert world.source.contents.problems == ()


# Namespaces.


def test_with_namespaces_only_they_are_asked_for() -> None:
    world = World("a", "b")
    for namespace in ("a", "b", "c"):
        world.server.put(SERVICES, service("web", namespace=namespace))
        world.server.put(INGRESSES, ingress("web", "c/tls", namespace=namespace))
    world.start()

    assert sorted(each.metadata.namespace for each in world.source.contents.objects) == [
        "a",
        "a",
        "b",
        "b",
    ]
    assert {each.path for each in world.server.asked} == {
        CLASSES,
        *(
            f"{root}/namespaces/{namespace}/{plural}"
            for root, plural in (each.rsplit("/", 1) for each in ALL)
            if plural != "ingressclasses"
            for namespace in ("a", "b")
        ),
    }
    assert world.source.stop().called
    assert ObjectRef("Secret", "c", "tls") not in {each.ref for each in world.told[0].problems}
