"""The program's own log as JSON, a line for each event (``--log-format json``)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import IO

from twisted.logger import (
    FileLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    eventAsText,
    textFileLogObserver,
)


def log_file_observer(file: IO[str], *, as_json: bool) -> ILogObserver:
    """Return what writes events to *file*, in Twisted's usual form or as JSON."""
    return FileLogObserver(file, event_as_json) if as_json else textFileLogObserver(file)


def event_as_json(event: LogEvent) -> str:
    """
    Write an event: time (UTC), level, where it comes from, and what it says.

    Values that are part of the message are not repeated: they may be anything.
    """
    text = eventAsText(event, includeTimestamp=False, includeSystem=False)
    moment = datetime.fromtimestamp(event.get("log_time", 0.0), UTC)
    level = event.get("log_level") or LogLevel.info
    said = {
        "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": level.name,
        "from": str(event.get("log_namespace", "-")),
        "message": text,
    }
    return json.dumps(said, separators=(",", ":")) + "\n"
