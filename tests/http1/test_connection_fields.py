"""Rows 1-3 and 28, and who says who the client is: what ends at this hop, and what cannot."""

from __future__ import annotations

import pytest

from tests.http1.heads import refused, request, response, response_refused


def names(fields: tuple[tuple[bytes, bytes], ...]) -> list[bytes]:
    return [name for name, _ in fields]


def test_row_1_what_connection_lists_is_removed_in_both_directions() -> None:
    lines = (b"Connection: x-one, , X-TWO", b"X-One: 1", b"x-two: 2", b"X-Two: 2", b"X-Three: 3")

    assert names(request(*lines).fields) == [b"X-Three"]
    assert names(response(*lines).fields) == [b"X-Three"]


def test_row_1_several_connection_fields_count_together() -> None:
    head = request(b"Connection: close, a", b"A: 1", b"B: 2", b"connection:b", b"C: 3")

    assert names(head.fields) == [b"C"]
    assert not head.persistent


@pytest.mark.parametrize(
    "name",
    [b"Cookie", b"Authorization", b"Content-Type", b"Cache-Control", b"Via", b"Origin", b"Range"],
)
def test_row_1_what_is_for_all_recipients_cannot_be_listed_away(name: bytes) -> None:
    line = name + b": 1"

    assert names(request(b"Connection: close, " + name, line).fields) == [name]
    assert names(response(b"Connection: " + name.lower(), line).fields) == [name]


def test_row_1_host_framing_and_claims_cannot_be_listed_away() -> None:
    listed = (
        b"Connection: Host, Content-Length, X-Forwarded-For, Forwarded, X-Real-IP, X-Request-ID"
    )
    claims = (b"X-Forwarded-For: 1", b"Forwarded: for=1", b"X-Real-IP: 1", b"X-Request-ID: 1")

    head = request(listed, *claims, b"Content-Length: 5", line=b"POST / HTTP/1.1")

    assert head.authority.host == b"a"
    assert head.framing == request(b"Content-Length: 5").framing
    assert len(head.claims) == 4


def test_row_1_transfer_encoding_cannot_be_listed_away() -> None:
    fields = (b"Connection: transfer-encoding", b"Transfer-Encoding: chunked")

    assert request(*fields).framing == request(fields[1]).framing
    assert refused(*fields, b"Content-Length: 5") == "bad_framing"


@pytest.mark.parametrize("value", [b"a b", b"close;x", b'"close"', b"clos\xe9", b"a/b"])
def test_row_1_a_connection_that_is_no_list_of_tokens_is_refused(value: bytes) -> None:
    assert refused(b"Connection: " + value) == "bad_request"
    assert "Connection" in response_refused(b"Connection: " + value)


@pytest.mark.parametrize(
    "line",
    [
        b"Keep-Alive: timeout=5",
        b"keep-alive: timeout=5",
        b"Proxy-Connection: keep-alive",
        b"TE: trailers",
        b"TE: gzip",
        b"Trailer: X",
        b"Upgrade: h2c",
        b"HTTP2-Settings: AAMAAABkAAQAAP__",
    ],
)
def test_rows_2_and_3_hop_by_hop_fields_end_here_even_if_unlisted(line: bytes) -> None:
    assert request(line, b"X: y").fields == ((b"X", b"y"),)
    assert response(line, b"X: y").fields == ((b"X", b"y"),)


def test_proxy_credentials_pass_a_gateway() -> None:
    assert names(request(b"Proxy-Authorization: x").fields) == [b"Proxy-Authorization"]
    assert names(response(b"Proxy-Authenticate: x").fields) == [b"Proxy-Authenticate"]


def test_claims_are_kept_apart_in_order_and_as_sent() -> None:
    head = request(
        b"X-Forwarded-For: 1.1.1.1",
        b"Accept: x",
        b"x-forwarded-for: 2.2.2.2",
        b"FORWARDED: for=3",
        b"X-Forwarded-Client-Cert: y",
        b"X-Request-Id: abc",
        b"X-Real-Ip: 4.4.4.4",
    )

    assert head.fields == ((b"Accept", b"x"),)
    assert head.claims == (
        (b"X-Forwarded-For", b"1.1.1.1"),
        (b"x-forwarded-for", b"2.2.2.2"),
        (b"FORWARDED", b"for=3"),
        (b"X-Forwarded-Client-Cert", b"y"),
        (b"X-Request-Id", b"abc"),
        (b"X-Real-Ip", b"4.4.4.4"),
    )


@pytest.mark.parametrize(
    "name",
    [
        b"X_Forwarded_For",
        b"x-forwarded_for",
        b"X.Forwarded.Proto",
        b"X_Real_IP",
        b"X_Request_ID",
        b"x_forwarded-host",
        b"Transfer_Encoding",
        b"Content_Length",
        b"content.length",
    ],
)
def test_look_alikes_of_claims_and_framing_are_dropped(name: bytes) -> None:
    head = request(name + b": 5")

    assert (head.fields, head.claims, head.framing) == ((), (), request().framing)


def test_other_names_with_underscores_pass() -> None:
    assert names(request(b"my_header: 1", b"a.b: 2").fields) == [b"my_header", b"a.b"]


def test_the_field_proxy_is_dropped_from_requests() -> None:
    assert request(b"Proxy: http://evil/").fields == ()


def test_claims_mean_nothing_in_a_response() -> None:
    assert names(response(b"X-Request-ID: 1", b"X-Real-IP: 2").fields) == [
        b"X-Request-ID",
        b"X-Real-IP",
    ]


_HANDSHAKE = (b"Sec-WebSocket-Key: x", b"Sec-WebSocket-Version: 13")


@pytest.mark.parametrize(
    "fields",
    [
        (b"Upgrade: websocket", b"Connection: Upgrade"),
        (b"upgrade: WebSocket", b"connection: keep-alive, upgrade"),
        (b"Upgrade: h2c, websocket", b"Connection: upgrade, HTTP2-Settings"),
        (b"Upgrade: websocket", b"Connection: Upgrade", b"Content-Length: 0"),
    ],
)
def test_row_28_a_websocket_is_asked_for(fields: tuple[bytes, ...]) -> None:
    head = request(*fields, *_HANDSHAKE)

    assert head.upgrade == b"websocket"
    assert names(head.fields) == [b"Sec-WebSocket-Key", b"Sec-WebSocket-Version"]


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (b"GET / HTTP/1.1", (b"Upgrade: websocket",)),
        (b"GET / HTTP/1.1", (b"Upgrade: websocket", b"Connection: keep-alive")),
        (b"GET / HTTP/1.1", (b"Connection: upgrade",)),
        (b"GET / HTTP/1.1", (b"Upgrade: h2c", b"Connection: upgrade")),
        (b"GET / HTTP/1.1", (b"Upgrade: web socket", b"Connection: upgrade")),
        (b"GET / HTTP/1.1", (b"Upgrade: websocket/13", b"Connection: upgrade")),
        (b"GET / HTTP/1.0", (b"Upgrade: websocket", b"Connection: upgrade")),
        (b"POST / HTTP/1.1", (b"Upgrade: websocket", b"Connection: upgrade")),
        (
            b"GET / HTTP/1.1",
            (b"Upgrade: websocket", b"Connection: upgrade", b"Content-Length: 1"),
        ),
        (
            b"GET / HTTP/1.1",
            (b"Upgrade: websocket", b"Connection: upgrade", b"Transfer-Encoding: chunked"),
        ),
    ],
)
def test_row_28_everything_else_is_no_upgrade(line: bytes, fields: tuple[bytes, ...]) -> None:
    head = request(*fields, line=line)

    assert (head.upgrade, head.fields) == (None, ())


@pytest.mark.parametrize(
    ("fields", "upgrade"),
    [
        ((b"Upgrade: WebSocket", b"Connection: Upgrade"), b"websocket"),
        ((b"Upgrade: websocket",), None),
        ((b"Connection: Upgrade",), None),
        ((b"Upgrade: websocket, h2c", b"Connection: upgrade"), None),
        ((b"Upgrade: h2c", b"Connection: upgrade"), b"h2c"),
    ],
)
def test_row_28_a_101_names_the_protocol_it_switches_to(
    fields: tuple[bytes, ...], upgrade: bytes | None
) -> None:
    assert response(*fields, line=b"HTTP/1.1 101 Switching Protocols").upgrade == upgrade


def test_row_28_only_a_101_switches() -> None:
    assert response(b"Upgrade: websocket", b"Connection: Upgrade").upgrade is None
