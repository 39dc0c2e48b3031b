"""Start and stop: drain, ports in use, wrong options."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.wire.harness.backend import OK, Served
from tests.wire.harness.client import connect, connect_tls
from tests.wire.harness.lanes import World
from tests.wire.harness.message import PATIENCE, Ended
from tests.wire.harness.program import Program, command, is_ready, start
from tests.wire.test_tunnel import ASK, echo

WORKERS = pytest.mark.parametrize("workers", ["0", "2"])


class Download:
    """A backend that sends half of an answer, and the rest when told."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, served: Served) -> None:
        served.request()
        served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        self.go_on.wait(20)
        served.send(b"world")
        served.linger()


def wait_not_ready(program: Program) -> None:
    deadline = time.monotonic() + PATIENCE
    while is_ready(program.admin):
        assert time.monotonic() < deadline, "still ready"
        time.sleep(0.02)


def wait_refused(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connect(port).close()
        except ConnectionError:
            return
        assert time.monotonic() < deadline, "still accepting"
        time.sleep(0.02)


@WORKERS
def test_a_drain_finishes_what_runs(world: World, tmp_path: Path, workers: str) -> None:
    """SIGTERM: downloads finish, idle ones end, keep-alive ones are told, exit 0."""
    download = Download()
    slow, quick = world.single(), world.single()
    slow.backend.serve(download)
    quick.backend.answer(OK)
    program = start(world.folder, tmp_path / "log", "--workers", workers)
    loading, idle, fresh = (connect(program.http) for _ in range(3))
    secure = connect_tls(program.https, "s.test")
    pending = connect(program.http)
    try:
        loading.send(slow.get())
        loading.until(b"hello")
        assert idle.ask(quick.get()).status == 200
        assert secure.ask(quick.get()).status == 200
        pending.send(quick.get()[:-2])
        # The program has read it once it has answered somebody who came later.
        assert fresh.ask(quick.get()).status == 200
        program.terminate()
        wait_refused(program.http)
        assert idle.ending() == "fin"
        assert secure.ending() == "fin"
        pending.send(b"\r\n")
        response = pending.response()
        assert (response.status, response.get(b"Connection")) == (200, b"close")
        assert pending.ending() == "fin"
        assert program.process.poll() is None
        download.go_on.set()
        assert loading.exactly(5) == b"world"
        assert loading.ending() == "fin"
        for client in (loading, pending):
            client.close()
        assert program.wait() == 0
        program.check_log()
    finally:
        program.process.kill()
        program.process.wait()
        for client in (loading, idle, fresh, secure, pending):
            client.close()


@WORKERS
def test_a_drain_delay_keeps_accepting_but_is_not_ready(
    world: World, tmp_path: Path, workers: str
) -> None:
    """In its last second, here its only one, a busy connection ends with an answer."""
    lane = world.single()
    lane.backend.answer(OK)
    program = start(world.folder, tmp_path / "log", "--drain-delay", "1", "--workers", workers)
    try:
        busy = connect(program.http)
        assert busy.ask(lane.get()).get(b"Connection") is None
        program.terminate()
        wait_not_ready(program)
        while (answer := busy.ask(lane.get())).get(b"Connection") is None:
            assert answer.status == 200
        assert busy.ending() == "fin"
        busy.close()
        client = connect(program.http)
        assert client.ask(lane.get()).status == 200
        client.close()
        assert program.wait() == 0
    finally:
        program.process.kill()
        program.process.wait()


@WORKERS
def test_a_drain_ends_with_its_time(world: World, tmp_path: Path, workers: str) -> None:
    """What hangs is cut, and looks cut; the exit code is still 0."""
    download = Download()
    slow, tunnel = world.single(), world.single()
    slow.backend.serve(download)
    tunnel.backend.serve(echo)
    options = ("--workers", workers, "--drain-timeout", "1")
    program = start(world.folder, tmp_path / "log", *options)
    clients = [connect(program.http), connect(program.http)]
    try:
        clients[0].send(slow.get())
        clients[0].until(b"hello")
        assert clients[1].ask(tunnel.get(extra=ASK)).status == 101
        begin = time.monotonic()
        program.terminate()
        assert program.wait() == 0
        assert time.monotonic() - begin > 0.8
        with pytest.raises(Ended):
            clients[0].exactly(5)
        clients[1].rest()
        program.check_log()
    finally:
        download.go_on.set()
        program.process.kill()
        program.process.wait()
        for client in clients:
            client.close()


@WORKERS
def test_a_second_signal_stops_at_once(world: World, tmp_path: Path, workers: str) -> None:
    download = Download()
    lane = world.single()
    lane.backend.serve(download)
    program = start(world.folder, tmp_path / "log", "--workers", workers)
    client = connect(program.http)
    try:
        client.send(lane.get())
        client.until(b"hello")
        program.terminate()
        wait_refused(program.http)
        assert program.process.poll() is None
        program.terminate()
        program.wait()
        with pytest.raises(Ended):
            client.exactly(5)
        program.check_log()
    finally:
        download.go_on.set()
        program.process.kill()
        program.process.wait()
        client.close()


def run_to_the_end(arguments: list[str]) -> tuple[int, list[str]]:
    """Run a command that should end by itself; return its code and what it said."""
    done = subprocess.run(
        arguments, capture_output=True, text=True, timeout=2 * PATIENCE, check=False
    )
    said = (done.stderr + done.stdout).strip()
    assert "Traceback" not in said
    return done.returncode, said.splitlines()


@pytest.mark.parametrize("listener", ["--https", "--admin"])
def test_a_port_in_use_is_one_line_and_exit_1(world: World, listener: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        others = dict.fromkeys(("--http", "--admin"), "tcp:0:interface=127.0.0.1")
        others[listener] = f"tcp:{port}:interface=127.0.0.1"
        options = [word for option in others.items() for word in option]
        code, lines = run_to_the_end(command(world.folder, *options))
    assert code == 1
    assert len([line for line in lines if str(port) in line]) == 1, lines


WRONG = [
    ("--nonsense",),
    ("--header-timeout", "soon"),
    ("--http", "udp:80"),
    ("--trusted-proxies", "300.1.1.1"),
    ("stray-argument",),
]


def test_a_wrong_option_is_one_line_and_exit_2(world: World) -> None:
    def run(options: tuple[str, ...]) -> str:
        code, lines = run_to_the_end(command(world.folder, *options))
        if code != 2 or len(lines) != 1 or not all(word in lines[0] for word in options):
            return f"{options}: exit {code}, {lines}"
        return ""

    with ThreadPoolExecutor(2) as pool:
        problems = [problem for problem in pool.map(run, WRONG) if problem]
    assert not problems, "\n".join(problems)


def test_a_default_certificate_that_cannot_be_read_is_said_at_the_start(world: World) -> None:
    address = "tcp:0:interface=127.0.0.1"
    options = ["--default-tls-cert", "/nowhere.pem", "--default-tls-key", "/nowhere.pem"]
    code, lines = run_to_the_end(
        command(world.folder, "--http", "none", "--https", address, "--admin", address, *options)
    )
    assert code in {1, 2}
    assert [line for line in lines if "--default-tls-cert" in line and "/nowhere.pem" in line]


def test_a_stopped_instance_frees_its_ports(world: World, tmp_path: Path) -> None:
    lane = world.single()
    lane.backend.answer(OK)
    program = start(world.folder, tmp_path / "log")
    client = connect(program.http)
    assert client.ask(lane.get()).status == 200
    program.stop()
    client.close()
    for port in (program.http, program.https, program.admin):
        with pytest.raises(ConnectionRefusedError):
            connect(port)
