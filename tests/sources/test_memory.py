"""What stays when a file breaks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.objects.model import ObjectRef, Service
from fsm_twisted.snapshot.reasons import FINDINGS
from fsm_twisted.sources.manifests.documents import FileFault
from fsm_twisted.sources.manifests.memory import FileState, after_fault, after_reading, combine
from fsm_twisted.sources.manifests.yaml_text import load_yaml
from tests.sources.manifests import names, service, services

BROKEN = service().replace("80", "eighty").replace("ports:\n  - port: eighty", "ports: 7")
NAMELESS = service().replace("name: web", "name: No Name")


def read(text: str, old: FileState | None = None, shown: str = "a.yaml") -> FileState:
    return after_reading(old or FileState(), shown, load_yaml(text), "default")


def port_of(state: FileState, name: str = "web") -> int:
    value = state.entries[ObjectRef("Service", "default", name)].values[0]
    assert isinstance(value, Service)
    return value.ports[0].port


def test_a_broken_object_keeps_its_last_good_version_and_only_that() -> None:
    old = read(services("web", "old"))
    new = read(f"{BROKEN}---\n{service('new')}", old)

    assert names(combine([new])) == ["new", "web"]
    assert [(problem.where, problem.path) for problem in new.problems] == [
        ("a.yaml:1", "spec.ports")
    ]
    assert "last good" in new.problems[0].instead


def test_a_broken_object_that_never_was_good_is_not_served() -> None:
    new = read(BROKEN)

    assert new.entries == {}
    assert "not served" in new.problems[0].instead


def test_a_part_left_out_makes_the_new_version_count() -> None:
    new = read(service(port=81) + "  - port: x\n", read(service(port=80)))

    assert port_of(new) == 81
    assert new.problems[0].path == "spec.ports[1].port"
    assert "left out" in new.problems[0].instead


def test_a_document_that_could_be_any_object_keeps_those_that_are_missing() -> None:
    old = read(services("web", "other"))

    assert names(combine([read(f"{NAMELESS}---\n{service('other')}", old)])) == ["other", "web"]
    assert names(combine([read(service("other"), old)])) == ["other"]


def test_a_file_that_cannot_be_parsed_keeps_everything() -> None:
    old = read(services("a", "b"))
    new = after_fault(old, "a.yaml", FileFault("is no YAML", 7))

    assert names(combine([new])) == ["a", "b"]
    assert [(problem.where, problem.file) for problem in new.problems] == [("a.yaml:7", "a.yaml")]


def test_the_last_good_version_outlives_several_broken_ones() -> None:
    state = read(service(port=81))
    for _ in range(3):
        state = after_fault(read(BROKEN, state), "a.yaml", FileFault("is no YAML", 1))

    assert port_of(state) == 81
    assert port_of(read(service(port=82), state)) == 82
    assert read(service(port=82), state).problems == ()


def test_of_the_same_object_in_two_files_the_later_counts_and_both_are_named() -> None:
    contents = combine([read(service(port=80), shown="a"), read(service(port=81), shown="b")])
    (value,) = contents.objects
    (problem,) = contents.problems

    assert isinstance(value, Service)
    assert value.ports[0].port == 81
    assert contents.origins[ObjectRef("Service", "default", "web")] == "b:1"
    assert problem.reason == "object_repeated"
    assert problem.where == "b:1"
    assert "a:1" in problem.message


def test_of_the_same_object_twice_in_a_file_the_later_counts() -> None:
    state = read(f"{service(port=80)}---\n{service(port=81)}")

    assert port_of(state) == 81
    assert [problem.where for problem in state.problems] == ["a.yaml:9"]


def test_a_broken_repetition_does_not_displace_the_good_one() -> None:
    state = read(f"{service(port=81)}---\n{BROKEN}", read(service(port=80)))

    assert port_of(state) == 81


def test_endpoints_are_found_under_their_own_name_and_their_slices() -> None:
    text = "apiVersion: v1\nkind: Endpoints\nmetadata: {name: web}\n"
    contents = combine([read(f"{service()}---\n{text}")])

    assert contents.origins[ObjectRef("Endpoints", "default", "web")] == "a.yaml:9"
    assert contents.origins[ObjectRef("EndpointSlice", "default", "web (Endpoints)")] == "a.yaml:9"


def test_a_problem_in_a_list_of_nameless_objects_says_which() -> None:
    state = read("kind: List\nitems:\n- kind: Service\n  apiVersion: v1\n  metadata: {}\n")

    assert state.problems[0].path == "items[0].metadata.name"
    assert state.problems[0].where == "a.yaml:3"


documents = st.sampled_from([service("a"), service("b"), BROKEN, NAMELESS, "x: 1\n", "7\n"])
texts = st.lists(documents, max_size=4).map("---\n".join)


@given(st.lists(texts, max_size=3))
def test_a_good_file_says_the_same_whatever_was_there_before(history: list[str]) -> None:
    state = FileState()
    for text in history:
        state = read(text, state)

    assert all(problem.reason in FINDINGS for problem in state.problems)
    assert read(services("x", "y"), state) == read(services("x", "y"))
