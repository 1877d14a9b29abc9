"""The opening file: markets, accounts and deposits to create at the start.

Owns the file's schema and how it is applied; gateway.configuration.opening_file reads and checks a
file. Applying it again changes nothing: markets that exist stay as they are, accounts stay open,
and a deposit counts once for its account and ref.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Final, Literal, TypeVar

from msgspec import Meta, Struct

from actors.messages import MarketRoute, decode_price_images
from actors.peer import PeerError, PeerRefusedError
from actors.system import System
from engine.common.commands import (
    NAME_CHARS_MAX,
    AccountNoField,
    AmountField,
    CreateMarket,
    CurrencyField,
    Deposit,
    KeyField,
    LimitsPatch,
    OddsField,
    OpenMarket,
    OutcomeNameField,
    RefField,
)
from engine.common.events import Refused
from engine.common.fixtures import FillDescription, FixturePatch
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from engine.common.payout_bounds import PayoutBoundField, SetAccountBound
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import (
    BALANCE_MINOR_MAX,
    OUTCOMES_MAX,
    RATE_MICRO_MAX,
    RATE_MICRO_ONE,
    Minor,
)
from gateway.market_limits import LimitRules, LimitsSettings

OPENING_REF: Final = "opening"
"""Ref of the deposit that opens an account."""
BY: Final = "opening"
DOWN_S_MAX: Final = 30.0
"""Longest wait for a shell that is down, in seconds; then what it was to be told is refused. At the
start of a system on a busy machine a shell may miss its first ticks and be replaced."""
_RETRY_S: Final = 0.25

A = TypeVar("A")
RateField = Annotated[int, Meta(ge=1, le=RATE_MICRO_MAX)]


class OpeningMarket(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A market to create and open; limits that it does not name come from the settings.

    `override` says that its odds are meant as they are, whatever their guard says.
    """

    key: KeyField
    outcomes: Annotated[tuple[OutcomeNameField, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
    odds_milli: Annotated[tuple[OddsField, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
    limits: LimitsPatch = LimitsPatch()
    sport: Annotated[str, Meta(max_length=NAME_CHARS_MAX)] = ""
    phase: Literal["prematch", "live"] = "prematch"
    override: bool = False


class OpeningAccount(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account to open, and an amount to pay in once.

    `open_payout_minor_max` gives it a bound of its own of what its open bets can pay, in base
    currency; 0 gives it the house's back. Without it the account's bound stays as it is.
    """

    account: AccountNoField
    currency: CurrencyField = "EUR"
    deposit_minor: Annotated[int, Meta(ge=0, le=BALANCE_MINOR_MAX)] = 0
    open_payout_minor_max: PayoutBoundField | None = None


class OpeningDeposit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deposit, paid in once for its account and ref; more may be added to the file later."""

    account: AccountNoField
    amount_minor: AmountField
    ref: RefField


class Opening(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of an opening file.

    `rates_micro` is the value of one unit of a currency in base currency, in millionths; a currency
    that is not listed has the rate 1.
    """

    rates_micro: dict[CurrencyField, RateField] = {}
    fixtures: tuple[FixturePatch, ...] = ()
    markets: tuple[OpeningMarket, ...] = ()
    accounts: tuple[OpeningAccount, ...] = ()
    deposits: tuple[OpeningDeposit, ...] = ()


async def open_books(system: System, opening: Opening, *, limits: LimitsSettings) -> list[str]:
    """Create what does not exist yet; return a line for each refusal and each failed call.

    A call to a shell that is down is made again for up to `DOWN_S_MAX` seconds: none does harm
    twice.
    """
    refused = await _describe_fixtures(system, opening.fixtures)
    refused += await _open_markets(system, opening.markets, LimitRules(limits))
    refused += await _open_accounts(system, opening, limits)
    return refused


async def _describe_fixtures(system: System, fixtures: Iterable[FixturePatch]) -> list[str]:
    """Fill in what nobody has said of the fixtures."""
    patches = list(fixtures)
    answers = await system.put_fixtures((FillDescription(patch=each) for each in patches), by=BY)
    return [
        f"fixture {patch.fixture}: {_refusal_text(answer.refused)}"
        for patch, answer in zip(patches, answers, strict=True)
        if answer.refused is not None
    ]


async def _open_markets(
    system: System, markets: Iterable[OpeningMarket], rules: LimitRules
) -> list[str]:
    answers = await system.create_markets((_command(market, rules) for market in markets), by=BY)
    refused = [
        f"market {answer.key}: {_refusal_text(answer.refused)}"
        for answer in answers
        if answer.refused is not None
    ]
    opened = await asyncio.gather(
        *(_open_market(system, answer.route) for answer in answers if answer.route is not None)
    )
    return refused + [line for line in opened if line]


def _command(market: OpeningMarket, rules: LimitRules) -> CreateMarket:
    limits, why = rules.of(market.key, sport=market.sport, phase=market.phase, given=market.limits)
    return CreateMarket(
        market_no=MarketNo(0),
        key=market.key,
        outcomes=market.outcomes,
        odds_milli=market.odds_milli,
        limits=limits,
        limits_why=why,
        override=market.override,
    )


async def _open_market(system: System, route: MarketRoute) -> str:
    """Open a market that has never been open; leave any other as a trader left it."""

    async def open_it() -> str:
        raw = await system.peer(route.shell).ask("price_images", [route.market_no])
        images = decode_price_images(raw)
        if all(image.status is not Status.INACTIVE for image in images):
            return ""
        (event,) = await system.control([OpenMarket(market_no=MarketNo(route.market_no))], by=BY)
        return f"market {route.key}: {_refusal_text(event)}" if isinstance(event, Refused) else ""

    try:
        return await _while_down(system, open_it)
    except (PeerError, PeerRefusedError) as error:
        return f"market {route.key}: {error}"


async def _open_accounts(system: System, opening: Opening, limits: LimitsSettings) -> list[str]:
    try:
        return await _while_down(system, lambda: _open_and_fund(system, opening, limits))
    except (PeerError, PeerRefusedError) as error:
        return [f"accounts: {error}"]


async def _open_and_fund(system: System, opening: Opening, limits: LimitsSettings) -> list[str]:
    """Bound and open the accounts, pay in what was not paid in before; return the refusals."""
    refused: list[str] = []
    await system.set_payout_bounds(
        limits.open_payout_minor_max, limits.combination_payout_minor_max
    )
    for currency in dict.fromkeys(account.currency for account in opening.accounts):
        numbers = [one.account for one in opening.accounts if one.currency == currency]
        events = await system.open_accounts(
            numbers,
            currency=currency,
            rate_micro=opening.rates_micro.get(currency, RATE_MICRO_ONE),
        )
        refused += [
            f"account {number}: {_refusal_text(event)}"
            for number, event in zip(numbers, events, strict=True)
            if isinstance(event, Refused) and event.reason is not Reason.ACCOUNT_EXISTS
        ]
    bounds = [
        SetAccountBound(account_no=one.account, open_payout_minor_max=one.open_payout_minor_max)
        for one in opening.accounts
        if one.open_payout_minor_max is not None
    ]
    refused += [
        f"bound of account {bound.account_no}: {_refusal_text(event)}"
        for bound, event in zip(bounds, await system.bound_accounts(bounds), strict=True)
        if isinstance(event, Refused)
    ]
    deposits = [
        Deposit(account_no=one.account, amount_minor=Minor(one.deposit_minor), ref=OPENING_REF)
        for one in opening.accounts
        if one.deposit_minor > 0
    ]
    deposits += [
        Deposit(account_no=one.account, amount_minor=one.amount_minor, ref=one.ref)
        for one in opening.deposits
    ]
    return refused + [
        f"deposit {deposit.ref} of account {deposit.account_no}: {_refusal_text(event)}"
        for deposit, event in zip(deposits, await system.deposit(deposits), strict=True)
        if isinstance(event, Refused)
    ]


async def _while_down(system: System, call: Callable[[], Awaitable[A]]) -> A:
    """Make a call, again while a shell is down; raise its last PeerError after `DOWN_S_MAX`."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + DOWN_S_MAX
    while True:
        try:
            return await call()
        except PeerError:
            if loop.time() >= until_s:
                raise
        await asyncio.sleep(_RETRY_S)
        with contextlib.suppress(PeerError):
            await system.refresh()


def _refusal_text(refused: Refused) -> str:
    return f"{refused.field} {refused.message or MESSAGES[refused.reason]}".strip()
