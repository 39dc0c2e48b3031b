"""Files as text: documents with their lines, and everything that is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.sources.manifests.documents import Document, FileFault, to_text
from fsm_twisted.sources.manifests.json_text import load_json
from fsm_twisted.sources.manifests.yaml_text import ALIAS_LIMIT, load_yaml, plain_scalar

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def loaded(text: str) -> object:
    (document,) = load_yaml(text)
    return document.value


def test_every_document_has_the_line_where_it_begins() -> None:
    text = "# first\n\na: 1\n---\n---\n# empty one above\nb: 2\n---\n{c: 3}\n"

    assert list(load_yaml(text)) == [
        Document(3, {"a": 1}),
        Document(7, {"b": 2}),
        Document(9, {"c": 3}),
    ]


def test_items_of_lists_are_documents_with_their_own_lines() -> None:
    text = """\
kind: List
items:
- kind: A
  metadata: {name: a}
- kind: List
  items:
  - metadata: {name: b}
- 7
"""
    assert list(load_yaml(text)) == [
        Document(3, {"kind": "A", "metadata": {"name": "a"}}, "items[0]"),
        Document(7, {"metadata": {"name": "b"}}, "items[1].items[0]"),
        Document(1, 7, "items[2]"),
    ]


def test_items_of_a_typed_list_get_its_kind() -> None:
    text = "apiVersion: v1\nkind: ServiceList\nitems: [{metadata: {}}]"

    assert loaded(text) == {"apiVersion": "v1", "kind": "Service", "metadata": {}}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "---\n---\n", "null\n", "\ufeff"])
def test_an_empty_file_has_no_documents(text: str) -> None:
    assert list(load_yaml(to_text(text.encode()))) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("y", "y"),
        ("80", 80),
        ("-7", -7),
        ("0x10", 16),
        ("0755", 493),
        ("0o17", 15),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2024-01-31", "2024-01-31"),
        ("2024-01-31T12:00:00Z", "2024-01-31T12:00:00Z"),
        ("1.2.3", "1.2.3"),
        ("10.0.0.1", "10.0.0.1"),
        (".inf", ".inf"),
        ("-", "-"),
        ("0x", "0x"),
        ("Prefix", "Prefix"),
        ("9" * 5000, float("inf")),
    ],
)
def test_plain_scalars_mean_what_kubectl_takes_them_for(text: str, value: object) -> None:
    assert plain_scalar(text) == value
    assert type(plain_scalar(text)) is type(value)


def test_quoted_and_tagged_scalars_are_text() -> None:
    assert loaded("a: '80'\nb: \"yes\"\nc: !!str 7\nd: |\n  1\n") == {
        "a": "80",
        "b": "yes",
        "c": "7",
        "d": "1\n",
    }


def test_keys_are_the_text_that_is_written() -> None:
    assert loaded("on: 1\n8080: 2\n'a b': 3\n") == {"on": 1, "8080": 2, "a b": 3}


def test_anchors_and_merges_work() -> None:
    text = "a: &x {p: 1, q: 2}\nb: *x\nc: {<<: *x, q: 3}\nd: {q: 4, <<: [*x, {r: 5}]}\n"

    assert loaded(text) == {
        "a": {"p": 1, "q": 2},
        "b": {"p": 1, "q": 2},
        "c": {"q": 3, "p": 1},
        "d": {"q": 4, "p": 1, "r": 5},
    }


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a: 1\nb: [\n", 3, "YAML"),
        ("a: 1\n b: 2\n", 2, "YAML"),
        ("a: b: c\n", 1, "YAML"),
        ("ok: 1\n---\n\tx: 1\n", 3, "YAML"),
        ("a: \x01\n", 1, "control"),
        ("b: 1\na: 2\na: 3\n", 3, "twice"),
        ("a: *x\n", 1, "alias"),
        ("a: 1\nb: &x [*x]\n", 2, "alias"),
        ("a: 1\nb: !!binary AAAA\n", 2, "tag"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", 2, "tag"),
        ("a: 1\nb: !custom {}\n", 2, "tag"),
        ("? [a]\n: 1\n", 1, "key"),
        ("a: 1\n<<: 7\n", 1, "merges"),
        ("kind: List\nitems: {}\n", 1, "items"),
        ("a: 1\nb: " + "[" * 200 + "]" * 200, 2, "nested"),
        # PyYAML 6.0.4 has a limit of its own, which may speak before ours.
        ("[" * 100_000, 1, "nested|nesting"),
    ],
)
def test_what_is_no_manifest_is_refused_with_its_line(text: str, line: int, word: str) -> None:
    with pytest.raises(FileFault, match=word) as caught:
        list(load_yaml(text))

    assert caught.value.line == line


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    began = time.process_time()

    with pytest.raises(FileFault, match="aliases") as caught:
        list(load_yaml("\n".join(lines)))

    assert caught.value.line == 5
    assert time.process_time() - began < 1


def test_aliases_may_repeat_a_little_over_and_over_but_not_too_much() -> None:
    few = "a: &a {x: y}\nb: [" + "*a, " * 1000 + "]"
    many = "a: &a {x: y}\nb: [" + "*a, " * (ALIAS_LIMIT // 3 + 1) + "]"

    assert len(list(load_yaml(few))) == 1
    with pytest.raises(FileFault, match="aliases"):
        list(load_yaml(many))


@given(json_values)
def test_yaml_reads_what_yaml_writes(value: object) -> None:
    text = yaml.safe_dump({"v": value})

    assert loaded(text) == {"v": value}


@given(st.dictionaries(st.text(max_size=5), json_values))
def test_json_reads_what_json_writes(value: dict[str, object]) -> None:
    text = f" {json.dumps(value)}\n\n{json.dumps(value, indent=1)}"

    assert [each.value for each in load_json(text)] == [value, value]
    assert next(iter(load_json(text))).line == 1


def test_many_documents_of_a_json_file_take_linear_time() -> None:
    begun = time.process_time()

    (document,) = load_json("null\n" * 200_000 + "{}")

    assert document.line == 200_001
    # A fifth of a second; it once took minutes to count lines from the beginning for each.
    assert time.process_time() - begun < 5


def outcome(load: Callable[[str], Iterator[Document]], text: str) -> tuple[int, str]:
    """Return the least line of a document, or the line and message of the fault."""
    try:
        return min((document.line for document in load(text)), default=1), ""
    except FileFault as fault:
        return fault.line, fault.message


@given(st.text(max_size=40) | st.text("&*a[]{}:,-!|>'\"\\\n <#?%@`0.~", max_size=30))
def test_any_text_is_documents_or_a_fault_with_a_line(text: str) -> None:
    for load in (load_yaml, load_json):
        line, message = outcome(load, text)

        assert line >= 1
        assert message.isprintable()


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ('{"a": 1}\n{"b": ', 2, "JSON"),
        ('{"a": 1,\n "a": 2}', 1, "twice"),
        ('\n\n{"a": NaN}', 3, "NaN"),
        ('{"a": ' + "9" * 5000 + "}", 1, "number"),
        # PyYAML 6.0.4 has a limit of its own, which may speak before ours.
        ("[" * 100_000, 1, "nested|nesting"),
        ("a: 1", 1, "JSON"),
    ],
)
def test_what_is_no_json_is_refused_with_its_line(text: str, line: int, word: str) -> None:
    with pytest.raises(FileFault, match=word) as caught:
        list(load_json(text))

    assert caught.value.line == line


def test_bytes_that_are_no_text_are_refused_with_their_line() -> None:
    with pytest.raises(FileFault, match="UTF-8") as caught:
        to_text(b"a: 1\nb: \xff\n")

    assert caught.value.line == 2
