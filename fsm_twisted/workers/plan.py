"""What the master tells the nursery before anything is forked."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Sequence
from typing import Self

import attrs

from fsm_twisted.net.addresses import ListenAddress
from fsm_twisted.proxy.options import ProxyOptions
from fsm_twisted.snapshot.model import CertificateEntry
from fsm_twisted.workers.road import Front


@attrs.frozen
class InheritedFront:
    """A `Front` whose socket is known by its number alone."""

    address: ListenAddress
    is_secure: bool
    fd: int
    worker: int = 0


@attrs.frozen
class Plan:
    """
    The part of the settings that a worker obeys; it holds keys, so it is shown to nobody.

    Args:
        workers: How many there are to be.
        options: The proxy's, as one worker has them.
        inherited: The fronts, whose sockets the nursery gets under the same numbers.
        default_certificate: For unknown server names; None without HTTPS.
        log_level: The least level of log events that travel to the master, such as ``info``.
    """

    workers: int
    options: ProxyOptions
    inherited: tuple[InheritedFront, ...]
    default_certificate: CertificateEntry | None
    log_level: str

    @classmethod
    def for_workers(
        cls,
        workers: int,
        options: ProxyOptions,
        fronts: Sequence[Front],
        default_certificate: CertificateEntry | None,
        log_level: str,
    ) -> Self:
        """Share out what is meant for the whole program: each worker has a pool of its own."""
        share = max(1, options.pool_size // workers)
        return cls(
            workers,
            attrs.evolve(options, pool_size=share),
            tuple(
                InheritedFront(each.address, each.is_secure, each.sock.fileno(), each.worker)
                for each in fronts
            ),
            default_certificate,
            log_level,
        )

    def fronts(self) -> tuple[Front, ...]:
        """Take over the inherited sockets."""
        return tuple(
            Front(each.address, each.is_secure, socket.socket(fileno=each.fd), each.worker)
            for each in self.inherited
        )

    def to_bytes(self) -> bytes:
        """Write the plan, for a process of the same program."""
        return pickle.dumps(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Plan:
        """Read what `to_bytes` has written; only ever from our own master."""
        plan = pickle.loads(data)  # noqa: S301  our master's, by a file that nobody else can open
        assert isinstance(plan, cls)  # noqa: S101  the same program on both sides
        return plan
