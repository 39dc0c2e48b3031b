"""What a hostile request may cost."""

from __future__ import annotations

from collections import UserDict

import pytest

from fsm_twisted.routing.paths import PathTable
from tests.routing.worlds import route, virtual_host


class CountedLookups(UserDict[bytes, str]):
    """A dict that counts how many bytes it was asked for."""

    asked_bytes = 0

    def get(self, key: bytes, default: str | None = None) -> str | None:  # type: ignore[override]
        self.asked_bytes += len(key)
        return super().get(key, default)


@pytest.mark.parametrize(
    "path", [b"/" * 16_384, b"/a" * 8_192, b"/aaaa/bb" + b"/" * 16_384, b"/" + b"a" * 16_384]
)
def test_a_path_of_slashes_costs_no_more_than_reading_the_hosts_own_prefixes_once(
    path: bytes,
) -> None:
    claims = ["/", "/a", "/aaaa/bb", "/aaaa/cc", "/" + "c/" * 20 + "c"]
    built = PathTable.build(
        virtual_host("", *(route("", claim) for claim in claims)), lambda each: each.path
    )
    counted = CountedLookups(built.prefixes)
    table = PathTable({}, counted, built.lengths, built.longest, built.root, None)

    assert table.find(path) == built.find(path)
    assert counted.asked_bytes <= sum(map(len, claims))
