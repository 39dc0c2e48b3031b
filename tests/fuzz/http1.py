"""
Coverage-guided fuzzing of the HTTP/1 readers: ``python -m tests.fuzz.http1 --seconds 60``.

Every input is asked what the laws ask (tests/http1/streams.py), and whether h11 and llhttp agree
with what is accepted. Seeds and past findings lie in tests/fuzz/corpus/http1; their first byte
chooses the side: ``q`` a request stream, ``r`` responses to GET, ``h`` responses to HEAD.
A finding is written to --findings and ends the run with a status other than 0; put it into the
corpus, under a name that says what it shows, together with the repair.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus" / "http1"
_LONGEST = 1024
# llhttp is built from source: where there is no C compiler, only our own laws are asked.
_OTHERS_ARE_HERE = importlib.util.find_spec("llhttp") is not None

_WORDS = (
    r"\x0d\x0a",
    r"\x0d\x0a\x0d\x0a",
    r" HTTP/1.1\x0d\x0a",
    r" HTTP/1.0\x0d\x0a",
    r"HTTP/1.1 200 OK\x0d\x0a",
    r"GET / HTTP/1.1\x0d\x0aHost: a\x0d\x0a",
    r"Content-Length: 5\x0d\x0a",
    r"Transfer-Encoding: chunked\x0d\x0a",
    r"Connection: close\x0d\x0a",
    r"Connection: upgrade\x0d\x0aUpgrade: websocket\x0d\x0a",
    r"Expect: 100-continue\x0d\x0a",
    r"X-Forwarded-For: 1\x0d\x0a",
    r"5\x0d\x0ahello\x0d\x0a",
    r"0\x0d\x0a\x0d\x0a",
    r";a=\"b\"",
    r"http://a",
    r"%2e",
    r"[::1]:80",
)


def check(data: bytes) -> None:
    """Ask everything of one input; an exception is a finding."""
    from tests.http1.streams import check_request_stream, check_response_stream

    side, stream = data[:1], data[1:]
    places = (len(stream) // 3, len(stream) // 2)
    if side == b"r":
        answers = check_response_stream(stream, places)
        if _OTHERS_ARE_HERE:
            from tests.http1.others import check_agreement_on_responses

            check_agreement_on_responses(stream, answers)
    elif side == b"h":
        check_response_stream(stream, places, b"HEAD")
    else:
        requests = check_request_stream(stream, places)
        if _OTHERS_ARE_HERE:
            from tests.http1.others import check_agreement_on_requests

            check_agreement_on_requests(stream, requests)


def main() -> None:
    """Fuzz for a given time; libFuzzer prints the number of executions at the end."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=int, default=60, help="how long (default: 60)")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    options = parser.parse_args()
    options.findings.mkdir(parents=True, exist_ok=True)

    import atheris

    with atheris.instrument_imports(include=["fsm_twisted"]):
        check(b"qGET / HTTP/1.1\r\n\r\n")
        check(b"rHTTP/1.1 200 OK\r\n\r\n")
    with tempfile.TemporaryDirectory() as found:
        words = Path(found) / "words.dict"
        words.write_text("".join(f'"{word}"\n' for word in _WORDS))
        grown = Path(found) / "corpus"
        grown.mkdir()
        atheris.Setup(
            [
                sys.argv[0],
                f"-max_total_time={options.seconds}",
                f"-artifact_prefix={options.findings}/",
                f"-max_len={_LONGEST}",
                f"-dict={words}",
                "-print_final_stats=1",
                str(grown),
                str(CORPUS),
            ],
            check,
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
