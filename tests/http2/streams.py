"""What must hold of any bytes that a peer sends, for the laws and for the fuzzer."""

from __future__ import annotations

from fsm_twisted.http1.grammar import parse_request_head
from fsm_twisted.http1.syntax import DEFAULT_LIMITS
from fsm_twisted.http1.writer import write_request_head
from fsm_twisted.http2.connection import Connection, Role
from fsm_twisted.http2.events import ConnectionEnded, DataReceived, Event, RequestReceived
from fsm_twisted.message.authority import parse_authority
from fsm_twisted.message.framing import NO_BODY
from fsm_twisted.message.heads import RequestHead
from fsm_twisted.message.target import Target
from tests.http2.wire import GREETING, settings

ASKED = RequestHead(
    method=b"GET",
    target=Target(b"/", None),
    authority=parse_authority(b"a"),
    minor=1,
    fields=(),
    claims=(),
    framing=NO_BODY,
    persistent=True,
    expects_continue=False,
    upgrade=None,
)


def check_server(stream: bytes, cuts: tuple[int, ...]) -> None:
    """Feed a server of ours that was greeted."""
    outcomes = []
    for size in (len(stream) + 1, *cuts):
        connection = Connection(Role.SERVER)
        connection.receive(GREETING, 0.0)
        outcomes.append(_outcome(connection, stream, size))
    assert all(outcome == outcomes[0] for outcome in outcomes)
    for event in outcomes[0][0]:
        if isinstance(event, RequestReceived):
            check_request(event.head)


def check_client(stream: bytes, cuts: tuple[int, ...]) -> None:
    """Feed a client of ours that has asked twice, once with a body to come."""
    outcomes = []
    for size in (len(stream) + 1, *cuts):
        connection = Connection(Role.CLIENT)
        connection.receive(settings((8, 1)), 0.0)
        for end in (True, False):
            connection.send_request(ASKED, target=b"/", authority=b"a", scheme=b"http", end=end)
        outcomes.append(_outcome(connection, stream, size))
    assert all(outcome == outcomes[0] for outcome in outcomes)


def _outcome(connection: Connection, stream: bytes, size: int) -> tuple[list[Event], bytes, int]:
    connection.take_output()
    events: list[Event] = []
    for at in range(0, len(stream), size):
        events += connection.receive(stream[at : at + size], 0.0)
    ended = [event for event in events if isinstance(event, ConnectionEnded)]
    assert bool(ended) == connection.ended
    assert events[-1:] == ended or not ended
    return _joined(events), connection.take_output(), connection.open_streams


def _joined(events: list[Event]) -> list[Event]:
    """Make one of pieces of a body that follow each other: how many depends on the cuts."""
    joined: list[Event] = []
    for event in events:
        last = joined[-1] if joined else None
        if (
            isinstance(event, DataReceived)
            and isinstance(last, DataReceived)
            and event.stream == last.stream
        ):
            joined[-1] = DataReceived(event.stream, last.data + event.data, event.end)
        else:
            joined.append(event)
    return joined


def check_request(head: RequestHead) -> None:
    """Ask that a head is one request in HTTP/1.1, and the same."""
    written = write_request_head(head, b"", target=head.target.wire, host=head.authority.wire)
    assert written.count(b"\r\n\r\n") == 1
    again = parse_request_head(written, DEFAULT_LIMITS)
    assert (again.method, again.target) == (head.method, head.target)
    assert (again.authority, again.framing) == (head.authority, head.framing)
    assert again.expects_continue == head.expects_continue
    assert again.upgrade == head.upgrade
    # Of an upgrade the writer makes Connection and Upgrade, which the reader takes off again.
    assert again.fields == head.fields
