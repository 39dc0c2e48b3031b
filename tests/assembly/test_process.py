"""Daemon and log: twistd's own options keep their meaning."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import Logger, LogLevel

from fsm_twisted.settings import LogLevelName
from fsm_twisted.tap import log_observer, logs_to_stderr
from tests.assembly.program import FREE, Program, failing, running, until


def daemon_options(folder: Path) -> tuple[str, ...]:
    return (f"--pidfile={folder}/pid", f"--logfile={folder}/log")


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_daemon_starts_serves_logs_and_stops(tmp_path: Path) -> None:
    code, said = failing(tmp_path, *FREE, twistd=daemon_options(tmp_path))
    pid = int((tmp_path / "pid").read_text())
    try:
        assert (code, said) == (0, "")
        daemon = Program(None, tmp_path / "log")
        until(lambda: daemon.is_ready, lambda: daemon.log)

        os.kill(pid, signal.SIGUSR1)
        until((tmp_path / "log.1").exists)

        os.kill(pid, signal.SIGTERM)
        until(lambda: not is_running(pid))
        assert "SIGTERM: draining" in daemon.log
        assert "Traceback" not in daemon.log
        assert not (tmp_path / "pid").exists()
    finally:
        if is_running(pid):
            os.kill(pid, signal.SIGKILL)


def test_a_daemon_that_cannot_start_says_so_to_its_caller_and_in_its_log(tmp_path: Path) -> None:
    code, said = failing(
        tmp_path, *FREE, "--manifests", "nowhere", twistd=daemon_options(tmp_path)
    )

    assert code == 1
    assert "StartError: --manifests: " in said
    until(lambda: "cannot start: --manifests: " in (tmp_path / "log").read_text())
    until(lambda: not (tmp_path / "pid").exists())


def test_in_the_foreground_the_log_tells_of_a_bad_manifest(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "bad.yaml").write_text("kind: [")
    with running(tmp_path) as program:
        assert "bad.yaml" in program.log


def test_below_the_log_level_nothing_is_said_on_stderr_or_in_the_log_file(tmp_path: Path) -> None:
    options = (*FREE, "--log-level", "critical", "--https", "tcp:0:interface=192.0.2.1")
    why = "cannot listen on tcp:0:interface=192.0.2.1: "

    code, said = failing(tmp_path, *options)
    assert code == 1
    assert said.startswith(f"fsm-ingress: {why}")
    assert said.count("\n") == 1

    to_file = ("--nodaemon", "--pidfile=", f"--logfile={tmp_path}/log")
    assert failing(tmp_path, *options, twistd=to_file) == (code, said)
    log = (tmp_path / "log").read_text()
    assert f"cannot start: {why}" in log
    assert log.count("\n") == 1


@pytest.mark.parametrize(
    "parent",
    [
        {"nodaemon": True, "logfile": "log"},
        {"nodaemon": True, "syslog": 1},
        {"nodaemon": True, "logger": print},
        {"nodaemon": False},
        {},
    ],
)
def test_stderr_is_for_the_foreground_unless_twistd_is_told_otherwise(
    parent: dict[str, Any],
) -> None:
    assert logs_to_stderr({"nodaemon": True, "logfile": None, "logger": None, "syslog": 0})
    assert not logs_to_stderr(parent)


def test_the_operators_own_logger_gets_everything() -> None:
    assert log_observer({"nodaemon": True, "logger": print}, LogLevelName.ERROR) is None


@pytest.mark.parametrize("least", list(LogLevelName))
def test_the_level_is_the_least_that_is_logged(
    least: LogLevelName, capsys: pytest.CaptureFixture[str]
) -> None:
    observer = log_observer({"nodaemon": True}, least)
    assert observer is not None
    log = Logger("test", observer=observer)
    for level in LogLevel.iterconstants():
        log.emit(level, level.name)

    said = [line.split("#")[1].split("]")[0] for line in capsys.readouterr().err.splitlines()]

    names = [level.value for level in LogLevelName]
    assert said == names[names.index(least.value) :]
