"""Listening addresses: read, written, bound, and what is said when they cannot be had."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.net.addresses import (
    DEFAULT_BACKLOG,
    AddressError,
    BindError,
    ListenAddress,
    bind,
    bound_address,
    parse_address,
)

PORTS = st.integers(0, 65535)
BACKLOGS = st.one_of(st.just(DEFAULT_BACKLOG), st.integers(1, 65535))
V4 = st.one_of(st.just(""), st.ip_addresses(v=4).map(str))
V6 = st.one_of(st.just(""), st.ip_addresses(v=6).map(str))
ADDRESSES = st.one_of(
    st.builds(ListenAddress, st.just("tcp"), V4, PORTS, BACKLOGS),
    st.builds(ListenAddress, st.just("tcp6"), V6, PORTS, BACKLOGS),
    st.builds(
        ListenAddress,
        st.just("unix"),
        st.one_of(st.text(min_size=1), st.text("a:=\\[]", min_size=1)),
        backlog=BACKLOGS,
        mode=st.one_of(st.just(0o666), st.integers(0, 0o777)),
    ),
    st.builds(ListenAddress, st.just("systemd"), st.just(""), PORTS),
)
LOOPBACK = ListenAddress("tcp", host="127.0.0.1")


@given(ADDRESSES)
def test_what_is_written_is_read_as_the_same(address: ListenAddress) -> None:
    assert parse_address(str(address)) == address


@given(
    st.one_of(
        st.text(),
        st.text().map("tcp:{}".format),
        st.text().map("tcp6:1:{}".format),
        st.text().map("unix:{}".format),
        st.text("a:=\\[]").map("unix:{}".format),
    )
)
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = parse_address(text)
    except AddressError:
        return
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tcp:80", ListenAddress("tcp", port=80)),
        (r"tcp6:80:interface=\:\:1", ListenAddress("tcp6", "::1", 80)),
        ("tcp6:80:interface=[::1]:backlog=7", ListenAddress("tcp6", "::1", 80, 7)),
        ("tcp:80:backlog=7:interface=10.0.0.1", ListenAddress("tcp", "10.0.0.1", 80, 7)),
        ("unix:/run/a:b", ListenAddress("unix", "/run/a:b")),
        (r"unix:/run/a\:mode=1", ListenAddress("unix", "/run/a:mode=1")),
        ("unix:/run/a:mode=660", ListenAddress("unix", "/run/a", mode=0o660)),
        ("unix:/run/a:b:backlog=7:mode=0600", ListenAddress("unix", "/run/a:b", 0, 7, 0o600)),
        ("systemd:", ListenAddress("systemd")),
    ],
)
def test_accepted_forms(text: str, address: ListenAddress) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "no kind of address"),
        ("80", "'80' is no kind of address"),
        ("ssl:443", "'ssl' is no kind of address"),
        ("TCP:80", "'TCP' is no kind of address"),
        ("tcp:", "no port"),
        ("tcp:http", "'http' is no port"),
        ("tcp:65536", "'65536' is no port"),
        ("tcp:-1", "'-1' is no port"),
        ("tcp:\u0661", "is no port"),
        ("tcp:80:interface=localhost", "'localhost' is no IP address"),
        ("tcp:80:interface=::1", "is no"),
        ("tcp:80:interface=[::1]", "does not fit tcp"),
        ("tcp6:80:interface=127.0.0.1", "does not fit tcp6"),
        ("tcp:80:backlog=0", "backlog='0'"),
        ("tcp:80:backlog=many", "backlog='many'"),
        ("tcp:80:reuse=1", "'reuse=1' is no option of tcp"),
        ("tcp:80:backlog=1:backlog=2", "'backlog' is given twice"),
        ("unix:", "needs a path"),
        ("unix::mode=660", "needs a path"),
        ("unix:/a:mode=rw", "mode='rw' is no mode of three octal digits, such as 660"),
        ("unix:/a:mode=1777", "mode='1777' is no mode"),
        ("unix:/a:mode=66", "mode='66' is no mode"),
        ("unix:/a:lockfile=0", "'lockfile=0' is no option of unix"),
        ("unix:/a:mode=660:b", "'b' is no option of unix"),
        ("unix:/a:mode=660:mode=660", "'mode' is given twice"),
        ("systemd:first", "takes an index"),
    ],
)
def test_a_refusal_says_which_part(text: str, part: str) -> None:
    with pytest.raises(AddressError, match=part.replace("[", r"\[")):
        parse_address(text)


# Binding


def test_port_0_is_any_free_port_and_can_be_told() -> None:
    with bind(LOOPBACK) as sock:
        port = sock.getsockname()[1]

        assert port
        assert str(bound_address(LOOPBACK, sock)) == f"tcp:{port}:interface=127.0.0.1"
        assert not sock.getblocking()


def test_a_port_in_use_names_the_address_and_what_to_do() -> None:
    with bind(LOOPBACK) as sock:
        taken = bound_address(LOOPBACK, sock)
        with pytest.raises(BindError) as caught:
            bind(taken)

    assert str(caught.value) == (
        f"cannot listen on {taken}: Address already in use "
        "(another process has it; stop it, or choose another port)"
    )


def test_one_interface_is_in_use_when_all_of_them_are() -> None:
    everywhere = ListenAddress("tcp")
    with bind(everywhere) as sock, pytest.raises(BindError, match="already in use"):
        bind(ListenAddress("tcp", "127.0.0.1", sock.getsockname()[1]))


def test_an_address_of_another_machine_is_said_to_be_one() -> None:
    with pytest.raises(BindError, match="no interface of this machine has this address"):
        bind(ListenAddress("tcp", "192.0.2.1"))


def test_ipv6_leaves_ipv4_to_others() -> None:
    with bind(ListenAddress("tcp6")) as six:
        port = six.getsockname()[1]
        with bind(ListenAddress("tcp", port=port)) as four:
            assert four.getsockname()[1] == port
            with socket.create_connection(("::1", port)):
                pass


def unix(path: Path) -> ListenAddress:
    return ListenAddress("unix", str(path))


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o777, 0])
@pytest.mark.parametrize("mode", [0o666, 0o660, 0o600])
def test_a_unix_socket_has_its_mode_whatever_the_umask_is(
    tmp_path: Path, umask: int, mode: int
) -> None:
    place = ListenAddress("unix", str(tmp_path / "sock"), mode=mode)
    before = os.umask(umask)
    try:
        bind(place).close()
    finally:
        os.umask(before)

    assert stat.S_IMODE(os.stat(place.host).st_mode) == mode


def test_a_unix_socket_that_nobody_listens_on_is_taken_over(tmp_path: Path) -> None:
    place = unix(tmp_path / "sock")
    bind(place).close()

    with bind(place), socket.socket(socket.AF_UNIX) as client:
        client.connect(place.host)


@pytest.mark.parametrize("waiting", [0, 1])
def test_a_unix_socket_with_a_listener_is_left_alone(tmp_path: Path, waiting: int) -> None:
    place = ListenAddress("unix", str(tmp_path / "sock"), backlog=1)
    clients = [socket.socket(socket.AF_UNIX) for _ in range(8 * waiting)]
    with bind(place) as sock:
        for client in clients:
            # Until its queue is full, so that a blocking probe would wait for ever.
            client.setblocking(False)
            client.connect_ex(place.host)
        with pytest.raises(BindError, match="another process listens there"):
            bind(place)

        assert Path(place.host).is_socket()
        assert sock.fileno() != -1
    for client in clients:
        client.close()


def test_a_file_in_the_way_is_no_socket_and_stays(tmp_path: Path) -> None:
    (tmp_path / "sock").write_text("precious")

    with pytest.raises(BindError, match="the file is no socket"):
        bind(unix(tmp_path / "sock"))

    assert (tmp_path / "sock").read_text() == "precious"


@pytest.mark.parametrize("name", ["missing/sock", "a" * 200])
def test_a_path_that_cannot_be_had_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(BindError) as caught:
        bind(unix(tmp_path / name))

    assert str(caught.value).startswith(f"cannot listen on unix:{tmp_path / name}: ")


# systemd, as sd_listen_fds(3) has it: sockets from 3 on, for the process that is named.

SYSTEMD = """
import socket
import twisted.internet.endpoints  # which takes systemd's word out of os.environ
from fsm_twisted.net.addresses import BindError, bind, parse_address
try:
    sock = bind(parse_address("systemd:{index}"))
except BindError as error:
    print(error)
else:
    print(sock.getsockname()[1], sock.getblocking(), sock.get_inheritable())
"""


def adopted(made: socket.socket, pid: str, count: object, index: int) -> str:
    """Start a program as systemd does, with *made* as its descriptor 3."""
    begin = f'LISTEN_PID={pid} LISTEN_FDS={count} exec "$0" -c "$1" 3<&0'
    ended = subprocess.run(
        ["sh", "-c", begin, sys.executable, SYSTEMD.format(index=index)],
        stdin=made.fileno(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_a_socket_of_systemd_is_taken_and_never_blocks() -> None:
    with socket.create_server(("127.0.0.1", 0)) as made:
        assert adopted(made, "$$", 1, 0) == f"{made.getsockname()[1]} False False"


@pytest.mark.parametrize(
    ("pid", "count", "index", "passed"),
    [
        ("$$", 1, 1, 1),
        ("$PPID", 1, 0, 0),
        ("$$", "many", 0, 0),
    ],
)
def test_a_socket_that_systemd_did_not_pass_on_is_one_line(
    pid: str, count: object, index: int, passed: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as made:
        said = adopted(made, pid, count, index)
    assert said == (
        f"cannot listen on systemd:{index}: systemd has passed {passed} sockets to this process"
    )
