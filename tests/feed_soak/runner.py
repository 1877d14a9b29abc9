"""Run one story and compare what happened with what the oracle says."""

from msgspec import Struct

from tests.actors.virtual import run_virtual
from tests.feed_soak.house import play
from tests.feed_soak.oracle import faults
from tests.feed_soak.story import Story


class Outcome(Struct, kw_only=True):
    """What stories did, added up, and what went wrong in them."""

    deliveries: int = 0
    damaged: int = 0
    restarts: int = 0
    accepted: int = 0
    paid: int = 0
    faults: list[str] = []

    def add(self, other: "Outcome") -> None:
        """Add another story's figures."""
        self.deliveries += other.deliveries
        self.damaged += other.damaged
        self.restarts += other.restarts
        self.accepted += other.accepted
        self.paid += other.paid
        self.faults += other.faults

    def text(self) -> str:
        """Return the figures as a sentence."""
        return (
            f"{self.deliveries:,} deliveries, {self.damaged:,} damaged, {self.restarts:,} "
            f"restarts, {self.accepted:,} bets accepted, {self.paid:,} paid"
        )


def run_story(story: Story) -> Outcome:
    """Play a story from beginning to end."""
    record = run_virtual(play(story))
    return Outcome(
        deliveries=len(record.deliveries),
        damaged=sum(1 for one in record.deliveries if one.damaged),
        restarts=sum(1 for one in record.deliveries if one.restart),
        accepted=sum(1 for wager in record.wagers if wager.accepted),
        paid=sum(1 for slip in record.slips.values() if slip.payout_minor),
        faults=faults(record),
    )


def story_text(story: Story) -> str:
    """Return a story for a reader, one delivery a line."""
    lines = []
    for number, one in enumerate(story.deliveries, start=1):
        damage = f" DAMAGED {one.damaged}" if one.damaged else ""
        restart = f" RESTART {one.restart}" if one.restart else ""
        bets = " then bets" if one.bets else ""
        lines.append(f"  {number:2d}. {one.body}{damage}{restart}{bets}\n")
    return "".join(lines)
