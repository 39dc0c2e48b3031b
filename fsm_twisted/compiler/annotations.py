"""
The one table of annotations: how each is read, and what docs/annotations.md says of it.

Names stand without their prefix (``pipy.ingress.kubernetes.io/``). All that FSM has are there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

import attrs

from fsm_twisted.compiler.values import (
    AskedClients,
    SecretName,
    ServiceProtocol,
    one_of,
    parse_affinity,
    parse_boolean,
    parse_bytes,
    parse_depth,
    parse_hash_by,
    parse_protocol,
    parse_seconds,
    parse_secret_name,
    parse_server_name,
    parse_text,
    parse_verify_client,
)
from fsm_twisted.snapshot.policy import Affinity, Algorithm, HashBy

T_co = TypeVar("T_co", covariant=True)


@attrs.frozen
class Annotation(Generic[T_co]):
    """
    One annotation that is honoured.

    ``parse`` raises `ValueFault`; ``default`` holds when the annotation is absent or faulty.
    ``fault_code``, where it is not empty: it asks for a protection, so a fault in its value is a
    finding of this code and refuses the Ingress instead, as one in its name does (D6). The texts
    are the columns of the documentation.
    """

    name: str
    parse: Callable[[str], T_co]
    default: T_co
    values: str
    default_text: str
    effect: str
    error: str
    risk: str
    example: str
    fault_code: str = ""


_INVALID: Final = "finding `annotation_invalid`, the default holds"

LB_TYPE: Final = Annotation[Algorithm](
    name="lb-type",
    parse=one_of(Algorithm),
    default=Algorithm.ROUND_ROBIN,
    values="`round-robin`, `hashing`, `least-work`; spelled exactly so",
    default_text="`round-robin`",
    effect="how an endpoint of the Service is picked for each request",
    error=_INVALID,
    risk="`hashing` behind a proxy that hides client addresses sends everybody to one endpoint",
    example="hashing",
)
HASH_BY: Final = Annotation[HashBy](
    name="hash-by",
    parse=parse_hash_by,
    default=HashBy(),
    values="`client-ip`, `uri`, `header:NAME`, `cookie:NAME`",
    default_text="`client-ip`",
    effect="what `lb-type: hashing` hashes; an endpoint that leaves moves only its own",
    error=f"{_INVALID}; a warning (`hashing_off`) where it has no effect",
    risk="a request without the header or cookie is hashed by its client's address",
    example="header:x-user",
)
SESSION_STICKY: Final = Annotation[Affinity](
    name="session-sticky",
    parse=parse_affinity,
    default=Affinity.NONE,
    values="`yes true 1 on` or `no false 0 off` or empty, in any case (also `t y f n`); `cookie`",
    default_text="`false`",
    effect="a client meets the same endpoint again: true by its address, `cookie` by a cookie",
    error=_INVALID,
    risk="clients behind one address share one endpoint; `cookie` avoids that",
    example="true",
)
REWRITE_FROM: Final = Annotation[str](
    name="rewrite-target-from",
    parse=parse_text,
    default="",
    values="a regular expression of RE2",
    default_text="none",
    effect="every match in the path is replaced by `rewrite-target-to` after routing; "
    "the query stays as it is",
    error="finding `rewrite_incomplete` or `rewrite_invalid`, the path is forwarded as sent",
    risk="a pattern without `^` replaces matches anywhere in the path",
    example="^/httpbin/?",
)
REWRITE_TO: Final = Annotation[str](
    name="rewrite-target-to",
    parse=parse_text,
    default="",
    values="visible ASCII without `?` and `#`, or empty; `$1` to `$9` a group, `$&` the match, "
    "`$$` a `$`",
    default_text="none",
    effect="what takes the place of each match; a result without a leading `/` gets one",
    error="as `rewrite-target-from`",
    risk="none of its own",
    example="/",
)
_DURATION: Final = "seconds above 0 up to 86400; also `500ms`, `5s`, `5m`, `1h`"
CONNECT_TIMEOUT: Final = Annotation[float | None](
    name="proxy-connect-timeout",
    parse=parse_seconds,
    default=None,
    values=_DURATION,
    default_text="the option `--connect-timeout`",
    effect="longest wait for a connection to an endpoint",
    error=_INVALID,
    risk="a short one fails while an endpoint is busy",
    example="5",
)
READ_TIMEOUT: Final = Annotation[float | None](
    name="proxy-read-timeout",
    parse=parse_seconds,
    default=None,
    values=_DURATION,
    default_text="the option `--upstream-timeout`",
    effect="longest silence of an endpoint in a response",
    error=_INVALID,
    risk="a long one keeps connections to hung endpoints",
    example="120",
)
SEND_TIMEOUT: Final = Annotation[float | None](
    name="proxy-send-timeout",
    parse=parse_seconds,
    default=None,
    values=_DURATION,
    default_text="the option `--upstream-timeout`",
    effect="longest time in which an endpoint takes nothing of a request",
    error=_INVALID,
    risk="as `proxy-read-timeout`",
    example="60s",
)
BODY_SIZE: Final = Annotation[int | None](
    name="proxy-body-size",
    parse=parse_bytes,
    default=None,
    values="bytes; also `512k`, `10m`, `1g`; `0` for no limit",
    default_text="the limit that the options set",
    effect="a request with a larger body gets 413",
    error=_INVALID,
    risk="`0` lets a client send without end",
    example="10m",
)

ENABLE_ACCESS_LOG: Final = Annotation[bool](
    name="enable-access-log",
    parse=parse_boolean,
    default=True,
    values="a boolean as `session-sticky`",
    default_text="`true`",
    effect="whether requests are written to the access log, if there is one (`--access-log`)",
    error=_INVALID,
    risk="`false` leaves nothing to look at when something goes wrong; metrics still count",
    example="false",
)

_REFUSED: Final = "all paths of the Ingress answer 503 (`unprotected`)"
_SECRET_NAME: Final = "`NAME` or `NAMESPACE/NAME` of a Secret"  # noqa: S105 - words, no secret

_UPSTREAM: Final = "upstream_tls_invalid"
_CLIENTS: Final = "client_verification_invalid"

UPSTREAM_PROTOCOL: Final = Annotation[ServiceProtocol](
    name="upstream-protocol",
    parse=parse_protocol,
    default=ServiceProtocol.HTTP,
    values="`HTTP`, `HTTPS`, `GRPC`, `GRPCS`, `H2C`, in any case",
    default_text="`HTTP`",
    effect="what is spoken to the Service: HTTP/1.1, or HTTP/2 with `GRPC`, `GRPCS` and `H2C` "
    "(prior knowledge; by TLS with ALPN `h2`); `HTTPS` and `GRPCS` switch TLS on, also without a "
    "Secret",
    error=f"finding `upstream_tls_invalid`, {_REFUSED}",
    risk="`HTTPS` and `GRPCS` alone encrypt but do not check who answers: set "
    "`upstream-ssl-verify`",
    example="HTTPS",
    fault_code=_UPSTREAM,
)
UPSTREAM_SSL_SECRET: Final = Annotation[SecretName | None](
    name="upstream-ssl-secret",
    parse=parse_secret_name,
    default=None,
    values=f"{_SECRET_NAME}; another namespace only with `--allow-cross-namespace-secrets`",
    default_text="none",
    effect="`ca.crt` in it switches TLS to the Service on, and is what `upstream-ssl-verify` "
    "trusts; `tls.crt` and `tls.key` are shown to endpoints that ask for a certificate",
    error="finding `secret_missing`, `secret_invalid`, `secret_foreign` or "
    f"`upstream_tls_invalid`, {_REFUSED}",
    risk="without `upstream-ssl-verify` nothing is checked (finding `upstream_not_verified`)",
    example="tls-cert",
    fault_code=_UPSTREAM,
)
UPSTREAM_SSL_NAME: Final = Annotation[str](
    name="upstream-ssl-name",
    parse=parse_server_name,
    default="",
    values="a DNS name or an IP address",
    default_text="the host of each request",
    effect="the server name that is sent to endpoints (SNI) and that their certificate must have; "
    "it does not switch TLS on",
    error=f"finding `upstream_tls_invalid`, {_REFUSED}; without TLS a warning "
    "(`upstream_tls_off`)",
    risk="none of its own; without it, connections are kept for each host apart",
    example="shop.internal",
    fault_code=_UPSTREAM,
)
UPSTREAM_SSL_VERIFY: Final = Annotation[bool](
    name="upstream-ssl-verify",
    parse=parse_boolean,
    default=False,
    values="a boolean as `session-sticky`",
    default_text="`false`",
    effect="chain *and* name of the endpoint's certificate are checked, against `ca.crt` of the "
    "Secret, or else against the authorities of the system",
    error=f"finding `upstream_tls_invalid`, {_REFUSED}; so it is when nothing switches TLS on",
    risk="a certificate without subjectAltName is refused (502 `upstream_unverified`)",
    example="true",
    fault_code=_UPSTREAM,
)

VERIFY_CLIENT: Final = Annotation[AskedClients | None](
    name="tls-verify-client",
    parse=parse_verify_client,
    default=None,
    values="`on`, `optional`, `off`; also a boolean as `session-sticky`",
    default_text="`on` with `tls-trusted-ca-secret`, else `off`; with `--mtls`, `on`",
    effect="clients of the Ingress's hosts must (`on`) or may (`optional`) show a certificate "
    "that a trusted authority has signed; see [client certificates](client-certificates.md)",
    error=f"finding `{_CLIENTS}` or `client_ca_missing`, {_REFUSED}",
    risk="`optional` lets clients without one in; paths without a host cannot be protected: 503",
    example="on",
    fault_code=_CLIENTS,
)
VERIFY_DEPTH: Final = Annotation[int | None](
    name="tls-verify-depth",
    parse=parse_depth,
    default=None,
    values="a number from 0 to 16",
    default_text="`1`",
    effect="most intermediate authorities between a client's certificate and a trusted one",
    error=f"finding `{_CLIENTS}`, {_REFUSED}; a warning (`client_verification_off`) where no "
    "certificate is asked for",
    risk="a larger one trusts whomever the trusted authorities have let sign",
    example="2",
    fault_code=_CLIENTS,
)
TRUSTED_CA: Final = Annotation[SecretName | None](
    name="tls-trusted-ca-secret",
    parse=parse_secret_name,
    default=None,
    values=f"{_SECRET_NAME}; another namespace only with `--allow-cross-namespace-secrets`",
    default_text="the Secret of `spec.tls`",
    effect="`ca.crt` in it are the authorities that are trusted for client certificates",
    error=f"finding `secret_missing`, `secret_invalid`, `secret_foreign` or `{_CLIENTS}`, "
    f"{_REFUSED}",
    risk="everybody who holds a certificate of these authorities gets in",
    example="trust-client-cert",
    fault_code=_CLIENTS,
)

SSL_PASSTHROUGH: Final = Annotation[bool](
    name="ssl-passthrough",
    parse=parse_boolean,
    default=False,
    values="a boolean as `session-sticky`; true needs the option `--ssl-passthrough on`",
    default_text="`false`",
    effect="TLS of the hosts of the rules goes unopened to the backend of the path `/`, else to "
    "`defaultBackend`, see [TLS](tls.md#passthrough)",
    error="finding `passthrough_invalid` or, without the option, `security_unsupported`, "
    f"{_REFUSED}",
    risk="nothing of a request is seen: no other path, rewrite, header or limit has an effect "
    "(finding `passthrough_ignored`); younger Ingresses get nothing of the host (`host_lost`)",
    example="true",
    fault_code="passthrough_invalid",
)
SSL_REDIRECT: Final = Annotation[bool | None](
    name="ssl-redirect",
    parse=parse_boolean,
    default=None,
    values="a boolean as `session-sticky`",
    default_text="the option `--plain-http-on-tls-hosts`",
    effect="on TLS hosts: `false` serves plain HTTP on the paths of the Ingress, `true` redirects "
    "it (308) although the option says `serve`; where that says `forbid`, 403 it is",
    error=_INVALID,
    risk="`false` lets everything be read on its way",
    example="false",
)
FORCE_SSL_REDIRECT: Final = Annotation[bool](
    name="force-ssl-redirect",
    parse=parse_boolean,
    default=False,
    values="a boolean as `session-sticky`",
    default_text="`false`",
    effect="plain HTTP is redirected (308) on every host of the Ingress, with `spec.tls` or "
    "without, and also where there is no HTTPS listener: for a load balancer that speaks TLS",
    error=_INVALID,
    risk="an endless loop when that load balancer is not in `--trusted-proxies` or does not send "
    "`X-Forwarded-Proto: https`",
    example="true",
)

ANNOTATIONS: Final[tuple[Annotation[object], ...]] = (
    LB_TYPE,
    HASH_BY,
    SESSION_STICKY,
    REWRITE_FROM,
    REWRITE_TO,
    CONNECT_TIMEOUT,
    READ_TIMEOUT,
    SEND_TIMEOUT,
    BODY_SIZE,
    ENABLE_ACCESS_LOG,
    UPSTREAM_PROTOCOL,
    UPSTREAM_SSL_SECRET,
    UPSTREAM_SSL_NAME,
    UPSTREAM_SSL_VERIFY,
    SSL_PASSTHROUGH,
    SSL_REDIRECT,
    FORCE_SSL_REDIRECT,
    VERIFY_CLIENT,
    VERIFY_DEPTH,
    TRUSTED_CA,
)
