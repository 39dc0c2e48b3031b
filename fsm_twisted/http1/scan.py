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

    __slots__ = ("_fault", "_limits", "_line", "_long_first", "_seen", "gathered")

    def __init__(self, limits: HeadLimits, fault: Fault, *, long_first: str) -> None:
        self.gathered = bytearray()
        self._limits = limits
        self._fault = fault
        self._long_first = long_first  # the code for a first line that is too long
        self._line = 0  # where the unfinished line begins
        self._seen = 0  # up to where bytes have been judged

    def advance(self) -> int:
        """
        Judge what has been added to ``gathered`` since the last call.

        Returns:
            How many bytes the lines have, the empty one included; -1 while it is missing.

        Raises:
            Exception: As the *fault* of the constructor makes it: ``bad_request`` for a control
                byte, bare CR or bare LF, ``head_too_large`` (or *long_first*) for a limit.
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
        limits = self._limits
        stray = STRAY.search(self.gathered, self._seen, stop)
        fault = stop if stray is None else stray.start()
        if content - self._line > limits.line_bytes and fault > self._line + limits.line_bytes:
            code = "head_too_large" if self._line else self._long_first
            raise self._fault(code, f"a line of over {limits.line_bytes} bytes")
        if stop > limits.head_bytes and fault >= limits.head_bytes:
            raise self._fault("head_too_large", f"over {limits.head_bytes} bytes")
        if stray is not None:
            raise self._fault("bad_request", f"stray byte at {fault}")
