"""What a status says, and who has written it; nothing in it can do harm."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.objects.decode_status import Address, LoadBalancerStatus, decode_status

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "metadata",
                    "status",
                    "loadBalancer",
                    "ingress",
                    "ip",
                    "managedFields",
                    "fieldsV1",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def owner(manager: str, **fields: Any) -> dict[str, Any]:
    named = {f"f:{key}": value for key, value in fields.items()}
    return {"manager": manager, "operation": "Apply", "fieldsV1": named}


def test_addresses_and_their_owners_are_read() -> None:
    item = {
        "metadata": {
            "uid": "u",
            "managedFields": [
                owner("kubectl", spec={"f:rules": {}}),
                owner("fsm-ingress", status={"f:loadBalancer": {"f:ingress": {}}}),
                owner("controller", status={"f:conditions": {}}),
            ],
        },
        "status": {
            "loadBalancer": {
                "ingress": [{"ip": "192.0.2.1", "ipMode": "VIP"}, {"hostname": "lb.example"}]
            }
        },
    }

    expected = (Address(ip="192.0.2.1"), Address(hostname="lb.example"))
    assert decode_status(item) == LoadBalancerStatus("u", expected, ("fsm-ingress",))


def test_what_is_not_there_is_not_said() -> None:
    assert decode_status({}) == LoadBalancerStatus()
    assert decode_status({"status": {"loadBalancer": {}}}) == LoadBalancerStatus()


@given(st.dictionaries(st.sampled_from(["metadata", "status"]), JSON, max_size=2))
def test_anything_can_be_read(item: dict[str, Any]) -> None:
    assert isinstance(decode_status(item), LoadBalancerStatus)


@given(
    st.lists(
        st.builds(Address, ip=st.text(min_size=1))
        | st.builds(Address, hostname=st.text(min_size=1))
    )
)
def test_addresses_are_read_as_they_are_written(addresses: list[Address]) -> None:
    written = [each.encode() for each in addresses]
    item = {"status": {"loadBalancer": {"ingress": written}}}

    assert decode_status(item).addresses == tuple(addresses)
