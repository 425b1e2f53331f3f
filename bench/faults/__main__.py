"""Rules in; how well they find faults that were put into clean sessions, out (`python -m bench.faults`)."""

from __future__ import annotations

import argparse
import os
import sys

from bench.faults.measure import CLEAN, TRIALS, Bench, measure_all
from bench.faults.table import FIGURES, read, rows, totals, write, write_recall

EXAMPLES = """examples:
  python -m bench.faults                     the table as it is published
  python -m bench.faults --measure           measure everything and write it anew, then `make docs`
  python -m bench.faults --measure RPC TX16  measure some rules, print what is not as it should be (--write: store it)
  python -m bench.faults --show RPC-003      a broken session as a transcript, and what is said about it
"""


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 1 when a rule misses a fault or accuses without reason."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.faults", description=(__doc__ or "").strip(), epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("rules", nargs="*", metavar="RULE", help="ids or their beginnings; default: all")
    parser.add_argument("--measure", action="store_true", help="measure instead of reading the stored figures")
    parser.add_argument("--write", action="store_true", help="with --measure RULE: store what these rules found")
    parser.add_argument("--show", metavar="RULE", help="print one broken session of this rule")
    parser.add_argument("--number", type=int, default=0, help="with --show: which of its broken sessions")
    parser.add_argument("--damaged", action="store_true", help="with --show: the one that lacks a part")
    parser.add_argument("--trials", type=int, default=TRIALS, help="broken sessions a rule")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes; default: as many as cores")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    if options.show:
        return _show(options.show, options.number, damaged=options.damaged)
    if not options.measure:
        print("\n".join(rows(read(), Bench().rules, options.rules)))
        print(totals(read()))
        return 0
    bench = Bench()
    wanted = [rule for rule in bench.faults if not options.rules or rule.startswith(tuple(options.rules))]
    if not wanted:
        parser.error(f"no rule with a fault begins with {' or '.join(options.rules)}")
    if unknown := [rule for rule in wanted if rule not in bench.by_id]:
        parser.error(f"there is no rule {', '.join(unknown)}")
    figures = measure_all(wanted, options.trials, 0 if options.rules else CLEAN, options.jobs)
    if not options.rules:
        write(figures)
        print(f"wrote {FIGURES}; now `make docs`")
    bad = 0
    for rule, found in figures.items():
        if (rule in wanted and (found.recall or 0) < 1) or found.accused:
            bad += 1
            print(f"{rule}: found {found.found} of {found.injected}, unsure {found.unsure}", end="")
            print(
                f"; missed {found.missed}" if found.missed else "", f"; false {found.accused}" if found.accused else ""
            )
    print(f"{totals(figures)} {bad} rules to look at.")
    if options.rules and options.write:
        write_recall(figures, wanted)
    return 1 if bad else 0


def _show(rule: str, number: int, *, damaged: bool) -> int:
    bench = Bench()
    if rule not in bench.faults:
        sys.stderr.write(f"{rule} has no fault in bench/faults/blocks\n")
        return 2
    trials = list(bench.trials(rule))
    if number >= len(trials):
        sys.stderr.write(f"{rule} has {len(trials)} broken sessions\n")
        return 2
    trial = trials[number]
    findings = trial.said_then if damaged else trial.findings
    print((trial.damaged if damaged else trial.session).transcript())
    print(f"# {trial.fault.name}: {rule} is expected")
    for finding in findings:
        print(f"# {finding.rule} {finding.verdict}: {finding.text}")
    print("# unexpected:", ", ".join(sorted(bench.unexpected(trial.fault, findings))) or "nothing")
    return 0


if __name__ == "__main__":
    sys.exit(main())
