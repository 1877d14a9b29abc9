"""Money that one person may not move alone: refused, proposed, approved by another, carried out."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from actors.messages import ShellState
from actors.peer import PeerError
from actors.settings import DeskSettings
from engine.common.commands import CancelMarket, OutcomeResult, RollBackSettlement, SettleMarket
from engine.common.corrections import CorrectedQuote, CorrectOdds
from engine.common.early import BeginPlay, PayEarly
from engine.common.events import EarlyPaid, MarketCancelled, MarketSettled, Refused
from engine.common.ids import MarketNo
from engine.common.offers import EarlyPayoutRule
from engine.common.previews import PreviewCommand, expected_of
from engine.common.reasons import Reason
from engine.common.units import Minor
from gateway.client import ControlSession, Leg, RefusedError, accumulator
from gateway.session.permissions import COMMANDS, PERMISSIONS
from gateway.session.tokens import Role
from persistence.chain import ChainReader
from persistence.disk import LocalDisk
from persistence.records import Kind, decode_market_control
from tests.gateway.bookmaker import Bookmaker, bettor, head_trader, open_bookmaker, trader
from tests.gateway.price_gateway import token
from tests.gateway.raw_client import json_frame, shaken

APPROVAL_MINOR = 2_000
WON, LOST = OutcomeResult(won=True), OutcomeResult(won=False)
SETTLE = SettleMarket(market_no=MarketNo(1), results=(WON, LOST, LOST))
STAKE_MINOR = 1_000
"""At odds of 2.500 it pays 2,500: over the threshold."""


@pytest.fixture
async def bookmaker(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    settings = DeskSettings(approval_minor=APPROVAL_MINOR)
    async with open_bookmaker(tmp_path, desk=settings) as system:
        async with bettor(system) as client:
            placed = await client.place(
                ref="a", market=1, outcome=0, stake_minor=STAKE_MINOR, odds_milli=2_500
            )
            assert placed.state == "accepted"
        yield system


def anna(bookmaker: Bookmaker) -> ControlSession:
    return trader(bookmaker, role=Role.SETTLER, sub="anna")


def bob(bookmaker: Bookmaker) -> ControlSession:
    return trader(bookmaker, role=Role.HEAD_TRADER, sub="bob")


async def more_bets(bookmaker: Bookmaker, ref: str, *, stake_minor: int = 10_000) -> None:
    """Place a bet on the first outcome of market 1."""
    async with bettor(bookmaker, account=8) as client:
        placed = await client.place(
            ref=ref, market=1, outcome=0, stake_minor=stake_minor, odds_milli=2_500
        )
        assert placed.state == "accepted"


async def status(control: ControlSession) -> str:
    return (await control.book(MarketNo(1))).status


async def test_a_settlement_over_the_threshold_is_proposed_and_approved(
    bookmaker: Bookmaker, tmp_path: Path
) -> None:
    async with anna(bookmaker) as settler, bob(bookmaker) as head:
        (alone,) = await settler.control([SETTLE])
        assert isinstance(alone, Refused)
        assert alone.reason is Reason.APPROVAL_NEEDED
        assert "2500" in alone.message
        assert "2000" in alone.message
        assert await status(settler) == "active"
        proposal = await settler.propose([SETTLE], why="1:0, seen twice")
        assert (proposal.change_minor, proposal.state) == (2_500, "open")
        with pytest.raises(RefusedError) as own:
            await settler.decide(proposal.proposal, approve=True)
        assert own.value.reason is Reason.SECOND_PERSON
        listed = await head.proposals(state="open")
        assert [line.proposal for line in listed.proposals] == [proposal.proposal]
        decided = await head.decide(proposal.proposal, approve=True, why="checked")
        assert isinstance(decided.events[0], MarketSettled)
        assert (decided.proposal.state, decided.proposal.decided_by) == ("done", "head_trader:bob")
        assert await status(head) == "settled"
        with pytest.raises(RefusedError) as again:
            await head.decide(proposal.proposal, approve=True)
        assert again.value.reason is Reason.PROPOSAL_DECIDED
    bookmaker.kill_shell("market-a")
    authors = [
        decode_market_control(record.payload).by
        for record in ChainReader(LocalDisk(), tmp_path / "market-a")
        if record.kind == Kind.CONTROL
    ]
    assert authors[-1] == "head_trader:bob+settler:anna"
    bookmaker.start_shell("market-a")


async def test_what_changes_less_needs_nobody(bookmaker: Bookmaker) -> None:
    lost = SettleMarket(market_no=MarketNo(1), results=(LOST, WON, LOST))
    async with anna(bookmaker) as settler:
        events = await settler.control(
            [lost, SettleMarket(market_no=MarketNo(2), results=(WON, LOST))]
        )
        assert [type(event) for event in events] == [MarketSettled, MarketSettled]
        # A correction is judged by what it changes, not by the whole of what is paid.
        (again,) = await settler.control([SETTLE])
        assert isinstance(again, Refused)
        assert again.reason is Reason.APPROVAL_NEEDED


async def test_one_bettors_gain_does_not_hide_anothers_loss(bookmaker: Bookmaker) -> None:
    async with bettor(bookmaker, account=8) as client:
        bet = {"market": 1, "outcome": 1, "stake_minor": 781, "odds_milli": 3_200}
        assert (await client.place(ref="b", **bet)).state == "accepted"  # it pays 2,499
    draw = SettleMarket(market_no=MarketNo(1), results=(LOST, WON, LOST))
    async with anna(bookmaker) as settler, bob(bookmaker) as head:
        proposal = await settler.propose([SETTLE])
        await head.decide(proposal.proposal, approve=True)
        (again,) = await settler.control([draw])
        assert isinstance(again, Refused)
        assert again.reason is Reason.APPROVAL_NEEDED
        assert str(2_500 + 2_499) in again.message


async def test_odds_of_an_open_bet_are_money_too(bookmaker: Bookmaker) -> None:
    commands = [
        CorrectOdds(
            market_no=MarketNo(1),
            quotes=(CorrectedQuote(outcome=0, odds_milli=9_000),),
        ),
        SETTLE,
    ]
    async with anna(bookmaker) as settler:
        (alone,) = await settler.control(commands[:1])
        assert isinstance(alone, Refused)
        assert alone.reason is Reason.APPROVAL_NEEDED
        together = await settler.control(commands)
        assert all(isinstance(event, Refused) for event in together)
        with pytest.raises(RefusedError) as twice:
            await settler.propose(commands)
        assert "commands[1].market_no" in str(twice.value)
        assert await status(settler) == "active"


async def test_an_approval_of_what_has_grown_is_refused(bookmaker: Bookmaker) -> None:
    async with anna(bookmaker) as settler, bob(bookmaker) as head:
        proposal = await settler.propose([SETTLE])
        async with bettor(bookmaker, account=8) as client:
            bet = {"market": 1, "outcome": 0, "stake_minor": 400, "odds_milli": 2_500}
            assert (await client.place(ref="b", **bet)).state == "accepted"
        with pytest.raises(RefusedError) as grown:
            await head.decide(proposal.proposal, approve=True)
        assert grown.value.reason is Reason.PROPOSAL_STALE
        assert "3500 now, 2500" in str(grown.value)
        assert await status(head) == "active"
        again = await settler.propose([SETTLE])
        decided = await head.decide(again.proposal, approve=True)
        assert decided.proposal.state == "done"


async def test_changes_of_one_message_count_together(bookmaker: Bookmaker) -> None:
    async with bettor(bookmaker, account=8) as client:
        bet = {"market": 3, "outcome": 0, "stake_minor": 700, "odds_milli": 2_500}
        assert (await client.place(ref="b", **bet)).state == "accepted"
        bet = {"market": 2, "outcome": 0, "stake_minor": 500, "odds_milli": 1_900}
        assert (await client.place(ref="c", **bet)).state == "accepted"
    commands = [
        SettleMarket(market_no=MarketNo(3), results=(WON, LOST, LOST)),
        SettleMarket(market_no=MarketNo(2), results=(WON, LOST)),
    ]
    async with anna(bookmaker) as settler:
        together = await settler.control(commands)
        assert [event.reason for event in together if isinstance(event, Refused)] == [
            Reason.APPROVAL_NEEDED
        ] * 2
        alone = [*await settler.control(commands[:1]), *await settler.control(commands[1:])]
        assert not [event for event in alone if isinstance(event, Refused)]


async def test_a_rejected_or_withdrawn_proposal_commands_nothing(bookmaker: Bookmaker) -> None:
    async with anna(bookmaker) as settler, bob(bookmaker) as head:
        rejected, withdrawn = [await settler.propose([SETTLE]) for _ in range(2)]
        await head.decide(rejected.proposal, approve=False, why="0:1")
        await settler.withdraw_proposal(withdrawn.proposal)
        page = await head.proposals()
        assert [line.state for line in page.proposals] == ["withdrawn", "rejected"]
        assert page.proposals[1].decided_why == "0:1"
        assert await status(head) == "active"


async def test_an_approval_waits_for_the_shell_that_says_what_it_does(bookmaker: Bookmaker) -> None:
    async with anna(bookmaker) as settler, bob(bookmaker) as head:
        proposal = await settler.propose([SETTLE])
        bookmaker.kill_shell("market-a")
        with pytest.raises(RefusedError) as down:
            await head.decide(proposal.proposal, approve=True)
        assert down.value.reason is Reason.UNAVAILABLE
        assert [line.state for line in (await head.proposals()).proposals] == ["open"]
        bookmaker.start_shell("market-a")
        decided = await head.decide(proposal.proposal, approve=True)
        assert isinstance(decided.events[0], MarketSettled)
        assert decided.proposal.state == "done"


@pytest.mark.parametrize("odd", [False, True])
async def test_a_cancellation_that_needs_approval_suspends_meanwhile(
    bookmaker: Bookmaker, odd: bool
) -> None:
    async with bettor(bookmaker, account=8) as client:
        bet = {"market": 1, "outcome": 1, "stake_minor": 1_500, "odds_milli": 3_200}
        assert (await client.place(ref="b", **bet)).state == "accepted"
    cancel = {"do": "cancel_market", "market_no": 1, "why": "x" * (200 if odd else 5)}
    async with shaken(bookmaker.ports["control"], token=token(Role.SETTLER, sub="anna")) as raw:
        raw.send(json_frame(type="control", id=3, commands=[cancel]))
        answer = await raw.message()
    assert [event["reason"] for event in answer["events"]] == [Reason.APPROVAL_NEEDED]
    async with anna(bookmaker) as settler, bob(bookmaker) as head:
        assert await status(settler) == "suspended"
        proposal = await settler.propose([CancelMarket(market_no=MarketNo(1), why="match off")])
        decided = await head.decide(proposal.proposal, approve=True)
        assert isinstance(decided.events[0], MarketCancelled)


async def test_what_is_not_possible_is_not_proposed(bookmaker: Bookmaker) -> None:
    async with anna(bookmaker) as settler:
        with pytest.raises(RefusedError) as unknown:
            await settler.propose([SETTLE, CancelMarket(market_no=MarketNo(99))])
        assert unknown.value.reason is Reason.MARKET_UNKNOWN
        assert "commands[1]" in str(unknown.value)


async def test_a_preview_that_does_not_come_is_no_permission(bookmaker: Bookmaker) -> None:
    async with anna(bookmaker) as settler:
        bookmaker.kill_shell("market-a")
        (refused,) = await settler.control([SETTLE])
        assert isinstance(refused, Refused)
        assert refused.reason is Reason.UNAVAILABLE
        bookmaker.start_shell("market-a")
        assert await status(settler) == "active"


async def test_a_feed_settles_alone(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker, role=Role.FEED) as feed:
        (event,) = await feed.control([SETTLE])
        assert isinstance(event, MarketSettled)


def test_whoever_proposes_may_give_each_of_the_commands() -> None:
    from typing import get_args

    from gateway.messages.approvals import ProposeCommands

    for (_, role), kinds in PERMISSIONS.items():
        if ProposeCommands in kinds:
            assert set(get_args(PreviewCommand)) <= COMMANDS[role]


async def small_bet(bookmaker: Bookmaker, ref: str, outcome: int) -> None:
    """Place a bet that pays 1,500 on an outcome of market 3, of which nothing was staked."""
    odds_milli = (2_500, 3_200, 3_000)[outcome]
    async with bettor(bookmaker, account=8) as client:
        placed = await client.place(
            ref=ref, market=3, outcome=outcome, stake_minor=500, odds_milli=odds_milli
        )
        assert placed.state == "accepted"


async def test_messages_that_each_stay_below_are_added_up(bookmaker: Bookmaker) -> None:
    await small_bet(bookmaker, "small", 2)
    third = SettleMarket(market_no=MarketNo(3), results=(LOST, LOST, WON))
    other = SettleMarket(market_no=MarketNo(3), results=(WON, LOST, LOST))
    async with anna(bookmaker) as settler, bob(bookmaker) as head:
        (first,) = await settler.control([third])
        assert isinstance(first, MarketSettled)
        (second,) = await settler.control([other])
        assert isinstance(second, Refused)
        assert second.reason is Reason.APPROVAL_NEEDED
        assert "1500 are moved after 1500" in second.message
        proposal = await settler.propose([other])
        decided = await head.decide(proposal.proposal, approve=True)
        assert decided.proposal.state == "done"
        (back,) = await head.control([third])
        assert isinstance(back, MarketSettled), "bob has moved nothing by himself"


async def test_a_cancellation_that_the_sum_refuses_stops_betting(bookmaker: Bookmaker) -> None:
    async with anna(bookmaker) as settler:
        correct = CorrectOdds(
            market_no=MarketNo(1), quotes=(CorrectedQuote(outcome=0, odds_milli=4_400),)
        )
        (corrected,) = await settler.control([correct])
        assert not isinstance(corrected, Refused), "it pays 4,400, 1,900 more"
        (cancelled,) = await settler.control([CancelMarket(market_no=MarketNo(1))])
        assert isinstance(cancelled, Refused)
        assert cancelled.reason is Reason.APPROVAL_NEEDED
        assert await status(settler) == "suspended"


async def test_what_everybody_loses_is_money_too(bookmaker: Bookmaker) -> None:
    await more_bets(bookmaker, "b", stake_minor=1_001)
    draw = SettleMarket(market_no=MarketNo(1), results=(LOST, WON, LOST))
    async with anna(bookmaker) as settler:
        (alone,) = await settler.control([draw])
        assert isinstance(alone, Refused)
        assert alone.reason is Reason.APPROVAL_NEEDED
        assert "2001 are moved" in alone.message
        proposal = await settler.propose([draw])
        assert proposal.change_minor == 2_001


class Late:
    """The way to a shell on which something happens before the first command arrives."""

    def __init__(
        self,
        bookmaker: Bookmaker,
        meanwhile: Callable[[], Awaitable[None]] | None = None,
        *,
        answers: bool = True,
    ) -> None:
        self._peer = bookmaker.processes["market-a"].peer
        self._meanwhile, self._answers, self._first = meanwhile, answers, True
        bookmaker.processes["market-a"].peer = self  # type: ignore[assignment]
        bookmaker.notify_routes("market-a", ShellState.SERVING)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._peer, name)

    async def ask(self, method: str, *arguments: Any, timeout_s: float | None = None) -> Any:
        first = method == "control" and self._first
        self._first = self._first and not first
        if first and self._meanwhile is not None:
            await self._meanwhile()
        answer = await self._peer.ask(method, *arguments, timeout_s=timeout_s)
        if first and not self._answers:
            raise PeerError("the answer is lost")
        return answer


async def test_bets_that_come_before_the_command_count(bookmaker: Bookmaker) -> None:
    third = SettleMarket(market_no=MarketNo(1), results=(LOST, LOST, WON))
    Late(bookmaker, lambda: more_bets(bookmaker, "b"))
    async with anna(bookmaker) as settler:
        (late,) = await settler.control([third])
        assert isinstance(late, Refused)
        assert late.reason is Reason.APPROVAL_NEEDED
        assert "11000 are moved" in late.message
        assert await status(settler) == "active"


async def test_an_approval_does_not_cover_bets_that_come_before_the_command(
    bookmaker: Bookmaker,
) -> None:
    async with anna(bookmaker) as settler, bob(bookmaker) as head:
        proposal = await settler.propose([SETTLE])
        Late(bookmaker, lambda: more_bets(bookmaker, "b"))
        decided = await head.decide(proposal.proposal, approve=True)
        (refused,) = decided.events
        assert isinstance(refused, Refused)
        assert refused.reason is Reason.PROPOSAL_STALE
        assert decided.proposal.state == "done"
        assert "0 done, 1 refused" in decided.proposal.result
        assert await status(head) == "active"


async def lost() -> None:
    raise PeerError("the command is lost")


async def test_an_approval_that_is_sent_again_is_of_what_was_proposed(bookmaker: Bookmaker) -> None:
    async with anna(bookmaker) as settler, bob(bookmaker) as head:
        proposal = await settler.propose([SETTLE])
        Late(bookmaker, lost)
        first = await head.decide(proposal.proposal, approve=True)
        assert first.proposal.state == "approved"
        await more_bets(bookmaker, "b")
        again = await head.decide(proposal.proposal, approve=True)
        assert [one.reason for one in again.events if isinstance(one, Refused)] == [
            Reason.PROPOSAL_STALE
        ]
        assert await status(head) == "active"


async def test_an_approval_whose_answer_was_lost_is_not_carried_out_again(
    bookmaker: Bookmaker,
) -> None:
    draw = SettleMarket(market_no=MarketNo(1), results=(LOST, WON, LOST))
    async with anna(bookmaker) as settler, bob(bookmaker) as head:
        proposal = await settler.propose([SETTLE])
        Late(bookmaker, answers=False)
        assert (await head.decide(proposal.proposal, approve=True)).proposal.state == "approved"
        other = await settler.propose([draw])
        assert (await head.decide(other.proposal, approve=True)).proposal.state == "done"
        again = await head.decide(proposal.proposal, approve=True)
        assert isinstance(again.events[0], Refused)
        assert again.events[0].reason is Reason.PROPOSAL_STALE
        assert again.proposal.state == "done"
        book = await head.book(MarketNo(1))
        assert book.settlement_no == 2


async def test_a_roll_back_is_of_the_settlement_that_it_was_proposed_of(
    bookmaker: Bookmaker,
) -> None:
    draw = SettleMarket(market_no=MarketNo(1), results=(LOST, WON, LOST))
    async with anna(bookmaker) as settler, bob(bookmaker) as head:
        home = await settler.propose([SETTLE])
        await head.decide(home.proposal, approve=True)
        back = await settler.propose([RollBackSettlement(market_no=MarketNo(1))])
        other = await settler.propose([draw])
        await head.decide(other.proposal, approve=True)
        with pytest.raises(RefusedError) as stale:
            await head.decide(back.proposal, approve=True)
        assert stale.value.reason is Reason.PROPOSAL_STALE
        assert await status(head) == "settled"


async def test_what_was_previewed_is_commanded_only_while_it_stands(tmp_path: Path) -> None:
    async with open_bookmaker(tmp_path, desk=DeskSettings()) as system, anna(system) as settler:
        seen = (await settler.preview(SETTLE)).preview
        await more_bets(system, "b")
        (stale,) = await settler.control([SETTLE], expected=[expected_of(seen)])
        assert isinstance(stale, Refused)
        assert stale.reason is Reason.PROPOSAL_STALE
        seen = (await settler.preview(SETTLE)).preview
        (settled,) = await settler.control([SETTLE], expected=[expected_of(seen)])
        assert isinstance(settled, MarketSettled)


async def test_legs_are_paid_early_by_two_people(bookmaker: Bookmaker) -> None:
    rule = EarlyPayoutRule(lead=2, cap_minor=Minor(100_000))
    early = PayEarly(market_no=MarketNo(1), outcome=0, lead=2)
    async with head_trader(bookmaker) as offers, bettor(bookmaker) as client:
        await offers.set_offer(1, name="two ahead", currency="EUR", rule=rule)
        leg = Leg(market=1, outcome=0, odds_milli=2_500)
        placed = await client.place_slip(ref="s", legs=[leg], bets=[accumulator(1_000)], offer=1)
        assert placed.state == "accepted"
    bookmaker.command(BeginPlay(market_no=MarketNo(1)))
    async with anna(bookmaker) as settler, bob(bookmaker) as head:
        (alone,) = await settler.control([early])
        assert isinstance(alone, Refused)
        assert alone.reason is Reason.APPROVAL_NEEDED
        proposal = await settler.propose([early])
        decided = await head.decide(proposal.proposal, approve=True)
        assert isinstance(decided.events[0], EarlyPaid)


async def test_a_leg_counts_by_what_its_slip_can_be_paid(tmp_path: Path) -> None:
    """10.00 at 2.5 and at 3.2 pay 80.00: each leg alone is charged 10.00, and pays less."""
    settings = DeskSettings(approval_minor=5_000)
    async with open_bookmaker(tmp_path, desk=settings) as system:
        async with bettor(system) as client:
            legs = [
                Leg(market=1, outcome=0, odds_milli=2_500),
                Leg(market=3, outcome=1, odds_milli=3_200),
            ]
            placed = await client.place_slip(ref="s", legs=legs, bets=[accumulator(1_000)])
            assert placed.state == "accepted"
        second = SettleMarket(market_no=MarketNo(3), results=(LOST, WON, LOST))
        lost = SettleMarket(market_no=MarketNo(3), results=(WON, LOST, LOST))
        async with anna(system) as settler:
            assert (await settler.preview(SETTLE)).preview.moved_minor == 8_000
            for commands in ([SETTLE], [second], [SETTLE, second]):
                events = await settler.control(commands)
                assert {event.reason for event in events if isinstance(event, Refused)} == {
                    Reason.APPROVAL_NEEDED
                }
            (settled,) = await settler.control([lost])
            assert isinstance(settled, MarketSettled), "of a lost leg the stake is moved"
            (again,) = await settler.control([second])
            assert isinstance(again, Refused), "lost or not, it could be paid 80.00"
