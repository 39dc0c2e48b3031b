"""Where to listen: ``tcp:8000:interface=127.0.0.1`` and its kin, as values and as sockets."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket
import stat
from contextlib import suppress
from pathlib import Path

import attrs

DEFAULT_BACKLOG = 4096
DEFAULT_MODE = 0o666
_LARGEST = 65535
_FIRST_SYSTEMD_FD = 3
# A colon that separates: not escaped, not in brackets.
_COLON = re.compile(r"(?<!\\):(?![^\[]*\])")
_PATH_SYMBOL = re.compile(r"\\[\\:]|.", re.DOTALL)


class AddressError(ValueError):
    """A listening address that cannot be understood; the text says which part."""


class BindError(Exception):
    """A listening address that cannot be had; the text names it and says why."""


@attrs.frozen
class ListenAddress:
    """
    One place to listen.

    ``family`` is ``tcp``, ``tcp6``, ``unix`` or ``systemd``; ``host`` is an interface address
    or, for ``unix``, a path; ``port`` is a TCP port (0: any) or the index of a systemd socket;
    ``mode`` is who may connect to a Unix socket, as chmod(2) has it.
    """

    family: str
    host: str = ""
    port: int = 0
    backlog: int = DEFAULT_BACKLOG
    mode: int = DEFAULT_MODE

    def __str__(self) -> str:
        """Return the address as it can be written in an option."""
        if self.family == "systemd":
            return f"systemd:{self.port}"
        queue = f":backlog={self.backlog}" if self.backlog != DEFAULT_BACKLOG else ""
        if self.family == "unix":
            path = self.host.replace("\\", r"\\").replace(":", r"\:")
            mode = f":mode={self.mode:03o}" if self.mode != DEFAULT_MODE else ""
            return f"unix:{path}{mode}{queue}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        where = f":interface={host}" if host else ""
        return f"{self.family}:{self.port}{where}{queue}"


def parse_address(text: str) -> ListenAddress:
    """
    Read a listening address.

    Raises:
        AddressError: It is of none of the accepted forms.
    """
    family, _, rest = text.partition(":")
    if family == "unix":
        return _parse_unix(rest)
    if family == "systemd":
        if rest and not _is_number(rest):
            raise AddressError(f"systemd: takes an index, not {rest!r}")
        return ListenAddress("systemd", port=int(rest or "0"))
    if family not in {"tcp", "tcp6"}:
        raise AddressError(f"{family!r} is no kind of address")
    return _parse_tcp(family, rest)


def _parse_tcp(family: str, rest: str) -> ListenAddress:
    port, *options = _split_options(rest)
    if not _is_number(port):
        raise AddressError(f"{port!r} is no port between 0 and 65535")
    given = _options(family, options, {"interface", "backlog"})
    host = _interface(family, given["interface"]) if "interface" in given else ""
    backlog = _backlog(given["backlog"]) if "backlog" in given else DEFAULT_BACKLOG
    return ListenAddress(family, host, int(port), backlog)


def _parse_unix(rest: str) -> ListenAddress:
    path, options = _split_path(rest)
    if not path:
        raise AddressError("unix: needs a path")
    given = _options("unix", options, {"mode", "backlog"})
    backlog = _backlog(given["backlog"]) if "backlog" in given else DEFAULT_BACKLOG
    mode = _mode(given["mode"]) if "mode" in given else DEFAULT_MODE
    return ListenAddress("unix", path, backlog=backlog, mode=mode)


def _split_path(rest: str) -> tuple[str, list[str]]:
    """Take a path and the options behind it apart: they begin with the first that has a "="."""
    parts = [""]
    for symbol in _PATH_SYMBOL.findall(rest):
        if symbol == ":":
            parts.append("")
        else:
            parts[-1] += symbol[-1]
    count = next((at for at, part in enumerate(parts) if at and "=" in part), len(parts))
    return ":".join(parts[:count]), parts[count:]


def _options(family: str, options: list[str], known: set[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for option in options:
        name, _, value = option.partition("=")
        if name not in known:
            raise AddressError(f"{option!r} is no option of {family}")
        if name in given:
            raise AddressError(f"{name!r} is given twice")
        given[name] = value
    return given


def _split_options(rest: str) -> list[str]:
    # A colon inside a value stands in brackets or, as in Twisted's endpoint strings, as "\:".
    return [part.replace("\\:", ":") for part in _COLON.split(rest)]


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,5}", text) is not None and int(text) <= _LARGEST


def _backlog(value: str) -> int:
    if not _is_number(value) or not int(value):
        raise AddressError(f"backlog={value!r} is no number between 1 and {_LARGEST}")
    return int(value)


def _mode(value: str) -> int:
    if not re.fullmatch(r"0?[0-7]{3}", value):
        raise AddressError(f"mode={value!r} is no mode of three octal digits, such as 660")
    return int(value, 8)


def _interface(family: str, value: str) -> str:
    bare = value[1:-1] if value[:1] == "[" and value[-1:] == "]" else value
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        raise AddressError(f"interface={value!r} is no IP address") from None
    if (address.version == 6) != (family == "tcp6"):  # noqa: PLR2004  IP versions
        raise AddressError(f"interface={value!r} does not fit {family}")
    return str(address)


def bind(address: ListenAddress) -> socket.socket:
    """
    Make the listening socket of *address*, non-blocking.

    Raises:
        BindError: The system refuses; the text names the address, the reason and what to do.
    """
    try:
        sock = _adopt(address) if address.family == "systemd" else _make(address)
    except OSError as error:
        raise _refusal(address, error) from None
    sock.setblocking(False)  # noqa: FBT003
    return sock


def bind_shared(address: ListenAddress, count: int) -> list[socket.socket]:
    """
    Make *count* listening sockets of one TCP address (SO_REUSEPORT), non-blocking.

    The kernel gives each connection to one of them, by the addresses of both sides.

    Raises:
        BindError: The system refuses, or another program has the address, see `bind`.
    """
    # Without SO_REUSEPORT, so that another program of the same user is in the way, and is found.
    with bind(address) as probe:
        address = bound_address(address, probe)
    made: list[socket.socket] = []
    try:
        made.extend(_make(address, socket.SO_REUSEPORT) for _ in range(count))
    except OSError as error:
        for sock in made:
            sock.close()
        raise _refusal(address, error) from None
    for sock in made:
        sock.setblocking(False)  # noqa: FBT003
    return made


def _refusal(address: ListenAddress, error: OSError) -> BindError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return BindError(f"cannot listen on {address}: {reason}{_remedy(address, error)}")


def bound_address(address: ListenAddress, sock: socket.socket) -> ListenAddress:
    """Return *address* with the port that the system has chosen for *sock*, if it was to."""
    if address.family not in {"tcp", "tcp6"}:
        return address
    return attrs.evolve(address, port=sock.getsockname()[1])


def _remedy(address: ListenAddress, error: OSError) -> str:
    if address.family == "unix":
        return _unix_remedy(error)
    if isinstance(error, PermissionError):
        return " (ports below 1024 need the capability CAP_NET_BIND_SERVICE)"
    if error.errno == errno.EADDRINUSE:
        return " (another process has it; stop it, or choose another port)"
    if error.errno == errno.EADDRNOTAVAIL:
        return " (no interface of this machine has this address)"
    return ""


def _unix_remedy(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return " (another process listens there, or the file is no socket)"
    if isinstance(error, PermissionError):
        return " (its folder must be writable)"
    return ""


def _make(address: ListenAddress, *options: int) -> socket.socket:
    if address.family == "unix":
        return _make_unix(address)
    family = socket.AF_INET6 if address.family == "tcp6" else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        for option in (socket.SO_REUSEADDR, *options):
            sock.setsockopt(socket.SOL_SOCKET, option, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address.host, address.port))
        sock.listen(address.backlog)
    except OSError:
        sock.close()
        raise
    return sock


def _make_unix(address: ListenAddress) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(address.host)
        sock.bind(address.host)
        # Before anybody can connect, for until it listens a socket refuses.
        os.chmod(address.host, address.mode)
        sock.listen(address.backlog)
    except OSError:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    """Remove a socket file that nobody listens on any more; a live one stays in the way."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            # One whose queue is full is alive; a blocking probe would wait for it.
            probe.setblocking(False)  # noqa: FBT003
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
            except BlockingIOError:
                return


def _adopt(address: ListenAddress) -> socket.socket:
    """Take a socket that systemd has opened; see sd_listen_fds(3)."""
    environment = _first_environment()
    text = environment.get("LISTEN_FDS", "")
    is_ours = environment.get("LISTEN_PID") == str(os.getpid())
    count = int(text) if is_ours and _is_number(text) else 0
    if address.port >= count:
        msg = f"cannot listen on {address}: systemd has passed {count} sockets to this process"
        raise BindError(msg)
    fd = _FIRST_SYSTEMD_FD + address.port
    os.set_inheritable(fd, False)  # noqa: FBT003
    return socket.socket(fileno=fd)


def _first_environment() -> dict[str, str]:
    """
    Return the environment that this program was started with.

    Twisted takes what systemd says out of `os.environ`, as soon as its endpoints are imported.
    """
    told = Path("/proc/self/environ").read_bytes().split(b"\0")
    return dict(os.fsdecode(each).partition("=")[::2] for each in told)
