"""
Coverage-guided fuzzing of the HTTP/2 codec: ``python -m tests.fuzz.http2 --seconds 60``.

The first byte of an input chooses the side: ``s`` what a client sends after its greeting, ``c``
what a server sends to a client that has asked. Nothing may raise, cuts may change nothing, and
what is received must be one request in HTTP/1.1. Seeds and past findings lie in
tests/fuzz/corpus/http2; a finding is written to --findings and ends the run with a status other
than 0: put it into the corpus, under a name that says what it shows, together with the repair.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus" / "http2"
_LONGEST = 2048


def check(data: bytes) -> None:
    """Ask everything of one input; an exception is a finding."""
    from tests.http2.streams import check_client, check_server

    side, stream = data[:1], data[1:]
    cuts = (max(1, len(stream) // 3), 1)
    if side == b"c":
        check_client(stream, cuts)
    else:
        check_server(stream, cuts)


def main() -> None:
    """Fuzz for a given time; libFuzzer prints the number of executions at the end."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=int, default=60, help="how long (default: 60)")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    options = parser.parse_args()
    options.findings.mkdir(parents=True, exist_ok=True)

    import atheris

    with atheris.instrument_imports(include=["fsm_twisted"]):
        check(b"s")
        check(b"c")
    with tempfile.TemporaryDirectory() as grown:
        atheris.Setup(
            [
                sys.argv[0],
                f"-max_total_time={options.seconds}",
                f"-artifact_prefix={options.findings}/",
                f"-max_len={_LONGEST}",
                "-print_final_stats=1",
                grown,
                str(CORPUS),
            ],
            check,
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
