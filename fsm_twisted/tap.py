"""
What ``twistd fsm-ingress`` calls: options in, service out.

Imported by twistd after it has found the subcommand and before any reactor exists, so the data
path's own reactor is installed here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from twisted.application.service import IService
from twisted.python import usage

from fsm_twisted._version import __version__
from fsm_twisted.net.reactor import install
from fsm_twisted.settings import Settings, SettingsError, help_text, parse_settings

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
    from twisted.internet import reactor  # noqa: PLC0415  only now is it the right one

    from fsm_twisted.assembly import assemble  # noqa: PLC0415  keeps --help quick

    parent = options.parent
    logs_elsewhere = parent is not None and bool(
        parent.get("logfile") or parent.get("logger") or parent.get("syslog")
    )
    to_stderr = parent is not None and bool(parent.get("nodaemon")) and not logs_elsewhere
    return assemble(options.settings, reactor, logs_to_stderr=to_stderr)
