"""Play random feed stories until a number is over: ``python -m tests.feed_soak --stories 10000``.

Messages are dropped, doubled, reordered and damaged, and desk, shells and bridge start again in the
middle. A story that fails is printed with its deliveries.
"""

import argparse
import sys

from tests.feed_soak.runner import Outcome, run_story, story_text
from tests.feed_soak.story import make_story


def main() -> int:
    """Run the stories; return 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.feed_soak", description=__doc__)
    parser.add_argument("--stories", type=int, default=10_000, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument(
        "--failures", type=int, default=1, help="stories that may fail before the end"
    )
    given = parser.parse_args()
    total, failed = Outcome(), 0
    for done in range(1, given.stories + 1):
        story = make_story(given.first + done - 1)
        outcome = run_story(story)
        total.add(outcome)
        if outcome.faults:
            failed += 1
            sys.stdout.write(f"seed {story.seed} failed:\n{story_text(story)}")
            sys.stdout.write("".join(f"  {fault}\n" for fault in outcome.faults))
            if failed == given.failures:
                break
        if done % 100 == 0:
            sys.stderr.write(f"{done} stories, {total.text()}, {failed} failed\n")
    sys.stdout.write(f"{done} stories from {given.first}: {total.text()}; {failed} failed\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
