"""What a request is hashed by (annotations ``hash-by`` and ``session-sticky``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from fsm_twisted.balancing.cookie import make_reader
from fsm_twisted.message.fields import Fields, values_of
from fsm_twisted.snapshot.policy import Affinity, Algorithm, Balancing, HashBy, HashSource

KeyOf = Callable[[bytes, bytes, Fields], bytes]
"""
``key_of(client, target, fields)`` gives the key of a request.

``client`` is the client's address as text, without port; ``target`` is path and query as sent,
before any rewrite; ``fields`` are those of the request.
"""


def make_key(balancing: Balancing) -> KeyOf | None:
    """
    Return the function for the key, None when the balancer of *balancing* looks at no key.

    A request without the header or cookie in question, or with an empty one, is hashed by its
    client's address: such requests are spread too, instead of all meeting at one endpoint.
    """
    if balancing.affinity is Affinity.CLIENT_IP:
        return _client
    if balancing.algorithm is Algorithm.HASHING:
        return _hashed_by(balancing.hash_by)
    return None


def _hashed_by(hash_by: HashBy) -> KeyOf:
    name = hash_by.name.encode("utf-8", "surrogatepass")
    match hash_by.source:
        case HashSource.CLIENT_IP:
            return _client
        case HashSource.URI:
            return _target
        case HashSource.HEADER:
            return lambda client, _target, fields: b", ".join(values_of(fields, name)) or client
        case HashSource.COOKIE:
            read = make_reader(name)
            return lambda client, _target, fields: read(fields) or client
        case _:
            assert_never(hash_by.source)


def _client(client: bytes, _target: bytes, _fields: Fields) -> bytes:
    return client


def _target(_client: bytes, target: bytes, _fields: Fields) -> bytes:
    return target
