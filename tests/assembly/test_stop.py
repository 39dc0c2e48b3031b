"""Signals: drain first, end at once the second time, always with code 0."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.assembly.program import running, until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_program_well(tmp_path: Path, number: signal.Signals) -> None:
    # With nothing under way it ends at once, whatever the time it would allow.
    with running(tmp_path, "--drain-timeout", "0") as program:
        program.signal(number)

        assert program.ended() == 0
        assert f"{number.name}: draining" in program.log
        assert "cut" not in program.log


def test_who_asks_for_a_reload_or_new_log_files_ends_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as program:
        program.signal(signal.SIGUSR1)
        program.signal(signal.SIGHUP)
        until(lambda: "SIGHUP: there is nothing to reload" in program.log)

        assert program.ask("/readyz")[0] == 200
        program.signal(signal.SIGTERM)
        assert program.ended() == 0


def test_a_terminal_that_hangs_up_drains_the_program(tmp_path: Path) -> None:
    ours, its = os.openpty()
    with running(tmp_path, terminal=its) as program:
        os.close(its)
        os.close(ours)

        assert program.ended() == 0
        assert "SIGHUP: draining" in program.log


def test_during_the_delay_it_is_not_ready_but_accepts_and_the_second_signal_ends_it(
    tmp_path: Path,
) -> None:
    with running(tmp_path, "--drain-delay", "600") as program:
        program.signal(signal.SIGTERM)
        until(lambda: program.ask("/readyz") == (503, b"draining\n"))

        assert program.ask("/livez") == (200, b"ok\n")
        assert program.ask("/", "http")[0] == 404

        program.signal(signal.SIGTERM)
        assert program.ended() == 0
        assert "SIGTERM again: stopping at once" in program.log


def test_what_does_not_end_in_time_is_cut(tmp_path: Path) -> None:
    with (
        running(tmp_path, "--drain-timeout", "0.3") as program,
        socket.create_connection(("127.0.0.1", program.port("http"))) as client,
    ):
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-")
        # Answered on another connection, so the half request has been read as well.
        assert program.ask("/", "http")[0] == 404
        program.signal(signal.SIGTERM)

        assert program.ended() == 0
        assert "drain timeout: 1 connections cut" in program.log
        with pytest.raises(ConnectionResetError):
            client.recv(1000)


def test_after_the_delay_nothing_more_is_accepted_while_a_request_may_finish(
    tmp_path: Path,
) -> None:
    with running(tmp_path, "--drain-timeout", "600") as program:
        where = ("127.0.0.1", program.port("http"))
        with socket.create_connection(where) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
            assert program.ask("/", "http")[0] == 404
            program.signal(signal.SIGTERM)
            until(lambda: _is_refused(where))
            assert program.ask("/readyz") == (503, b"draining\n")

            client.sendall(b"\r\n")
            answer = b"".join(iter(lambda: client.recv(1000), b""))

        assert answer.startswith(b"HTTP/1.1 404 ")
        assert b"\r\nConnection: close\r\n" in answer
        assert program.ended() == 0


def _is_refused(where: tuple[str, int]) -> bool:
    try:
        socket.create_connection(where).close()
    except ConnectionRefusedError:
        return True
    return False
