"""Read slips as bettors place them: number their events, check their structure, bound their payout.

Owns how a `place_slip` message becomes a ticket, and which slips are refused before an account is
asked. It asks none, so that a ref that was sent before is answered by its account alone: the same
message always makes the same rows, or is always refused.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from actors.messages import MarketRoute
from actors.routes import Routes
from engine.common.ids import AccountNo
from engine.common.reasons import MESSAGES, Reason
from engine.common.rows import SLIP_BET, SLIP_BET_ROW, Policy, Rows
from engine.common.units import ODDS_MILLI_ONE, SLIP_LEGS_MAX, STAKE_MINOR_MAX, Minor
from engine.slips.checks import CheckedSlip, SlipBounds, SlipFault, check_slip
from engine.slips.owed_nb import WORK_I64S, owed_nb
from engine.slips.structure import FULL_COVERS, Leg, SlipBet, event_numbers, named_sizes
from gateway.bets.each_way_slips import is_each_way, written_out
from gateway.bets.slip_ticket import LegTicket, SlipSession, SlipTicket
from gateway.market_limits import LimitRules
from gateway.messages.slips import SLIP_POLICY_NUMBERS, BetLines, PlaceSlip
from gateway.settings import GatewaySettings

_ANY: Final = int(Policy.ANY)
_PLACE_ONLY: Final = "a place market is bet on each-way: its terms go with the leg to win"
_FOUND_MAX: Final = 256
"""Structures whose checks are remembered; past it all of them are forgotten."""


class _Structure(NamedTuple):
    """What the lines of a slip depend on: stakes and odds are not among it."""

    events: tuple[int, ...]
    positions: tuple[int, ...]
    bets: tuple[tuple[Any, ...], ...]
    """Sizes, positions, bankers and name of each bet."""
    each_way: bool
    """Whether it may have twice as many legs."""


class _Lines(NamedTuple):
    """One bet of a checked structure, as its SLIP_BET row has it."""

    sizes: int
    positions: int
    bankers: int
    lines: int


class SlipReader:
    """Make tickets of slips, or say why not.

    Parameters
    ----------
    routes : Routes
        Where markets are, and their keys, which name their fixtures.
    settings : GatewaySettings
        Bounds of legs, bets and lines.
    limits : LimitRules
        What a slip may pay.
    """

    def __init__(self, *, routes: Routes, settings: GatewaySettings, limits: LimitRules) -> None:
        self._routes = routes
        self._limits = limits
        self._bounds = SlipBounds(
            legs=settings.slip_legs_max, bets=settings.slip_bets_max, lines=settings.slip_lines_max
        )
        legs_max = min(2 * settings.slip_legs_max, SLIP_LEGS_MAX)
        self._each_way_bounds = self._bounds._replace(legs=legs_max)
        """Of a slip written out: it has two legs for each that its bettor counts."""
        self._work = np.zeros(WORK_I64S, np.int64)
        self._found: dict[_Structure, tuple[_Lines, ...]] = {}
        """Structures that were checked lately: most slips have one of few."""

    def read(
        self, request: PlaceSlip, *, session: SlipSession, account_no: AccountNo
    ) -> SlipTicket | SlipFault:
        """Return the ticket of a slip, or the first fault of its structure.

        A leg's event is its market's fixture. A leg whose market no shell hosts is a fault too,
        since nothing says of which event it is.
        """
        if request.offer and request.free_bet:
            return SlipFault(Reason.OFFER_NOT_FOR_BET, "free_bet", "none beside an offer")
        each_way = is_each_way(request)
        if each_way:
            bets = _bets_of(request.bets, positions=dict.fromkeys(_positions_of(request)))
            written = bets if isinstance(bets, SlipFault) else self._written_out(request, bets)
            if isinstance(written, SlipFault):
                return written
            request = written
        markets = self._markets_of(request, to_be_placed=each_way)
        if isinstance(markets, SlipFault):
            return markets
        fixtures = [market.key.partition("/")[0] for market in markets]
        structure = _Structure(
            events=event_numbers(fixtures),
            positions=tuple(_positions_of(request)),
            bets=tuple([(bet.sizes, bet.positions, bet.bankers, bet.name) for bet in request.bets]),
            each_way=each_way,
        )
        found = self._found.get(structure)
        stake_minor = 0
        if found is not None:
            for bet, lines in zip(request.bets, found, strict=True):
                stake_minor += bet.stake_minor * lines.lines
        if found is None or stake_minor > STAKE_MINOR_MAX or _repeats_one(request, fixtures):
            bounds = self._each_way_bounds if each_way else self._bounds
            checked = self._check(request, structure, bounds)
            if isinstance(checked, SlipFault):
                return checked
            stake_minor = checked.stake_minor
            found = self._found[structure]
        allowed_minor = self._limits.slip_payout_minor_max(fixtures)
        ticket = SlipTicket(
            session=session,
            ref=request.ref,
            ref_bytes=request.ref.encode(),
            account_no=account_no,
            bets=self._bet_rows(request, structure, found, allowed_minor),
            stake_minor=Minor(stake_minor),
            lines=sum([bet.lines for bet in found]),
            policy=SLIP_POLICY_NUMBERS[request.policy, request.policy_over],
            offer=request.offer,
            free_bet=request.free_bet,
            each_way=each_way,
        )
        ticket.take_legs(_leg_tickets(ticket, request, structure, markets))
        return ticket

    def _markets_of(
        self, request: PlaceSlip, *, to_be_placed: bool
    ) -> list[MarketRoute] | SlipFault:
        """Return the market of each leg, or say which leg cannot be bet on.

        `to_be_placed` says that place markets are bet on beside the legs to win.
        """
        known, place_markets = self._routes.markets, self._routes.place_markets
        markets: list[MarketRoute] = []
        for leg in request.legs:
            market = known.get(leg.market)
            if market is None:
                reason = Reason.MARKET_UNKNOWN
                return SlipFault(reason, f"legs[{len(markets)}].market", MESSAGES[reason])
            if leg.market in place_markets and not to_be_placed:
                reason = Reason.NO_PLACE_TERMS
                return SlipFault(reason, f"legs[{len(markets)}].market", _PLACE_ONLY)
            markets.append(market)
        return markets

    def _written_out(self, request: PlaceSlip, bets: list[SlipBet]) -> PlaceSlip | SlipFault:
        legs, most = len(request.legs), self._each_way_bounds.legs // 2
        if legs > most:
            return SlipFault(Reason.LEGS_OVER_BOUND, "legs", f"at most {most} each-way, not {legs}")
        return written_out(request, bets, self._routes)

    def _check(
        self, request: PlaceSlip, structure: _Structure, bounds: SlipBounds
    ) -> CheckedSlip | SlipFault:
        """Check a slip whose structure was not seen lately, and keep that if it has no fault."""
        legs = [
            Leg(
                market_no=asked.market,
                outcome=asked.outcome,
                odds_milli=asked.odds_milli,
                event=event,
                position=position,
            )
            for asked, event, position in zip(
                request.legs, structure.events, structure.positions, strict=True
            )
        ]
        bets = _bets_of(request.bets, positions=dict.fromkeys(structure.positions))
        if isinstance(bets, SlipFault):
            return bets
        checked = check_slip(legs, bets, bounds=bounds)
        if isinstance(checked, CheckedSlip):
            if len(self._found) >= _FOUND_MAX:
                self._found.clear()
            rows = zip(checked.rows, checked.lines, strict=True)
            self._found[structure] = tuple(
                [
                    _Lines(int(row["sizes"]), int(row["positions"]), int(row["bankers"]), lines)
                    for row, lines in rows
                ]
            )
        return checked

    def _bet_rows(
        self,
        request: PlaceSlip,
        structure: _Structure,
        found: Sequence[_Lines],
        allowed_minor: int,
    ) -> bytes:
        """Return the SLIP_BET rows: what the slip may pay is shared among its bets."""
        bets = zip(request.bets, found, strict=True)
        rows = b"".join(
            [SLIP_BET_ROW.pack(bet.stake_minor, allowed_minor, *lines) for bet, lines in bets]
        )
        if len(found) == 1:
            return rows
        return self._shared(request, structure, np.frombuffer(rows, SLIP_BET), allowed_minor)

    def _shared(
        self, request: PlaceSlip, structure: _Structure, rows: Rows, allowed_minor: int
    ) -> bytes:
        """Share what the slip may pay among its bets, by what each can pay at the odds seen.

        So all of them together never pay more, and a stake that passes for each bet passes for the
        slip.
        """
        bets: Rows = rows.copy()
        legs = len(request.legs)
        positions = np.array(structure.positions, np.uint8)
        events = np.array(structure.events, np.uint8)
        nums = np.array([leg.odds_milli for leg in request.legs], np.int64)
        dens = np.full(legs, ODDS_MILLI_ONE, np.int64)
        payouts_minor = [
            owed_nb(positions, events, nums, dens, legs, bets, at, 1, self._work)
            for at in range(len(bets))
        ]
        total_minor = sum(payouts_minor)
        bets["payout_minor_max"] = [
            max(1, allowed_minor * payout_minor // total_minor) for payout_minor in payouts_minor
        ]
        return bets.tobytes()


def _leg_tickets(
    ticket: SlipTicket,
    request: PlaceSlip,
    structure: _Structure,
    markets: Sequence[MarketRoute],
) -> tuple[LegTicket, ...]:
    policy, account_no = min(ticket.policy, _ANY), ticket.account_no
    return tuple(
        [
            LegTicket(
                slip=ticket,
                account_no=account_no,
                market_no=asked.market,
                outcome=asked.outcome,
                odds_milli=asked.odds_milli,
                policy=policy,
                event=event,
                position=position,
                shell=market.shell,
            )
            for asked, market, event, position in zip(
                request.legs, markets, structure.events, structure.positions, strict=True
            )
        ]
    )


def _positions_of(request: PlaceSlip) -> list[int]:
    return [at if leg.position is None else leg.position for at, leg in enumerate(request.legs)]


def _repeats_one(request: PlaceSlip, fixtures: Sequence[str]) -> bool:
    """Return whether two legs are the same selection, as only legs of one fixture can be."""
    if len(set(fixtures)) == len(fixtures):
        return False
    return len({(leg.market, leg.outcome) for leg in request.legs}) < len(fixtures)


def _bets_of(asked: Sequence[BetLines], *, positions: Iterable[int]) -> list[SlipBet] | SlipFault:
    """Return bets with what they leave out: all positions, and the sizes that a name means."""
    bets: list[SlipBet] = []
    every = tuple(positions)
    for at, bet in enumerate(asked):
        over = bet.positions or every
        free = len(over) - len(bet.bankers)
        sizes = bet.sizes
        if bet.name is not None:
            if sizes:
                return SlipFault(Reason.SIZE_OUT_OF_BOUNDS, f"bets[{at}].sizes", "none with a name")
            sizes = named_sizes(bet.name, free)
            if not sizes and every:
                needs = FULL_COVERS[bet.name].positions if bet.name in FULL_COVERS else "more"
                why = f"{bet.name} needs {needs} positions that are no bankers, not {free}"
                return SlipFault(Reason.SIZE_OUT_OF_BOUNDS, f"bets[{at}].name", why)
        bets.append(
            SlipBet(
                stake_minor=Minor(bet.stake_minor),
                sizes=sizes or (free,),
                positions=over,
                bankers=bet.bankers,
            )
        )
    return bets
