"""What the access log of the running program says is what its clients have done."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.wire.harness.backend import Served, once
from tests.wire.harness.client import Client, connect, connect_tls
from tests.wire.harness.lanes import Lane, World
from tests.wire.harness.message import PATIENCE, Ended
from tests.wire.harness.program import Program, running, whole_lines
from tests.wire.test_metrics import scrape, total
from tests.workers.processes import children, until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
Record = dict[str, Any]


@attrs.define
class Logged:
    """A program with its access log."""

    program: Program
    path: Path

    def lines(self, mark: str, count: int, seconds: float = PATIENCE) -> list[str]:
        """Wait for so many lines with *mark*, and take care that no more come."""
        deadline = time.monotonic() + seconds
        while True:
            found = [line for line in whole_lines(self.path) if mark in line]
            if len(found) >= count or time.monotonic() > deadline:
                assert len(found) == count, found
                return found
            time.sleep(0.02)

    def records(self, lane: Lane | bytes, count: int) -> list[Record]:
        """Wait for so many records of a host."""
        host = lane if isinstance(lane, bytes) else lane.host
        return [json.loads(line) for line in self.lines(f'"host":"{host.decode()}"', count)]

    def record(self, lane: Lane | bytes) -> Record:
        """Wait for the only record of a host."""
        return self.records(lane, 1)[0]


@contextlib.contextmanager
def logging(world: World, path: Path, *options: str) -> Iterator[Logged]:
    with running(
        world.folder, path.with_suffix(".own"), "--access-log", str(path), *options
    ) as program:
        yield Logged(program, path)


@pytest.fixture(scope="module", params=["0", "2"])
def log(whole_world: World, logs: Path, request: pytest.FixtureRequest) -> Iterator[Logged]:
    path = logs / f"access-{request.param}"
    quick = ("--upstream-timeout", "1", "--body-limit", "1000", "--access-log-redact", "query:key")
    with logging(whole_world, path, "--workers", request.param, *quick) as logged:
        yield logged


@pytest.fixture
def client(log: Logged) -> Iterator[Client]:
    with contextlib.closing(connect(log.program.http)) as client:
        yield client


def test_a_usual_request_has_all_there_is_to_say(log: Logged, client: Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    asked = lane.get(b"/a/b?c=d&key=secret", b"User-Agent: curl/8\r\nReferer: http://r/\r\n")
    client.ask(asked)

    record = log.record(lane)

    service = lane.host.decode().replace(".", "-")
    request_id = lane.backend.requests[0].get(b"X-Request-ID")
    assert request_id is not None
    times = {
        name: record.pop(name) for name in list(record) if "seconds" in name or name == "time"
    }
    assert record == {
        "request_id": request_id.decode(),
        "client": "127.0.0.1",
        "method": "GET",
        "host": lane.host.decode(),
        "path": "/a/b?c=d&key=REDACTED",
        "protocol": "HTTP/1.1",
        "status": 200,
        "origin": "upstream",
        "reason": "",
        "namespace": "default",
        "ingress": "lanes",
        "route": "/",
        "service": service,
        "upstream": f"127.0.0.1:{lane.backend.port}",
        "tries": 1,
        "bytes_in": len(asked),
        "bytes_out": len(client.received),
        "tls": "",
        "server_name": "",
        "client_subject": "",
        "client_fingerprint": "",
        "user_agent": "curl/8",
        "referer": "http://r/",
    }
    assert 0 < times["upstream_seconds"] <= times["seconds"] < 5
    assert times["overhead_seconds"] == pytest.approx(
        times["seconds"] - times["upstream_seconds"], abs=2e-6
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", times["time"])


def test_a_request_with_a_body_and_a_chunked_answer(
    log: Logged, client: Client, lane: Lane
) -> None:
    chunked = b"HTTP/1.1 201 Yes\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    lane.backend.answer(chunked)
    asked = lane.post(b"x" * 400, b"Expect: 100-continue\r\n")
    client.ask(asked)

    record = log.record(lane)

    assert (record["method"], record["status"], record["origin"]) == ("POST", 201, "upstream")
    assert (record["bytes_in"], record["bytes_out"]) == (len(asked), len(client.received))


def test_fields_in_a_body_are_no_fields(log: Logged, client: Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    client.ask(lane.post(b"a\r\nUser-Agent: x\r\nReferer: y\r\n\r\nHost: z\r\n"))

    record = log.record(lane)

    assert (record["user_agent"], record["referer"], record["method"]) == ("", "", "POST")


def test_requests_on_one_connection_have_a_line_each_in_their_order(
    log: Logged, client: Client, lane: Lane
) -> None:
    lane.backend.answer(OK)
    client.send(b"".join(lane.get(b"/%d" % number) for number in range(50)))
    for _ in range(50):
        client.response()

    assert [record["path"] for record in log.records(lane, 50)] == [f"/{n}" for n in range(50)]


def no_route(lane: Lane) -> bytes:
    return b"GET /x HTTP/1.1\r\nHost: no-%b\r\n\r\n" % lane.host


def too_large(lane: Lane) -> bytes:
    return lane.request(b"POST", b"/x", b"Content-Length: 1001\r\n")


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (no_route, (404, "no_route", "")),
        (too_large, (413, "body_too_large", "lanes")),
        (lambda lane: lane.get(b"/x"), (502, "connect_failed", "lanes")),
    ],
    ids=lambda case: case[1] if isinstance(case, tuple) else "",
)
def test_answers_of_ours_have_their_reason(
    log: Logged,
    client: Client,
    lane: Lane,
    write: Callable[[Lane], bytes],
    expected: tuple[int, str, str],
) -> None:
    status, reason, ingress = expected
    asked = write(lane)
    assert client.ask(asked).status == status

    (line,) = log.lines(lane.host.decode() + '"', 1)
    record = json.loads(line)

    assert (record["status"], record["origin"], record["reason"]) == (status, "proxy", reason)
    assert (record["ingress"], record["path"]) == (ingress, "/x")
    assert record["bytes_out"] == len(client.received)
    assert record["upstream_seconds"] is None


def test_a_silent_endpoint_is_named_with_the_time_it_had(
    log: Logged, client: Client, lane: Lane
) -> None:
    lane.backend.serve(once(b""))
    client.ask(lane.get())

    record = log.record(lane)

    assert (record["status"], record["reason"]) == (504, "upstream_timeout")
    assert record["upstream"] == f"127.0.0.1:{lane.backend.port}"
    assert record["upstream_seconds"] >= 0.9


def test_a_second_endpoint_is_a_second_try(log: Logged, client: Client, world: World) -> None:
    lane = world.double()
    lane.backends[1].answer(OK)
    for _ in range(4):
        client.ask(lane.get())

    records = log.records(lane, 4)

    tried = [record for record in records if record["tries"] == 2]
    assert tried
    for record in tried:
        first, second = (f"127.0.0.1:{backend.port}" for backend in lane.backends)
        assert record["upstream"] == f"{first}, {second}"
        assert (record["status"], record["reason"]) == (200, "")


def test_a_client_that_does_not_wait_is_499(log: Logged, client: Client, lane: Lane) -> None:
    lane.backend.serve(once(b""))
    client.send(lane.get())
    lane.backend.wait_request()
    client.reset()

    record = log.record(lane)

    assert (record["status"], record["origin"], record["reason"]) == (499, "proxy", "client_gone")


def test_an_answer_that_is_cut_has_its_status_and_the_reason(
    log: Logged, client: Client, lane: Lane
) -> None:
    lane.backend.serve(once(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel", Served.reset))
    client.send(lane.get())
    with pytest.raises(Ended):
        client.response()

    record = log.record(lane)

    assert (record["status"], record["reason"]) == (200, "upstream_closed")


def test_what_is_no_request_has_a_line_without_its_text(log: Logged) -> None:
    before = log.path.read_text().count('"reason":"bad_request"')
    with contextlib.closing(connect(log.program.http)) as client:
        client.ask(b"GET /forged\r\n\r\n")

    line = log.lines('"reason":"bad_request"', before + 1)[-1]

    assert "forged" not in line
    assert json.loads(line)["status"] == 400


def test_over_tls_version_and_server_name_are_told(log: Logged, world: World) -> None:
    lane = world.by_name("secure.test")
    lane.backend.answer(OK)
    with contextlib.closing(connect_tls(log.program.https, "secure.test")) as client:
        client.ask(lane.get(b"/over-tls"))

    record = json.loads(log.lines("/over-tls", 1)[0])

    assert (record["tls"], record["server_name"]) == ("TLSv1.3", "secure.test")


def test_a_rewritten_path_is_told_as_sent(log: Logged, client: Client, world: World) -> None:
    lane = world.by_name("rewrite.test")
    lane.backend.answer(OK)
    client.ask(lane.get(b"/app/told"))

    assert json.loads(log.lines("/app/told", 1)[0])["status"] == 200


def test_a_tunnel_has_one_line_at_its_end_with_its_bytes(
    log: Logged, client: Client, lane: Lane
) -> None:
    switch = b"HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"

    def echo(served: Served) -> None:
        served.request_head()
        served.send(switch)
        served.send(served.exactly(1000))
        served.half_close()

    lane.backend.serve(echo)
    upgrade = b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    asked = lane.get(b"/", upgrade + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
    client.send(asked)
    client.until(b"\r\n\r\n")
    client.send(b"x" * 1000)
    client.exactly(1000)
    client.half_close()

    record = log.record(lane)

    assert (record["status"], record["origin"], record["reason"]) == (101, "upstream", "")
    assert record["bytes_in"] == len(asked) + 1000
    assert record["bytes_out"] == len(client.received)
    owner = {"service": record["service"], "status": "1xx", "method": "GET"}
    assert total(scrape(log.program), "requests_total", **owner) == 1


def test_the_ends_of_lines_are_ours_alone(log: Logged, client: Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    agent = b'"}\\u000a{"status":200}\\n\xe2\x80\xa8\x85\t$status'
    client.ask(lane.get(b"/%0a%22?\"'<>", b"User-Agent: " + agent + b"\r\n"))

    record = log.record(lane)

    assert record["user_agent"] == agent.decode("utf-8", "backslashreplace")


def descendants(pid: int) -> list[int]:
    """Return all processes that *pid* has brought about."""
    return [each for child in children(pid) for each in (child, *descendants(child))]


def test_sigusr1_opens_the_file_anew(log: Logged, client: Client, lane: Lane) -> None:
    lane.backend.answer(OK)
    client.ask(lane.get(b"/before"))
    log.lines("/before", 1)

    moved = log.path.with_name(log.path.name + ".1")
    log.path.rename(moved)
    for pid in (log.program.process.pid, *descendants(log.program.process.pid)):
        os.kill(pid, signal.SIGUSR1)  # systemctl kill asks the whole group
    until(log.path.exists)
    client.ask(lane.get(b"/after"))

    log.lines("/after", 1)
    assert "/after" not in moved.read_text()
    log.path.write_text(moved.read_text() + log.path.read_text())


def test_a_stop_leaves_no_request_unwritten(
    whole_world: World, tmp_path: Path, lane: Lane
) -> None:
    lane.backend.answer(OK)
    with (
        logging(whole_world, tmp_path / "access", "--workers", "2") as logged,
        contextlib.closing(connect(logged.program.http)) as client,
    ):
        for _ in range(20):
            client.ask(lane.get())

    assert (tmp_path / "access").read_text().count("\n") == 20


def test_the_format_of_nginx_and_a_sample(whole_world: World, tmp_path: Path, lane: Lane) -> None:
    lane.backend.answer(OK)
    options = ("--access-log-format", "nginx", "--access-log-sample", "0.5", "--workers", "1")
    with (
        logging(whole_world, tmp_path / "access", *options) as logged,
        contextlib.closing(connect(logged.program.http)) as client,
    ):
        for _ in range(400):
            client.ask(lane.get())

    lines = (tmp_path / "access").read_text().splitlines()
    assert 100 < len(lines) < 300
    service = lane.host.decode().replace(".", "-")
    for line in lines:
        assert re.fullmatch(
            rf'127\.0\.0\.1 - - \[\S+ \+0000\] "GET / HTTP/1\.1" 200 5 "-" "-" \d+ \d+\.\d{{3}} '
            rf"\[default-{service}-80\] \[-\] 127\.0\.0\.1:\d+ 5 \d+\.\d{{3}} 200 [0-9a-f]{{32}}",
            line,
        )


def test_an_ingress_may_keep_out_of_the_log(log: Logged, client: Client, world: World) -> None:
    quiet = world.by_name("quiet-log.test")
    quiet.backend.answer(OK)
    client.ask(quiet.get(b"/quiet"))
    other = world.single()
    other.backend.answer(OK)
    client.ask(other.get(b"/loud"))

    log.lines("/loud", 1)
    log.lines("/quiet", 0, seconds=0)
