"""The program's own log as JSON: one line for each event, whatever it says."""

from __future__ import annotations

import io
import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import Logger, LogPublisher
from twisted.python.failure import Failure

from fsm_twisted.control.log_format import log_file_observer


def written(level: str, text: str, *, as_json: bool = True, failure: Failure | None = None) -> str:
    file = io.StringIO()
    log = Logger("here", observer=LogPublisher(log_file_observer(file, as_json=as_json)))
    if failure is None:
        getattr(log, level)("says {text}", text=text)
    else:
        log.failure("says {text}", failure, text=text)
    return file.getvalue()


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_an_event_is_one_line_of_json_and_reads_back(text: str) -> None:
    line = written("warn", text)

    assert line.splitlines() == [line[:-1]]
    read = json.loads(line)
    assert (read["level"], read["from"], read["message"]) == ("warn", "here", f"says {text}")
    assert set(read) == {"time", "level", "from", "message"}
    assert read["time"].endswith("Z")


def test_a_failure_brings_its_traceback_in_the_same_line() -> None:
    line = written("error", "it", failure=Failure(RuntimeError("broken")))

    assert line.count("\n") == 1
    assert "RuntimeError: broken" in json.loads(line)["message"]


def test_text_is_twisted_s_usual_form() -> None:
    assert written("info", "it", as_json=False).endswith("[here#info] says it\n")
