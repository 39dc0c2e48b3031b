"""The options of ``twistd fsm-ingress``: one table, from text to a frozen `Settings`."""

from fsm_twisted.settings.model import Settings
from fsm_twisted.settings.option import Option
from fsm_twisted.settings.parse import SettingsError, help_text, parse_settings
from fsm_twisted.settings.readers import LogFormat, LogLevelName
from fsm_twisted.settings.table import OPTIONS

__all__ = [
    "OPTIONS",
    "LogFormat",
    "LogLevelName",
    "Option",
    "Settings",
    "SettingsError",
    "help_text",
    "parse_settings",
]
