"""The straight road of HTTP/2 says what the general road says."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.http1.grammar import HeadLimits, parse_response_head
from fsm_twisted.http1.usual import usual_parts
from fsm_twisted.http1.writer import write_request_head
from fsm_twisted.http2.kinds import ORDINARY, REQUEST_KINDS, is_value
from fsm_twisted.message.fields import Field
from fsm_twisted.proxy.http2_usual import (
    ANSWER_FIELDS,
    AnswerFields,
    RequestLines,
    fields_of_lines,
)
from tests.proxy.heads import request

LIMITS = HeadLimits()
SERVER, DATE = b"Server: fsm\r\n", b"Date: now\r\n"

values = st.binary(max_size=12).map(lambda raw: raw.translate(None, bytes(range(32)) + b"\x7f"))
lower = (string.ascii_lowercase + string.digits + "-_.!").encode("ascii")
asked_names = st.sampled_from([b"accept", b"cookie", b"x-a", b"user-agent"]) | st.lists(
    st.sampled_from(list(lower)), min_size=1, max_size=8
).map(bytes)
asked = st.tuples(asked_names, values.map(bytes.strip)).filter(
    lambda field: REQUEST_KINDS[field[0]] == ORDINARY and is_value(field[1])
)
answered_names = st.sampled_from(
    [b"Content-Type", b"ETag", b"Set-Cookie", b"set-cookie", b"X-Frame", b"Date", b"server"]
)
answered = st.tuples(answered_names, st.sampled_from([b":", b": ", b":  "]), values)


@given(st.lists(asked, max_size=8))
def test_a_request_is_written_as_the_writer_writes_it(fields: list[Field]) -> None:
    head = request(b"/a?b", fields=tuple(fields))
    lines = RequestLines()
    for _ in range(2):  # made, and remembered
        begin = b"GET /a?b HTTP/1.1\r\nHost: a.example\r\n"
        usual = b"".join((begin, *map(lines.__getitem__, fields), b"Via: x\r\n", b"\r\n"))
        general = write_request_head(head, b"Via: x\r\n", target=b"/a?b", host=b"a.example")
        assert usual == general


@given(
    st.lists(answered, max_size=6),
    st.sampled_from([b"", b"Connection: keep-alive\r\n"]),
    st.binary(max_size=5),
)
def test_an_answer_reads_as_the_grammar_reads_it(
    lines: list[tuple[bytes, bytes, bytes]],
    kept: bytes,
    body: bytes,
) -> None:
    wire = b"".join(b"%b%b%b\r\n" % line for line in lines)
    head = b"HTTP/1.1 200 OK\r\n%b%bContent-Length: %d\r\n\r\n" % (wire, kept, len(body))
    parts = usual_parts(head + body, LIMITS, SERVER, DATE)
    assert parts is not None
    status, found, end = parts
    law = parse_response_head(head, b"GET", LIMITS)
    usual = fields_of_lines(found)
    assert (status, end) == (law.status, len(head))
    expected = [(name.lower(), value) for name, value in law.fields]
    assert list(usual[: len(expected)]) == expected
    has = {name for name, _ in expected}
    own = {(b"server", b"fsm"), (b"date", b"now")}
    assert set(usual[len(expected) :]) == {field for field in own if field[0] not in has}


def test_an_answer_of_another_size_is_not_usual() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
    assert usual_parts(head + b"ab", LIMITS, SERVER, DATE) is None
    assert usual_parts(head + b"abcd", LIMITS, SERVER, DATE) is None
    assert usual_parts(head[:-2], LIMITS, SERVER, DATE) is None


def test_what_could_be_a_secret_is_not_remembered() -> None:
    lines, fields = RequestLines(), AnswerFields()
    assert lines[b"cookie", b"session=1"] == b"cookie: session=1\r\n"
    assert lines[b"authorization", b"Basic x"]
    assert fields[b"Set-Cookie: session=1"] == (b"set-cookie", b"session=1")
    assert not lines
    assert not fields


def test_the_memory_is_bounded() -> None:
    lines, fields = RequestLines(), AnswerFields()
    for number in range(5000):
        lines[b"x-a", b"%d" % number]
        fields[b"X-A: %d" % number]
    lines[b"x-a", b"x" * 1000]
    fields[b"X-A: " + b"x" * 1000]
    assert len(lines) <= 2048
    assert len(fields) <= 2048
    assert max(map(len, lines.values())) < 1000


def test_fields_of_this_hop_do_not_go_on() -> None:
    assert ANSWER_FIELDS[b"Connection: keep-alive"] is None
    assert ANSWER_FIELDS[b"content-length: 5"] is None
