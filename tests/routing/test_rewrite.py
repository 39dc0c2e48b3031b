"""The rewrite of paths: the article's examples, the template's grammar, laws, and limits."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fsm_twisted.routing.rewrite import compile_rewrite
from fsm_twisted.snapshot.rewrite import Rewrite, RewriteError


def rewritten(pattern: str, template: str, path: str) -> str | None:
    result = compile_rewrite(Rewrite.parse(pattern, template))(path.encode())
    return None if result is None else result.decode()


ARTICLE = ("^/httpbin/?", "/")


@pytest.mark.parametrize(
    ("pair", "path", "result"),
    [
        (ARTICLE, "/httpbin/hi", "/hi"),
        (ARTICLE, "/httpbin", "/"),
        (ARTICLE, "/httpbin/", "/"),
        (ARTICLE, "/httpbin/httpbin/hi", "/httpbin/hi"),
        (ARTICLE, "/hi", "/hi"),
        (("/foo", "/bar"), "/foo/foo", "/bar/bar"),
        (("/+", "/"), "/a//b///c", "/a/b/c"),
        (("^/api(/.*)?$", "/v1$1"), "/api/users", "/v1/users"),
        (("^/api(/.*)?$", "/v1$1"), "/api", "/v1"),
        (("^/a|b", "/c"), "/abab", "/c/ca/c"),
        (("^*b", "c"), "/bb", "/cc"),
        (("(?m)^/a", "/c"), "/a/a", "/c/a"),
        (("^/", ""), "/index.html", "/index.html"),
        ((".*", ""), "/anything", "/"),
        (("(?i)^/FOO", "/bar"), "/foo/x", "/bar/x"),
    ],
)
def test_rewrites_as_documented(pair: tuple[str, str], path: str, result: str) -> None:
    assert rewritten(*pair, path) == result


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("/$2/$1", "/b/a"),
        ("/$&", "//a-b"),
        ("/$$1", "/$1"),
        ("/$$$1", "/$a"),
        ("/$10", "/a0"),
        ("/$9", "/"),
        ("/$0", "/$0"),
        ("/$", "/$"),
        ("/$x$", "/$x$"),
        ("/$`$'", "/$`$'"),
        ("/\\1", "/\\1"),
        ("x", "/x"),
    ],
)
def test_templates_expand_as_documented(template: str, result: str) -> None:
    assert rewritten("^/(a)-(b)$", template, "/a-b") == result


@pytest.mark.parametrize(
    ("pattern", "path", "result"),
    [
        ("x*", "/baaac", "/-/-b-a-a-a-c-"),
        ("a*", "/baaac", "/-/-b--c-"),
        ("a??", "/aa", "/-/-a-a-"),
        ("a?$", "/b", "/b-"),
        ("$", "/b", "/b-"),
    ],
)
def test_empty_matches_go_on_one_byte_further_as_in_ecmascript(
    pattern: str, path: str, result: str
) -> None:
    assert rewritten(pattern, "-", path) == result


def test_the_asterisk_of_options_is_no_path_and_stays() -> None:
    assert rewritten(".", "x", "*") == "*"


# Laws.

visible = st.text(
    [chr(byte) for byte in range(0x21, 0x7F) if chr(byte) not in "?#%."], max_size=12
)
plain_paths = st.text("ab/-", max_size=12).map("/".__add__)

atoms = st.sampled_from(["a", "b", "/", "-", ".", "[ab]", "[^/]", "a|b"])
captures = st.lists(atoms, min_size=1, max_size=2).map(lambda parts: f"({''.join(parts)})")
# Only what cannot be empty is repeated: there, all engines agree.
items = st.tuples(
    st.one_of(atoms.filter(lambda atom: "|" not in atom), captures),
    st.sampled_from(["", "", "?", "*", "+", "*?", "{1,2}"]),
).map("".join)
family = st.tuples(
    st.sampled_from(["", "^"]),
    st.lists(items, min_size=1, max_size=4).map("".join),
    st.sampled_from(["", "", "$"]),
).map("".join)
templates = st.lists(
    st.sampled_from(["/", "x", "$1", "$2", "$9", "$&", "$$", "$", "$0", "10"]), max_size=5
).map("".join)


def slow_rewrite(pattern: str, template: str, path: str) -> str:
    """Replace as ECMAScript's RegExp.prototype[@@replace] with flag g says, with Python's re."""
    result, done = "", 0
    for match in global_matches(re.compile(pattern), path):
        result += path[done : match.start()] + slow_expand(template, match)
        done = match.end()
    result += path[done:]
    return result if result.startswith("/") else f"/{result}"


def global_matches(pattern: re.Pattern[str], path: str) -> Iterator[re.Match[str]]:
    at = 0
    while at <= len(path) and (match := pattern.search(path, at)):
        yield match
        at = match.end() if match.end() > match.start() else match.end() + 1


def slow_expand(template: str, match: re.Match[str]) -> str:
    result, rest = "", template
    while rest:
        if rest[0] == "$" and rest[1:2] == "$":
            result, rest = result + "$", rest[2:]
        elif rest[0] == "$" and rest[1:2] == "&":
            result, rest = result + match[0], rest[2:]
        elif rest[0] == "$" and rest[1:2] in set("123456789"):
            number = int(rest[1])
            group = match[number] if number <= match.re.groups else ""
            result, rest = result + (group or ""), rest[2:]
        else:
            result, rest = result + rest[0], rest[1:]
    return result


@given(family, templates, plain_paths)
def test_a_rewrite_replaces_what_a_slow_global_replace_replaces(
    pattern: str, template: str, path: str
) -> None:
    assert rewritten(pattern, template, path) == slow_rewrite(pattern, template, path)


@given(family, visible, visible.map("/".__add__))
def test_a_result_is_a_path_of_visible_bytes_without_query_and_fragment(
    pattern: str, template: str, path: str
) -> None:
    result = rewritten(pattern, template, path)

    assert result is not None
    assert re.fullmatch(r"/[\x21\x22\x24-\x3e\x40-\x7e]*", result)


@given(visible.map("/".__add__), templates)
def test_a_path_without_a_match_stays_the_very_same_bytes(path: str, template: str) -> None:
    sent = path.encode()

    assert compile_rewrite(Rewrite.parse("%absent%", template))(sent) is sent


dots = st.sampled_from([".", "..", "%2e", "%2E.", ".%2e", "..;x", "%2e%2e;"])


@given(dots, st.sampled_from(["", "/", "/x"]))
def test_a_dot_segment_that_a_template_completes_is_never_forwarded(dot: str, rest: str) -> None:
    assume("?" not in dot)

    assert rewritten("^/up", f"/{dot}", f"/up{rest}") is None
    assert rewritten("^/x-", f"/{dot[:-1]}", f"/x-{dot[-1]}{rest}") is None
    assert rewritten("^/up", f"/a{dot}", f"/up{rest}") is not None


# Limits: pattern and template are one tenant's, the process is everybody's.


@pytest.mark.parametrize(
    ("pattern", "template", "fault"),
    [
        ("(", "/", "not a regular expression of RE2"),
        ("(?=a)", "/", "not a regular expression of RE2"),
        (r"(a)\1", "/", "not a regular expression of RE2"),
        ("a{1001}", "/", "not a regular expression of RE2"),
        ("(.{300}x){3}", "/", "too complex|not a regular expression"),
        ("\ud800", "/", "no Unicode text"),
        ("a", "/?x", "without"),
        ("a", "/#x", "without"),
        ("a", "/ x", "without"),
        ("a", "/\n", "without"),
        ("a", "/ü", "without"),
        ("a", "/" + "x" * 1000, "1000 characters"),
    ],
)
def test_a_pair_that_cannot_be_used_is_refused_with_its_annotation_named(
    pattern: str, template: str, fault: str
) -> None:
    with pytest.raises(RewriteError, match=rf"rewrite-target-(from|to) .*({fault})"):
        Rewrite.parse(pattern, template)


@given(st.text(max_size=20), st.text(max_size=20))
def test_every_pair_is_either_refused_or_usable(pattern: str, template: str) -> None:
    try:
        rewrite = Rewrite.parse(pattern, template)
    except RewriteError:
        return
    result = compile_rewrite(rewrite)(b"/some/path")
    assert result is None or result.startswith(b"/")


@pytest.mark.parametrize(
    ("pattern", "template", "path"),
    [
        ("(x+y)?", "-", "/" + "x" * 16_000),
        ("(x*y)|x", "-", "/" + "x" * 16_000),
        ("", "-", "/" + "x" * 16_000),
        ("x", "/x" * 400, "/" + "x" * 300),
        (".*", "$&" * 400, "/" + "x" * 300),
        ("^/x", "/y", "/" + "x" * 33_000),
    ],
)
def test_a_rewrite_that_would_take_too_long_or_grow_too_long_is_refused(
    pattern: str, template: str, path: str
) -> None:
    assert rewritten(pattern, template, path) is None


def test_a_long_path_with_as_many_matches_as_people_need_is_rewritten() -> None:
    assert rewritten("_", "-", "/" + "a_" * 1000) == "/" + "a-" * 1000
