"""Who we are: namespace, identity, and the name under which we own a status."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsm_twisted.assembly.publishing import field_manager, own_identity, own_namespace
from fsm_twisted.settings import parse_settings


def test_the_namespace_is_that_of_the_pod(tmp_path: Path) -> None:
    assert own_namespace({}, tmp_path) == "default"
    (tmp_path / "namespace").write_text("fsm\n")
    assert own_namespace({}, tmp_path) == "fsm"
    assert own_namespace({"POD_NAMESPACE": "told"}, tmp_path) == "told"


def test_two_processes_of_one_pod_are_two_candidates() -> None:
    first, second = own_identity({"POD_NAME": "fsm-1"}), own_identity({"POD_NAME": "fsm-1"})

    assert first != second
    assert first.startswith("fsm-1_")
    assert own_identity({})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "fsm-ingress"),
        (("--ingress-class", "b"), "fsm-ingress:flomesh.io/ingress-pipy:b"),
        (("--controller-name", "a/b"), "fsm-ingress:a/b:pipy"),
    ],
)
def test_installations_that_serve_others_own_their_fields_apart(
    options: tuple[str, ...], expected: str
) -> None:
    assert field_manager(parse_settings(options)) == expected


def test_a_long_name_is_one_that_the_api_server_accepts() -> None:
    names = {
        field_manager(parse_settings(("--controller-name", f"a/{'b' * 150}{n}"))) for n in "12"
    }

    assert len(names) == 2
    assert all(len(each) <= 128 for each in names)
