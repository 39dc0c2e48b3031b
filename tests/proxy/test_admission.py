"""What becomes of a request before an endpoint is asked."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.proxy.active import Active
from fsm_twisted.proxy.admission import Admitted, LocalReply, admit
from fsm_twisted.proxy.client import make_peer
from fsm_twisted.proxy.options import PlainHttp, ProxyOptions
from fsm_twisted.proxy.trusted_proxies import TrustedProxies
from fsm_twisted.snapshot.model import Route, Snapshot
from fsm_twisted.snapshot.policy import ClientVerification, PlainAccess, VerifyClient
from fsm_twisted.snapshot.reasons import REPLIES
from fsm_twisted.snapshot.rewrite import Rewrite
from tests.proxy.heads import request
from tests.proxy.worlds import prefix, runtime, snapshot, upstream

WEB = upstream("web", 1)
PLAIN = ProxyOptions(plain_http=PlainHttp.SERVE)


def active(world: Snapshot, *tls_hosts: str) -> Active:
    state = runtime()
    state.activate(attrs.evolve(world, tls_hosts=frozenset(tls_hosts)))
    return state.active


def outcome(
    world: Active,
    target: bytes = b"/",
    host: bytes | None = b"a.example",
    options: ProxyOptions = PLAIN,
    *,
    method: bytes = b"GET",
    is_secure: bool = False,
) -> Admitted | LocalReply:
    peer = make_peer("192.0.2.1", 443, is_secure=is_secure, trusted=TrustedProxies())
    return admit(request(target, host, method=method), world, options, peer, is_secure=is_secure)


def code(found: Admitted | LocalReply) -> str:
    assert isinstance(found, LocalReply)
    return found.reason.code


def target_of(found: Admitted | LocalReply) -> bytes:
    assert isinstance(found, Admitted)
    return found.target


def test_a_request_goes_to_the_upstream_of_its_route_as_sent() -> None:
    found = outcome(active(snapshot(prefix("/", WEB))), b"/a%2Fb//c?d=%20&e")

    assert isinstance(found, Admitted)
    assert found.upstream.upstream == WEB
    assert found.target == b"/a%2Fb//c?d=%20&e"


def test_without_a_route_the_answer_is_404() -> None:
    found = outcome(active(snapshot(prefix("/only", WEB))), b"/other")

    assert (code(found), REPLIES["no_route"].status) == ("no_route", 404)


@pytest.mark.parametrize("refusal", ["no_service", "unprotected"])
def test_a_route_that_cannot_be_served_answers_its_reason(refusal: str) -> None:
    route = attrs.evolve(prefix("/", WEB), upstream=None, refusal=REPLIES[refusal])

    assert code(outcome(active(snapshot(route)))) == refusal


@pytest.mark.parametrize(
    ("is_secure", "expected"), [(False, "unprotected"), (True, "client_unverified")]
)
def test_a_client_that_is_not_verified_gets_its_answer_from_the_route(
    expected: str, *, is_secure: bool
) -> None:
    wanted = ClientVerification.of(VerifyClient.ON, 1, b"")
    world = active(attrs.evolve(snapshot(prefix("/", WEB)), clients={"a.example": wanted}))

    found = outcome(world, is_secure=is_secure)

    assert code(found) == expected
    assert isinstance(found, LocalReply)
    assert found.bound is not None
    assert found.bound.route.ingress == WEB.id.ingress


def test_a_rewrite_changes_the_path_and_leaves_the_query_alone() -> None:
    world = active(snapshot(prefix("/", WEB, rewrite=Rewrite.parse("^/httpbin/?", "/"))))

    assert target_of(outcome(world, b"/httpbin/hi?x=/httpbin/")) == b"/hi?x=/httpbin/"
    assert target_of(outcome(world, b"/httpbin?")) == b"/?"


def test_a_rewrite_that_makes_a_dot_segment_is_refused() -> None:
    world = active(snapshot(prefix("/", WEB, rewrite=Rewrite.parse("x", "."))))

    assert code(outcome(world, b"/a/xx/b")) == "bad_target"


# Plain HTTP on a TLS host


@pytest.mark.parametrize(
    ("host", "target", "port", "location"),
    [
        (b"a.example", b"/p?q=1", 443, b"https://a.example/p?q=1"),
        (b"A.Example.:8000", b"/", 443, b"https://a.example/"),
        (b"a.example:8000", b"/", 8443, b"https://a.example:8443/"),
        (b"x.wild.example", b"/", 443, b"https://x.wild.example/"),
    ],
)
def test_it_is_redirected_to_https(host: bytes, target: bytes, port: int, location: bytes) -> None:
    world = active(snapshot(prefix("/", WEB)), "a.example", "*.wild.example")

    found = outcome(world, target, host, options=ProxyOptions(https_redirect_port=port))

    assert isinstance(found, LocalReply)
    assert found.reason.status == 308
    assert found.fields == b"Location: %b\r\n" % location


def test_a_redirect_of_options_for_the_whole_server_is_a_uri() -> None:
    world = active(snapshot(prefix("/", WEB)), "a.example")

    found = outcome(world, b"*", method=b"OPTIONS", options=ProxyOptions())

    assert isinstance(found, LocalReply)
    assert found.fields == b"Location: https://a.example\r\n"


@pytest.mark.parametrize(
    ("option", "expected"),
    [(PlainHttp.REDIRECT, "https_redirect"), (PlainHttp.FORBID, "https_required")],
)
def test_it_is_refused_before_anybody_learns_whether_there_is_a_route(
    option: PlainHttp, expected: str
) -> None:
    world = active(snapshot(prefix("/only", WEB)), "a.example")
    options = ProxyOptions(plain_http=option)

    assert code(outcome(world, b"/only", options=options)) == expected
    assert code(outcome(world, b"/other", options=options)) == expected


@pytest.mark.parametrize("host", [b"b.example", b"y.x.wild.example", None])
def test_a_host_that_is_no_tls_host_is_served(host: bytes | None) -> None:
    world = active(snapshot(prefix("/", WEB, host="")), "a.example", "*.wild.example")

    assert isinstance(outcome(world, host=host, options=ProxyOptions()), Admitted)


def test_https_is_served_and_plain_http_where_the_operator_says_so() -> None:
    world = active(snapshot(prefix("/", WEB)), "a.example")

    assert isinstance(outcome(world, options=ProxyOptions(), is_secure=True), Admitted)
    assert isinstance(outcome(world, options=PLAIN), Admitted)


@pytest.mark.parametrize(
    ("target", "is_served"),
    [
        (b"/.well-known/acme-challenge/token", True),
        (b"/.well-known/acme-challenge", False),
        (b"/.well-known/other", False),
        (b"/a/.well-known/acme-challenge/token", False),
    ],
)
@pytest.mark.parametrize("option", [PlainHttp.REDIRECT, PlainHttp.FORBID])
def test_only_acme_challenges_pass(target: bytes, is_served: object, option: PlainHttp) -> None:
    world = active(snapshot(prefix("/", WEB)), "a.example")

    found = outcome(world, target, options=ProxyOptions(plain_http=option))

    assert isinstance(found, Admitted) is is_served


def with_plain(path: str, plain: PlainAccess, host: str = "a.example") -> Route:
    return attrs.evolve(prefix(path, WEB, host=host), plain=plain)


SERVE, REDIRECT, FORBID = PlainHttp.SERVE, PlainHttp.REDIRECT, PlainHttp.FORBID


@pytest.mark.parametrize(
    ("plain", "on_tls_host", "elsewhere"),
    [
        (PlainAccess.DEFAULT, {SERVE: "", REDIRECT: "https_redirect"}, ""),
        (PlainAccess.SERVED, {SERVE: "", REDIRECT: ""}, ""),
        (PlainAccess.REDIRECTED, {SERVE: "https_redirect", REDIRECT: "https_redirect"}, ""),
        (
            PlainAccess.ALWAYS_REDIRECTED,
            {SERVE: "https_redirect", REDIRECT: "https_redirect"},
            "https_redirect",
        ),
    ],
)
def test_an_ingress_says_what_plain_http_gets_but_what_is_forbidden_stays_so(
    plain: PlainAccess, on_tls_host: dict[PlainHttp, str], elsewhere: str
) -> None:
    world = active(snapshot(with_plain("/", plain)), "a.example")
    other = active(snapshot(with_plain("/", plain)))

    for option, expected in {**on_tls_host, FORBID: "https_required"}.items():
        options = ProxyOptions(plain_http=option)
        assert told(outcome(world, options=options)) == expected
        assert told(outcome(other, options=options)) == elsewhere
        assert told(outcome(world, options=options, is_secure=True)) == ""
        assert told(outcome(world, b"/.well-known/acme-challenge/x", options=options)) == ""


def told(found: Admitted | LocalReply) -> str:
    return found.reason.code if isinstance(found, LocalReply) else ""


def test_each_route_of_a_host_has_its_own_word_and_the_rest_the_operators() -> None:
    routes = (
        with_plain("/open", PlainAccess.SERVED),
        with_plain("/shut", PlainAccess.ALWAYS_REDIRECTED),
        with_plain("/usual", PlainAccess.DEFAULT),
    )
    world = active(snapshot(*routes), "a.example")

    for target, expected in (
        (b"/open/x", ""),
        (b"/shut/x", "https_redirect"),
        (b"/usual", "https_redirect"),
        (b"/no-route", "https_redirect"),
    ):
        assert told(outcome(world, target, options=ProxyOptions())) == expected


def test_without_an_https_listener_only_what_is_forced_is_redirected() -> None:
    options = ProxyOptions(plain_http=SERVE, has_https=False)
    for plain, expected in (
        (PlainAccess.DEFAULT, ""),
        (PlainAccess.REDIRECTED, ""),
        (PlainAccess.ALWAYS_REDIRECTED, "https_redirect"),
    ):
        world = active(snapshot(with_plain("/", plain)), "a.example")
        assert told(outcome(world, options=options)) == expected


@given(
    plains=st.dictionaries(
        st.sampled_from(["", "a.example", "*.example", "x.a.example"]),
        st.sampled_from(PlainAccess),
    ),
    tls_hosts=st.sets(st.sampled_from(["a.example", "*.example"])),
    option=st.sampled_from(PlainHttp),
    has_https=st.booleans(),
    default=st.none() | st.sampled_from(PlainAccess),
)
def test_the_straight_road_lets_no_plain_request_through_that_is_redirected_or_forbidden(
    plains: dict[str, PlainAccess],
    tls_hosts: set[str],
    option: PlainHttp,
    default: PlainAccess | None,
    *,
    has_https: bool,
) -> None:
    options = ProxyOptions(plain_http=option if has_https else SERVE, has_https=has_https)
    routes = [with_plain("/", plain, host) for host, plain in plains.items()]
    last = None if default is None else with_plain("/", default, "")
    state = runtime(options.plain_http)
    for world in (snapshot(), snapshot(*routes, upstreams=(WEB,))):
        state.activate(attrs.evolve(world, tls_hosts=frozenset(tls_hosts), default=last))
        for host in (b"a.example", b"b.example", b"x.a.example", b"other.test"):
            _, is_looked_at = state.active.host_of(host)
            bound = state.active.router.match(host, b"/")
            if bound is None or (is_looked_at and not bound.is_open):
                continue
            found = outcome(state.active, host=host, options=options)
            assert told(found) not in {"https_redirect", "https_required"}
