"""What a rule does reaches every market of what was found, and the audit trail says what came."""

import asyncio
from typing import Any

import msgspec
import pytest

from actors.desk_watch import DeskWatch
from actors.messages import (
    MarketRoute,
    ShellRoute,
    ShellState,
    decode_market_control,
    encode,
)
from actors.peer import LocalPeer, PeerRefusedError, PeerTimeoutError
from engine.common.commands import Limits, MarketCommand, SetLimits, SuspendMarket
from engine.common.events import LimitsSet, MarketEvent, Refused, StatusSet
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.units import Minor, OddsMilli
from engine.common.views import BookImage, PriceImage, StakesImage
from engine.desk.audit_trail import LinesAdded
from engine.watch.alerts import Alerts, AlertStatus
from engine.watch.bet_stops import NoBetStopRule
from engine.watch.bounds import LiabilityRule
from engine.watch.rules import Action, WatchRule

SUSPEND = WatchRule(name="stops", kind=NoBetStopRule(), action=Action.SUSPEND)
CUT = WatchRule(
    name="cut", kind=LiabilityRule(liability_minor_max=1), action=Action.CUT_LIMITS, cut_to=0.5
)


def image(number: int, market_type: str) -> PriceImage:
    return PriceImage(
        market_no=MarketNo(number),
        key=f"cup-1/{market_type}",
        status=Status.ACTIVE,
        version=1,
        outcomes=("home", "away"),
        odds_milli=(OddsMilli(1_900), OddsMilli(1_900)),
        active=(True, True),
    )


IMAGES = [image(1, "1x2"), image(2, "btts"), image(3, "totals?line=2.5")]


class Shell:
    """A market shell that answers as it is told, and then as all its markets would."""

    def __init__(self, *answers: Exception | bytes | Reason) -> None:
        self.answers = list(answers)
        self.losing = MarketNo(1)
        self.commands: list[MarketCommand] = []
        self.limits = Limits(stake_minor_max=Minor(1_000), outcome_liability_minor_max=Minor(8_000))

    def control(self, payload: bytes) -> bytes:
        commands = decode_market_control(payload).commands
        answer = self.answers.pop(0) if self.answers else None
        if not isinstance(answer, PeerRefusedError | Reason):
            self.commands += commands
            for command in commands:
                if isinstance(command, SetLimits):
                    self.limits = command.limits.applied_to(self.limits)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, bytes):
            return answer
        if isinstance(answer, Reason):
            return encode([Refused(reason=answer, message="")] * len(commands))
        return encode([*map(self._event, commands)])

    def _event(self, command: MarketCommand) -> MarketEvent:
        if isinstance(command, SetLimits):
            return LimitsSet(market_no=command.market_no, version=2, limits=self.limits)
        return StatusSet(market_no=command.market_no, version=2, status=Status.SUSPENDED)

    def book_images(self, numbers: list[MarketNo]) -> bytes:
        return encode([self._book(number) for number in numbers])

    def stakes_images(self, numbers: list[MarketNo]) -> bytes:
        return encode(
            [
                StakesImage(
                    market_no=number,
                    key=book.prices.key,
                    outcomes=book.prices.outcomes,
                    status=book.prices.status,
                    stake_taken_minor=book.stake_taken_minor,
                    stake_minor=book.stake_minor,
                    payout_minor=book.payout_minor,
                )
                for number in numbers
                for book in [self._book(number)]
            ]
        )

    def _book(self, number: MarketNo) -> BookImage:
        payout_minor = (Minor(3 if number == self.losing else 0), Minor(0))
        return BookImage(
            prices=IMAGES[number - 1],
            limits=self.limits,
            bets=1,
            stake_taken_minor=Minor(1),
            stake_minor=(Minor(1), Minor(0)),
            payout_minor=payout_minor,
            liability_minor=tuple(Minor(payout - 1) for payout in payout_minor),
            settlement_no=0,
        )

    def watch_bets(self, watcher: str, most: int) -> None:
        """Lend no bets."""

    def suspended(self) -> list[MarketNo]:
        return [each.market_no for each in self.commands if isinstance(each, SuspendMarket)]


class FrozenShell(Shell):
    """A market shell whose process stands still until it is thawed."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.thawed = asyncio.Event()

    async def stakes_images(self, numbers: list[MarketNo]) -> bytes:  # type: ignore[override]
        self.asked += 1
        await self.thawed.wait()
        return super().stakes_images(numbers)


class Floor:
    """A watch of one fixture of three markets, on shells of the test."""

    def __init__(self, rule: WatchRule, shells: dict[str, Shell]) -> None:
        self.alerts = Alerts()
        self.lines: list[tuple[str, str, bool]] = []
        self.full_for = 0
        """Lines that the disk has no room for, before it has."""
        self.watch = DeskWatch(alerts=lambda: self.alerts, write=self.write, clock_ns=lambda: 1)
        document = self.alerts.set_rule(rule, by="trader:anna", at_ns=0)  # type: ignore[arg-type]
        self.alerts.apply(document)  # type: ignore[arg-type]
        self.watch.rules_changed()
        names = list(shells)
        self.watch.on_routes(
            1,
            [
                ShellRoute(name=name, kind="market", generation=1, state=ShellState.SERVING)
                for name in names
            ],
            [
                MarketRoute(market_no=one.market_no, key=one.key, shell=names[number % len(names)])
                for number, one in enumerate(IMAGES)
            ],
            {name: LocalPeer(shell, name=name) for name, shell in shells.items()},
        )

    def write(self, *documents: Any) -> bool:
        for document in documents:
            if not isinstance(document, LinesAdded):
                self.alerts.apply(document)
            elif self.full_for:
                self.full_for -= 1
                return False
            else:
                assert document.first == len(self.lines) + 1
                self.lines += [(one.what, one.result, one.refused) for one in document.lines]
        return True

    def goal(self) -> None:
        for home in (0, 1):
            self.watch.on_match("cup-1", in_play=True, home=home, away=0)

    async def finish(self) -> None:
        for task in list(self.watch.actions.running):
            await task


@pytest.mark.parametrize("count", [1, 3], ids=["one market seen", "one seen stopped"])
async def test_all_markets_of_a_fixture_are_suspended_whatever_the_desk_has_seen_of_them(
    count: int,
) -> None:
    shell = Shell()
    floor = Floor(SUSPEND, {"m": shell})
    stopped = msgspec.structs.replace(IMAGES[2], status=Status.SUSPENDED)
    floor.watch.on_created(encode([*IMAGES[:2], stopped][:count]))
    floor.goal()
    await floor.finish()
    assert shell.suspended() == [1, 2, 3]
    assert floor.lines == [("suspend", "3 done, 0 refused", False)]


@pytest.mark.parametrize(
    "failure",
    [
        PeerTimeoutError("2 s passed"),
        PeerRefusedError("quarantined"),
        KeyError("of the shell's own"),
        b"\xc1",
        Reason.DISK_FULL,
    ],
    ids=repr,
)
async def test_a_shell_that_does_not_answer_is_tried_again_and_holds_up_no_other(
    failure: Exception | bytes | Reason,
) -> None:
    failing, other = Shell(failure), Shell()
    floor = Floor(SUSPEND, {"a": failing, "b": other})
    floor.watch.on_created(encode(IMAGES))
    floor.goal()
    await floor.finish()
    assert set(failing.suspended()) == {1, 3}
    assert other.suspended() == [2]
    assert floor.lines == [
        (
            "suspend",
            "tried again until the alert is closed: 1 done, 0 refused, 2 without an answer",
            True,
        ),
        ("suspend", "3 done, 0 refused", False),
    ]


async def test_it_is_tried_no_more_once_the_alert_is_closed() -> None:
    floor = Floor(SUSPEND, {"a": Shell(*[PeerTimeoutError("2 s passed")] * 100), "b": Shell()})
    floor.watch.on_created(encode(IMAGES))
    floor.goal()
    document = floor.alerts.work(1, status=AlertStatus.DISMISSED, by="trader:anna", at_ns=2)  # type: ignore[arg-type]
    assert floor.write(document)
    await floor.finish()
    assert floor.lines[-1] == (
        "suspend",
        "the alert is closed: 1 done, 0 refused, 2 without an answer",
        True,
    )


async def test_an_action_that_the_desks_end_cuts_short_has_its_line() -> None:
    floor = Floor(SUSPEND, {"a": Shell(*[PeerTimeoutError("2 s passed")] * 100), "b": Shell()})
    floor.watch.on_created(encode(IMAGES))
    floor.goal()
    (task,) = floor.watch.actions.running
    while not floor.lines:
        await asyncio.sleep(0)
    await floor.watch.stop()
    assert task.cancelled()
    assert floor.lines[-1][1].startswith("given up, since the desk ends: 1 done")


async def test_a_line_for_which_the_disk_has_no_room_is_written_later() -> None:
    floor = Floor(SUSPEND, {"m": Shell()})
    floor.full_for = 1
    floor.watch.on_created(encode(IMAGES))
    floor.goal()
    await floor.finish()
    assert floor.lines == [("suspend", "3 done, 0 refused", False)]


async def test_a_limit_is_cut_once_however_often_it_is_sent() -> None:
    shell = Shell(PeerTimeoutError("the answer was lost"))
    floor = Floor(CUT, {"m": shell})
    floor.watch.on_created(encode(IMAGES[:1]))
    await floor.watch.check()
    await floor.finish()
    assert len(shell.commands) == 2
    limits = shell.limits
    assert (limits.stake_minor_max, limits.outcome_liability_minor_max) == (500, 4_000)
    assert [line[1] for line in floor.lines][-1] == "1 done, 0 refused"


async def test_a_shell_that_stands_still_holds_up_no_look_at_another() -> None:
    rule = WatchRule(name="worst", kind=LiabilityRule(liability_minor_max=1))
    frozen, shell = FrozenShell(), Shell()
    shell.losing = MarketNo(2)
    floor = Floor(rule, {"frozen": frozen, "m": shell})

    def found() -> list[str]:
        return [alert.finding.subject for alert in floor.alerts.alerts.values()]

    for _ in range(3):
        await floor.watch.check()
    assert found() == ["market 2"]
    assert frozen.asked == 1, "it is asked again when it has answered"
    frozen.thawed.set()
    while len(found()) == 1:
        await asyncio.sleep(0)
    assert found() == ["market 2", "market 1"]
    await floor.watch.stop()
