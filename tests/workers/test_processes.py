"""What dies, what is replaced, and what nobody notices; with real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.harness.client import Client, connect_tls, tls_context
from tests.workers.processes import (
    SECONDS,
    children,
    has_connections,
    is_alive,
    owners,
    until,
)
from tests.workers.program import Fleet, fleet, get, refuses

FAIR = 70  # of 200 for two workers, at least: 35 %
# Where both workers wait for one processor, that may come to 40; where nobody leaves anything
# to the other it is 5, each time.
ATTEMPTS = 5


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("fleet")) as running:
        yield running


class Load:
    """Clients that ask again and again meanwhile, each on one connection."""

    def __init__(self, clients: list[Client]) -> None:
        self._enough = threading.Event()
        self.answers: Counter[Client] = Counter()
        self.failures: dict[Client, str] = {}
        self._threads = [threading.Thread(target=self._run, args=(each,)) for each in clients]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client: Client) -> None:
        while not self._enough.is_set():
            try:
                assert client.ask(get()).status == 200
            except Exception as error:  # noqa: BLE001  whatever it is, the client has failed
                self.failures[client] = repr(error)
                return
            self.answers[client] += 1


def least_of(shared: Fleet, clients: list[Client]) -> int:
    """Ask on every connection; return how many the worker with fewer has."""
    try:
        for client in clients:
            assert client.ask(get()).status == 200
        peers = [client.sock.getsockname()[1] for client in clients]
        share = Counter(owners(shared.program.http, peers, shared.workers).values())
    finally:
        for client in clients:
            client.close()
    assert share.total() == 200
    return min(share[worker] for worker in shared.workers)


def test_two_workers_share_connections_about_evenly(shared: Fleet) -> None:
    shares = (least_of(shared, [shared.connect() for _ in range(200)]) for _ in range(ATTEMPTS))

    assert any(share >= FAIR for share in shares)


def test_connections_that_come_all_at_once_are_shared_too(shared: Fleet) -> None:
    def share() -> int:
        until(lambda: not has_connections(shared.program.http))
        for worker in shared.workers:
            os.kill(worker, signal.SIGSTOP)
        clients = [shared.connect() for _ in range(200)]
        for worker in shared.workers:
            os.kill(worker, signal.SIGCONT)
        return least_of(shared, clients)

    assert any(share() >= FAIR for _ in range(ATTEMPTS))


def test_a_killed_worker_costs_the_others_nothing_and_is_replaced_within_a_second(
    shared: Fleet,
) -> None:
    shared.serve("late")
    until(lambda: _status(shared, "late.test") == 200)
    victim, survivor = shared.workers
    clients = [shared.connect_to(survivor) for _ in range(6)]
    clients += [shared.connect_to(victim) for _ in range(2)]
    with Load(clients) as load:
        until(lambda: all(load.answers[client] for client in clients))
        took, answered = replaced_after(shared, victim, survivor)
        asked = load.answers.copy()
        until(lambda: all(load.answers[client] > asked[client] for client in clients[:6]))

    assert answered == 200
    assert set(load.failures) == set(clients[6:])
    for client in clients:
        client.close()
    if took >= 1:  # a machine without time: once more, without load
        (victim,) = set(shared.workers) - {survivor}
        took, _ = replaced_after(shared, victim, survivor)
    assert took < 1


def replaced_after(shared: Fleet, victim: int, survivor: int) -> tuple[float, int]:
    """Kill *victim*; return after how many seconds a successor answers, and with what status."""
    os.kill(victim, signal.SIGKILL)
    begun = time.monotonic()
    successor = until(lambda: next(iter(set(shared.workers) - {victim, survivor}), 0))
    with contextlib.closing(shared.connect_to(successor)) as client:
        status = client.ask(get("late.test")).status
        return time.monotonic() - begun, status


def _status(shared: Fleet, host: str) -> int:
    client = shared.connect()
    try:
        return client.ask(get(host)).status
    finally:
        client.close()


def test_a_killed_nursery_costs_nobody_anything_and_is_rebuilt(shared: Fleet) -> None:
    nursery, workers = shared.nursery, shared.workers
    clients = [shared.connect_to(worker) for worker in workers]
    with Load(clients) as load:
        shared.orphans = tuple(workers)
        os.kill(nursery, signal.SIGKILL)
        rebuilt = until(lambda: shared.nursery if shared.nursery not in {0, nursery} else 0)
        os.kill(workers[0], signal.SIGKILL)
        successor = until(lambda: children(rebuilt))[0]
        with contextlib.closing(shared.connect_to(successor)) as client:
            assert client.ask(get()).status == 200

    assert set(load.failures) == {clients[0]}
    assert is_alive(workers[1])
    for client in clients:
        client.close()
    # The tests to come find both workers in the new nursery.
    os.kill(workers[1], signal.SIGKILL)
    until(lambda: len(shared.workers) == 2)
    shared.orphans = ()


def test_a_tls_session_of_one_worker_resumes_on_the_other(shared: Fleet) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = tls_context()
        context.minimum_version = context.maximum_version = version
        first = connect_tls(shared.program.https, "a.test", context=context)
        assert first.ask(get()).status == 200
        giver = shared.owner(first)
        assert isinstance(first.sock, ssl.SSLSocket)
        session = first.sock.session
        first.close()
        taker = giver
        while taker == giver:
            second = connect_tls(shared.program.https, "a.test", context=context, session=session)
            assert second.ask(get()).status == 200
            assert isinstance(second.sock, ssl.SSLSocket)
            assert second.sock.session_reused
            taker = shared.owner(second)
            second.close()


def test_a_cookie_of_one_worker_names_the_same_endpoint_on_the_other(shared: Fleet) -> None:
    one, other = (shared.connect_to(worker) for worker in shared.workers)
    first = one.ask(get())
    cookie = (first.get(b"Set-Cookie") or b"").partition(b";")[0]
    again = get()[:-2] + b"Cookie: " + cookie + b"\r\n\r\n"

    assert {other.ask(again).body for _ in range(10)} == {first.body}

    one.close()
    other.close()


def test_workers_draw_their_request_ids_apart(shared: Fleet) -> None:
    clients = [shared.connect_to(worker) for worker in shared.workers]
    ids = [client.ask(get()).get(b"Told-Id") or b"" for client in clients]
    for client in clients:
        client.close()

    assert [len(each) for each in ids] == [32, 32]
    assert ids[0][:16] != ids[1][:16]


def test_signals_for_the_group_end_neither_nursery_nor_workers(shared: Fleet) -> None:
    before = [shared.nursery, *shared.workers]
    for pid in before:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            os.kill(pid, number)
    for worker in shared.workers:
        client = shared.connect_to(worker)
        assert client.ask(get()).status == 200
        client.close()

    assert [shared.nursery, *shared.workers] == before


def test_workers_hold_no_code_of_the_control_road(shared: Fleet) -> None:
    # The nursery's modules are those of its workers; yaml stands for all sources.
    for pid in (shared.nursery, *shared.workers):
        with open(f"/proc/{pid}/maps") as maps:
            assert "yaml" not in maps.read()


def test_the_masters_death_ends_all(tmp_path: Path) -> None:
    with fleet(tmp_path) as running:
        everyone = [running.nursery, *running.workers]
        client = running.connect()
        assert client.ask(get()).status == 200
        running.program.process.kill()
        running.program.process.wait()
        until(lambda: not any(is_alive(pid) for pid in everyone))
        assert client.ending() in {"fin", "reset"}
        client.close()

        assert len(everyone) == 3
        assert refuses(running.program.http)


def test_a_drain_finishes_what_runs_in_the_workers_and_ends_with_0(tmp_path: Path) -> None:
    with fleet(tmp_path) as running:
        everyone = [running.nursery, *running.workers]
        slow, idle = (running.connect_to(worker) for worker in running.workers)
        assert idle.ask(get()).status == 200
        slow.send(get(path="/slow"))
        slow.until(b"hello")
        running.program.terminate()
        assert idle.ending() == "fin"
        until(lambda: refuses(running.program.http))
        assert running.program.process.poll() is None
        running.backend.go_on.set()
        assert slow.exactly(5) == b"world"
        assert running.program.wait() == 0
        running.program.check_log()
        idle.close()
        slow.close()

        assert not any(is_alive(pid) for pid in everyone)


def test_a_second_signal_ends_all_at_once(tmp_path: Path) -> None:
    with fleet(tmp_path) as running:
        everyone = [running.nursery, *running.workers]
        slow = running.connect()
        slow.send(get(path="/slow"))
        slow.until(b"hello")
        running.program.terminate()
        until(lambda: refuses(running.program.http))
        begun = time.monotonic()
        running.program.terminate()
        assert running.program.wait() == 0
        took = time.monotonic() - begun
        assert slow.ending() == "reset"
        slow.close()

        assert took < SECONDS  # half of the time that a drain may take
        assert not any(is_alive(pid) for pid in everyone)


def test_what_is_not_finished_in_time_is_cut_with_a_reset(tmp_path: Path) -> None:
    with fleet(tmp_path, "--drain-timeout", "0.3") as running:
        slow = running.connect()
        slow.send(get(path="/slow"))
        slow.until(b"hello")
        running.program.terminate()
        assert slow.ending() == "reset"
        assert running.program.wait() == 0
        slow.close()

        assert "drain timeout: 1 connections cut" in running.program.log


def test_a_worker_that_does_not_obey_is_killed_in_the_end(tmp_path: Path) -> None:
    with fleet(tmp_path, "--drain-timeout", "0.1") as running:
        workers = running.workers
        os.kill(workers[0], signal.SIGSTOP)
        running.program.terminate()
        assert running.program.wait() == 0
        until(lambda: not any(is_alive(pid) for pid in workers))
