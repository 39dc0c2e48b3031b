"""Laws of HPACK, and agreement with the package ``hpack``."""

from __future__ import annotations

import hpack
import pytest
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.http2 import huffman
from fsm_twisted.http2.decoder import Decoder, FieldList, HpackError
from fsm_twisted.http2.encoder import Encoder
from fsm_twisted.http2.kinds import RESPONSE_KINDS
from fsm_twisted.http2.lines import RESPONSE_LINES
from fsm_twisted.http2.table import STATIC, encode_integer
from fsm_twisted.message.fields import Field, Fields

names = st.sampled_from(
    [b"server", b"content-type", b"vary", b"set-cookie", b"x-request-id", b"etag", b"via"]
    + [b"x-%d" % number for number in range(40)]
    + [b"x-" + b"long" * 40]
)
values = st.sampled_from([b"", b"a", b"text/html", b"nginx", b"x" * 200]) | st.binary(
    max_size=40
).map(lambda some: some.hex().encode())
fields = st.lists(st.tuples(names, values), max_size=12).map(tuple)


def decoder(list_bytes: int = 10**6, count: int = 1000) -> Decoder:
    return Decoder(RESPONSE_KINDS, list_bytes, count)


def all_of(listed: FieldList | None) -> list[Field]:
    assert listed is not None
    return sorted([*listed.fields, *(field for _, field in listed.marked)])


@given(st.binary(max_size=200))
def test_what_huffman_encodes_it_decodes(plain: bytes) -> None:
    assert huffman.decode(huffman.encode(plain)) == plain


@given(st.binary(max_size=60))
def test_huffman_agrees_with_hpack_on_any_bytes(coded: bytes) -> None:
    try:
        expected = decode_huffman(coded)
    except hpack.HPACKDecodingError:
        with pytest.raises(huffman.HuffmanError):
            huffman.decode(coded)
    else:
        assert huffman.decode(coded) == expected


def test_the_static_table_is_that_of_hpack() -> None:
    assert tuple(HeaderTable.STATIC_TABLE) == STATIC


@given(st.lists(st.tuples(fields, st.none() | st.integers(0, 5000)), max_size=8))
def test_hpack_decodes_what_our_encoder_writes(blocks: list[tuple[Fields, int | None]]) -> None:
    encoder = Encoder(RESPONSE_LINES, 4096)
    other = hpack.Decoder(max_header_list_size=10**6)
    other.max_allowed_table_size = 4096
    for sent, size in blocks:
        if size is not None:
            encoder.allow_table(size)
        raw = other.decode(encoder.encode(b"", sent), raw=True)

        assert [tuple(field) for field in raw] == list(sent)


@given(st.lists(st.tuples(fields, st.booleans(), st.none() | st.integers(0, 4096)), max_size=8))
def test_our_decoder_reads_what_hpack_writes(
    blocks: list[tuple[Fields, bool, int | None]],
) -> None:
    encoder = hpack.Encoder()
    ours = decoder()
    for sent, is_coded, size in blocks:
        if size is not None:
            encoder.header_table_size = size
        assert all_of(ours.decode(encoder.encode(sent, huffman=is_coded))) == sorted(sent)


@given(st.lists(fields, max_size=6), st.integers(0, 4096))
def test_our_encoder_and_decoder_agree(blocks: list[Fields], limit: int) -> None:
    encoder = Encoder(RESPONSE_LINES, limit)
    ours = decoder()
    for sent in blocks:
        assert all_of(ours.decode(encoder.encode(b"", sent))) == sorted(sent)


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_any_bytes_are_a_list_or_an_hpack_error_as_in_hpack(blocks: list[bytes]) -> None:
    ours, other = decoder(), hpack.Decoder(max_header_list_size=10**6)
    for block in blocks:
        try:
            mine = all_of(ours.decode(block))
        except HpackError:
            mine = None
        try:
            raw = other.decode(block, raw=True)
        except (hpack.HPACKError, IndexError):
            raw = None
        if mine is None or raw is None:
            # We are the stricter ones: updates behind fields, integers of many bytes.
            assert mine is None
            return
        assert mine == sorted(tuple(field) for field in raw)


@given(st.integers(0, 2**28), st.integers(1, 8))
def test_integers_are_written_as_hpack_writes_them(number: int, bits: int) -> None:
    from hpack.hpack import encode_integer as other

    assert encode_integer(0, bits, number) == bytes(other(number, bits))


def test_an_integer_of_many_bytes_is_refused() -> None:
    with pytest.raises(HpackError):
        decoder().decode(b"\xff" + b"\x80" * 6 + b"\x01")


def test_a_list_over_its_limit_is_none_and_the_table_stays_in_step() -> None:
    ours = decoder(list_bytes=100)
    kept = b"\x40\x03x-a\x05value"

    assert ours.decode(kept + b"\x00\x01b\x28" + b"v" * 40) is None
    assert all_of(ours.decode(b"\xbe")) == [(b"x-a", b"value")]


def test_more_fields_than_the_limit_are_none() -> None:
    assert decoder(count=3).decode(b"\x88" * 4) is None


def test_a_bomb_of_references_costs_no_memory() -> None:
    ours = decoder(list_bytes=32768)
    large = b"\x40\x03x-a\x7f\xa1\x1e" + b"v" * 4000

    assert ours.decode(large + b"\xbe" * 60000) is None


def test_a_smaller_table_must_be_announced() -> None:
    ours = decoder()
    ours.allow_table(100)
    with pytest.raises(HpackError):
        ours.decode(b"\x88")


def test_a_smaller_table_that_is_announced_drops_the_oldest() -> None:
    ours = decoder()
    ours.decode(b"\x40\x01a\x01b\x40\x01c\x01d")
    ours.allow_table(40)

    assert all_of(ours.decode(b"\x3f\x09\xbe")) == [(b"c", b"d")]
    with pytest.raises(HpackError):
        ours.decode(b"\xbf")


def test_three_size_updates_are_one_too_many() -> None:
    with pytest.raises(HpackError):
        decoder().decode(b"\x20\x21\x22\x88")


def test_credentials_are_never_indexed_and_never_remembered() -> None:
    encoder = Encoder(RESPONSE_LINES, 4096)
    line = encoder.encode(b"", ((b"Set-Cookie", b"secret"),))

    assert line[0] & 0xF0 == 0x10
    assert (b"Set-Cookie", b"secret") not in RESPONSE_LINES


@pytest.mark.parametrize(
    "field",
    [
        (b"connection", b"close"),
        (b"Transfer-Encoding", b"chunked"),
        (b"content-length", b"5"),
        (b":status", b"200"),
        (b"a b", b"c"),
        (b"", b"c"),
        (b"x-a", b"b\r\nc: d"),
        (b"x-a", b"b\x00"),
        (b"x-a", b" b"),
        (b"x-a", b"b\t"),
    ],
)
def test_a_field_that_would_not_read_back_is_refused_and_the_table_stays_in_step(
    field: Field,
) -> None:
    encoder, other = Encoder(RESPONSE_LINES, 4096), hpack.Decoder()
    first = ((b"server", b"a"),)
    other.decode(encoder.encode(b"", first))

    with pytest.raises(ValueError, match=r"field|name"):
        encoder.encode(b"", ((b"vary", b"accept"), field))
    again = ((b"server", b"a"), (b"vary", b"accept"), (b"via", b"x"))
    raw = other.decode(encoder.encode(b"", again), raw=True)
    assert tuple(tuple(one) for one in raw) == again
