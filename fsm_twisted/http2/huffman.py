"""
The Huffman code of HPACK (RFC 7541 section 5.2, appendix B), a whole byte at a step.

The code of appendix B is canonical: the lengths of its words say everything.
"""

from __future__ import annotations

from typing import Final

# Bits of the word for each byte, and for the end of string (EOS) at last; hexadecimal.
_LENGTHS: Final = bytes.fromhex(
    "0d171c1c1c1c1c1c1c181e1c1c1e1c1c1c1c1c1c1c1c1e1c1c1c1c1c1c1c1c1c"
    "060a0a0c0d06080b0a0a080b080606060505050606060606060607080f060c0a"
    "0d06070707070707070707070707070707070707070707070807080d130d0e06"
    "0f05060506050606060507070606060506070605050607070707070f0b0e0d1c"
    "1416141416161617161717171717181718181617181717171715161716171718"
    "1615141616171715171616181516171715151615171617171416161617161617"
    "1a1a1413161716191a1a1a1b1b1a181913151a1b1b1a1b1815151a1a1c1b1b1b"
    "14181415161515171616191918181a171a1b1a1a1b1b1b1b1b1c1b1b1b1b1b1a"
    "1e"
)
_EOS: Final = 256
_LONGEST_PADDING: Final = 7

# Where a byte leads, and the bytes it completes; one row for each inner node of the code's tree.
Step = tuple["Row", bytes]
Row = list[Step]


class HuffmanError(ValueError):
    """Bytes that are no Huffman-coded string: EOS inside, or padding that is none."""


def _words() -> tuple[str, ...]:
    """Return the code word of each symbol, as text of zeros and ones."""
    words = [""] * len(_LENGTHS)
    code = width = 0
    for symbol in sorted(range(len(_LENGTHS)), key=lambda symbol: (_LENGTHS[symbol], symbol)):
        code <<= _LENGTHS[symbol] - width
        width = _LENGTHS[symbol]
        words[symbol] = f"{code:0{width}b}"
        code += 1
    return tuple(words)


_WORDS: Final = _words()


def _tree() -> dict[str, int]:
    """Map every proper prefix of a code word to -1, and every code word to its symbol."""
    tree = {word: symbol for symbol, word in enumerate(_WORDS)}
    for word in _WORDS:
        tree.update({word[:size]: -1 for size in range(len(word)) if word[:size] not in tree})
    return tree


def _steps(prefix: str, tree: dict[str, int], rows: dict[str, Row], dead: Row) -> Row:
    """Return where each byte leads from the inner node *prefix*, by descending bit by bit."""
    reached = [(prefix, b"")]
    for _ in range(8):
        following = []
        for node, emitted in reached:
            for bit in "01":
                symbol = -1 if node == "dead" else tree[node + bit]
                if node == "dead" or symbol == _EOS:
                    following.append(("dead", b""))
                elif symbol < 0:
                    following.append((node + bit, emitted))
                else:
                    following.append(("", emitted + bytes((symbol,))))
        reached = following
    return [(dead, b"") if node == "dead" else (rows[node], out) for node, out in reached]


def _rows() -> tuple[Row, frozenset[int]]:
    """Return the row to begin with, and the identities of those where a string may end."""
    tree = _tree()
    rows: dict[str, Row] = {node: [] for node, symbol in tree.items() if symbol < 0}
    dead: Row = []
    dead.extend([(dead, b"")] * 256)
    for node, row in rows.items():
        row.extend(_steps(node, tree, rows, dead))
    ends = (rows["1" * size] for size in range(_LONGEST_PADDING + 1))
    return rows[""], frozenset(map(id, ends))


_FIRST, _ENDS = _rows()


def decode(coded: bytes) -> bytes:
    """
    Decode a string.

    Raises:
        HuffmanError: It holds EOS, or ends neither with a symbol nor with up to seven ones.
    """
    row = _FIRST
    pieces: list[bytes] = []
    keep = pieces.append
    for byte in coded:
        row, piece = row[byte]
        keep(piece)
    if id(row) not in _ENDS:
        raise HuffmanError("a string with EOS or with wrong padding")
    return b"".join(pieces)


def encode(plain: bytes) -> bytes:
    """Encode a string; the result may be longer than *plain*."""
    bits = "".join([_WORDS[byte] for byte in plain])
    bits += "1" * (-len(bits) % 8)
    return int(bits or "0", 2).to_bytes(len(bits) // 8, "big")
