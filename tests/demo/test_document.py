from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.demo.document import KINDS, Misshapen, UnknownKind, document_from, is_object_name

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
half_right = st.fixed_dictionaries(
    {"apiVersion": st.just("v1") | anything, "kind": st.just("Secret") | anything},
    optional={"metadata": st.fixed_dictionaries({"name": st.just("a") | anything}) | anything},
)


@given(anything | half_right)
def test_whatever_yaml_holds_is_an_object_or_misshapen(body: object) -> None:
    try:
        document = document_from(body)
    except Misshapen:
        return
    assert is_object_name(document.name)


@given(st.text(alphabet="./\\~A\0\n -a0", max_size=12))
def test_an_object_name_can_never_leave_the_folder(name: str) -> None:
    if is_object_name(name):
        assert not set(name) & set("/\\\0\n ~A")
        assert not name.startswith(".")


def test_no_word_names_two_kinds() -> None:
    words = [word for kind in KINDS for word in kind.spellings]

    assert len(words) == len(set(words))


def test_a_stated_namespace_wins_over_the_default() -> None:
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "b"}}

    assert document_from(body, "c").namespace == "b"


def test_a_cluster_wide_object_has_no_namespace() -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}

    assert document_from(body, "c").namespace == ""


def test_a_kind_that_the_demo_does_not_keep_is_told_apart() -> None:
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}}

    with pytest.raises(UnknownKind, match='"Job" in version "batch/v1"'):
        document_from(body)
