"""Settings to a running program: everything is wired here, and only here."""

from fsm_twisted.assembly.errors import StartError, UsageError
from fsm_twisted.assembly.options import default_certificate, proxy_options
from fsm_twisted.assembly.service import IngressService, assemble

__all__ = [
    "IngressService",
    "StartError",
    "UsageError",
    "assemble",
    "default_certificate",
    "proxy_options",
]
