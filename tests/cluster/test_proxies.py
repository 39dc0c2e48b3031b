"""NO_PROXY, as Go reads it."""

from __future__ import annotations

import pytest

from fsm_twisted.sources.cluster.proxies import is_exempt


@pytest.mark.parametrize(
    ("host", "no_proxy", "expected"),
    [
        ("api.example", "", False),
        ("api.example", "*", True),
        ("api.example", "example", True),
        ("api.example", ".example", True),
        ("api.example", "*.example", True),
        ("example", ".example", False),
        ("example", "example", True),
        ("badexample", "example", False),
        ("API.Example", " api.EXAMPLE ,other", True),
        ("api.example:6443", "api.example:6443", True),
        ("api.example:6443", "api.example:443", False),
        ("api.example", "api.example:443", True),
        ("10.96.0.1", "10.96.0.0/12", True),
        ("10.96.0.1", "192.168.0.0/16,10.0.0.0/8", True),
        ("10.96.0.1", "10.96.0.1", True),
        ("10.96.0.1", "10.96.0.10", False),
        ("10.96.0.1", "10.96.0.0/99", False),
        ("api.example", "10.0.0.0/8", False),
        ("[fd00::1]:6443", "fd00::/8", True),
        ("[fd00::1]:6443", "fd00::1", True),
        ("[fd00::1]:6443", "[fd00::1]:6443", True),
        ("[fd00::1]:6443", "[fd00::1]:443", False),
        ("localhost:1", "", True),
        ("127.3.2.1", "", True),
        ("[::1]", "", True),
    ],
)
def test_no_proxy_is_read_as_go_reads_it(host: str, no_proxy: str, *, expected: bool) -> None:
    assert is_exempt(f"https://{host}", no_proxy) is expected
