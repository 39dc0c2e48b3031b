"""
The one registry of codes: why we answered ourselves, and what the compiler has found.

Replies carry fixed text, and nothing of a request is ever echoed (D12). The tables in
docs/reason-codes.md are made from here.
"""

from __future__ import annotations

from enum import Enum

import attrs


class Severity(Enum):
    """How bad a finding is: an ERROR means that something the user asked for is not served."""

    ERROR = "error"
    WARNING = "warning"


@attrs.frozen
class ReplyReason:
    """Why the proxy itself answered: a code, the status and the fixed text of the body."""

    code: str
    status: int
    text: str
    meaning: str


@attrs.frozen
class FindingReason:
    """What kind of problem an object has, and how a person mends it."""

    code: str
    severity: Severity
    meaning: str
    remedy: str

    @property
    def event(self) -> str:
        """Return the ``reason`` of an Event that tells of it: ``claim_lost`` is ``ClaimLost``."""
        return "".join(part.capitalize() for part in self.code.split("_"))


SYNCED = "Synced"
"""The ``reason`` of an Event that tells of an Ingress which every worker serves."""


def _replies(*rows: tuple[str, int, str, str]) -> dict[str, ReplyReason]:
    return {row[0]: ReplyReason(*row) for row in rows}


REPLIES = _replies(
    ("no_route", 404, "Service Not Found", "no Ingress has a matching host and path"),
    ("no_endpoints", 503, "No Endpoints", "the Service has no endpoint that is ready"),
    (
        "no_service",
        503,
        "Service Unavailable",
        "the Ingress names a Service or port that is not there",
    ),
    ("bad_request", 400, "Bad Request", "the request is not valid HTTP/1.1"),
    (
        "bad_host",
        400,
        "Bad Request",
        "Host is missing, repeated, malformed or differs from the target",
    ),
    ("bad_target", 400, "Bad Request", "the request target is malformed or has a dot segment"),
    ("bad_framing", 400, "Bad Request", "the body's length is ambiguous or malformed"),
    ("method_refused", 405, "Method Not Allowed", "CONNECT and TRACE are not forwarded"),
    ("coding_unknown", 501, "Not Implemented", "a Transfer-Encoding other than chunked"),
    ("version_unknown", 505, "HTTP Version Not Supported", "a major version other than 1"),
    ("target_too_long", 414, "URI Too Long", "the request line is over the limit"),
    (
        "head_too_large",
        431,
        "Request Header Fields Too Large",
        "the head or its field count is over the limit",
    ),
    ("body_too_large", 413, "Content Too Large", "the body is over the limit"),
    ("expectation_unknown", 417, "Expectation Failed", "an Expect other than 100-continue"),
    ("request_timeout", 408, "Request Timeout", "head or body did not arrive in time"),
    (
        "https_required",
        403,
        "Forbidden",
        "plain HTTP on a TLS host, with --plain-http-on-tls-hosts=forbid",
    ),
    (
        "client_unverified",
        421,
        "Misdirected Request",
        "the host asks for client certificates, and the connection was not made for it",
    ),
    ("https_redirect", 308, "Permanent Redirect", "plain HTTP on a TLS host"),
    (
        "passthrough_only",
        421,
        "Misdirected Request",
        "TLS of the host goes through unopened; the request came on a connection that does not",
    ),
    ("connect_failed", 502, "Bad Gateway", "no endpoint accepted a connection"),
    (
        "upstream_tls_failed",
        502,
        "Bad Gateway",
        "no endpoint could agree on TLS; the log says why",
    ),
    (
        "upstream_unverified",
        502,
        "Bad Gateway",
        "no endpoint has a certificate that is trusted and has the name",
    ),
    ("connect_timeout", 504, "Gateway Timeout", "no endpoint accepted a connection in time"),
    ("upstream_closed", 502, "Bad Gateway", "the endpoint closed before a whole response head"),
    ("upstream_invalid", 502, "Bad Gateway", "the endpoint's response is not valid HTTP"),
    (
        "upstream_reset",
        502,
        "Bad Gateway",
        "the endpoint has reset the request's HTTP/2 stream",
    ),
    (
        "upstream_refused",
        503,
        "Service Unavailable",
        "no endpoint has taken the request on (HTTP/2: GOAWAY, REFUSED_STREAM)",
    ),
    (
        "upgrade_refused",
        501,
        "Not Implemented",
        "a WebSocket to an endpoint whose HTTP/2 does not offer it (RFC 8441)",
    ),
    ("upstream_timeout", 504, "Gateway Timeout", "the endpoint was silent for too long"),
    (
        "overloaded",
        503,
        "Service Unavailable",
        "no file descriptor is left for a connection to an endpoint, or too many requests wait "
        "for a stream of it (HTTP/2)",
    ),
    ("last_hop", 200, "", "OPTIONS with Max-Forwards: 0 ends here"),
    ("draining", 503, "Service Unavailable", "the proxy is stopping"),
    (
        "unprotected",
        503,
        "Service Unavailable",
        "a security setting of the Ingress cannot be honoured",
    ),
)


def _findings(*rows: tuple[str, Severity, str, str]) -> dict[str, FindingReason]:
    return {row[0]: FindingReason(*row) for row in rows}


_E, _W = Severity.ERROR, Severity.WARNING

FINDINGS = _findings(
    (
        "file_unreadable",
        _E,
        "a manifest file cannot be read or parsed",
        "mend the file at the line named",
    ),
    (
        "kind_forbidden",
        _W,
        "our account may not read a kind of objects in the cluster",
        "add the rule named to the role of our account",
    ),
    (
        "object_invalid",
        _E,
        "an object does not have the shape of its kind",
        "mend the field named",
    ),
    (
        "object_repeated",
        _W,
        "the same object is written twice; the later one counts",
        "remove one of the two",
    ),
    (
        "path_invalid",
        _E,
        "a path or pathType cannot be used",
        "begin the path with '/', without '//', '%2F' and dot segments; mend pathType",
    ),
    (
        "host_invalid",
        _E,
        "a host is not a DNS name or *.name",
        "write a lower-case DNS name, '*.' only in front",
    ),
    (
        "service_missing",
        _E,
        "the Service does not exist",
        "create the Service in the Ingress's namespace, or name another",
    ),
    ("port_missing", _E, "the Service has no such port", "name one of the Service's ports"),
    (
        "service_external",
        _E,
        "ExternalName Services are not followed",
        "use a Service with endpoints",
    ),
    ("backend_unsupported", _E, "a backend that is not a Service", "name a Service"),
    ("no_endpoints", _W, "the Service has no ready endpoint", "look at its pods and its selector"),
    (
        "claim_lost",
        _E,
        "another Ingress has the same host and path, and comes first",
        "remove one of the two, or change host or path",
    ),
    (
        "claim_repeated",
        _W,
        "the Ingress has the same host and path twice",
        "remove one of the two",
    ),
    (
        "default_backend_lost",
        _W,
        "an older Ingress already is the default backend",
        "remove one of the two",
    ),
    (
        "class_missing",
        _W,
        "the Ingress names no IngressClass, and none is the default",
        "set spec.ingressClassName",
    ),
    ("class_unknown", _W, "the IngressClass does not exist", "create it, or name an existing one"),
    (
        "annotation_unknown",
        _W,
        "an annotation of ours that does not exist",
        "see docs/annotations.md for the names",
    ),
    (
        "security_unsupported",
        _E,
        "a protection is asked for that cannot be given; the Ingress is not served",
        "remove the annotation if the Ingress may be served without the protection",
    ),
    (
        "annotation_invalid",
        _E,
        "the value of an annotation cannot be used; its default is",
        "use one of the values named",
    ),
    (
        "hashing_off",
        _W,
        "hash-by says what requests are hashed by, but they are not",
        "set lb-type: hashing, or remove hash-by",
    ),
    (
        "rewrite_incomplete",
        _E,
        "only one annotation of the rewrite pair is set",
        "set rewrite-target-from and rewrite-target-to",
    ),
    (
        "rewrite_invalid",
        _E,
        "the rewrite cannot be used; the path is forwarded as sent",
        "mend the pattern (RE2) or the template",
    ),
    (
        "tls_hosts_missing",
        _W,
        "spec.tls has no host, nor have the rules; the default certificate answers",
        "list the hosts of the certificate in spec.tls",
    ),
    (
        "secret_missing",
        _E,
        "the Secret that the Ingress names does not exist",
        "create it in the Ingress's namespace",
    ),
    (
        "secret_invalid",
        _E,
        "the Secret that the Ingress names does not hold what it must",
        "make it with kubectl create secret tls",
    ),
    (
        "secret_foreign",
        _E,
        "the Ingress names a Secret of another namespace, which it may not",
        "copy the Secret into the Ingress's namespace",
    ),
    (
        "certificate_expired",
        _W,
        "the certificate has expired; it is served all the same",
        "renew it",
    ),
    (
        "certificate_not_yet_valid",
        _W,
        "the certificate is not valid yet; it is served all the same",
        "look at the clocks, or renew it",
    ),
    (
        "certificate_not_covering",
        _W,
        "the certificate does not cover the host; it is served all the same",
        "issue one with the host as a subjectAltName",
    ),
    (
        "certificate_lost",
        _E,
        "an older Ingress has another certificate for the same host",
        "use one Secret for the host",
    ),
    (
        "client_verification_invalid",
        _E,
        "clients cannot be verified as it is asked for; the paths concerned are not served",
        "mend the annotation named; rules that ask for client certificates need a host",
    ),
    (
        "client_ca_missing",
        _E,
        "client certificates are asked for, but nothing says whose; the hosts are not served",
        "name a Secret with ca.crt in tls-trusted-ca-secret, or add ca.crt to that of spec.tls",
    ),
    (
        "client_verification_lost",
        _E,
        "another Ingress decides how clients of the host are verified; the paths are not served",
        "give all Ingresses of the host the same annotations",
    ),
    (
        "client_verification_imposed",
        _W,
        "clients are asked for more than the Ingress says",
        "remove tls-verify-client, or set it to 'on'",
    ),
    (
        "client_verification_off",
        _W,
        "an annotation of client certificates, which nothing asks for",
        "set tls-verify-client: 'on', or remove the annotation",
    ),
    (
        "upstream_tls_invalid",
        _E,
        "TLS to the Service cannot be spoken as it is asked for; the Ingress is not served",
        "mend the annotation named, or set upstream-protocol: HTTPS",
    ),
    (
        "upstream_not_verified",
        _W,
        "TLS is spoken to the Service, but anybody could be answering",
        "set upstream-ssl-verify: 'true', with the authority in ca.crt of upstream-ssl-secret",
    ),
    (
        "passthrough_invalid",
        _E,
        "TLS is to go through to a Service, but it is not said which host's goes where",
        "give each rule a host, and the path '/' or the Ingress a default backend",
    ),
    (
        "passthrough_ignored",
        _W,
        "a path or annotation that has no meaning where TLS is not opened",
        "remove it, or ssl-passthrough",
    ),
    (
        "host_lost",
        _E,
        "an older Ingress has the host, and one of the two passes its TLS through",
        "remove one of the two, or give them different hosts",
    ),
    (
        "upstream_tls_off",
        _W,
        "an annotation of TLS to the Service, which is not switched on",
        "set upstream-protocol: HTTPS, or remove the annotation",
    ),
)
