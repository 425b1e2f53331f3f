"""A session in; the same as a capture that lacks a part of it, and says so as the lower rooms would."""

from __future__ import annotations

from bench.faults.session import Session, Step


def lose_some(session: Session) -> None:
    """By chance: a hole of some messages, the beginning, or the end."""
    steps = session.sorted()
    if len(steps) < 6:
        return  # nothing that could be lost
    kind = session.chance.choice(("hole", "hole", "beginning", "end"))
    at = session.chance.randrange(2, max(3, len(steps) - 2))
    if kind == "end":
        session.steps = steps[:at]
    elif kind == "beginning":
        while at < len(steps) - 1 and steps[at].side is None:  # a connection of which nothing was captured is none
            at += 1
        kept = steps[at:]
        open_again: set[str] = set()
        for step in steps[at:]:
            if _is(step, "open"):
                open_again.add(step.label)
            elif step.label not in open_again:
                open_again.add(step.label)
                begun = [each for each in steps[:at] if _is(each, "open") and each.label == step.label]
                words = (begun[-1].text or "").partition(" ")[2] if begun else f"as={step.label}"
                kept.insert(0, Step(steps[at].at, step.label, text=f"joined {words}"))
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
