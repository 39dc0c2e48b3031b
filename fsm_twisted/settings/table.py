"""The one table of options: help, docs/options.md and the parser are made from it."""

from __future__ import annotations

from fsm_twisted.settings.cluster_options import CLUSTER
from fsm_twisted.settings.listening_options import LISTENING
from fsm_twisted.settings.option import Option
from fsm_twisted.settings.process_options import PROCESS
from fsm_twisted.settings.traffic_options import TRAFFIC

OPTIONS: tuple[Option, ...] = CLUSTER + LISTENING + TRAFFIC + PROCESS
