"""
The proxies that are believed (``--trusted-proxies``), and whom they name.

A proxy names the same few clients, and itself, again and again: how an element of a list reads is
remembered, in bounds.
"""

from __future__ import annotations

from typing import Final

import attrs

from fsm_twisted.proxy.forwarded import Address, node_address, read_address
from fsm_twisted.proxy.options import Network

_MOST: Final = 4096
_LONGEST: Final = 64  # an IPv6 address in brackets, with zone and port


@attrs.frozen
class Named:
    """Somebody who is named: the address as text in its usual form; is it a trusted proxy?"""

    text: bytes
    is_trusted: bool


class TrustedProxies:
    """
    Whose word counts, by networks.

    Args:
        networks: Nobody's, if there are none.
    """

    def __init__(self, networks: tuple[Network, ...] = ()) -> None:
        self._networks = networks
        self._known: dict[bytes, Named | None] = {}

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._networks)

    def __contains__(self, address: Address) -> bool:
        """Tell whether *address* is that of a trusted proxy."""
        return any(address in network for network in self._networks)

    def named(self, address: Address) -> Named:
        """Describe *address*."""
        return Named(str(address).encode("ascii"), address in self)

    def listed(self, item: bytes) -> Named | None:
        """
        Read one element of X-Forwarded-For, blanks around it allowed; None when it is malformed.

        It is written as in Forwarded or, as X-Forwarded-For has it, bare IPv6.
        """
        known = self._known
        if item in known:
            return known[item]
        node = item.strip(b" \t")
        address = node_address(node) or read_address(node.decode("latin-1"))
        found = None if address is None else self.named(address)
        if len(item) <= _LONGEST:
            if len(known) >= _MOST:
                known.clear()
            known[item] = found
        return found
