"""Laws of stickiness by cookie."""

from __future__ import annotations

import re
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.balancing.affinity import CookieAffinity, StickyCookie
from fsm_twisted.balancing.load import EndpointLoad
from fsm_twisted.message.fields import Fields
from fsm_twisted.snapshot.identity import Endpoint
from fsm_twisted.snapshot.policy import Balancing
from tests.balancing.loads import (
    balancer,
    endpoint,
    endpoints,
    keys,
    loads,
    loads_of,
    policies,
    randoms,
    some_endpoints,
    upstream,
)

SECRET = b"thirty-two bytes of randomness.."


def sticky(current: list[EndpointLoad], name: str = "web") -> StickyCookie[EndpointLoad]:
    made: StickyCookie[EndpointLoad] = CookieAffinity(SECRET).for_upstream(upstream(name))
    made.update(current)
    return made


def sent_back(header: bytes) -> Fields:
    """Return the fields of a browser that keeps the cookie of *header* among others."""
    return ((b"Cookie", b"theme=dark; " + header.partition(b";")[0] + b"; lang=en"),)


@given(endpoints, st.lists(some_endpoints, min_size=1, max_size=5))
def test_a_cookie_leads_to_its_endpoint_until_that_goes_and_again_when_it_returns(
    mine: Endpoint, history: list[list[Endpoint]]
) -> None:
    fields = sent_back(sticky([]).header(EndpointLoad(mine), secure=True))
    cookie = sticky([])
    for current in history:
        now = loads_of(current)
        cookie.update(now)
        found = cookie.find(fields)

        assert found is next((load for load in now if load.endpoint == mine), None)


@given(policies, loads(min_size=1), randoms, keys, st.data())
def test_a_client_keeps_its_endpoint_as_long_as_a_pick_may_pick_it(
    policy: Balancing,
    current: list[EndpointLoad],
    random: Random,
    key: bytes,
    data: st.DataObject,
) -> None:
    chosen, cookie = balancer(policy, current, random), sticky(current)
    kept = data.draw(st.sampled_from(current))
    tried = data.draw(st.lists(st.sampled_from(current), unique=True))
    left = [load for load in current if load not in tried]

    load = cookie.pick(kept, chosen, key, tried)

    assert (load in left) if left else (load is None)
    if kept in left and (kept.available or not any(other.available for other in left)):
        assert load is kept
    elif load is not None:
        assert load.available == any(other.available for other in left)


@given(policies, loads(min_size=1), randoms, keys)
def test_a_client_without_a_cookie_is_balanced_like_any_other(
    policy: Balancing, current: list[EndpointLoad], random: Random, key: bytes
) -> None:
    seed = random.getrandbits(32)
    alone, beside = (balancer(policy, current, Random(seed)) for _ in range(2))
    cookie = sticky(current)

    for _ in range(5):
        assert cookie.pick(None, beside, key) is alone.pick(key)


@given(st.binary(max_size=40))
def test_a_value_that_is_not_ours_leads_nowhere(value: bytes) -> None:
    cookie = sticky(loads_of(map(endpoint, range(1, 9))))

    assert cookie.find(((b"Cookie", cookie.name + b"=" + value),)) is None


@given(endpoints)
def test_a_cookie_says_nothing_to_another_upstream_or_under_another_secret(mine: Endpoint) -> None:
    load = EndpointLoad(mine)
    own, other = sticky([load], "web"), sticky([load], "shop")
    foreign: StickyCookie[EndpointLoad] = CookieAffinity(b"x").for_upstream(upstream("web"))
    foreign.update([load])
    value = own.header(load, secure=False).partition(b"=")[2].partition(b";")[0]
    assert own.find(((b"Cookie", own.name + b"=" + value),)) is load

    assert own.name != other.name
    assert other.find(((b"Cookie", other.name + b"=" + value),)) is None
    assert foreign.find(((b"Cookie", foreign.name + b"=" + value),)) is None


@given(endpoints, st.booleans())
def test_the_header_is_a_session_cookie_closed_to_scripts_and_tells_no_address(
    mine: Endpoint,
    secure: bool,  # noqa: FBT001 - a drawn value
) -> None:
    header = sticky([]).header(EndpointLoad(mine), secure=secure)

    assert re.fullmatch(
        rb"fsm_affinity_[\w-]{8}=[\w-]{20}; Path=/; HttpOnly; SameSite=Lax(; Secure)?", header
    )
    assert header.endswith(b"; Secure") == secure
    assert mine.address.encode() not in header


def test_all_replicas_with_one_secret_make_the_same_cookie() -> None:
    load = EndpointLoad(endpoint(1))

    assert sticky([]).header(load, secure=True) == sticky([load]).header(load, secure=True)
