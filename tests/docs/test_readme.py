"""What README.md promises: its links lead somewhere, and its commands do what it says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.ports import free_ports

CHECKOUT = Path(__file__).parents[2]
README = (CHECKOUT / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]
TYPED = [line for line in COMMANDS if line.startswith(("curl ", "examples/kubectl "))]
SECONDS = 30
SCREEN_LINES = 60


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", README))
def test_a_link_leads_somewhere(link: str) -> None:
    assert (CHECKOUT / link).exists()


def test_the_page_for_newcomers_has_the_same_first_commands() -> None:
    page = (CHECKOUT / "docs" / "getting-started.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)

    assert blocks == BLOCKS[:2]


def test_it_fits_a_screen() -> None:
    assert README.count("\n") <= SCREEN_LINES


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z]+)", README))))
def test_make_knows_the_target(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=CHECKOUT, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr


def test_every_command_is_one_that_these_tests_look_at() -> None:
    known = ("make ", "examples/", "curl ", ".venv/bin/twistd ", ".venv/bin/fsm-ingress ")

    assert [line for line in COMMANDS if not line.startswith(known)] == []


@pytest.mark.parametrize("line", [line for line in COMMANDS if "twistd" in line])
def test_the_options_of_twistd_exist(line: str) -> None:
    script = "from twisted.scripts.twistd import run; run()"
    words = shlex.split(line)[1:]
    plugin = words[words.index("fsm-ingress")]
    asked = [word for word in words if word.startswith("--")]
    told = [
        output_of([sys.executable, "-c", script, *name, "--help"], dict(os.environ))
        for name in ([], [plugin])
    ]

    assert all(any(option.partition("=")[0] in text for text in told) for option in asked)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Run the demo on ports of its own; yield the environment that its variables make."""
    environment = {
        **os.environ,
        **free_ports(),
        "DEMO_DIR": str(tmp_path),
        "FSM_MANIFESTS": str(tmp_path / "manifests"),
        "FSM_PYTHON": sys.executable,
        "no_proxy": "*",
    }
    with subprocess.Popen(
        [CHECKOUT / "examples" / "demo.sh"], env=environment, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        shown = next((line for line in running.stdout if "Ctrl-C" in line), "")
        assert shown, running.wait()
        yield environment
        running.terminate()
    assert running.returncode == 0


def test_five_commands_lead_from_nothing_to_why_something_is_not_reachable(
    demo: dict[str, str],
) -> None:
    make, curl, apply, good, bad = COMMANDS[:5]
    assert make == "make demo"  # it runs by now

    assert shown_by(curl, demo) == (0, "Hi, there!\n")
    code, said = shown_by(apply, demo)
    assert (code, said.count("created")) == (0, 8)
    code, said = shown_by(good, demo)
    assert code == 0
    assert "goes to Service httpbin/httpbin:8000, endpoint " in said
    deadline = time.monotonic() + SECONDS
    while "no_service" not in said and time.monotonic() < deadline:
        code, said = shown_by(bad, demo)
    assert code == 1
    assert "gets 503 from the proxy (no_service)" in said
    assert "there is no Service default/shop [service_missing]" in said
    assert "to mend it: create the Service in the Ingress's namespace, or name another" in said


def shown_by(line: str, demo: dict[str, str]) -> tuple[int, str]:
    """Run a command of the README; return its exit code and what it has shown."""
    line = line.replace("127.0.0.1:8000", f"127.0.0.1:{demo['DEMO_HTTP_PORT']}")
    line = line.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    environment = {**demo, "FSM_INGRESS_ADMIN": f"http://127.0.0.1:{demo['DEMO_ADMIN_PORT']}"}
    done = subprocess.run(
        shlex.split(line),
        env=environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_what_it_types_works_in_the_order_in_which_it_stands(demo: dict[str, str]) -> None:
    for line in TYPED:
        command = shlex.split(
            line.replace("127.0.0.1:8000", f"127.0.0.1:{demo['DEMO_HTTP_PORT']}")
        )
        shown = output_of(command, demo)
        deadline = time.monotonic() + SECONDS
        while command[0] == "curl" and shown != "Hi, there!\n" and time.monotonic() < deadline:
            shown = output_of(command, demo)  # what was applied is served a moment later
        assert shown == "Hi, there!\n" or "httpbin" in shown or "shop created" in shown, line


def output_of(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    return done.stdout
