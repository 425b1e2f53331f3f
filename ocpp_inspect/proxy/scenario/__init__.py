"""A YAML file and the messages of a proxy in; what to do with each of them out. No sockets, no clock, no event loop.

`language` is the shape of a scenario, `reader` reads one strictly, `values` fills templates, `view` takes messages
apart and pairs them, `director` decides, `examples` runs the dialogues inside a scenario.
"""

from __future__ import annotations

from ocpp_inspect.proxy.scenario.director import Decision, Director, Injection
from ocpp_inspect.proxy.scenario.language import Scenario, Step
from ocpp_inspect.proxy.scenario.reader import load_scenario, parse_scenario

__all__ = ["Decision", "Director", "Injection", "Scenario", "Step", "load_scenario", "parse_scenario"]
