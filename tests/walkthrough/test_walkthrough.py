"""The article, end to end: what a user runs, as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo.ports import free_ports

CHECKOUT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "FSM_PYTHON": sys.executable}


@pytest.mark.parametrize(
    "script",
    [
        "walkthrough.sh",
        "upstream-tls/walkthrough.sh",
        "passthrough/walkthrough.sh",
        "client-certificates/walkthrough.sh",
    ],
)
def test_the_article_runs_from_its_first_line_to_its_last(script: str) -> None:
    done = subprocess.run(
        [CHECKOUT / "examples" / script, "--start"],
        env={**ENVIRONMENT, **free_ports()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    assert done.stdout.rstrip().endswith(" passed, 0 failed")


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        port = other.stdout.readline().strip()
        done = demo(tmp_path, **{**free_ports(), "DEMO_HTTP_PORT": port})
        other.communicate("")

    assert done.returncode == 1
    assert done.stderr.startswith(f"demo: port {port} on 127.0.0.1 is in use; choose another one")
    assert done.stderr.count("\n") == 1


def test_what_is_no_port_is_one_clear_line(tmp_path: Path) -> None:
    done = demo(tmp_path, **{**free_ports(), "DEMO_HTTPS_PORT": "70000"})

    assert (done.returncode, done.stderr) == (1, "demo: DEMO_HTTPS_PORT=70000 is no port number\n")


def test_an_ingress_that_dies_takes_the_demo_along(tmp_path: Path) -> None:
    broken = tmp_path / "bin"
    broken.mkdir()
    write_script(broken / "python", f'exec "{sys.executable}" "$@"')
    write_script(broken / "twistd", "echo fsm-ingress: no luck >&2; exit 1")
    done = demo(tmp_path, FSM_PYTHON=str(broken / "python"), **free_ports())

    assert done.returncode == 1
    assert done.stderr == "demo: the ingress ended: fsm-ingress: no luck\n"


def test_without_a_demo_the_walkthrough_says_how_to_get_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [CHECKOUT / "examples" / "walkthrough.sh"],
        env={**ENVIRONMENT, "DEMO_DIR": str(tmp_path), "DEMO_WAIT_SECONDS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "make demo" in done.stderr


def test_a_demo_that_is_starting_is_waited_for(tmp_path: Path) -> None:
    walk = [CHECKOUT / "examples" / "walkthrough.sh"]
    settings = {**ENVIRONMENT, "DEMO_DIR": str(tmp_path), "DEMO_WAIT_SECONDS": "0"}
    with subprocess.Popen(["sleep", "60"]) as starting:
        (tmp_path / "pid").write_text(f"{starting.pid}\n")
        with subprocess.Popen(walk, env=settings) as walking:
            with pytest.raises(subprocess.TimeoutExpired):
                walking.wait(0.5)
            (tmp_path / "env").write_text("exit 7\n")
            assert walking.wait(10) == 7
        starting.terminate()


def write_script(path: Path, command: str) -> None:
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(0o755)


def demo(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CHECKOUT / "examples" / "demo.sh"],
        env={**ENVIRONMENT, "DEMO_DIR": str(folder), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


LISTEN = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as listening:
    print(listening.getsockname()[1], flush=True)
    sys.stdin.read()
"""
