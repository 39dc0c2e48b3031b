"""
What ``twistd fsm-ingress`` calls: options in, service out.

Imported by twistd after it has found the subcommand and before any reactor exists, so the data
path's own reactor is installed here.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from twisted.application.service import IService
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LegacyLogObserverWrapper,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
)
from twisted.python import logfile, usage

from fsm_twisted._version import __version__
from fsm_twisted.control.log_format import log_file_observer
from fsm_twisted.net.reactor import install
from fsm_twisted.settings import (
    LogFormat,
    LogLevelName,
    Settings,
    SettingsError,
    help_text,
    parse_settings,
)

_log = Logger()

_START_ERROR = 1
_USAGE_ERROR = 2


class Options(usage.Options):
    """
    The options of the subcommand, read by `settings.parse_settings`.

    A wrong option ends the program at once with one line and code 2; twistd's own way prints the
    whole help and ends with 1.
    """

    settings: Settings

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Read the command line behind ``fsm-ingress``."""
        arguments = list(options or ())
        if "--help" in arguments:
            sys.stdout.write(help_text() + "\n")
            sys.exit(0)
        if "--version" in arguments:
            sys.stdout.write(f"fsm-ingress {__version__}\n")
            sys.exit(0)
        try:
            self.settings = parse_settings(arguments)
        except SettingsError as error:
            sys.stderr.write(f"fsm-ingress: {error}\n")
            sys.exit(_USAGE_ERROR)
        parent = self.parent
        if parent is None or not parent.get("reactor"):
            install()


def makeService(options: Options) -> IService:
    """Build the program; nothing is opened before the service is started."""
    # Here, for it keeps --help quick.
    from fsm_twisted.assembly import StartError, UsageError, assemble  # noqa: PLC0415

    parent: Mapping[str, Any] = options.parent or {}
    try:
        return assemble(
            options.settings,
            _reactor(),
            giving_up(parent),
            log_observer(parent, options.settings.log_level, options.settings.log_format),
        )
    except StartError as error:
        _say(str(error))
        sys.exit(_USAGE_ERROR if isinstance(error, UsageError) else _START_ERROR)


def _say(why: str) -> None:
    # twistd turns sys.stderr into its log.
    print(f"fsm-ingress: {why}", file=sys.__stderr__, flush=True)


def giving_up(parent: Mapping[str, Any]) -> Callable[[str], NoReturn]:
    """
    Return how to end when the program cannot start.

    In the foreground that is one line on stderr and code 1. A daemon has no stderr any more: it
    logs the line and raises, so that the twistd that started it says so and ends with code 1.

    Args:
        parent: The options of twistd.
    """
    from fsm_twisted.assembly import StartError  # noqa: PLC0415  keeps --help quick

    def give_up(why: str) -> NoReturn:
        if not parent.get("nodaemon"):
            _log.critical("cannot start: {why}", why=why)
            raise StartError(why)
        if not logs_to_stderr(parent):
            _log.critical("cannot start: {why}", why=why)
        _say(why)
        if parent.get("pidfile"):
            # twistd removes it after an Exception only, and shows that with its traceback.
            with suppress(OSError):
                os.unlink(parent["pidfile"])
        sys.exit(_START_ERROR)

    return give_up


def logs_to_stderr(parent: Mapping[str, Any]) -> bool:
    """Tell whether the log goes to stderr: in the foreground, unless twistd is told otherwise."""
    elsewhere = any(parent.get(name) for name in ("logfile", "logger", "syslog"))
    return bool(parent.get("nodaemon")) and not elsewhere


def log_observer(
    parent: Mapping[str, Any], least: LogLevelName, form: LogFormat = LogFormat.TEXT
) -> ILogObserver | None:
    """
    Return where the log goes, without what is below *least*; None with twistd's ``--logger``.

    That is stderr or, as with twistd itself, the file of ``--logfile`` (made anew at SIGUSR1,
    ``-`` is stdout), ``twistd.log`` of a daemon, or syslog.

    Args:
        parent: The options of twistd.
        least: The value of ``--log-level``.
        form: The value of ``--log-format``; syslog has its own.
    """
    if not parent or parent.get("logger"):
        return None
    level = LogLevel.levelWithName(least.value)
    whole = _whole_log(parent, as_json=form is LogFormat.JSON)
    return FilteringLogObserver(whole, [LogLevelFilterPredicate(level)])


def _whole_log(parent: Mapping[str, Any], *, as_json: bool) -> ILogObserver:
    if parent.get("syslog"):
        from twisted.python import syslog  # noqa: PLC0415  few systems of today have one

        emit = syslog.SyslogObserver(parent.get("prefix", "")).emit
        return LegacyLogObserverWrapper(emit)  # type: ignore[arg-type]  # Twisted's hint is wrong
    if logs_to_stderr(parent):
        return log_file_observer(sys.stderr, as_json=as_json)
    name = parent.get("logfile") or "twistd.log"
    if name == "-":
        if not parent.get("nodaemon"):
            sys.exit("fsm-ingress: a daemon cannot log to stdout; name a file with --logfile")
        return log_file_observer(sys.stdout, as_json=as_json)
    file = logfile.LogFile.fromFullPath(name)
    # Not in the midst of a line that is being written.
    signal.signal(signal.SIGUSR1, lambda *_: _reactor().callFromThread(file.rotate))
    return log_file_observer(file, as_json=as_json)


def _reactor() -> Any:
    from twisted.internet import reactor  # noqa: PLC0415  only behind Options is it the right one

    return reactor
