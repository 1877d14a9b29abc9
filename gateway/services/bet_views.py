"""Show lines of bets as clients see them, and say in words why a bet was refused.

Owns the mapping from BET_LINE rows to messages and the words. It asks nobody.
"""

from typing import Any, Final

from engine.common.account_changes import FACTOR_MILLI_ONE
from engine.common.ids import AccountNo, BetId, MarketNo
from engine.common.reasons import MESSAGES, SLIP_MESSAGES, Reason
from engine.common.rows import Policy, Rows, SlipKind
from engine.common.units import Minor, Nanos, OddsMilli
from gateway.messages.bet_lines import BetLine
from gateway.services.slip_views import RESULT_NAMES, STATE_NAMES

KIND_NAMES: Final[dict[int, str]] = {
    SlipKind.SINGLE: "single",
    SlipKind.HEAD: "slip",
    SlipKind.LEG: "leg",
}
_ODDS_MOVED: Final = frozenset({Reason.ODDS_CHANGED, Reason.ODDS_WORSE})
_BY_STAKE: Final = frozenset(
    {
        Reason.STAKE_OVER_LIMIT,
        Reason.PAYOUT_OVER_CAP,
        Reason.INSUFFICIENT_FUNDS,
        Reason.ACCOUNT_LIABILITY,
        Reason.COMBINATION_LIABILITY,
        Reason.OUTCOME_LIABILITY,
        Reason.MARKET_LIABILITY,
        Reason.FIXTURE_LIABILITY,
        Reason.BET_LIABILITY,
    }
)
"""Refusals that a lower stake may pass."""


def bet_lines(rows: Rows) -> tuple[BetLine, ...]:
    """Return BET_LINE rows as clients see them."""
    return tuple([_line(row) for row in rows.tolist()])


def _line(row: tuple[Any, ...]) -> BetLine:
    (
        _, bet_id, stake_minor, payout_minor, paid_minor, stake_max_minor, at_ns, account_no,
        market_no, odds_milli, odds_seen_milli, rate_micro, settlement_no, outcome, reason, kind,
        state, result, _, legs, _, factor_milli, _,
    ) = row  # fmt: skip
    return BetLine(
        bet_id=BetId(bet_id),
        kind=KIND_NAMES[kind],
        account=AccountNo(account_no),
        market=MarketNo(market_no),
        outcome=outcome,
        stake_minor=Minor(stake_minor),
        rate_micro=rate_micro,
        odds_milli=OddsMilli(odds_milli),
        odds_seen_milli=OddsMilli(odds_seen_milli),
        payout_minor=Minor(payout_minor),
        state=STATE_NAMES[state],
        reason=reason,
        message=refusal_text(reason, kind),
        stake_max_minor=Minor(stake_max_minor),
        at_ns=Nanos(at_ns),
        legs=legs,
        factor_milli=factor_milli or FACTOR_MILLI_ONE,
        ref=_ref(row[0]),
        result=RESULT_NAMES[result],
        paid_minor=Minor(paid_minor),
        settlement_no=settlement_no,
    )


def _ref(u64s: Any) -> str:
    data: bytes = u64s.tobytes()
    return data.rstrip(b"\0").decode("ascii", "backslashreplace")


def refusal_text(reason: int, kind: int) -> str:
    """Return why a single, slip or leg was refused, without figures; "" for no reason."""
    if reason == Reason.ACCEPTED:
        return ""
    named = Reason(reason)
    return (SLIP_MESSAGES.get(named) if kind == SlipKind.HEAD else None) or MESSAGES[named]


def refusal_in_full(line: BetLine, *, currency: str) -> str:
    """Return why a bet was refused, with what was asked and what would have passed."""
    reason = Reason(line.reason)
    text = f"{reason.name} ({line.reason}): {line.message}"
    if reason in _ODDS_MOVED:
        seen, offered = odds_text(line.odds_seen_milli), odds_text(line.odds_milli)
        return f"{text}: the bettor saw {seen}, the market offered {offered}"
    if reason not in _BY_STAKE:
        return text
    asked = money_text(line.stake_minor, currency)
    text = f"{text}: {asked} was asked, to win {money_text(line.payout_minor, currency)} in all"
    if not line.stake_max_minor:
        return f"{text}; no stake would have passed"
    return f"{text}; {money_text(line.stake_max_minor, currency)} would have passed"


def policy_text(policy: int) -> str:
    """Return the name of a policy of changed odds."""
    return Policy(policy).name.lower() if policy in list(Policy) else str(policy)


def money_text(amount_minor: int, currency: str) -> str:
    """Return an amount with two decimals, as most currencies have them."""
    units, cents = divmod(abs(amount_minor), 100)
    sign = "-" if amount_minor < 0 else ""
    return f"{sign}{units:,}.{cents:02} {currency}".rstrip()


def odds_text(odds_milli: int) -> str:
    """Return odds with three decimals."""
    return f"{odds_milli // 1_000}.{odds_milli % 1_000:03}"
