"""Records of the access log: they arrive as they were sent, and make one line each."""

from __future__ import annotations

import json
import re
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fsm_twisted.observe.access import (
    AccessRecord,
    BatchError,
    Noted,
    pack_batch,
    pack_peer,
    pack_route,
    unpack_batch,
)
from fsm_twisted.observe.access_format import (
    JSON_FIELDS,
    NGINX,
    REDACTABLE,
    REDACTED,
    VARIABLES,
    FormatError,
    json_line,
    make_format,
    make_line,
    make_redaction,
)
from fsm_twisted.observe.access_lines import make_lines

# What a head can hold (RFC 9110 section 5.5), and what it cannot: the log trusts neither.
VALUES = st.binary(max_size=30)
WORDS = st.binary(min_size=1, max_size=12).filter(lambda word: not re.search(rb"[\s\0]", word))
NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
SIZES = st.integers(0, 1 << 50)
SECONDS = st.floats(0, 1e6)
USUAL = Noted(
    begun=5.0,
    ended=5.25,
    sent=5.05,
    status=200,
    tries=1,
    minor=1,
    bytes_in=100,
    bytes_out=300,
    body_bytes_out=200,
    head=b"GET /a?b=c HTTP/1.1\r\nhost: a.test\r\nUSER-AGENT:  curl/8 \r\nReferer: http://r/\r\n"
    b"X-Real-IP: 10.0.0.9\r\nX-Request-ID: 77\r\n\r\n",
    target=b"",
    peer=pack_peer(b"10.0.0.1", b"TLSv1.3", b"a.test", b"CN=alice", b"0ff1ce"),
    route=pack_route("default", "web", "/a", "shop", 80),
    endpoints=b"10.1.0.1:80, 10.1.0.2:80",
    reason=b"",
)


def heads(line_end: bytes = b"\r\n") -> st.SearchStrategy[bytes]:
    """Draw heads, some of them broken, with fields that the log looks for."""
    names = st.sampled_from([b"Host", b"user-agent", b"Referer", b"Accept", b"X-Request-ID"])
    field = st.builds(lambda name, value: b"%b: %b" % (name, value), names, VALUES)
    line = st.builds(lambda a, b: b"%b %b HTTP/1.1" % (a, b), WORDS, WORDS)
    return st.builds(
        lambda first, fields: line_end.join((first, *fields, b"", b"")),
        line,
        st.lists(field, max_size=4),
    )


NOTED = st.builds(
    Noted,
    SECONDS,
    st.floats(1e6, 2e6),
    st.just(0.0) | SECONDS,
    st.integers(100, 599),
    st.integers(0, 9),
    st.integers(0, 1),
    SIZES,
    SIZES,
    SIZES,
    heads() | st.binary(max_size=40),
    st.just(b"") | WORDS,
    st.builds(pack_peer, st.sampled_from([b"10.0.0.1", b"::1", b""]), *[WORDS] * 4),
    st.just(b"") | st.builds(pack_route, NAMES, NAMES, NAMES, NAMES, st.integers(0, 65535)),
    VALUES,
    st.sampled_from([b"", b"no_route"]),
    st.none() | st.integers(0, 16),
)


def record(noted: Noted = USUAL, offset: float = 1e9) -> AccessRecord:
    (found,) = unpack_batch(pack_batch(offset, [noted]))
    return found


def test_everything_that_was_noted_arrives() -> None:
    found = record()

    assert found == AccessRecord(
        begun=1e9 + 5,
        seconds=0.25,
        upstream_seconds=5.25 - 5.05,
        status=200,
        tries=1,
        bytes_in=100,
        bytes_out=300,
        body_bytes_out=200,
        request_id="77",
        client="10.0.0.9",
        method="GET",
        host="a.test",
        path="/a?b=c",
        protocol="HTTP/1.1",
        user_agent="curl/8",
        referer="http://r/",
        namespace="default",
        ingress="web",
        route="/a",
        service="shop",
        port=80,
        endpoints="10.1.0.1:80, 10.1.0.2:80",
        origin="upstream",
        reason="",
        tls="TLSv1.3",
        server_name="a.test",
        client_subject="CN=alice",
        client_fingerprint="0ff1ce",
    )
    assert found.overhead_seconds == pytest.approx(0.05)


def test_a_rewritten_request_is_logged_as_the_client_sent_it() -> None:
    assert record(USUAL._replace(target=b"/sent?as=it")).path == "/sent?as=it"


def test_what_was_no_request_has_a_peer_and_a_reason() -> None:
    found = record(USUAL._replace(head=b"", route=b"", reason=b"bad_request", minor=0))

    assert (found.client, found.method, found.path, found.protocol) == ("10.0.0.1", "", "", "")
    assert (found.origin, found.reason, found.ingress) == ("proxy", "bad_request", "")


@given(notes=st.lists(NOTED, max_size=4))
def test_a_batch_is_its_records_in_their_order(notes: list[Noted]) -> None:
    found = list(unpack_batch(pack_batch(1e9, notes)))

    assert found == [record(each) for each in notes]


@given(noted=NOTED, cut=st.integers(1, 60))
def test_a_batch_that_is_cut_is_refused(noted: Noted, cut: int) -> None:
    with pytest.raises(BatchError):
        list(unpack_batch(pack_batch(0.0, [noted])[:-cut]))


@given(data=st.binary(max_size=200))
def test_bytes_of_whatever_kind_are_records_or_refused(data: bytes) -> None:
    try:
        for found in unpack_batch(data):
            json_line(found)
            make_line("nginx")(found)
    except BatchError:
        pass


@given(notes=st.lists(NOTED, max_size=4))
@example([USUAL._replace(sent=0.0), USUAL._replace(reason=b"no_route")])
@example([USUAL._replace(head=b"GET / HTTP/1.1\r\nHOST:a\r\nuser-Agent:\t b \r\n\r\n")])
@example([USUAL._replace(head=b"GET / HTTP/1.1\r\nHost: a\r\nCookie: b\r\nReferer: c\r\n")])
@example([USUAL._replace(head=b"GET / HTTP/1.1\r\nX-Request-ID: a\r\nHost: b\r\nCookie: c")])
def test_the_short_way_to_json_leads_to_the_very_same_lines(notes: list[Noted]) -> None:
    batch = pack_batch(1e9, notes)

    lines = "".join(json_line(each) for each in unpack_batch(batch))
    assert make_lines("json")(batch) == (lines.encode(), len(notes))


@given(data=st.binary(max_size=200))
def test_bytes_of_whatever_kind_are_lines_or_refused(data: bytes) -> None:
    for lines in (make_lines("json"), make_lines("nginx"), make_lines("json", ["query"])):
        with suppress(BatchError):
            made, count = lines(data)
            assert made.count(b"\n") == count
            assert not count or made.endswith(b"\n")


@pytest.mark.parametrize("begun", [float("nan"), float("inf"), -2e9, 1e15])
def test_a_record_out_of_time_is_refused(begun: float) -> None:
    with pytest.raises(BatchError):
        record(USUAL._replace(begun=begun))


@given(noted=NOTED)
@example(USUAL._replace(head=b"GET / HTTP/1.1\r\nUser-Agent: a\nb\x0bc\x85d\xe2\x80\xa8e\r\n\r\n"))
def test_a_json_line_is_one_line_and_reads_back_what_was_sent(noted: Noted) -> None:
    found = record(noted)
    line = json_line(found)

    assert line.splitlines() == [line[:-1]]
    assert line.isascii()
    read = json.loads(line)
    of_a_call = [] if noted.grpc_status is None else ["grpc_status"]
    assert list(read) == [name for name in JSON_FIELDS if name != "grpc_status"] + of_a_call
    for name in ("method", "path", "host", "user_agent", "referer", "client", "client_subject"):
        assert read[name] == getattr(found, name)
    assert read["upstream"] == found.endpoints
    assert read["bytes_out"] == found.bytes_out
    assert (read["upstream_seconds"] is None) == (not noted.sent)


@given(noted=NOTED)
def test_no_request_can_forge_a_line_or_a_field_of_the_nginx_format(noted: Noted) -> None:
    line = make_line("nginx")(record(noted))

    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert line.isascii()
    assert line.count('"') == 6


def test_the_nginx_format_is_the_line_of_ingress_nginx() -> None:
    assert make_format(NGINX)(record()) == (
        '10.0.0.9 - - [09/Sep/2001:01:46:45 +0000] "GET /a?b=c HTTP/1.1" 200 200 "http://r/" '
        '"curl/8" 100 0.250 [default-shop-80] [-] 10.1.0.1:80, 10.1.0.2:80 200 0.200 200 77\n'
    )


def test_a_reply_of_ours_has_no_upstream_in_the_nginx_format() -> None:
    noted = USUAL._replace(reason=b"no_route", route=b"", endpoints=b"", sent=0.0, status=404)

    assert make_format(NGINX)(record(noted)).endswith(" 0.250 [-] [-] - - - - 77\n")


def test_a_failed_endpoint_s_status_is_ours_as_nginx_has_it() -> None:
    noted = USUAL._replace(reason=b"upstream_timeout", status=504, endpoints=b"10.1.0.1:80")

    assert make_format("$upstream_addr $upstream_response_length $upstream_status")(
        record(noted)
    ) == ("10.1.0.1:80 0 504\n")


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda each: each.name)
def test_each_variable_may_stand_in_braces(variable: object) -> None:
    name = getattr(variable, "name")  # noqa: B009
    assert make_format(f"<${name}>")(record()) == make_format(f"<${{{name}}}>")(record())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("$status $nobody", r"no variable \$nobody"),
        ("costs 5$", r"\$ has no name"),
        ("$status\n", "line end"),
        ("jsn", "no variable"),
        ("", "no variable"),
    ],
)
def test_a_format_that_means_nothing_is_refused_with_its_fault(text: str, fault: str) -> None:
    with pytest.raises(FormatError, match=fault):
        make_line(text)


def test_backslashes_and_quotes_are_escaped_as_nginx_does() -> None:
    noted = USUAL._replace(head=b'GET /"\\xff\xff\xc3\xa9 HTTP/1.1\r\n\r\n')

    made, _ = make_lines("$request_uri")(pack_batch(0.0, [noted]))

    assert made == rb"/\x22\x5Cxff\xFF\xC3\xA9" + b"\n"


# Redaction


@given(
    noted=NOTED,
    names=st.lists(st.sampled_from([*REDACTABLE, "query:token"]), unique=True),
)
def test_redaction_leaves_everything_else_as_it_was(noted: Noted, names: list[str]) -> None:
    before = record(noted)
    after = make_redaction(names)(before)

    changed = {
        name for name, one, two in zip(before._fields, before, after, strict=True) if one != two
    }
    texts = {name for name in names if ":" not in name} - {"query"}
    allowed = texts | ({"path", "referer"} if texts != set(names) else set())
    assert changed <= allowed
    for name in texts:
        assert getattr(after, name) in {"", REDACTED}


@given(secret=st.from_regex(r"[A-Za-z0-9%+/]{8,20}", fullmatch=True))
@pytest.mark.parametrize("spelt", ["token", "Token", "%74oken", "to%6ben"])
def test_the_value_of_a_parameter_is_hidden_however_its_name_is_spelt(
    spelt: str, secret: str
) -> None:
    target = f"/a?x=1&{spelt}={secret}&y=2".encode()
    noted = USUAL._replace(
        target=target, head=USUAL.head.replace(b"http://r/", b"http://r" + target)
    )

    found = make_redaction(["query:token"])(record(noted))

    assert found.path == f"/a?x=1&{spelt}={REDACTED}&y=2"
    assert found.referer == f"http://r/a?x=1&{spelt}={REDACTED}&y=2"


def test_a_whole_query_is_hidden() -> None:
    found = make_redaction(["query"])(record())

    assert found.path == f"/a?{REDACTED}"


@pytest.mark.parametrize("name", ["", "status", "query:", "query: x", "cookie", "path:x"])
def test_what_cannot_be_redacted_is_refused(name: str) -> None:
    with pytest.raises(FormatError):
        make_redaction([name])
