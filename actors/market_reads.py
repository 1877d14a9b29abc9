"""What a market shell answers without changing anything: prices, books, bets, settlements.

Owns the encoding of these answers. Never decides, never journals and never publishes.
"""

from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from actors.allowances import weigh
from actors.known_markets import known_markets
from actors.messages import AUDIT_ROWS_MAX, ShellPreview, decode_preview_command, encode
from actors.quarantine_answers import quarantined
from actors.shell import Shell
from actors.stated_results import BETS_MAX
from actors.trial import Trial
from actors.weights import Weighed, Weight, decode_weigh
from engine.common.ids import BetId, MarketNo, ShardNo
from engine.common.lifecycle import Status
from engine.common.units import Nanos
from engine.market import bet_pages
from engine.market.market import MarketMachine
from persistence.durable import DurableMarkets

if TYPE_CHECKING:
    from actors.derived_markets import DerivedMarkets


class MarketReads(Shell[DurableMarkets]):
    """The reads of a shell's markets."""

    _derived: "DerivedMarkets | None"

    # --- markets ---------------------------------------------------------------------------------
    def market_nos(self) -> list[MarketNo]:
        """Return the numbers of the markets hosted here."""
        return self._machine().market_nos()

    def price_images(self, market_nos: list[MarketNo] | None = None) -> bytes:
        """Return list[PriceImage] of those of the given markets that are hosted here, or of all."""
        return encode([self._machine().price_image(no) for no in self._present(market_nos)])

    def ended(self, market_nos: list[MarketNo]) -> list[MarketNo]:
        """Return those of the given markets that are settled or cancelled here."""
        machine, over = self._machine(), (Status.SETTLED, Status.CANCELLED)
        return [no for no in self._present(market_nos) if machine.price_image(no).status in over]

    def positions(self) -> bytes:
        """Return list[KnownMarket] of the markets that a feed has updated."""
        return encode(known_markets(self._machine()))

    def book_images(self, market_nos: list[MarketNo] | None = None) -> bytes:
        """Return list[BookImage] of those of the given markets that are hosted here, or of all."""
        return encode([self._machine().book_image(no) for no in self._present(market_nos)])

    def stakes_images(self, market_nos: list[MarketNo]) -> bytes:
        """Return list[StakesImage] of those of the given markets that are hosted here."""
        return encode([self._machine().stakes_image(no) for no in self._present(market_nos)])

    def fixture_grid(self, fixture: str) -> bytes:
        """Return GridImage, what a fixture loses by its score here; None: no market of it."""
        return encode(self._machine().fixture_grid(fixture))

    def outbox(self, shard: ShardNo, limit: int) -> bytes:
        """Return the oldest settlements that wait for an account shard: SETTLEMENT rows."""
        return self._machine().outbox(shard=shard, limit=limit).tobytes()

    def outbox_shards(self) -> list[ShardNo]:
        """Return the account shards for which settlements wait; none while quarantined."""
        return [] if self._serving() is None else self._machine().outbox_shards()

    def _present(self, market_nos: list[MarketNo] | None) -> list[MarketNo]:
        machine = self._machine()
        if market_nos is None:
            return machine.market_nos()
        return [no for no in dict.fromkeys(market_nos) if machine.has_market(no)]

    # --- what commands would do ------------------------------------------------------------------
    def preview(self, payload: bytes) -> bytes:
        """Return what a PreviewCommand would do to its market's bets: ShellPreview.

        Nothing changes and nothing is journaled. In quarantine bets may be missing, so the command
        is refused.
        """
        command = decode_preview_command(payload)
        durable = self._serving()
        if durable is None:
            return encode(ShellPreview(refused=quarantined(self.why)))
        tried = Trial(self._machine(), self._derived, [command], Nanos(self._clock())).preview()
        return encode(replace(tried, seq=durable.seq))

    def weigh(self, payload: bytes) -> bytes:
        """Return how much money WeighCommands would move, given together: Weighed."""
        commands = decode_weigh(payload).commands
        if self._serving() is None:
            refused = Weight(refused=quarantined(self.why))
            return encode(Weighed(weights=(refused,) * len(commands)))
        return encode(weigh(self._machine(), self._derived, commands, Nanos(self._clock())))

    # --- bets ------------------------------------------------------------------------------------
    def highest_bet_ids(self) -> dict[ShardNo, BetId]:
        """Return the highest bet id decided here, by account shard."""
        return self._machine().highest_bet_ids()

    def referrals(self) -> bytes:
        """Return the bets that wait for a trader, as REFERRAL rows, first due in front."""
        return self._machine().referrals(Nanos(self._clock())).tobytes()

    def offer_left_ms(self, bet_id: int) -> int:
        """Return how long what a trader offered in a bet's place may still be taken; 0: not."""
        return self._machine().offer_left_ms(BetId(bet_id), Nanos(self._clock()))

    def bets(self, start: int = 0, limit: int = AUDIT_ROWS_MAX) -> bytes:
        """Return recorded decisions in their order, as BET_RECORD rows, from the `start`-th on."""
        return self._machine().bets()[start : start + limit].tobytes()

    def bet_lines(self, bet_ids: bytes) -> bytes:
        """Return those of some bets (u64 ids) that are recorded here, as BET_LINE rows."""
        if len(bet_ids) > 8 * AUDIT_ROWS_MAX:
            raise ValueError(f"{len(bet_ids) // 8} bets, at most {AUDIT_ROWS_MAX} in one call")
        machine = self._machine()
        lines = bet_pages.bet_lines(machine, np.frombuffer(bet_ids, np.uint64))
        lines["corrected_milli"] = machine.corrected_milli(lines["bet_id"])
        return lines.tobytes()

    def market_bets(
        self, market_no: MarketNo, outcome: int, states: int, before_bet_id: int, limit: int
    ) -> tuple[bytes, int]:
        """Return a page of a market's bets as BET_LINE rows (see `bet_pages.market_page`).

        An `outcome` of -1 stands for any. The number is the bet that the next page is before, 0
        when there is none, and -1 where no bet has the id that this page is to be before.
        """
        page = bet_pages.market_page(
            self._machine(),
            market_no,
            outcome=None if outcome < 0 else outcome,
            states=states,
            before_bet_id=BetId(before_bet_id),
            limit=limit,
        )
        return (b"", -1) if page is None else (page[0].tobytes(), page[1])

    def stated_result(self, market_no: MarketNo) -> tuple[bytes, bytes, bytes]:
        """Return what a market states, its accepted bets, and what stands for them, of one instant.

        They are list[BookImage] in msgpack, BET_RECORD rows and SETTLEMENT rows; the list is empty
        where the market is not hosted here or has more than BETS_MAX bets.
        """
        machine = self._machine()
        images = [machine.book_image(number) for number in self._present([market_no])]
        if not images or images[0].bets > BETS_MAX:
            return encode([]), b"", b""
        bets = machine.accepted_bets(market_no).tobytes()
        return encode(images), bets, machine.present_resolutions(market_no).tobytes()

    def _machine(self) -> MarketMachine:
        machine = self._reading().machine
        assert machine is not None, "_reading refuses without a machine"
        return machine
