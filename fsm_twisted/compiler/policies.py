"""What the annotations of one Ingress say, as policy values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, TypeVar

import attrs

from fsm_twisted.compiler.annotations import (
    ANNOTATIONS,
    BODY_SIZE,
    CONNECT_TIMEOUT,
    ENABLE_ACCESS_LOG,
    FORCE_SSL_REDIRECT,
    HASH_BY,
    LB_TYPE,
    READ_TIMEOUT,
    REWRITE_FROM,
    REWRITE_TO,
    SEND_TIMEOUT,
    SESSION_STICKY,
    SSL_PASSTHROUGH,
    SSL_REDIRECT,
    TRUSTED_CA,
    UPSTREAM_PROTOCOL,
    UPSTREAM_SSL_NAME,
    UPSTREAM_SSL_SECRET,
    UPSTREAM_SSL_VERIFY,
    VERIFY_CLIENT,
    VERIFY_DEPTH,
    Annotation,
)
from fsm_twisted.compiler.client_tls import PASSED, AskedClientTls
from fsm_twisted.compiler.findings import FindingBook
from fsm_twisted.compiler.named_secrets import FindSecret
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.compiler.upstream_tls import (
    AskedTls,
    Doubt,
    settle_upstream_tls,
)
from fsm_twisted.compiler.values import AskedClients, ServiceProtocol, ValueFault, nearest
from fsm_twisted.objects.model import Ingress, ObjectRef, ref_of
from fsm_twisted.objects.names import shown
from fsm_twisted.snapshot.policy import (
    Affinity,
    Algorithm,
    Balancing,
    HashBy,
    PlainAccess,
    Protocol,
    Timeouts,
    UpstreamTls,
)
from fsm_twisted.snapshot.rewrite import Rewrite, RewriteError

T = TypeVar("T")

_NAMES: Final = tuple(each.name for each in ANNOTATIONS)
_PROTECTING: Final = frozenset(each.name for each in ANNOTATIONS if each.fault_code)
_HTTP2: Final = frozenset({ServiceProtocol.GRPC, ServiceProtocol.GRPCS, ServiceProtocol.H2C})
_SENT_AS_IS: Final = "the path is forwarded as sent"
_REFUSED: Final = "all paths of the Ingress answer 503 (unprotected)"
_ABOUT_CLIENTS: Final = (VERIFY_CLIENT, VERIFY_DEPTH, TRUSTED_CA)
# What is about requests: nothing of it can be obeyed where TLS is not opened.
_ABOUT_REQUESTS: Final = (
    REWRITE_FROM,
    REWRITE_TO,
    READ_TIMEOUT,
    SEND_TIMEOUT,
    BODY_SIZE,
    UPSTREAM_PROTOCOL,
    UPSTREAM_SSL_SECRET,
    UPSTREAM_SSL_NAME,
    UPSTREAM_SSL_VERIFY,
)


@attrs.frozen
class Policy:
    """
    The policies of one Ingress; they apply to all its paths (D8).

    ``is_refused``: the Ingress asks for a protection that cannot be given, so it is not served.
    ``passes_tls``: TLS of its hosts goes through, so nothing of it is served in another way.
    """

    balancing: Balancing = Balancing()
    timeouts: Timeouts = Timeouts()
    rewrite: Rewrite | None = None
    body_limit_bytes: int | None = None
    is_refused: bool = False
    is_logged: bool = True
    protocol: Protocol = Protocol.HTTP1
    tls: UpstreamTls | None = None
    plain: PlainAccess = PlainAccess.DEFAULT
    passes_tls: bool = False
    clients: AskedClientTls = AskedClientTls()


_PLAIN: Final = Policy()


def read_policy(
    ingress: Ingress, options: CompilerOptions, find: FindSecret, book: FindingBook
) -> Policy:
    """Read all annotations of *ingress* that are ours; faults go to *book*."""
    prefix = options.annotation_prefix
    values = {
        key.removeprefix(prefix): value
        for key, value in sorted(ingress.metadata.annotations.items())
        if key.startswith(prefix)
    }
    if not values:
        return _PLAIN
    reader = _Reader(values, prefix, ref_of(ingress), book)
    if reader.passes_tls(is_allowed=options.passes_tls):
        return reader.passing_policy()
    balancing = reader.balancing()
    reader.look_at_hash_by(balancing)
    timeouts = Timeouts(
        reader.value(CONNECT_TIMEOUT), reader.value(READ_TIMEOUT), reader.value(SEND_TIMEOUT)
    )
    spoken = reader.value(UPSTREAM_PROTOCOL)
    protocol = Protocol.HTTP2 if spoken in _HTTP2 else Protocol.HTTP1
    tls = reader.upstream_tls(spoken, find, allows_foreign=options.allows_foreign_secrets)
    clients = reader.clients()
    reader.look_at_other_names()
    return Policy(
        balancing,
        timeouts,
        reader.rewrite(),
        reader.value(BODY_SIZE),
        reader.is_refused,
        reader.value(ENABLE_ACCESS_LOG),
        protocol,
        tls,
        reader.plain_access(),
        clients=clients,
    )


class _Reader:
    """
    Reads the annotations of one Ingress and notes what is wrong with them.

    Attributes:
        is_refused: Whether a protection is asked for, among what has been read, that cannot be
            given.
    """

    def __init__(
        self, values: Mapping[str, str], prefix: str, about: ObjectRef, book: FindingBook
    ) -> None:
        self._values = values
        self._prefix = prefix
        self._about = about
        self._book = book
        self.is_refused = False

    def value(self, annotation: Annotation[T]) -> T:
        """Return the value of *annotation*, or its default when it is absent or faulty."""
        text = self._values.get(annotation.name)
        if text is None:
            return annotation.default
        try:
            return annotation.parse(text)
        except ValueFault as fault:
            what = f"{shown(text)} {fault}"
            remedy = f"use {annotation.values.replace('`', '')}"
            if annotation.fault_code:
                self._refuse(annotation.fault_code, annotation.name, what, remedy)
            else:
                default = f"the default holds: {annotation.default_text.replace('`', '')}"
                self._note("annotation_invalid", annotation.name, what, default, remedy)
            return annotation.default

    def balancing(self) -> Balancing:
        """Return how an endpoint is picked."""
        return Balancing(self.value(LB_TYPE), self.value(HASH_BY), self.value(SESSION_STICKY))

    def look_at_hash_by(self, balancing: Balancing) -> None:
        """Note a key that nothing is hashed by; of a faulty ``lb-type`` nothing more is said."""
        if HASH_BY.name not in self._values:
            return
        algorithm = balancing.algorithm
        is_faulty = self._values.get(LB_TYPE.name, algorithm.value) != algorithm.value
        if balancing.affinity is Affinity.CLIENT_IP:
            if balancing.hash_by != HashBy():
                what = "it has no effect, because session-sticky goes by the client's address"
                remedy = "set session-sticky: cookie, or remove one of the two"
                self._note("hashing_off", HASH_BY.name, what, "the address is hashed", remedy)
        elif algorithm is not Algorithm.HASHING and not is_faulty:
            what = f"it has no effect, because lb-type is {algorithm.value}"
            self._note("hashing_off", HASH_BY.name, what, "no request is hashed")

    def passes_tls(self, *, is_allowed: bool) -> bool:
        """Return whether TLS is to go through; where it may not, the Ingress is refused."""
        is_asked = self.value(SSL_PASSTHROUGH)
        if is_asked and not is_allowed:
            what = "TLS goes through only where the option --ssl-passthrough is on"
            switch = "switch it on (chart: fsm.ingress.tls.sslPassthrough.enabled)"
            remedy = f"{switch}, or remove the annotation"
            self._refuse("security_unsupported", SSL_PASSTHROUGH.name, what, remedy)
        return is_asked and not self.is_refused

    def passing_policy(self) -> Policy:
        """Return the policy of an Ingress whose TLS goes through: what is about connections."""
        clients = self._passing_clients()
        balancing = self.balancing()
        for annotation in ANNOTATIONS:
            if annotation.name not in self._values or annotation is SSL_PASSTHROUGH:
                continue
            if annotation in _ABOUT_CLIENTS:
                continue
            if annotation in _ABOUT_REQUESTS:
                self._ignore(annotation.name, "it has no effect")
            elif annotation.fault_code and self.value(annotation) != annotation.default:
                what = "it cannot be given where TLS is not opened (ssl-passthrough)"
                self._refuse("security_unsupported", annotation.name, what)
        if balancing.hash_by != HashBy():
            self._ignore(HASH_BY.name, "the address of the client is hashed")
            balancing = attrs.evolve(balancing, hash_by=HashBy())
        else:
            self.look_at_hash_by(balancing)
        if balancing.affinity is Affinity.COOKIE:
            self._ignore(SESSION_STICKY.name, "a client is known by its address")
            balancing = attrs.evolve(balancing, affinity=Affinity.CLIENT_IP)
        if self.plain_access() is PlainAccess.SERVED:
            self._ignore(SSL_REDIRECT.name, "plain HTTP is redirected")
        self.look_at_other_names()
        return Policy(
            balancing,
            Timeouts(self.value(CONNECT_TIMEOUT)),
            is_refused=self.is_refused,
            is_logged=self.value(ENABLE_ACCESS_LOG),
            passes_tls=True,
            clients=clients,
        )

    def _passing_clients(self) -> AskedClientTls:
        """Return that clients are not asked; an Ingress that asks them all the same is refused."""
        clients = self.clients()
        if clients.wanted is not AskedClients.OFF:
            what = "clients cannot be verified where TLS is not opened (ssl-passthrough)"
            remedy = "remove one of the two: the Service itself can ask for certificates"
            self._refuse("client_verification_invalid", VERIFY_CLIENT.name, what, remedy)
        return attrs.evolve(clients, is_faulty=True) if self.is_refused else PASSED

    def _ignore(self, name: str, consequence: str) -> None:
        what = "it has no meaning where TLS is not opened (ssl-passthrough)"
        self._note("passthrough_ignored", name, what, consequence)

    def plain_access(self) -> PlainAccess:
        """Return what becomes of plain HTTP."""
        redirects = self.value(SSL_REDIRECT)
        if self.value(FORCE_SSL_REDIRECT):
            return PlainAccess.ALWAYS_REDIRECTED
        if redirects is None:
            return PlainAccess.DEFAULT
        return PlainAccess.REDIRECTED if redirects else PlainAccess.SERVED

    def rewrite(self) -> Rewrite | None:
        """
        Return the rewrite of the pair; half a pair and a faulty one are findings.

        An empty template takes matches away; an empty pattern is none.
        """
        pattern, template = self.value(REWRITE_FROM), self.value(REWRITE_TO)
        if not pattern and not template:
            return None
        if not pattern or REWRITE_TO.name not in self._values:
            there, missing = (REWRITE_FROM, REWRITE_TO) if pattern else (REWRITE_TO, REWRITE_FROM)
            lack = "absent" if pattern else "absent or empty"
            what = f"it is set, but {self._prefix}{missing.name} is {lack}"
            self._note("rewrite_incomplete", there.name, what, _SENT_AS_IS)
            return None
        found = _parse_rewrite(pattern, template)
        if isinstance(found, str):
            self._note("rewrite_invalid", "rewrite-target-*", found, _SENT_AS_IS)
            return None
        return found

    def upstream_tls(
        self, protocol: ServiceProtocol, find: FindSecret, *, allows_foreign: bool
    ) -> UpstreamTls | None:
        """Return how TLS is spoken to the Service; an Ingress that is refused gets none."""
        asked = AskedTls(
            self._about.namespace,
            protocol,
            self.value(UPSTREAM_SSL_SECRET),
            self.value(UPSTREAM_SSL_NAME),
            self.value(UPSTREAM_SSL_VERIFY),
        )
        if self.is_refused:
            return None
        settled = settle_upstream_tls(asked, find, allows_foreign=allows_foreign)
        if isinstance(settled, Doubt):
            self._refuse(settled.code, settled.annotation, settled.what, settled.remedy)
            return None
        for doubt in settled.warnings:
            self._note(doubt.code, doubt.annotation, doubt.what, "it is served", doubt.remedy)
        return settled.tls

    def clients(self) -> AskedClientTls:
        """Return what is asked of clients; whether it can be had is decided host by host."""
        if not any(each.name in self._values for each in _ABOUT_CLIENTS):
            return AskedClientTls()
        was_refused, self.is_refused = self.is_refused, False
        asked = (self.value(VERIFY_CLIENT), self.value(VERIFY_DEPTH), self.value(TRUSTED_CA))
        is_faulty = self.is_refused
        self.is_refused = was_refused or is_faulty
        return AskedClientTls(*asked, is_faulty=is_faulty)

    def look_at_other_names(self) -> None:
        """Look at all names that are not read by `value`."""
        for name in self._values:
            if name not in _NAMES:
                self._look_at_unknown(name)

    def _look_at_unknown(self, name: str) -> None:
        near = nearest(name, _NAMES)
        what = "there is no such annotation" + (f"; did you mean {near}?" if near else "")
        if near in _PROTECTING:
            remedy = "correct the name, or remove the annotation"
            self._refuse("security_unsupported", name, what, remedy)
        else:
            self._note("annotation_unknown", name, what, "it has no effect")

    def _refuse(self, code: str, name: str, what: str, remedy: str = "") -> None:
        self.is_refused = True
        self._note(code, name, what, _REFUSED, remedy)

    def _note(self, code: str, name: str, what: str, consequence: str, remedy: str = "") -> None:
        where = f"annotation {self._prefix}{name[:100]}"
        self._book.note(self._about, code, where, what, consequence, remedy)


@lru_cache(maxsize=4096)
def _parse_rewrite(pattern: str, template: str) -> Rewrite | str:
    try:
        return Rewrite.parse(pattern, template)
    except RewriteError as error:
        return str(error)
