"""How a start can fail."""

from __future__ import annotations


class StartError(Exception):
    """Something that the program cannot start without; the text is one line for the operator."""


class UsageError(StartError):
    """The command line and its surroundings ask for something that is not there."""
