"""
Finding the empty line that ends a head or trailers, in pieces of any size.

Every byte is looked at once, and whatever can be refused is refused with the byte that shows it,
not when a timeout ends the wait for more.
"""

from __future__ import annotations

from fsm_twisted.http1.syntax import STRAY, Fault, HeadLimits


class LineScan:
    """
    A run of lines up to and including the first empty one, gathered in ``gathered``.

    The outcome does not depend on how the bytes are cut: of several faults, the one that comes
    first in the stream is reported.
    """

    __slots__ = ("_fault", "_limits", "_line", "_seen", "_start_bytes", "gathered")

    def __init__(self, limits: HeadLimits, fault: Fault, *, start_bytes: int | None) -> None:
        self.gathered = bytearray()
        self._limits = limits
        self._fault = fault
        self._start_bytes = start_bytes  # most of the start line; None: the first one is a field
        self._line = 0  # where the unfinished line begins
        self._seen = 0  # up to where bytes have been judged

    def advance(self) -> int:
        """
        Judge what has been added to ``gathered`` since the last call.

        Returns:
            How many bytes the lines have, the empty one included; -1 while it is missing.

        Raises:
            Exception: As the *fault* of the constructor makes it: ``bad_request`` for a control
                byte, bare CR or bare LF, ``target_too_long`` or ``head_too_large`` for a limit.
        """
        gathered = self.gathered
        while (newline := gathered.find(b"\n", self._seen)) >= 0:
            self._judge(newline + 1, newline - 1)
            if newline - self._line == 1:
                return newline + 1
            self._line = self._seen = newline + 1
        size = len(gathered)
        # A CR at the end is judged together with the byte after it.
        content = size - 1 if gathered.endswith(b"\r") else size
        self._judge(size, content)
        self._seen = content
        return -1

    def _judge(self, stop: int, content: int) -> None:
        """Refuse the bytes up to *stop*, of which those up to *content* are no line end."""
        head_bytes, start_bytes = self._limits.head_bytes, self._start_bytes
        stray = STRAY.search(self.gathered, self._seen, stop)
        fault = stop if stray is None else stray.start()
        if start_bytes is not None and not self._line and min(content, fault) > start_bytes:
            raise self._fault("target_too_long", f"a start line of over {start_bytes} bytes")
        if stop > head_bytes and fault >= head_bytes:
            raise self._fault("head_too_large", f"over {head_bytes} bytes")
        if stray is not None:
            raise self._fault("bad_request", f"stray byte at {fault}")
