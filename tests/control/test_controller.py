"""Contents in, snapshot out: published when it says something new, problems told once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
from twisted.logger import LogLevel

from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.control.controller import Controller, Outcome, finding_of
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import (
    Ingress,
    KubernetesObject,
    Metadata,
    ObjectRef,
    Service,
)
from fsm_twisted.snapshot.model import EMPTY, Snapshot
from fsm_twisted.snapshot.reasons import FINDINGS
from fsm_twisted.sources.manifests import Contents, SourceProblem
from tests.compiler.test_tls import ingress, secret
from tests.net.turning import logged
from tests.strategies.certificates import days, make_pair

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROBLEM = SourceProblem(
    None, "/m/web.yaml:3", "", "is no YAML", "file_unreadable", "what it said before stays"
)
TLS = ingress("web", ("a.example", "tls"))


class World:
    """A controller, what it has published, and a clock."""

    def __init__(self) -> None:
        self.published: list[Snapshot] = []
        self.now = NOW
        self.controller = Controller(
            CompilerOptions(), self.published.append, now=lambda: self.now
        )

    def says(self, *objects: KubernetesObject, problems: tuple[SourceProblem, ...] = ()) -> None:
        self.controller.contents_changed(Contents(objects, {}, problems))

    @property
    def codes(self) -> list[str]:
        return [each.reason.code for each in self.controller.findings]


def test_before_the_first_contents_nothing_is_published() -> None:
    world = World()

    assert world.published == []
    assert world.controller.snapshot == EMPTY


def test_the_first_contents_are_published_even_when_there_is_nothing_in_them() -> None:
    world = World()

    world.says()

    assert [each.generation for each in world.published] == [1]


def test_generations_count_what_is_published() -> None:
    world = World()
    good = secret("tls", make_pair("a.example", ("a.example",)))

    world.says(TLS)
    world.says(TLS, good)
    world.says()

    assert [each.generation for each in world.published] == [1, 2, 3]
    assert [sorted(each.certificates) for each in world.published] == [[], ["a.example"], []]
    assert world.controller.snapshot is world.published[-1]


def test_contents_that_change_nothing_for_clients_are_not_published() -> None:
    world = World()
    world.says(TLS)

    world.says(TLS)
    world.says(TLS, Service(Metadata("nobody-asks", "default")))

    assert len(world.published) == 1


def test_a_problem_is_told_once_and_so_is_its_end() -> None:
    world = World()
    with logged() as log:
        world.says(TLS)
        world.says(TLS)
    assert world.codes == ["secret_missing"]
    assert log.text.count("secret_missing") == 1
    assert "Ingress default/web" in log.text

    with logged() as log:
        world.says(TLS, secret("tls", make_pair("a.example", ("a.example",))))
        world.says(TLS, secret("tls", make_pair("a.example", ("a.example",))))
    assert world.codes == []
    assert log.text.count("mended") == 1


def test_errors_and_warnings_have_their_level() -> None:
    world = World()
    world.now = NOW + days(10000)
    with logged() as log:
        world.says(TLS, ingress("other", ("b.example", "missing")), secret("tls", make_pair()))

    levels = {each["code"]: each["log_level"] for each in log.events if "code" in each}
    assert levels == {
        "secret_missing": LogLevel.error,
        "certificate_expired": LogLevel.warn,
        "certificate_not_covering": LogLevel.warn,
    }


def test_a_problem_of_a_file_is_a_finding_with_file_and_line() -> None:
    world = World()

    world.says(problems=(PROBLEM,))

    (finding,) = world.controller.findings
    assert finding.object == ObjectRef("File", "", "/m/web.yaml")
    assert finding.message == "/m/web.yaml:3: is no YAML"
    assert finding.reason is FINDINGS["file_unreadable"]
    assert finding.consequence == "what it said before stays"


def test_a_problem_of_an_object_names_it_and_its_field() -> None:
    about = ObjectRef("Service", "default", "web")

    finding = finding_of(attrs.evolve(PROBLEM, ref=about, path="spec.ports", message="is no list"))

    assert finding.object == about
    assert finding.message == "/m/web.yaml:3: spec.ports: is no list"


def test_a_certificate_that_expires_is_told_without_any_change() -> None:
    world = World()
    world.controller.recompile()
    assert world.published == []
    world.says(TLS, secret("tls", make_pair("a.example", ("a.example",))))
    before = world.codes

    world.now = NOW + timedelta(days=3650)
    world.controller.recompile()

    assert set(world.codes) - set(before) == {"certificate_expired"}
    assert len(world.published) == 1


def test_observers_are_told_of_every_compilation_and_of_what_must_be_served_for_it() -> None:
    world = World()
    told: list[Outcome] = []
    world.controller.observe(told.append)

    world.says(TLS, problems=(PROBLEM,))
    world.says(TLS)

    assert [each.snapshot.generation for each in told] == [1, 1]
    assert [each.compiled.ours for each in told] == [(TLS,), (TLS,)]
    assert [each.contents.problems for each in told] == [(PROBLEM,), ()]
    assert [len(each.findings) for each in told] == [2, 1]
    assert told[-1].findings == world.controller.findings


def test_an_observer_that_fails_harms_neither_what_is_served_nor_other_observers() -> None:
    world = World()
    told: list[Outcome] = []

    def fail(outcome: Outcome) -> None:
        raise RuntimeError(outcome.snapshot.generation)

    world.controller.observe(fail)
    world.controller.observe(told.append)
    with logged() as log:
        world.says(TLS)

    assert "observer" in log.text
    assert told[0].snapshot is world.published[0]


class Fragile(dict[tuple[str, str], Ingress]):
    """Ingresses that break whoever reads them first, as a fault of ours would."""

    is_broken = True

    def get(self, key: object, default: object = None) -> Any:
        if self.is_broken:
            self.is_broken = False
            raise RuntimeError(key)
        return super().get(key, default)  # type: ignore[call-overload]


def test_a_fault_of_the_compiler_costs_its_memory_and_not_what_is_served() -> None:
    world = World()
    world.says(TLS)
    other = ingress("other", ("b.example", "tls"))
    broken = Inventory(Fragile({("default", "other"): other}))
    with logged() as log:
        world.controller.contents_changed(Contents((other,), inventory=broken))

    assert "compiling a change failed" in log.text
    assert [each.generation for each in world.published] == [1, 2]
    assert [each.object.name for each in world.controller.findings] == ["other"]
    assert world.published[-1].tls_hosts == {"b.example"}
