"""The version, read by setup.cfg and by ``twistd fsm-ingress --version``."""

__version__ = "0.1.0.dev0"
