"""
Client certificates: what an Ingress asks of the clients of its hosts, and who decides for a host.

An Ingress asks by annotations, or because the operator asks everybody (``--mtls``). What cannot be
honoured is still asked for: then its hosts serve nobody, and no other Ingress of them lets clients
in unverified (D6).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from fsm_twisted.compiler.certificates import CertificateFault, parse_authorities
from fsm_twisted.compiler.findings import FindingBook
from fsm_twisted.compiler.named_secrets import FindSecret, SecretFault, find_named
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.compiler.values import AskedClients, SecretName
from fsm_twisted.objects.model import Ingress, ObjectRef, Secret, ref_of
from fsm_twisted.snapshot.policy import IMPOSSIBLE, ClientVerification, VerifyClient

DEFAULT_DEPTH: Final = 1
_NOT_SERVED: Final = "paths and default backend without a host of their own answer 503"
_LOST: Final = "its paths there answer 503 (unprotected)"
_HOST_NOT_SERVED: Final = "the host answers 503 (unprotected)"
_SERVED: Final = "clients are asked all the same"
_REMEDY: Final = "mend the Secret: certificates of authorities in PEM, under the key ca.crt"


@attrs.frozen
class AskedClientTls:
    """
    What the annotations say; None where they say nothing.

    ``is_faulty``: one of them cannot be read, so nobody knows what is asked for. ``is_passed``:
    TLS goes through unopened, so nobody can be asked here.
    """

    mode: AskedClients | None = None
    depth: int | None = None
    authorities: SecretName | None = None
    is_faulty: bool = False
    is_passed: bool = False

    @property
    def is_silent(self) -> bool:
        """Whether nothing is said."""
        return self == _SILENT

    @property
    def wanted(self) -> AskedClients:
        """What is wanted: naming an authority asks for its certificates."""
        if self.mode is not None:
            return self.mode
        return AskedClients.OFF if self.authorities is None else AskedClients.ON


_SILENT: Final = AskedClientTls()
PASSED: Final = AskedClientTls(is_passed=True)


@attrs.frozen
class Voice:
    """
    What one Ingress says of one host.

    ``clients`` is what it asks for. ``is_against``: it has said that clients shall not be asked,
    or not as strictly as the operator wants.
    """

    clients: ClientVerification | None = None
    is_against: bool = False


_NOTHING: Final = Voice()
EVERY_HOST: Final = ""
"""Stands for the rules without a host, and for the default backend."""


def voices(
    ingress: Ingress,
    asked: AskedClientTls,
    find: FindSecret,
    options: CompilerOptions,
    book: FindingBook,
) -> Mapping[str, Voice]:
    """
    Return what *ingress* says of each host of its rules and of ``spec.tls``.

    `EVERY_HOST` is there, and asks, where a rule or backend without a host is concerned: no
    handshake can be for it, so such a path is never served.
    """
    return _Asking(ingress, asked, find, options, book).voices()


class _Asking:
    """The work on one Ingress."""

    def __init__(
        self,
        ingress: Ingress,
        asked: AskedClientTls,
        find: FindSecret,
        options: CompilerOptions,
        book: FindingBook,
    ) -> None:
        self._ingress = ingress
        self._ref = ref_of(ingress)
        self._asked = asked
        self._find = find
        self._options = options
        self._book = book
        self._prefix = options.annotation_prefix
        self._authorities: dict[str, bytes | None] = {}

    def voices(self) -> Mapping[str, Voice]:
        rules = dict.fromkeys(rule.host for rule in self._ingress.rules)
        secrets = _secrets_by_host(self._ingress)
        hosts = dict.fromkeys(filter(None, (*rules, *secrets)))
        asked, mtls = self._asked, self._options.mtls
        if asked.is_passed or (asked.is_silent and not (mtls and secrets)):
            return dict.fromkeys(hosts, _NOTHING)
        said = {
            host: self._voice(secrets.get(host, ()), is_tls_host=host in secrets) for host in hosts
        }
        if asked.wanted is AskedClients.OFF and not asked.is_faulty:
            self._note_idle()
        elif EVERY_HOST in rules or self._ingress.default_backend is not None:
            said[EVERY_HOST] = Voice(IMPOSSIBLE)
            self._note_hostless()
        return said

    def _voice(self, secrets: Iterable[str], *, is_tls_host: bool) -> Voice:
        asked, is_forced = self._asked, self._options.mtls and is_tls_host
        if asked.is_faulty:
            return Voice(IMPOSSIBLE)
        wanted = asked.wanted
        if wanted is AskedClients.OFF and not is_forced:
            return Voice(is_against=asked.mode is not None)
        mode = VerifyClient.ON
        if wanted is AskedClients.OPTIONAL and not is_forced:
            mode = VerifyClient.OPTIONAL
        authorities = self._trusted(secrets)
        is_against = is_forced and asked.mode in {AskedClients.OFF, AskedClients.OPTIONAL}
        if authorities is None:
            return Voice(IMPOSSIBLE, is_against)
        depth = DEFAULT_DEPTH if asked.depth is None else asked.depth
        return Voice(ClientVerification.of(mode, depth, authorities), is_against)

    def _trusted(self, secrets: Iterable[str]) -> bytes | None:
        """Return the authorities: those of the annotation, else of ``spec.tls``; None for none."""
        named = self._asked.authorities
        if named is None:
            return self._of_server_secret(tuple(secrets))
        key = f"{named.namespace}/{named.name}"
        if key not in self._authorities:
            self._authorities[key] = self._of_annotation(named)
        return self._authorities[key]

    def _of_annotation(self, named: SecretName) -> bytes | None:
        own, options = self._ref.namespace, self._options
        secret = find_named(named, own, self._find, allows_foreign=options.allows_foreign_secrets)
        found = secret if isinstance(secret, SecretFault) else _authorities_in(secret)
        if isinstance(found, SecretFault):
            self._note_fault(found, f"annotation {self._prefix}tls-trusted-ca-secret")
            return None
        return found

    def _of_server_secret(self, names: tuple[str, ...]) -> bytes | None:
        secrets = (self._find(self._ref.namespace, name) for name in names)
        secret = next((each for each in secrets if each and each.data.get("ca.crt")), None)
        if secret is None:
            whose = "--mtls" if self._asked.is_silent else "the Ingress"
            what = f"{whose} asks for client certificates, but no ca.crt says of whom"
            found: bytes | SecretFault = SecretFault("client_ca_missing", what)
        else:
            found = _authorities_in(secret)
        if isinstance(found, SecretFault):
            self._note_fault(found, "spec.tls")
            return None
        return found

    def _note_fault(self, fault: SecretFault, where: str) -> None:
        remedy = _REMEDY if fault.code == "secret_invalid" else ""
        self._book.note(self._ref, fault.code, where, fault.what, _HOST_NOT_SERVED, remedy)

    def _note_idle(self) -> None:
        asked = self._asked
        for name, value in (
            ("tls-verify-depth", asked.depth),
            ("tls-trusted-ca-secret", asked.authorities),
        ):
            if value is not None and not self._options.mtls:
                what = "it has no effect, because no certificate is asked for"
                where = f"annotation {self._prefix}{name}"
                nobody = "clients are not verified"
                self._book.note(self._ref, "client_verification_off", where, what, nobody)

    def _note_hostless(self) -> None:
        what = "what answers for every host cannot ask for certificates: no handshake is for it"
        where = f"annotation {self._prefix}tls-verify-client"
        self._book.note(self._ref, "client_verification_invalid", where, what, _NOT_SERVED)


def _secrets_by_host(ingress: Ingress) -> Mapping[str, Sequence[str]]:
    """Return the TLS hosts, each with the Secrets that ``spec.tls`` names for it."""
    of_rules = tuple(rule.host for rule in ingress.rules)
    found: dict[str, list[str]] = {}
    for tls in ingress.tls:
        for host in (host.lower() for host in tls.hosts or of_rules if host):
            names = found.setdefault(host, [])
            if tls.secret_name and "/" not in tls.secret_name:
                names.append(tls.secret_name)
    return found


def _authorities_in(secret: Secret) -> bytes | SecretFault:
    pem = secret.data.get("ca.crt")
    found = parse_authorities(pem) if pem else CertificateFault("it has no ca.crt")
    if isinstance(found, CertificateFault):
        name = f"Secret {secret.metadata.namespace}/{secret.metadata.name}"
        return SecretFault("secret_invalid", f"{name} is not usable: {found.what}")
    return found


# Who decides


@attrs.frozen
class Vote:
    """The voice of an Ingress."""

    ref: ObjectRef
    voice: Voice


def votes_of(ref: ObjectRef, said: Mapping[str, Voice]) -> Mapping[str, Vote]:
    """Return the votes of an Ingress that has *said* this, by host."""
    return {host: Vote(ref, voice) for host, voice in said.items() if host != EVERY_HOST}


def deciding(votes: Sequence[Vote], *, mtls: bool) -> Vote:
    """
    Choose who decides for a host; *votes* come oldest first.

    It is the oldest that asks for certificates, of those in the namespace of the oldest of all:
    nobody else can lock out the clients of a host that is not theirs. Where the operator asks for
    certificates (*mtls*), it is the oldest that asks, whoever that is.
    """
    own = votes[0].ref.namespace
    asking = (
        vote
        for vote in votes
        if vote.voice.clients is not None and (mtls or vote.ref.namespace == own)
    )
    return next(asking, votes[0])


def clients_by_host(deciders: Mapping[str, Vote]) -> Iterator[tuple[str, ClientVerification]]:
    """Yield the hosts whose clients are verified, and how."""
    for host in sorted(deciders):
        clients = deciders[host].voice.clients
        if clients is not None:
            yield host, clients


def note_clients(
    ref: ObjectRef,
    said: Mapping[str, Voice],
    deciders: Mapping[str, Vote],
    options: CompilerOptions,
    book: FindingBook,
) -> None:
    """Tell *ref* of each host where it does not get what it has *said*."""
    where = f"annotation {options.annotation_prefix}tls-verify-client"
    for host, voice in said.items():
        # What is impossible has a finding of its own.
        if host == EVERY_HOST or voice.clients == IMPOSSIBLE:
            continue
        decider = deciders[host]
        decided = decider.voice.clients
        if voice.clients is not None and (decided is None or not decided.covers(voice.clients)):
            what = f"host {host} is decided for by {decider.ref}, which asks for something else"
            book.note(ref, "client_verification_lost", where, what, _LOST)
        elif voice.is_against and decided is not None:
            whose = "--mtls" if options.mtls else str(decider.ref)
            what = f"{whose} asks clients of host {host} for more"
            book.note(ref, "client_verification_imposed", where, what, _SERVED)
