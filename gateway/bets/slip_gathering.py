"""Gather the decisions on the legs of slips, until each slip's account can be asked for its end.

Owns what is known of the slips whose legs are with their markets. It makes no call; the bet path
does. The account decides how a slip ends, and is sent every decision on its legs. A slip of which
every market holds its leg at the odds that the bettor saw can only be posted, whoever tells the
account: so it is answered as a single is, and the decisions travel with a later call. The end of
any other slip is the account's to say.

A slip waits for the decisions on all its legs, so that its bettor is told of each. One that has a
refused leg is dead whatever the others say, so it does not wait to its deadline for a market that
does not answer, nor for one that delays a leg.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from engine.common.ids import ShardNo
from engine.common.reasons import UNRECORDED, Reason
from engine.common.units import OddsMilli
from gateway.bets.slip_ticket import (
    LegTicket,
    ReservedFields,
    SlipBetAnswer,
    SlipTicket,
    accepted_as_seen,
    answer_of,
)

# Members of an enum cost more to look up than the rest of what is done with a leg.
_ACCEPTED: Final = Reason.ACCEPTED
_WAIT_SHARE: Final = 0.75
"""Share of the deadline for which a slip with a refused leg waits for decisions on the others: the
rest is for its account to answer."""


class SlipGathering:
    """Slips whose legs are with their markets.

    Parameters
    ----------
    deadline_s : float
        Seconds within which a slip is answered.
    clock_s : callable
        Seconds of the event loop.
    ask : callable
        Called with a slip whose `verdict` its account is to take, and then to say how it ends.
    keep : callable
        Called with an account shard and DECISION rows that it is to take at some time.
    answer : callable
        Called with a slip and its answer.
    """

    def __init__(
        self,
        *,
        deadline_s: float,
        clock_s: Callable[[], float],
        ask: Callable[[SlipTicket], None],
        keep: Callable[[ShardNo, Sequence[bytes]], None],
        answer: Callable[[SlipTicket, SlipBetAnswer], None],
    ) -> None:
        self._wait_s = deadline_s * _WAIT_SHARE
        self._clock_s = clock_s
        self._ask = ask
        self._keep = keep
        self._answer = answer
        self._gathering: deque[SlipTicket] = deque()

    def reserved(
        self, slip: SlipTicket, head: ReservedFields, legs: Sequence[ReservedFields]
    ) -> list[LegTicket]:
        """Take an account's answer; return the legs that go to their markets.

        None goes of a slip that is answered meanwhile: its bettor may have placed another instead.
        """
        if slip.answered:
            return []
        answer = answer_of(slip, head, legs)
        if answer is not None:
            self._answer(slip, answer)
            return []
        self._gathering.append(slip)
        return [leg for leg in slip.legs if not leg.answered]

    def decided(
        self, leg: LegTicket, reason: Reason, odds_milli: OddsMilli, verdict: bytes
    ) -> None:
        """Take a market's decision on a leg: its reason and odds, and the DECISION row."""
        slip = leg.slip
        counts = leg.sends <= 1 or reason not in UNRECORDED
        if slip.answered or slip.verdict:
            if counts:  # too late for the answer, and true nevertheless
                self._keep(slip.shard, [verdict])
            return
        if leg.answered:
            return
        leg.answered = True
        slip.undecided -= 1
        if counts:
            slip.decisions.append(verdict)
            if reason is not _ACCEPTED:
                slip.refused = True
            elif odds_milli == leg.odds_milli:
                slip.held_as_seen += 1
        else:
            # Another sending may have been booked; this refusal does not know of it.
            slip.undecidable = True
        if slip.undecided == 0 or (slip.refused and (slip.waits or self._is_late(slip))):
            self._end(slip)

    def is_over(self, leg: LegTicket) -> bool:
        """Say whether a leg that waits at its market need not be asked for: its slip is dead."""
        slip = leg.slip
        if slip.refused and not _is_past(slip):
            self._end(slip)
        return leg.answered or _is_past(slip)

    def check(self) -> None:
        """Ask for the slips with a refused leg that have waited long enough for the others."""
        gathering = self._gathering
        while gathering and (
            _is_past(gathering[0]) or gathering[0].waits or self._is_late(gathering[0])
        ):
            slip = gathering.popleft()
            if slip.refused and not _is_past(slip):
                self._end(slip)

    def give_up(self, slip: SlipTicket) -> None:
        """Answer a slip at its deadline, and let its account have what is known of its legs."""
        if slip.answered:
            return
        if not slip.verdict:
            self._keep(slip.shard, slip.decisions)
        self._answer(
            slip, SlipBetAnswer(state="unknown", bet_id=slip.bet_id, reason=Reason.UNKNOWN)
        )

    def _is_late(self, slip: SlipTicket) -> bool:
        return self._clock_s() - slip.received_s > self._wait_s

    def _end(self, slip: SlipTicket) -> None:
        """Answer a slip, or ask its account, if what is known of the legs can decide the slip."""
        if slip.held_as_seen == len(slip.legs):
            self._keep(slip.shard, slip.decisions)
            self._answer(slip, accepted_as_seen(slip))
        elif slip.refused or not slip.undecidable:
            slip.verdict = b"".join(slip.decisions)
            slip.leave_markets()
            self._ask(slip)
        else:
            self.give_up(slip)


def _is_past(slip: SlipTicket) -> bool:
    """Return whether a slip's account is asked, or its bettor is answered."""
    return slip.answered or bool(slip.verdict)
