"""Run-time state under TLS policies: what two of them share, and what they never do."""

from __future__ import annotations

import attrs
import pytest
from twisted.logger import capturedLogs

from fsm_twisted.proxy.endpoints import EndpointState
from fsm_twisted.proxy.runtime import RunTime
from fsm_twisted.proxy.secure import SecureEndpoint
from fsm_twisted.snapshot.model import Upstream
from fsm_twisted.snapshot.policy import Protocol, UpstreamTls
from tests.proxy.worlds import runtime, serving, upstream
from tests.strategies.certificates import make_pair

CA, OTHER_CA = make_pair("ca", (), is_authority=True), make_pair("other", (), is_authority=True)
POLICY = UpstreamTls("1", "a.internal", True, CA.crt)
OTHERS = (
    None,
    UpstreamTls("1", "b.internal", True, CA.crt),
    UpstreamTls("1", "", True, CA.crt),
    UpstreamTls("2", "a.internal", True, OTHER_CA.crt),
)


def under(tls: UpstreamTls | None, ingress: str, *numbers: int) -> Upstream:
    return attrs.evolve(upstream("web", *numbers, ingress=ingress), tls=tls)


def endpoint_of(state: RunTime, of: Upstream) -> EndpointState:
    found = state.upstreams[of.id].balancer.pick()
    assert found is not None
    return found


@pytest.mark.parametrize("other", OTHERS)
def test_another_policy_has_endpoints_of_its_own(other: UpstreamTls | None) -> None:
    state, ours, theirs = runtime(), under(POLICY, "ours", 1, 2), under(other, "theirs", 1, 2)
    state.activate(serving(ours, theirs))
    mine, yours = endpoint_of(state, ours), endpoint_of(state, theirs)

    assert mine.endpoint == yours.endpoint
    assert mine is not yours
    for _ in range(3):
        mine.failed(0)
    assert (mine.available, yours.available) == (False, True)


def test_the_same_policy_shares_its_endpoints() -> None:
    state = runtime()
    ours, theirs = under(POLICY, "ours", 1), under(attrs.evolve(POLICY), "theirs", 1)
    state.activate(serving(ours, theirs))

    assert endpoint_of(state, ours) is endpoint_of(state, theirs)


def test_another_protocol_has_endpoints_of_its_own() -> None:
    state, ours = runtime(), under(POLICY, "ours", 1)
    theirs = attrs.evolve(under(POLICY, "theirs", 1), protocol=Protocol.HTTP2)
    state.activate(serving(ours, theirs))

    assert endpoint_of(state, ours) is not endpoint_of(state, theirs)


@pytest.mark.parametrize("other", OTHERS)
def test_a_new_policy_retires_the_endpoints_of_the_old_one(other: UpstreamTls | None) -> None:
    state = runtime()
    state.activate(serving(under(POLICY, "ours", 1)))
    before = endpoint_of(state, under(POLICY, "ours", 1))
    state.activate(serving(under(other, "ours", 1)))

    assert before.is_retired
    assert not endpoint_of(state, under(other, "ours", 1)).is_retired


def test_policies_that_differ_in_the_name_alone_share_a_context() -> None:
    state = runtime()
    upstreams = [under(each, f"i{number}", 1) for number, each in enumerate((POLICY, *OTHERS[1:]))]
    state.activate(serving(*upstreams))
    found = [endpoint_of(state, each) for each in upstreams]
    contexts = [each.context for each in found if isinstance(each, SecureEndpoint)]

    assert [context is contexts[0] for context in contexts] == [True, True, True, False]


def test_what_openssl_refuses_has_no_context_and_is_logged_without_its_contents() -> None:
    bad = UpstreamTls("3", "a", False, b"", b"SECRET chain", b"SECRET key")
    state = runtime()
    with capturedLogs() as events:
        state.activate(serving(under(bad, "ours", 1)))
    found = endpoint_of(state, under(bad, "ours", 1))

    assert isinstance(found, SecureEndpoint)
    assert found.context is None
    assert any("OpenSSL refuses" in str(each.get("log_format")) for each in events)
    assert "SECRET" not in str(events) + repr(bad)
