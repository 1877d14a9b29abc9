"""Corrections of accepted bets: those that are void, or are settled at other odds.

Owns the corrections that stand, bet by bet. Of a bet's corrections the one with the highest number
counts, so that taking one back leaves exactly the others. A correction's number is the settlement
number of its event, which a market never uses twice. Never works out a payout.

Bounds: at most `CORRECTIONS_OF_BET_MAX` corrections of one bet, so never more than so many rows for
each bet.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from msgspec import UnsetType

from engine.common.corrections import (
    BET_IDS_MAX,
    CORRECTIONS_OF_BET_MAX,
    ChosenBets,
    CorrectionCommand,
    CorrectOdds,
    RestoreBets,
    VoidBets,
)
from engine.common.events import BetsRestored, BetsVoided, OddsCorrected, Refused
from engine.common.reasons import MESSAGES, Reason
from engine.common.row_layout import row_dtype
from engine.common.rows import Bools, I32s, I64s, Rows
from engine.common.state_hash import pack_rows
from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN, Minor
from engine.market.book import Book
from engine.market.command_checks import out_of_bounds
from engine.market.settlement import Sent, Standing, bets_of, released_legs

CORRECTED: Final = row_dtype(
    16, ("record", "<u4"), ("correction_no", "<u4"), ("odds_milli", "<i4"), ("pad", "<u4")
)
"""A bet by the number of its record, the number of a correction, and the odds at which the bet is
settled by it; 0: the bet is void."""

_VOID: Final = 0
_WHAT_IS_SENT: Final = ("result", "payout_minor", "back_den", "flags")
CorrectionEvent = BetsVoided | OddsCorrected | BetsRestored | Refused


class Effect(NamedTuple):
    """What corrections make of some bets, one element of each array for each bet."""

    odds_milli: I32s
    """The odds at which the bet is settled: corrected, or as accepted."""
    corrected: Bools
    """Whether the odds are a correction's."""
    void: Bools
    """Whether a correction refunds the bet."""


class Corrections:
    """The corrections of all markets, by rising record and number.

    Parameters
    ----------
    book : Book
        Read only.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._rows: Rows = np.zeros(0, CORRECTED)
        self._count: dict[int, int] = {}
        """How many rows each market has, by its number, if any."""

    def fork(self, book: Book) -> "Corrections":
        """Return a copy over a copy of the book."""
        twin = Corrections(book)
        twin._rows, twin._count = self._rows, dict(self._count)
        return twin

    def market_nos(self) -> list[int]:
        """Return the markets of which bets are corrected."""
        return list(self._count)

    def of(self, slot: int, numbers: I32s) -> Effect:
        """Return what corrections make of bets of a market, given by their records' numbers."""
        odds_milli: I32s = self._book.records["odds_milli"][numbers]
        corrected, void = np.zeros(len(numbers), np.bool_), np.zeros(len(numbers), np.bool_)
        if self._book.market_no(slot) in self._count:
            last = self._last(numbers)
            corrected, void = last > _VOID, last == _VOID
            odds_milli[corrected] = last[corrected]
        return Effect(odds_milli, corrected, void)

    def corrected_milli(self, numbers: I32s) -> I32s:
        """Return the odds of each bet's correction; -1: it voids the bet, 0: there is none."""
        last = self._last(numbers)
        corrected: I32s = np.where(last > _VOID, last, -1 - last).astype(np.int32)
        return corrected

    def apply(
        self,
        command: CorrectionCommand,
        slot: int,
        *,
        standing: Callable[[int, I32s], Standing],
        send: Callable[[int, I32s, Bools], Sent],
    ) -> CorrectionEvent:
        """Correct bets of a market, or take a correction back, in any status of the market.

        Parameters
        ----------
        command : CorrectionCommand
            The command.
        slot : int
            The market's slot.
        standing : callable
            Says what stands for some of a market's bets.
        send : callable
            Sends what stands for those of a market's bets that changed, under the next settlement
            number, and counts the market's figures again.
        """
        numbers = bets_of(self._book, slot)
        number = int(self._book.markets[slot]["settlement_no"]) + 1
        if isinstance(command, RestoreBets):
            rows, bets = self._without(command, slot)
            if not len(bets):
                reason = Reason.CORRECTION_UNKNOWN
                return Refused(reason=reason, field="correction_no", message=MESSAGES[reason])
        else:
            refusal = _choice_fault(command, outcomes=len(self._book.outcomes_of(slot)))
            if refusal is not None:
                return refusal
            found = self._with(command, number, numbers)
            if isinstance(found, Refused):
                return found
            rows, bets = found
        before, returned = standing(slot, bets), self._returned_minor(slot)
        self._set(rows)
        after = standing(slot, bets)
        differ = np.zeros(len(bets), np.bool_)
        for name in _WHAT_IS_SENT:
            differ |= before.rows[name] != after.rows[name]
        sent = send(slot, numbers, np.isin(numbers, bets[differ]))
        version = self._book.version(slot)
        change_minor = Minor(self._returned_minor(slot) - returned)
        if isinstance(command, RestoreBets):
            return BetsRestored(
                market_no=command.market_no,
                version=version,
                settlement_no=sent.settlement_no,
                correction_no=command.correction_no,
                restored=len(bets),
                bets=sent.bets,
                change_minor=change_minor,
                payouts_check=sent.payouts_check,
                why=command.why,
            )
        kind = BetsVoided if isinstance(command, VoidBets) else OddsCorrected
        return kind(
            market_no=command.market_no,
            version=version,
            settlement_no=sent.settlement_no,
            corrected=len(bets),
            bets=sent.bets,
            change_minor=change_minor,
            payouts_check=sent.payouts_check,
            why=command.why,
        )

    def _returned_minor(self, slot: int) -> int:
        """Return what a market's bets were given back, refunds included, in base currency."""
        back = self._book.returned_of(slot)
        return int(sum(back[name].sum() for name in back.dtype.names or ()))

    # --- which bets -------------------------------------------------------------------------------

    def _with(
        self, command: VoidBets | CorrectOdds, number: int, numbers: I32s
    ) -> tuple[Rows, I32s] | Refused:
        """Return the rows with those of a correction, and the records of the bets it changes."""
        book = self._book
        chosen = self._chosen(command.bets, numbers)
        if isinstance(chosen, Refused):
            return chosen
        odds_milli = np.zeros(len(numbers), np.int32)
        if isinstance(command, CorrectOdds):
            by_outcome = np.zeros(max(each.outcome for each in command.quotes) + 1, np.int32)
            for quote in command.quotes:
                by_outcome[quote.outcome] = quote.odds_milli
            outcome = np.minimum(book.records["outcome"][numbers], len(by_outcome) - 1)
            odds_milli = by_outcome[outcome]
            chosen &= (outcome == book.records["outcome"][numbers]) & (odds_milli > 0)
        if not chosen.any():
            message = "no accepted bet of the market meets the conditions"
            return Refused(reason=Reason.BET_UNKNOWN, field="bets", message=message)
        last = self._last(numbers)
        as_accepted = (last < 0) & (odds_milli == book.records["odds_milli"][numbers])
        chosen &= (last != odds_milli) & ~as_accepted
        bets: I32s = numbers[chosen]
        if not len(bets):
            reason = Reason.CORRECTION_KNOWN
            return Refused(reason=reason, field="bets", message=MESSAGES[reason])
        begin, end = self._places(bets)
        if np.any(end - begin >= CORRECTIONS_OF_BET_MAX):
            message = f"{CORRECTIONS_OF_BET_MAX} corrections of a bet at most: restore one"
            return Refused(reason=Reason.CAPACITY, field="bets", message=message)
        new: Rows = np.zeros(len(bets), CORRECTED)
        new["record"], new["correction_no"], new["odds_milli"] = bets, number, odds_milli[chosen]
        rows = np.insert(self._rows, end, new)
        return rows, bets

    def _chosen(self, choice: ChosenBets, numbers: I32s) -> Bools | Refused:
        """Return which of a market's bets meet every condition; released legs stand no more."""
        book = self._book
        chosen: Bools = ~released_legs(book, numbers)
        at_ns = book.records["at_ns"][numbers]
        if choice.bet_ids:
            ids = np.array(choice.bet_ids, np.uint64)
            missing = ids[~np.isin(ids, book.records["bet_id"][numbers])]
            if len(missing):
                message = f"{missing[0]} is no accepted bet of the market"
                return Refused(reason=Reason.BET_UNKNOWN, field="bets.bet_ids", message=message)
            chosen &= np.isin(book.records["bet_id"][numbers], ids)
        if not isinstance(choice.account_no, UnsetType):
            chosen &= book.records["account_no"][numbers] == choice.account_no
        if choice.outcomes:
            chosen &= np.isin(book.records["outcome"][numbers], choice.outcomes)
        if choice.from_ns is not None:
            chosen &= at_ns >= choice.from_ns
        if choice.until_ns is not None:
            chosen &= at_ns < choice.until_ns
        if not isinstance(choice.accepted_before_ns, UnsetType):
            late = np.flatnonzero(at_ns >= choice.accepted_before_ns)
            if len(late):
                chosen[late[0] :] = False
        return chosen

    def _without(self, command: RestoreBets, slot: int) -> tuple[Rows, I32s]:
        """Return the rows without those of a correction, and the records of its bets."""
        rows = self._rows
        of_market = self._book.records["market_no"][rows["record"]] == self._book.market_no(slot)
        own = (rows["correction_no"] == command.correction_no) & of_market
        return rows[~own], rows["record"][own].astype(np.int32)

    def _places(self, numbers: I32s) -> tuple[I64s, I64s]:
        """Return where the rows of each bet begin and end."""
        records, wanted = self._rows["record"], numbers.astype(np.uint32)
        begin = np.searchsorted(records, wanted, side="left")
        return begin, np.searchsorted(records, wanted, side="right")

    def _last(self, numbers: I32s) -> I32s:
        """Return the odds of each bet's last correction; 0: void, -1: none."""
        last = np.full(len(numbers), -1, np.int32)
        begin, end = self._places(numbers)
        has = end > begin
        last[has] = self._rows["odds_milli"][end[has] - 1]
        return last

    def _set(self, rows: Rows) -> None:
        self._rows = rows
        market_nos, counts = np.unique(
            self._book.records["market_no"][rows["record"]], return_counts=True
        )
        self._count = dict(zip(market_nos.tolist(), counts.tolist(), strict=True))

    # --- state as a document ----------------------------------------------------------------------

    def dump(self) -> bytes:
        """Return the corrections in canonical form: CORRECTED rows by rising record and number."""
        return pack_rows(self._rows)

    def load(self, rows: Rows) -> None:
        """Read what `dump` returned; a ValueError names the field that does not fit."""
        fault = self._fault(rows)
        if fault:
            raise ValueError(f"corrections: {fault}")
        self._set(rows)

    def check(self) -> None:
        """Assert every invariant of the corrections."""
        assert not self._fault(self._rows), self._fault(self._rows)
        market_nos = self._book.records["market_no"][self._rows["record"]].tolist()
        assert self._count == {no: market_nos.count(no) for no in sorted(set(market_nos))}

    def _fault(self, rows: Rows) -> str:
        """Return the first field of corrections that is out of bounds, or an empty text."""
        keys = rows["record"].astype(np.int64) << 32 | rows["correction_no"]
        if np.any(np.diff(keys) <= 0):
            return "record: out of order, or given twice"
        if np.any(rows["record"] >= self._book.bets_len):
            return "record: no such bet"
        bets = self._book.records[rows["record"]]
        if np.any(bets["reason"] != Reason.ACCEPTED):
            return "record: not of an accepted bet"
        if np.any(np.unique(rows["record"], return_counts=True)[1] > CORRECTIONS_OF_BET_MAX):
            return f"record: {CORRECTIONS_OF_BET_MAX} corrections of a bet at most"
        if np.any(rows["correction_no"] == 0):
            return "correction_no: from 1"
        odds_milli = rows["odds_milli"]
        if np.any((odds_milli < ODDS_MILLI_MIN) & (odds_milli != _VOID)) or np.any(
            odds_milli > ODDS_MILLI_MAX
        ):
            return f"odds_milli: {ODDS_MILLI_MIN} to {ODDS_MILLI_MAX}, or 0"
        return "pad: in use" if rows["pad"].any() else ""


def _choice_fault(command: VoidBets | CorrectOdds, *, outcomes: int) -> Refused | None:
    """Return why a correction's fields refuse it for a market with so many outcomes."""
    choice = command.bets
    times = (choice.from_ns, choice.until_ns)
    if isinstance(command, VoidBets) and choice == ChosenBets(
        accepted_before_ns=choice.accepted_before_ns
    ):
        return out_of_bounds("bets", "give a condition; cancel_market voids a whole market")
    if len(choice.bet_ids) > BET_IDS_MAX or not all(0 < each < 1 << 63 for each in choice.bet_ids):
        return out_of_bounds("bets.bet_ids", f"{BET_IDS_MAX} ids from 1 at most")
    if times[1] is not None and times[1] <= (times[0] or 0):
        return out_of_bounds("bets.until_ns", "not after from_ns")
    for at, outcome in enumerate(choice.outcomes):
        if not 0 <= outcome < outcomes:
            return _outcome_unknown(f"bets.outcomes[{at}]", outcomes)
    if not isinstance(command, CorrectOdds):
        return None
    quoted = [quote.outcome for quote in command.quotes]
    if not quoted or len(set(quoted)) != len(quoted):
        return out_of_bounds("quotes", "each outcome once, and one at least")
    for at, quote in enumerate(command.quotes):
        if not 0 <= quote.outcome < outcomes:
            return _outcome_unknown(f"quotes[{at}].outcome", outcomes)
        if not ODDS_MILLI_MIN <= quote.odds_milli <= ODDS_MILLI_MAX:
            return Refused(
                reason=Reason.ODDS_OUT_OF_BOUNDS,
                field=f"quotes[{at}].odds_milli",
                message=f"{ODDS_MILLI_MIN} to {ODDS_MILLI_MAX}",
            )
    return None


def _outcome_unknown(field: str, outcomes: int) -> Refused:
    message = f"the market has outcomes 0 to {outcomes - 1}"
    return Refused(reason=Reason.OUTCOME_UNKNOWN, field=field, message=message)
