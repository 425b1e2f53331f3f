"""A version, a number and the scenes that are wanted in; a conforming session out, always the same one."""

from __future__ import annotations

from bench.faults.scenes import v2, v16
from bench.faults.scenes.beginning import begin
from bench.faults.session import Session

SCENES_OF = {"1.6": v16.SCENES, "2.0.1": v2.SCENES, "2.1": v2.SCENES | v2.SCENES_21}


def session(version: str, number: int, wanted: tuple[str, ...] = ()) -> Session:
    """A session with the wanted scenes (those that the version has), three others, in an order of its own."""
    s = begin(version, f"{version} {number} {' '.join(wanted)}")
    scenes = SCENES_OF[version]
    names = [name for name in wanted if name in scenes]
    names += s.chance.sample([name for name in scenes if name not in names], 3)
    s.chance.shuffle(names)
    (v16 if version == "1.6" else v2).opening(s)
    s.rest()
    for name in names:
        scenes[name](s)
        s.rest()
    s.wait(700)  # so that what should have followed is due
    s.heartbeat()
    return s
