"""The demo's bettors: each has a WebSocket of its own and bets by its profile until betting stops.

Owns their sessions and the bets without an answer. It uses the public protocol only.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from engine.common.ids import AccountNo, MarketNo
from engine.common.lifecycle import Status
from engine.common.rows import Policy
from engine.common.units import Minor, OddsMilli
from engine.common.views import PriceImage
from gateway.client import (
    BettorSession,
    ConnectionLostError,
    HandshakeRefusedError,
    RefusedError,
    connect,
)
from gateway.demo.answers import Answers, reason_text
from gateway.demo.offers import FREE_BET, FREE_BET_MINOR, with_offer
from gateway.messages.bettor import POLICY_NUMBERS, BetEvent, Place, PolicyName
from gateway.messages.each_way import EachWay
from gateway.messages.market import Market
from gateway.messages.slips import (
    SLIP_POLICY_NUMBERS,
    BetLines,
    Leg,
    PlaceSlip,
    PlaceTerms,
    PolicyOver,
)
from simulations.crowd import Bettor, Board, Profile, bets_at_once, draw_orders, think_s
from simulations.crowd_slips import SlipOrder, draw_slip

_POLICY_NAMES: Final[dict[int, PolicyName]] = {0: "none", 1: "higher", 2: "any"}
_SLIP_POLICIES: Final[dict[Policy, tuple[PolicyName, PolicyOver]]] = {
    Policy.NONE: ("none", "legs"),
    Policy.HIGHER: ("higher", "legs"),
    Policy.ANY: ("any", "legs"),
    Policy.COMBINED_NONE: ("none", "combined"),
    Policy.COMBINED_HIGHER: ("higher", "combined"),
}
_NO_TERMS: Final[Mapping[MarketNo, EachWay]] = {}
_RETRY_S: Final = 0.2
_OPEN_DEADLINE_S: Final = 60.0
_RESOLVE_PERIOD_S: Final = 0.25
CHASE_S: Final = 0.4
"""Mean time from a goal to the bet of a chaser, in seconds."""

assert {name: number for number, name in _POLICY_NAMES.items()} == POLICY_NUMBERS
assert all(SLIP_POLICY_NUMBERS[names] == policy for policy, names in _SLIP_POLICIES.items())


class EachWayRefusedError(Exception):
    """A race beside the match is not sold each-way; the message says why."""


class Bettors:
    """A crowd of bettors on WebSockets.

    Parameters
    ----------
    bettors : sequence of Bettor
        The bettors; their accounts must exist.
    url : str
        The gateway's bets listener.
    fixtures : sequence of str
        The fixtures they follow and bet on; empty for all markets, also later ones.
    token : callable
        Gives a bettor's token by account number.
    seed : sequence of int
        Seeds every bettor's choices, together with its account number.
    start_no : int
        The number of this run's start, which is part of every bet's ref.
    """

    def __init__(
        self,
        bettors: Sequence[Bettor],
        *,
        url: str,
        fixtures: Sequence[str],
        token: Callable[[AccountNo], str],
        seed: Sequence[int],
        start_no: int,
    ) -> None:
        self.answers: Final = Answers()
        self.in_flight = 0
        self.settlements = 0
        self.paid_minor = Minor(0)
        self.slips_paid_minor = Minor(0)
        self._bettors: Final = tuple(bettors)
        self._url = url
        self._fixtures = tuple(fixtures)
        self._token = token
        self._seed = tuple(seed)
        self._start_no = start_no
        self._sessions: dict[int, BettorSession] = {}
        self._open_refs: dict[int, dict[str, None]] = {b.account_no: {} for b in bettors}
        self._free_bets: dict[AccountNo, int] = {}
        """The unused free bet of each account that was given one."""
        self._each_way: dict[MarketNo, EachWay] = {}
        """The house's place terms by win market."""
        self._board = Board(())
        self._seen: tuple[tuple[int, int], ...] = ()
        self._before_goal = Board(())
        self._betting = asyncio.Event()
        self._whistle = asyncio.Event()
        self._goal = asyncio.Event()
        self._close = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def connected(self) -> int:
        """Bettors with a session."""
        return len(self._sessions)

    # --- start and stop --------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect every bettor; nobody bets before `start`.

        Raises
        ------
        TimeoutError
            When not all are connected in time.
        """
        self._tasks = [asyncio.create_task(self._live(bettor)) for bettor in self._bettors]
        async with asyncio.timeout(_OPEN_DEADLINE_S):
            while self.connected < len(self._bettors):
                await asyncio.sleep(0.02)

    async def ask_each_way(self, markets: Iterable[MarketNo]) -> list[MarketNo]:
        """Ask for the place terms of races; return the place markets, by which slips are each-way.

        The first bettor asks, and a place market is created by that; all bettors see it then.

        Raises
        ------
        EachWayRefusedError
            When a race has no place terms.
        """
        session = next(iter(self._sessions.values()))
        places = []
        for market in markets:
            terms = self._each_way[market] = await session.each_way(market)
            if terms.reason:
                raise EachWayRefusedError(f"market {market}: {terms.message}")
            places.append(terms.market)
        return places

    def start(self) -> None:
        """Begin betting."""
        self._betting.set()

    def on_goal(self) -> None:
        """Notify the chasers of a goal; they bet on the odds from before it."""
        self._before_goal = self._board
        goal, self._goal = self._goal, asyncio.Event()
        goal.set()

    async def stop_betting(self, *, deadline_s: float) -> bool:
        """Begin no further bet, wait for answers, and return whether all arrived."""
        self._whistle.set()
        self._betting.set()
        self._goal.set()
        return await _within(deadline_s, lambda: self.in_flight == 0)

    async def resolve(self, *, deadline_s: float) -> int:
        """Ask the status of bets without an answer; return how many stay unknown."""
        await _within(deadline_s, lambda: not any(self._open_refs.values()), self._ask_all)
        return sum(map(len, self._open_refs.values()))

    async def balances(self) -> dict[int, Minor]:
        """Ask every bettor's available balance over its own session, in minor units."""
        answers = {}
        for account_no, session in list(self._sessions.items()):
            try:
                answers[account_no] = (await session.balance()).available_minor
            except (ConnectionLostError, RefusedError):
                continue
        return answers

    async def close(self) -> None:
        """Close every session."""
        self._whistle.set()
        self._betting.set()
        self._goal.set()
        self._close.set()
        done, late = await asyncio.wait(self._tasks, timeout=5.0) if self._tasks else ((), ())
        for task in late:
            task.cancel()
        await asyncio.gather(*done, *late, return_exceptions=True)
        self._tasks.clear()

    # --- one bettor ------------------------------------------------------------------------------

    async def _live(self, bettor: Bettor) -> None:
        """Stay connected and bet until `close`; open a lost session again."""
        rng = np.random.default_rng([*self._seed, self._start_no, bettor.account_no])
        numbers = iter(range(1 << 31))
        while not self._close.is_set():
            try:
                token = self._token(bettor.account_no)
                async with connect(self._url, token=token) as session:
                    if self._fixtures:
                        await session.subscribe(fixtures=self._fixtures)
                    else:
                        await session.subscribe(all_markets=True)
                    await session.watch_account()
                    await self._find_free_bet(bettor, session)
                    self._sessions[bettor.account_no] = session
                    paid = asyncio.create_task(self._follow_settlements(session))
                    try:
                        await self._bet(bettor, session, rng, numbers)
                        await _first(self._close.wait(), session.wait_lost())
                    finally:
                        del self._sessions[bettor.account_no]
                        paid.cancel()
            except (ConnectionLostError, HandshakeRefusedError, TimeoutError):
                await asyncio.sleep(_RETRY_S)

    async def _find_free_bet(self, bettor: Bettor, session: BettorSession) -> None:
        """Note the free bet that the house gave a bettor, if all of it is left."""
        for each in (await session.balance()).free_bets:
            if each.offer == FREE_BET and each.left_minor == FREE_BET_MINOR:
                self._free_bets[bettor.account_no] = each.free_bet

    async def _follow_settlements(self, session: BettorSession) -> None:
        async for event in session.events():
            if isinstance(event, BetEvent) and event.event == "settled":
                self.settlements += 1
                paid_minor = event.slip.payout_minor
                self.paid_minor = Minor(self.paid_minor + paid_minor)
                if event.slip.legs:
                    self.slips_paid_minor = Minor(self.slips_paid_minor + paid_minor)

    async def _bet(
        self,
        bettor: Bettor,
        session: BettorSession,
        rng: np.random.Generator,
        numbers: Iterator[int],
    ) -> None:
        await self._betting.wait()
        while not self._whistle.is_set():
            chasing = await self._pause(bettor.profile, rng)
            if self._whistle.is_set() or session.lost is not None:
                return
            board = self._before_goal if chasing else self._board_of(session)
            count = bets_at_once(bettor.profile, rng=rng)
            drawn = [draw_slip(bettor.profile, board, rng=rng) for _ in range(count)]
            slips = [slip for slip in drawn if slip is not None]
            orders = draw_orders(bettor.profile, board, count=count - len(slips), rng=rng)
            bets = [
                Place(
                    ref=self._ref(bettor, numbers),
                    market=market_no,
                    outcome=outcome,
                    stake_minor=stake_minor,
                    odds_milli=odds_milli,
                    policy=_POLICY_NAMES[policy],
                )
                for market_no, outcome, stake_minor, odds_milli, policy in zip(
                    *(column.tolist() for column in orders), strict=True
                )
            ]
            await asyncio.gather(
                *(self._place(bettor, session, bet) for bet in bets),
                *(
                    self._place(bettor, session, message)
                    for message in self._messages(bettor, slips, rng, numbers)
                ),
            )

    def _messages(
        self,
        bettor: Bettor,
        slips: Sequence[SlipOrder],
        rng: np.random.Generator,
        numbers: Iterator[int],
    ) -> list[PlaceSlip]:
        """Return slips as messages, some of which take an offer; a free bet pays one of them."""
        messages = []
        for slip in slips:
            message = slip_message(slip, self._ref(bettor, numbers), each_way=self._each_way)
            free_bet = self._free_bets.get(bettor.account_no, 0)
            message = with_offer(message, rng, free_bet=free_bet)
            if message.free_bet:
                del self._free_bets[bettor.account_no]
            messages.append(message)
        return messages

    def _ref(self, bettor: Bettor, numbers: Iterator[int]) -> str:
        return f"{self._start_no}-{bettor.account_no}-{next(numbers)}"

    async def _pause(self, profile: Profile, rng: np.random.Generator) -> bool:
        """Pause before the next bets; return whether a goal ended the pause of a chaser."""
        goal = self._goal if profile is Profile.CHASER else self._whistle
        try:
            await asyncio.wait_for(goal.wait(), think_s(profile, rng=rng))
        except TimeoutError:
            return False
        if self._whistle.is_set():
            return False
        await asyncio.sleep(float(rng.exponential(CHASE_S)))
        return True

    def _board_of(self, session: BettorSession) -> Board:
        """Return the board of a session's prices; sessions with the same prices share one."""
        seen = tuple((market.market, market.version) for market in session.prices.values())
        if seen != self._seen:
            self._seen = seen
            self._board = Board(map(image_of, session.prices.values()))
        return self._board

    async def _place(self, bettor: Bettor, session: BettorSession, bet: Place | PlaceSlip) -> None:
        """Place a bet or a slip, and keep its answer."""
        refs = self._open_refs[bettor.account_no]
        refs[bet.ref] = None
        self.in_flight += 1
        try:
            if isinstance(bet, PlaceSlip):
                unknown = await self._answered_slip(session, bet)
            else:
                unknown = await self._answered_bet(session, bet)
        except RefusedError as error:
            self.answers.count(reason_text(error.reason))
            unknown = False
        finally:
            self.in_flight -= 1
        if unknown:
            self.answers.count("unknown, asked again")
        else:
            del refs[bet.ref]

    async def _answered_bet(self, session: BettorSession, bet: Place) -> bool:
        """Place a bet; return whether its answer is unknown."""
        answer = await session.place(
            ref=bet.ref,
            market=bet.market,
            outcome=bet.outcome,
            stake_minor=bet.stake_minor,
            odds_milli=bet.odds_milli,
            policy=bet.policy,
        )
        if answer.state == "unknown":
            return True
        self.answers.add_bet(answer)
        return False

    async def _answered_slip(self, session: BettorSession, slip: PlaceSlip) -> bool:
        """Place a slip; return whether its answer is unknown."""
        answer = await session.place_slip(
            ref=slip.ref,
            legs=slip.legs,
            bets=slip.bets,
            policy=slip.policy,
            policy_over=slip.policy_over,
            offer=slip.offer,
            free_bet=slip.free_bet,
        )
        if answer.state == "unknown":
            return True
        markets = [leg.market for leg in slip.legs]
        if slip.legs[0].each_way is not None:
            markets += [self._each_way[market].market for market in markets]
        self.answers.add_slip(answer, tuple(markets))
        return False

    # --- bets without an answer ------------------------------------------------------------------

    async def _ask_all(self) -> None:
        """Ask once for every ref without an answer."""
        for account_no, refs in self._open_refs.items():
            session = self._sessions.get(account_no)
            if session is None:
                continue
            for ref in list(refs):
                try:
                    slip = await session.status(ref)
                except (ConnectionLostError, RefusedError):
                    break
                if slip is None or slip.state == "rejected":
                    del refs[ref]
                elif slip.state in ("accepted", "settled"):
                    del refs[ref]
                    self.answers.add_status(slip)


def slip_message(
    slip: SlipOrder, ref: str, *, each_way: Mapping[MarketNo, EachWay] = _NO_TERMS
) -> PlaceSlip:
    """Return a slip as the message that places it.

    One with legs on the house's place markets (`each_way` by win market) names the terms with its
    legs to win, and the house writes it out.
    """
    policy, over = _SLIP_POLICIES[slip.policy]
    places = {terms.market for terms in each_way.values()}
    legs, bets = slip.legs, slip.bets
    is_each_way = any(leg.market_no in places for leg in legs)
    if is_each_way:
        legs, bets = legs[: len(legs) // 2], bets[:1]
    return PlaceSlip(
        ref=ref,
        legs=tuple(
            Leg(
                market=leg.market_no,
                outcome=leg.outcome,
                odds_milli=leg.odds_milli,
                position=leg.position,
                each_way=_terms(each_way[leg.market_no]) if is_each_way else None,
            )
            for leg in legs
        ),
        bets=tuple(
            BetLines(
                stake_minor=bet.stake_minor,
                sizes=bet.sizes,
                positions=bet.positions,
                bankers=bet.bankers,
            )
            for bet in bets
        ),
        policy=policy,
        policy_over=over,
    )


def _terms(answer: EachWay) -> PlaceTerms:
    return PlaceTerms(places=answer.places, odds_num=answer.odds_num, odds_den=answer.odds_den)


def image_of(market: Market) -> PriceImage:
    """Convert a market message into the engine's image."""
    return PriceImage(
        market_no=MarketNo(market.market),
        key=market.key,
        status=Status[market.status.upper()],
        version=market.version,
        outcomes=market.outcomes,
        odds_milli=tuple(map(OddsMilli, market.odds_milli)),
        active=market.active,
    )


async def _within(
    deadline_s: float,
    done: Callable[[], bool],
    step: Callable[[], Awaitable[None]] | None = None,
) -> bool:
    """Wait until `done` is true, running `step` between checks; return whether it became true."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + deadline_s
    while not done():
        if loop.time() >= until_s:
            return False
        if step is not None:
            await step()
        await asyncio.sleep(_RESOLVE_PERIOD_S if step is not None else 0.01)
    return True


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when the first of several waits ends, and cancel the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
