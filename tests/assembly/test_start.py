"""A program that cannot start says so in one line; one that can says where it listens."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsm_twisted.assembly import StartError, default_certificate, proxy_options
from fsm_twisted.assembly.options import span_export
from fsm_twisted.proxy.options import PlainHttp
from fsm_twisted.settings import parse_settings
from tests.assembly.program import FREE, Program, failing, running, words
from tests.strategies.certificates import make_pair

HTTPS = ("--https", "tcp:0:interface=127.0.0.1")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("program")
    more = ("--http", "tcp6:0:interface=[::1]", "--http", f"unix:{folder}/sock")
    with running(folder, *more, *HTTPS) as started:
        yield started


def test_there_is_a_ready_line_for_each_listener_with_its_real_port(program: Program) -> None:
    kinds, addresses = zip(*program.listening, strict=True)

    assert kinds == ("http", "http", "http", "https", "admin")
    assert addresses[1].startswith("tcp6:")
    assert addresses[2] == f"unix:{program.log_path.parent}/sock"
    assert all(":0:" not in address for address in addresses)


def test_every_listener_answers(program: Program) -> None:
    assert program.ask("/", "http") == (404, b"Service Not Found")
    six = int(program.listening[1][1].split(":")[1])
    for family, where in (
        (socket.AF_INET6, ("::1", six)),
        (socket.AF_UNIX, f"{program.log_path.parent}/sock"),
    ):
        with socket.socket(family) as client:
            client.connect(where)
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_socket_of_systemd_is_served(tmp_path: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as made:
        options = ("--http", "systemd:0", "--workers", workers)
        with running(tmp_path, *options, activated=made.fileno()) as program:
            assert ("http", "systemd:0") in program.listening
            with socket.create_connection(made.getsockname(), 10) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.recv(1000).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/livez", (200, b"ok\n")),
        ("GET", "/readyz", (200, b"ok\n")),
        ("HEAD", "/readyz", (200, b"")),
    ],
)
def test_health(program: Program, method: str, path: str, answer: tuple[int, bytes]) -> None:
    assert program.ask(path, method=method) == answer


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nothing", 404), ("POST", "/livez", 405)]
)
def test_the_admin_port_answers_nothing_else(
    program: Program, method: str, path: str, status: int
) -> None:
    assert program.ask(path, method=method)[0] == status


@pytest.mark.parametrize("kind", ["http", "https", "admin"])
def test_a_second_program_on_the_same_port_is_one_line(
    program: Program, kind: str, tmp_path: Path
) -> None:
    taken = f"tcp:{program.port(kind)}:interface=127.0.0.1"
    options = [*FREE, f"--{kind}", taken]

    code, said = failing(tmp_path, *options, twistd=("--nodaemon",))

    assert code == 1
    assert words(said) == [
        f"fsm-ingress: cannot listen on {taken}: Address already in use "
        "(another process has it; stop it, or choose another port)"
    ]
    # Left behind, it would name a process that is none of ours one day.
    assert not (tmp_path / "twistd.pid").exists()


def test_manifests_that_are_not_there_are_one_line(tmp_path: Path) -> None:
    code, said = failing(tmp_path, *FREE, "--manifests", "nowhere")

    assert code == 1
    (line,) = words(said)
    assert line.startswith("fsm-ingress: --manifests: ")
    assert "nowhere" in line
    assert "No such file or directory" in line


def test_a_session_key_that_is_too_short_is_one_line(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"fifteen bytes..")

    code, said = failing(tmp_path, *FREE, "--session-key-file", str(key))

    assert (code, said) == (
        1,
        f"fsm-ingress: --session-key-file: {key} is shorter than 16 bytes\n",
    )


def test_a_key_that_does_not_fit_its_certificate_is_one_line(tmp_path: Path) -> None:
    pem(tmp_path)
    (tmp_path / "key").write_bytes(make_pair(kind="RSA-2048").pem_key)

    code, said = failing(tmp_path, *FREE, *HTTPS, *pair_options(tmp_path))

    assert code == 1
    (line,) = words(said)
    assert line.startswith("fsm-ingress: --default-tls-cert, --default-tls-key: tls.key does not ")


# The same in this process, where it is cheap.


def pem(folder: Path) -> None:
    (folder / "crt").write_bytes(make_pair().crt)
    (folder / "key").write_bytes(make_pair().pem_key)


def pair_options(folder: Path) -> tuple[str, ...]:
    return ("--default-tls-cert", str(folder / "crt"), "--default-tls-key", str(folder / "key"))


def test_the_operators_certificate_is_the_default_one(tmp_path: Path) -> None:
    pem(tmp_path)
    settings = parse_settings(("--manifests", "m", *pair_options(tmp_path)))

    assert default_certificate(settings).chain_pem == make_pair().crt


@pytest.mark.parametrize("missing", ["crt", "key"])
def test_a_certificate_file_that_cannot_be_read_is_named(tmp_path: Path, missing: str) -> None:
    pem(tmp_path)
    os.unlink(tmp_path / missing)
    settings = parse_settings(("--manifests", "m", *pair_options(tmp_path)))

    with pytest.raises(StartError) as caught:
        default_certificate(settings)

    option = {"crt": "--default-tls-cert", "key": "--default-tls-key"}[missing]
    assert str(caught.value) == (
        f"{option}: cannot read {tmp_path / missing}: No such file or directory"
    )


def test_no_secret_is_quoted_when_a_key_cannot_be_used(tmp_path: Path) -> None:
    pem(tmp_path)
    (tmp_path / "key").write_bytes(b"hunter2")
    settings = parse_settings(("--manifests", "m", *pair_options(tmp_path)))

    with pytest.raises(StartError) as caught:
        default_certificate(settings)

    assert "hunter2" not in str(caught.value)


def test_without_a_key_file_each_start_signs_with_a_key_of_its_own() -> None:
    settings = parse_settings(("--manifests", "m"))

    keys = {proxy_options(settings).affinity_key for _ in range(3)}

    assert len(keys) == 3
    assert all(len(key) >= 16 for key in keys)


def test_replicas_with_the_same_key_file_sign_alike(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"0123456789abcdef")
    settings = parse_settings(("--manifests", "m", "--session-key-file", str(tmp_path / "key")))

    assert proxy_options(settings).affinity_key == b"0123456789abcdef"


def test_nothing_is_redirected_to_https_where_there_is_no_https() -> None:
    without = parse_settings(("--manifests", "m"))
    among = parse_settings(("--manifests", "m", "--https", "tcp:443"))

    assert proxy_options(without).plain_http is PlainHttp.SERVE
    assert proxy_options(among).plain_http is PlainHttp.REDIRECT


def test_a_body_limit_of_0_is_none() -> None:
    assert proxy_options(parse_settings(("--manifests", "m"))).body_limit_bytes is None
    limited = parse_settings(("--manifests", "m", "--body-limit", "1k"))
    assert proxy_options(limited).body_limit_bytes == 1024


def test_traces_without_their_library_are_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fsm_twisted.control.span_export", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    settings = parse_settings(("--manifests", "x", "--trace-collector", "http://c:4318"))

    with pytest.raises(StartError, match=r"fsm-twisted\[otel\]"):
        span_export(settings)
    assert span_export(parse_settings(("--manifests", "x"))) is None
