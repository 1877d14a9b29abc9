"""Deliberate defects, each put into an otherwise sound system, which the auditor must find.

Owns the defects. Each stands for a kind of fault that a change of the system could bring, and is
planted at the border of a part, so that it stays the same when the part's inside changes. The old
behaviours that were once found in this system are among them.
"""

from typing import Any

import numpy as np

from actors.messages import (
    MarketControl,
    decode_market_control,
    decode_market_events,
    encode,
)
from actors.reconciler import Reconciler
from actors.routes import account_shell_name
from engine.common.commands import AckOutbox, SetOdds, SuspendMarket
from engine.common.events import MarketSuspended, OddsSet
from engine.common.reasons import UNRECORDED, Reason
from engine.common.rows import (
    BET,
    DECISION,
    FLAG_FENCE,
    FLAG_KNOWN,
    FLAG_LEG_OF_SLIP,
    RESERVATION,
    RESERVED,
    SETTLEMENT,
    SlipState,
)
from tests.simulator.disk import SimulatedDisk, _File
from tests.simulator.hunt import Hunt, ShellPlant, Wrapped, rows
from tests.simulator.plant import Plant
from tests.simulator.story import Layout
from tests.simulator.written import (
    answers_after_their_calls_were_given_up,
    disk_full_beside_a_known_bet,
    one_score_pays_every_market,
)

_UNRECORDED = [int(reason) for reason in UNRECORDED]


# --- accounts ------------------------------------------------------------------------------------


class _LosesVoids(Wrapped):
    def exchange(self, verdicts: bytes, reservations: bytes, *bets: bytes) -> bytes:
        return self.shell.exchange(self._posts(verdicts), reservations, *bets)

    def resolve(self, verdicts: bytes) -> int:
        return self.shell.resolve(self._posts(verdicts))

    def _posts(self, verdicts: bytes) -> bytes:
        given = rows(verdicts, DECISION)
        return given[given["reason"] == 0].tobytes()


class LostVoid(ShellPlant):
    """A void is acknowledged and never booked."""

    wrapper = _LosesVoids


class _VoidsLate(Wrapped):
    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._late: list[bytes] = []

    def exchange(self, verdicts: bytes, reservations: bytes, *bets: bytes) -> bytes:
        given = rows(verdicts, DECISION)
        void = np.isin(given["reason"], _UNRECORDED)
        late = self._late[:-8] if len(self._late) > 8 else []
        self._late = self._late[len(late) :] + [row.tobytes() for row in given[void]]
        now = given[~void].tobytes() + b"".join(late)
        answers = rows(self.shell.exchange(now, reservations, *bets), RESERVED)
        dead = np.isin(answers["bet_id"], given["bet_id"][void]) & (answers["state"] == 1)
        answers["state"][dead] = SlipState.REFUSED
        answers["reason"][dead] = Reason.DISK_FULL
        return answers.tobytes()


class VoidBeforeItsTime(ShellPlant):
    """The void of an unrecorded refusal is acknowledged and booked some calls later.

    The ref is sent to the market meanwhile: a gateway's memory of voided bets that ends too early.
    """

    wrapper = _VoidsLate


class _PostsTwice(Wrapped):
    def exchange(self, verdicts: bytes, reservations: bytes, *bets: bytes) -> bytes:
        posts = []
        if self.serves:
            for row in rows(verdicts, DECISION):
                slot = self.slot(int(row["bet_id"]))
                if row["reason"] == 0 and slot >= 0 and self.tables.slips[slot]["state"] == 1:
                    posts.append(slot)
        answer = self.shell.exchange(verdicts, reservations, *bets)
        for slot in posts if self.serves else ():
            slip = self.tables.slips[slot]
            if slip["state"] == 2:
                account = self.tables.accounts[slip["account"]]
                account["at_stake_minor"] += slip["stake_minor"]
                account["available_minor"] -= slip["stake_minor"]
        return answer


class DoublePost(ShellPlant):
    """The stake of an accepted bet is posted twice."""

    wrapper = _PostsTwice


class _SettlesTwice(Wrapped):
    def settle(self, data: bytes) -> int:
        applied = self.shell.settle(data)
        given = rows(data, SETTLEMENT)
        payout = int(given[0]["payout_minor"])
        account = self.tables.accounts[self.tables.slips[self.slot(given[0]["bet_id"])]["account"]]
        account["available_minor"] += payout
        self.tables.house_minor[int(account["currency"])] -= payout
        return applied


class SettledTwice(ShellPlant):
    """A settlement that comes again pays again."""

    wrapper = _SettlesTwice


class _DropsSettlements(Wrapped):
    calls = 0

    def settle(self, data: bytes) -> int:
        self.calls += 1
        return len(data) // SETTLEMENT.itemsize if self.calls % 2 else self.shell.settle(data)


class LostSettlement(ShellPlant):
    """A settlement is acknowledged and never booked."""

    wrapper = _DropsSettlements


class _LosesOdds(Wrapped):
    def exchange(self, verdicts: bytes, reservations: bytes, *bets: bytes) -> bytes:
        given = rows(verdicts, DECISION)
        if self.serves:
            for row in given:
                slot = self.slot(int(row["bet_id"]))
                if row["reason"] == 0 and slot >= 0:
                    row["odds_milli"] = self.tables.slips[slot]["odds_seen_milli"]
        return self.shell.exchange(given.tobytes(), reservations, *bets)


class LostOdds(ShellPlant):
    """A verdict posts the bet at the odds that its bettor saw, as a settlement once did."""

    wrapper = _LosesOdds


class _ForgetsRefs(Wrapped):
    calls = 0

    def exchange(self, verdicts: bytes, reservations: bytes, *bets: bytes) -> bytes:
        given = rows(reservations, RESERVATION)
        self.calls += 1
        if self.calls % 5 == 0 and len(given):
            named = (given["flags"] & FLAG_LEG_OF_SLIP) == 0
            given["ref"][named, 3] = 0x7E  # the same ref is taken for another
        return self.shell.exchange(verdicts, given.tobytes(), *bets)


class RefBookedTwice(ShellPlant):
    """A ref that was booked is not known again."""

    wrapper = _ForgetsRefs


# --- markets -------------------------------------------------------------------------------------


class _MarketWrapped(ShellPlant):
    kind = "market"


class _HidesUnrecorded(Wrapped):
    def place(self, data: bytes) -> bytes:
        decisions = rows(self.shell.place(data), DECISION)
        unrecorded = np.isin(decisions["reason"], _UNRECORDED)
        if (decisions["reason"] == Reason.DISK_FULL).any():  # refuse what is recorded too
            unrecorded |= (decisions["flags"] & FLAG_KNOWN) != 0
        decisions["reason"][unrecorded] = Reason.MARKET_SUSPENDED
        return decisions.tobytes()


class UnrecordedRefusalVoids(_MarketWrapped):
    """A refusal that no journal holds counts as a verdict, on a full disk of recorded bets too."""

    wrapper = _HidesUnrecorded


class _ForgetsFences(Wrapped):
    def place(self, data: bytes) -> bytes:
        given = rows(data, BET)
        fence = (given["flags"] & FLAG_FENCE) != 0
        if not self.serves or not fence.any():
            return self.shell.place(data)
        known = np.isin(given["bet_id"], self.book.records["bet_id"][: self.book.bets_len])
        decided = fence & ~known
        answers = np.zeros(len(given), DECISION)
        answers["bet_id"] = given["bet_id"]
        answers["reason"] = Reason.FENCED
        rest = rows(self.shell.place(given[~decided].tobytes()), DECISION)
        answers[~decided] = rest
        return answers.tobytes()


class FenceForgotten(_MarketWrapped):
    """A bet id is refused for good, and the refusal is not recorded."""

    wrapper = _ForgetsFences


class _ChecksTooEarly(Wrapped):
    _LIMITS = ("outcome_liability_minor_max", "market_liability_minor_max")

    def place(self, data: bytes) -> bytes:
        if not self.serves or len(data) <= BET.itemsize:
            return self.shell.place(data)
        markets = self.book.markets
        before = {name: markets[name].copy() for name in self._LIMITS}
        for name in self._LIMITS:
            markets[name] = 10**12
        answer = self.shell.place(data)
        if self.serves:
            for name in self._LIMITS:
                self.book.markets[name][: len(before[name])] = before[name]
        return answer


class LimitBeforeBatch(_MarketWrapped):
    """A limit is checked against the book before the batch instead of after each bet."""

    wrapper = _ChecksTooEarly


class _ForgetsFixtures(Wrapped):
    def place(self, data: bytes) -> bytes:
        if not self.serves:
            return self.shell.place(data)
        limits = self.book.members["fixture_liability_minor_max"]
        before = limits.copy()
        limits[:] = 0
        answer = self.shell.place(data)
        limits[:] = before
        return answer


class FixtureUnlimited(_MarketWrapped):
    """A bet is checked against the limits of its market alone, not against that of its fixture."""

    wrapper = _ForgetsFixtures


class _SuspendsLate(Wrapped):
    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._late: list[bytes] = []
        self._places = 0

    def place(self, data: bytes) -> bytes:
        self._places += 1
        if self._places % 4 == 0:
            self._catch_up()
        return self.shell.place(data)

    def control(self, payload: bytes) -> bytes:
        command = decode_market_control(payload).commands[0]
        if isinstance(command, SuspendMarket) and self.serves:
            self._late.append(payload)
            version = int(self.book.markets["version"][0])
            event = MarketSuspended(market_no=command.market_no, version=version, why=command.why)
            return encode([event])
        self._catch_up()
        return self.shell.control(payload)

    def _catch_up(self) -> None:
        late, self._late = self._late, []
        for payload in late:
            self.shell.control(payload)


class LateSuspension(_MarketWrapped):
    """A suspension is answered before it is applied."""

    wrapper = _SuspendsLate


class _ForgetsOdds(Wrapped):
    def control(self, payload: bytes) -> bytes:
        command = decode_market_control(payload).commands[0]
        answer = self.shell.control(payload)
        (event, *_) = decode_market_events(answer)
        if isinstance(command, SetOdds) and isinstance(event, OddsSet):
            quote = command.quotes[0]
            slot = self.shell._durable.machine._slot_of[command.market_no]
            self.book.outcomes_of(slot)["odds_milli"][quote.outcome] -= 1
        return answer


class UnjournaledChange(_MarketWrapped):
    """A change of the odds that no record holds."""

    wrapper = _ForgetsOdds


# --- the reconciler ------------------------------------------------------------------------------


class _AcksFirst(Reconciler):
    async def _carry_settlements_to(self, market: str, shard: Any) -> None:
        data = await self._ask(market, "outbox", shard, self._settings.chunk_rows)
        given = rows(data, SETTLEMENT)
        if len(given):
            ack = AckOutbox(shard=shard, upto=int(given["outbox_seq"][-1]))
            payload = encode(MarketControl(by="reconciler", commands=(ack,)))
            await self._ask(market, "control", payload)
            await self._ask(account_shell_name(shard), "settle", data)


class AckBeforeSettle(Plant):
    """The market may forget a settlement before its account has it."""

    reconciler = _AcksFirst


# --- disks ---------------------------------------------------------------------------------------


class _LyingFile(_File):
    def sync(self) -> None:
        self._check()


class _LyingDisk(SimulatedDisk):
    """Says that data is on the medium, and syncs nothing but names."""

    def create(self, path: Any) -> Any:
        super().create(path)
        return _LyingFile(self, self._names[path])

    def reopen(self, path: Any) -> Any:
        super().reopen(path)
        return _LyingFile(self, self._names[path])


class DroppedSync(Plant):
    """The disk acknowledges a sync that it has not made."""

    def disk(self) -> SimulatedDisk:
        return _LyingDisk()


class _ShortDisk(SimulatedDisk):
    """Loses the last record of the newest segment with every process that ends."""

    def end_process(self, *, power_loss: Any) -> None:
        super().end_process(power_loss=power_loss)
        paths = sorted(path for path in self._names if path.suffix == ".journal")
        if paths:
            data = self._files[self._names[paths[-1]]]
            at = data.rfind(bytes(data[:4])) if len(data) >= 4 else 0
            if at > 0:
                data[at + 48 :] = bytes(len(data) - at - 48)


class LostTail(Plant):
    """A journal ends one record earlier after its process ended."""

    def disk(self) -> SimulatedDisk:
        return _ShortDisk()


class _UnlockedDisk(SimulatedDisk):
    """Lets two processes write one journal: no lock holds, and no epoch is checked."""

    def lock(self, path: Any) -> Any:
        self.locks.discard(path)
        return super().lock(path)


class StaleEpoch(Plant):
    """A process that was replaced goes on: it writes and answers in its old epoch."""

    def disk(self) -> SimulatedDisk:
        return _UnlockedDisk()

    def started(self, process: Any) -> None:
        process.undead = process.disk is not None and process.spec.name.startswith("market")


class MixedAnswers(Plant):
    """The road gives an answer to the call that waits longest, whatever its number says.

    One call that its caller gave up is enough, and every later answer goes to the wrong call.
    """

    def dialled(self, connection: Any) -> None:
        take = connection._answered

        def mixed(frame: Any) -> None:
            take(frame._replace(call=next(iter(connection._calls), frame.call)))

        connection._answered = mixed


_SMALL = Layout(markets=1, shards=1)


PLANTS: dict[type[Plant], Hunt] = {
    UnrecordedRefusalVoids: Hunt(
        r"was told that|refused in its account", written=disk_full_beside_a_known_bet, seeds_max=3
    ),
    VoidBeforeItsTime: Hunt(r"was told that|refused in its account", ("fill",)),
    LostOdds: Hunt(r"odds_milli|at \d+, and its slip says", ("disturb",)),
    DroppedSync: Hunt(r"is quarantined|no slip in its account", ("kill",)),
    DoublePost: Hunt(r"account \d+ holds", ("disturb",)),
    LostVoid: Hunt(r"not at rest|is not resolved", ("disturb",)),
    LimitBeforeBatch: Hunt(r"passes a limit", ("disturb",)),
    FixtureUnlimited: Hunt(
        r"was accepted at \d+ after \d+ on its fixture",
        written=one_score_pays_every_market,
        seeds_max=3,
    ),
    SettledTwice: Hunt(r"account \d+ holds|house account", ("disturb",)),
    FenceForgotten: Hunt(r"refused in its account", ("straggler",), pace=0.1),
    StaleEpoch: Hunt(r"record|cannot be replayed|quarantined", ("freeze",), pace=0.1),
    LostSettlement: Hunt(
        r"settled by its market and open|in its account and open|got", ("disturb",), layout=_SMALL
    ),
    RefBookedTwice: Hunt(r"none of the bets|became bet", ("disturb",)),
    LateSuspension: Hunt(r"began after suspension|answered and not recorded", ("disturb",)),
    UnjournaledChange: Hunt(r"accepted at \d+ instead of", ("disturb",)),
    AckBeforeSettle: Hunt(r"and open in its", ("freeze", "fill"), pace=0.1, layout=_SMALL),
    MixedAnswers: Hunt(
        r"was told that \S+ is \w+ as bet \d+, and it is bet",
        written=answers_after_their_calls_were_given_up,
        seeds_max=3,
    ),
    LostTail: Hunt(r"the end of the journal is missing|no slip in its account", ("kill",)),
}
"""Every defect and its hunt."""
