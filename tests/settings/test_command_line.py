"""What `twistd fsm-ingress` says and how it ends when it does not start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fsm_twisted._version import __version__
from fsm_twisted.settings import help_text

TWISTD = str(Path(sys.executable).with_name("twistd"))


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TWISTD, "--nodaemon", "--pidfile=", "fsm-ingress", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--htp", "tcp:1"), "fsm-ingress: unknown option --htp; did you mean --http?"),
        (("--head-limit",), "fsm-ingress: --head-limit needs a value; accepted: 1k to 1m"),
        (
            ("--https-redirect-port", "http"),
            "fsm-ingress: --https-redirect-port: 'http' is not accepted; accepted: a port",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line_and_code_2(
    arguments: tuple[str, ...], line: str, tmp_path: Path
) -> None:
    ended = run(tmp_path, *arguments)

    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", line + "\n")


def test_without_a_source_all_places_are_listed_and_the_code_is_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    ended = run(tmp_path)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 1
    for word in ("--manifests", "--kubeconfig", "in-cluster", "$KUBECONFIG", ".kube/config"):
        assert word in ended.stderr


def test_a_kubeconfig_that_cannot_be_used_is_one_line_and_code_1(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("current-context: here")
    listen = ("--http", "tcp:0", "--admin", "tcp:0")
    ended = run(tmp_path, "--kubeconfig", "config", *listen)

    said = [each for each in ended.stderr.splitlines() if each.startswith("fsm-ingress: ")]
    where = f"kubeconfig {tmp_path / 'config'}"
    assert (ended.returncode, said) == (1, [f"fsm-ingress: {where}: there is no context here"])


def test_help_explains_and_ends_well(tmp_path: Path) -> None:
    ended = run(tmp_path, "--http", "nonsense", "--help")

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, help_text() + "\n", "")


def test_version_is_that_of_the_package(tmp_path: Path) -> None:
    ended = run(tmp_path, "--version")

    assert (ended.returncode, ended.stdout) == (0, f"fsm-ingress {__version__}\n")


def test_twistd_lists_the_program(tmp_path: Path) -> None:
    ended = subprocess.run(
        [TWISTD, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True
    )

    assert "fsm-ingress" in ended.stdout
