"""What the trading floor asks of accounts and bets, as methods of a control session.

Owns one method per request. It never reconnects by itself.
"""

from collections.abc import AsyncIterator, Sequence

from engine.common.account_changes import FACTOR_MILLI_MAX
from engine.common.ids import AccountNo, BetId, MarketNo
from engine.common.units import Minor, Nanos
from gateway.client.session import Session
from gateway.messages.account_view import (
    AccountInfo,
    AskAccount,
    BlockPut,
    FactorPut,
    PutBlock,
    PutFactor,
)
from gateway.messages.bet_lookup import (
    FOUND_BETS_MAX,
    AskBetStory,
    BetStory,
    FindBets,
    FoundBets,
    StateField,
)
from gateway.messages.bet_stream import (
    BetSeen,
    KindField,
    StreamState,
    WatchBets,
    WatchingBets,
)
from gateway.messages.exposed_accounts import AskExposedAccounts, ExposedAccounts

_NO_BET = BetId(0)
_ALL_TIME = Nanos(0)
_NOTHING = Minor(0)


class FloorRequests(Session):
    """Requests about single accounts and bets."""

    async def account(self, account: AccountNo, *, since_ns: Nanos = _ALL_TIME) -> AccountInfo:
        """Return an account as a whole; its totals are of bets placed from `since_ns` on.

        Raises
        ------
        RefusedError
            No such account, or its shard did not answer.
        """
        return await self._request(AskAccount, AccountInfo, account=account, since_ns=since_ns)

    async def exposed_accounts(self, *, limit: int = 100) -> ExposedAccounts:
        """Return the accounts on which the house can lose most, at most 200, with the sums."""
        return await self._request(AskExposedAccounts, ExposedAccounts, limit=limit)

    async def block_account(
        self, account: AccountNo, *, blocked: bool = True, why: str = ""
    ) -> BlockPut:
        """Take no new bets of an account, or take them again.

        Raises
        ------
        RefusedError
            No such account, or its shard did not answer: send it again.
        """
        return await self._request(PutBlock, BlockPut, account=account, blocked=blocked, why=why)

    async def set_account_factor(
        self, account: AccountNo, *, factor_milli: int, why: str = ""
    ) -> FactorPut:
        """Multiply what markets let one bet of an account stake and pay; 1000 is no change.

        Raises
        ------
        RefusedError
            No such account, or its shard did not answer: send it again.
        """
        return await self._request(
            PutFactor, FactorPut, account=account, factor_milli=factor_milli, why=why
        )

    async def find_bets(
        self,
        *,
        bet_id: BetId | None = None,
        account: AccountNo | None = None,
        ref: str | None = None,
        market: MarketNo | None = None,
        outcome: int | None = None,
        states: Sequence[StateField] = (),
        before_bet_id: BetId = _NO_BET,
        limit: int = FOUND_BETS_MAX,
    ) -> FoundBets:
        """Return a bet by its id or by account and ref, or a page of an account's or market's.

        Raises
        ------
        RefusedError
            No such bet, account or market, or its shell did not answer.
        """
        return await self._request(
            FindBets,
            FoundBets,
            bet_id=bet_id,
            account=account,
            ref=ref,
            market=market,
            outcome=outcome,
            states=tuple(states),
            before_bet_id=before_bet_id,
            limit=limit,
        )

    async def watch_bets(
        self,
        *,
        on: bool = True,
        stake_minor_min: Minor = _NOTHING,
        payout_minor_min: Minor = _NOTHING,
        factor_milli_min: int = 0,
        factor_milli_max: int = FACTOR_MILLI_MAX,
        accounts: Sequence[AccountNo] = (),
        markets: Sequence[MarketNo] = (),
        fixtures: Sequence[str] = (),
        types: Sequence[str] = (),
        states: Sequence[StreamState] = (),
        reasons: Sequence[int] = (),
        kinds: Sequence[KindField] = (),
    ) -> WatchingBets:
        """Begin to be shown bets that pass a filter, as they are decided; with `on` False, stop.

        They come by `bets_seen`. Amounts are in base currency.
        """
        return await self._request(
            WatchBets,
            WatchingBets,
            on=on,
            stake_minor_min=stake_minor_min,
            payout_minor_min=payout_minor_min,
            factor_milli_min=factor_milli_min,
            factor_milli_max=factor_milli_max,
            accounts=tuple(accounts),
            markets=tuple(markets),
            fixtures=tuple(fixtures),
            types=tuple(types),
            states=tuple(states),
            reasons=tuple(reasons),
            kinds=tuple(kinds),
        )

    def bets_seen(self) -> AsyncIterator[BetSeen]:
        """Yield bets as they are shown until the session ends.

        `missed` also counts those that this library dropped because nobody read them.
        """
        return self.received.bets_seen(lambda: self.lost is not None)

    async def bet_story(
        self,
        bet_id: BetId | None = None,
        *,
        account: AccountNo | None = None,
        ref: str | None = None,
    ) -> BetStory:
        """Return all that is known of a bet, by its id or a leg's, or by account and ref.

        Raises
        ------
        RefusedError
            No such bet, or its account's shard did not answer.
        """
        return await self._request(AskBetStory, BetStory, bet_id=bet_id, account=account, ref=ref)
