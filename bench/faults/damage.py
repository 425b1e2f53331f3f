"""A session in; the same as a capture that lacks a part of it, and says so as the lower rooms would."""

from __future__ import annotations

from bench.faults.session import Session, Step


def lose_some(session: Session) -> None:
    """By chance: a hole of some messages, the beginning, or the end."""
    steps = session.sorted()
    kind = session.chance.choice(("hole", "hole", "beginning", "end"))
    at = session.chance.randrange(2, max(3, len(steps) - 2))
    if kind == "end":
        session.steps = steps[:at]
    elif kind == "beginning":
        kept = steps[at:]
        opened = [step for step in steps[:at] if _is(step, "open")]
        closed = [step for step in steps[:at] if _is(step, "close ")]
        if len(opened) > len(closed):
            words = (opened[-1].text or "").partition(" ")[2]
            kept.insert(0, Step(steps[at].at, opened[-1].label, text=f"joined {words}"))
        session.steps = kept
    else:
        window = steps[at : at + session.chance.randint(1, 6)]
        gone = [step for step in window if step.side is not None]
        for side in (">", "<"):
            lost = [step for step in gone if step.side == side]
            for label in dict.fromkeys(step.label for step in lost):
                last = [step for step in lost if step.label == label][-1]
                octets = sum(len(step.wire()) for step in lost if step.label == label)
                # The gap shows where the stream goes on: just behind the last message that it swallowed.
                session.steps.append(Step(last.at, label, text=f"loss {side} bytes={octets}"))
        session.drop(*gone)


def _is(step: Step, word: str) -> bool:
    return step.side is None and (step.text or "").startswith(word)
