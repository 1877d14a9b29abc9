"""Run seeds until a number or a time is over: ``python -m tests.simulator --seeds 1000``.

A seed that fails is shrunk, and its story is printed as a reader and as a test want it.
"""

import argparse
import sys
import time

from tests.simulator.generator import make_story
from tests.simulator.runner import run_story
from tests.simulator.shrinker import shrink


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--seeds", type=int, default=0, help="how many; 0: until the time is over")
    parser.add_argument("--minutes", type=float, default=0, help="how long; 0: until the seeds end")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--operations", type=int, default=1_000, help="operations of one story")
    parser.add_argument(
        "--failures", type=int, default=1, help="seeds that may fail before the end"
    )
    given = parser.parse_args()
    if not given.seeds and not given.minutes:
        parser.error("give --seeds or --minutes")
    return soak(given)


def soak(given: argparse.Namespace) -> int:
    """Run the seeds with a progress line; return 1 when one of them failed."""
    began_s, cpu_s = time.monotonic(), time.process_time()
    done = operations = faults = accepted = starts = 0
    virtual_s = 0.0
    failed: list[int] = []
    start, end = ("\r", "") if sys.stderr.isatty() else ("", "\n")
    while len(failed) < given.failures:
        minutes = (time.monotonic() - began_s) / 60
        if (given.seeds and done >= given.seeds) or (given.minutes and minutes >= given.minutes):
            break
        seed = given.first + done
        story = make_story(seed, operations=given.operations)
        outcome = run_story(story)
        done += 1
        operations += outcome.operations
        faults += outcome.injected
        accepted += outcome.accepted
        starts += outcome.starts
        virtual_s += outcome.virtual_s
        if outcome.faults:
            failed.append(seed)
            _report(seed, given.operations, outcome.faults)
        if sys.stderr.isatty() or done % 10 == 0:
            used_s = time.process_time() - cpu_s
            sys.stderr.write(
                f"{start}{done} seeds, {operations:,} operations, {faults:,} faults, "
                f"{accepted:,} bets accepted, {len(failed)} failed; "
                f"{operations / used_s:,.0f} operations and {faults / used_s:,.0f} faults a "
                f"second{end}"
            )
            sys.stderr.flush()
    used_s = max(time.process_time() - cpu_s, 1e-9)
    sys.stderr.write("\n")
    print(
        f"{done:,} seeds from {given.first} of {given.operations:,} operations: {operations:,} "
        f"operations, {faults:,} faults, {accepted:,} answers of acceptance, {starts:,} starts of "
        f"shells, {virtual_s / 3_600:.1f} simulated hours; {used_s:,.0f} s of processor time, "
        f"{operations / used_s:,.0f} operations and {faults / used_s:,.0f} faults a second; "
        f"{len(failed)} seeds failed{': ' if failed else ''}{', '.join(map(str, failed))}"
    )
    return 1 if failed else 0


def _report(seed: int, operations: int, faults: list[str]) -> None:
    print(f"\nseed {seed} of {operations} operations: {len(faults)} faults")
    for fault in faults[:10]:
        print(f"  {fault}")
    short = shrink(make_story(seed, operations=operations))
    print(f"\nin {len(short.steps)} steps:\n{short.text()}\n\n{short.source()}\n")
    for fault in run_story(short).faults:
        print(f"  {fault}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
