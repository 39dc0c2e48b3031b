"""
Run the stand-in node: ``python -m fsm_twisted.demo --manifests DIR``.

Ends with status 0 on SIGINT and SIGTERM, its EndpointSlices removed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import cast

from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore
from twisted.internet.task import LoopingCall
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)

from fsm_twisted.demo.node import Node, NodeReactor


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _log_trouble() -> None:
    serious = LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr), [serious])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)


def _main(reactor: IReactorCore, folder: Path) -> Deferred[LoopingCall]:
    node = Node(cast(NodeReactor, reactor), folder, _say)
    reactor.addSystemEventTrigger("before", "shutdown", node.stop)
    return node.run()


def _options() -> Path:
    parser = argparse.ArgumentParser(
        prog="python -m fsm_twisted.demo",
        description="A stand-in for a Kubernetes node: runs the article's sample applications.",
    )
    parser.add_argument(
        "--manifests", type=Path, required=True, metavar="DIR", help="the watched folder"
    )
    folder: Path = parser.parse_args().manifests
    if not folder.is_dir():
        parser.error(f"--manifests {folder}: no such folder")
    return folder


if __name__ == "__main__":
    _log_trouble()
    task.react(_main, (_options(),))
