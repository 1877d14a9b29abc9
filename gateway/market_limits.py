"""Limits of new markets and of slips by configuration: rules, small defaults, and a house cap.

Owns which limits a market gets, when it is new and when it is in play, and why; and the most that a
slip, and an account's open bets, may pay. Never changes a market itself.
"""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from engine.common.acceptance import HouseCap
from engine.common.commands import WHY_CHARS_MAX, LimitField, Limits, LimitsPatch, StakeField
from engine.common.ids import BUILDER, MalformedIdError, parse_market_key
from engine.common.payout_bounds import CombinationBoundField, PayoutBoundField
from engine.common.phase_limits import PhaseLimits
from engine.common.units import LIMIT_MINOR_MAX, STAKE_MINOR_MAX, Minor

PREMATCH: Final = "prematch"
LIVE: Final = "live"
TIER_UNKNOWN: Final = 0
RULES_MAX: Final = 256
"""Rules, and tiers, that one configuration may have."""

_PATTERNS: Final = ("sport", "type", "fixture")
_MATCHED: Final = (*_PATTERNS, "tier", "phase")
_LIMITS: Final = Limits.__struct_fields__
_FIXTURE: Final = "fixture_liability_minor_max"
"""The limit that is none when it is 0, so that no cap fits it."""
_GIVEN: Final = tuple(name for name in _LIMITS if name != "stake_minor_min")
_CAPPED: Final = tuple(name for name in _GIVEN if name != _FIXTURE)


class LimitsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What markets get that a feed or an opening file creates, in minor units of base currency.

    `rules` change the defaults where they match, and no market gets more than the `cap_` figures.
    `fixture_liability_minor_max` is a limit of a market's whole fixture, 0 for none.
    `tiers` say which fixtures are of which tier, as ``TIER=PATTERN``.

    A slip that could pay more than `slip_payout_minor_max` is refused with the stake that passes.
    `slip_payouts` give another figure for fixtures of a tier, as ``TIER=MINOR``; the lowest one of
    a slip's fixtures holds. `open_payout_minor_max` bounds what all open bets of an account can pay
    together, 0 for no bound; `combination_payout_minor_max` what all open slips with the same
    selections can. The accounts convert these figures by their rates.
    """

    stake_minor_max: StakeField = Minor(10_000)
    payout_minor_max: LimitField = Minor(500_000)
    outcome_liability_minor_max: LimitField = Minor(250_000)
    market_liability_minor_max: LimitField = Minor(250_000)
    fixture_liability_minor_max: LimitField = Minor(0)
    cap_stake_minor_max: StakeField = Minor(1_000_000)
    cap_payout_minor_max: LimitField = Minor(100_000_000)
    cap_outcome_liability_minor_max: LimitField = Minor(500_000_000)
    cap_market_liability_minor_max: LimitField = Minor(500_000_000)
    rules: Annotated[tuple[str, ...], Meta(max_length=RULES_MAX)] = ()
    tiers: Annotated[tuple[str, ...], Meta(max_length=RULES_MAX)] = ()
    slip_payout_minor_max: Annotated[Minor, Meta(ge=1, le=LIMIT_MINOR_MAX)] = Minor(50_000_000)
    slip_payouts: Annotated[tuple[str, ...], Meta(max_length=RULES_MAX)] = ()
    open_payout_minor_max: PayoutBoundField = Minor(0)
    combination_payout_minor_max: CombinationBoundField = Minor(0)


class LimitRuleError(ValueError):
    """A rule or a tier is malformed; the message names it, the field and the bound."""


class _Rule(NamedTuple):
    """Limits for markets whose facts match: patterns of text, and tiers by number."""

    match: dict[str, str]
    limits: dict[str, int]

    def matches(self, facts: dict[str, str]) -> bool:
        return all(fnmatchcase(facts[name], pattern) for name, pattern in self.match.items())


class LimitRules:
    """The table of rules, read and checked.

    Parameters
    ----------
    settings : LimitsSettings
        The section of the settings.

    Raises
    ------
    LimitRuleError
        A rule is malformed.
    """

    def __init__(self, settings: LimitsSettings) -> None:
        self._defaults = Limits(**{name: getattr(settings, name) for name in _GIVEN})
        self._cap = {name: getattr(settings, f"cap_{name}") for name in _CAPPED}
        self._rules = [_read_rule(at, text) for at, text in enumerate(settings.rules, start=1)]
        self._tiers = [_read_tier(at, text) for at, text in enumerate(settings.tiers, start=1)]
        self._slip_payout_minor_max = settings.slip_payout_minor_max
        self._slip_payouts: dict[int, int] = {}
        for at, text in enumerate(settings.slip_payouts, start=1):
            tier, payout_minor = _read_slip_payout(at, text)
            if tier in self._slip_payouts:
                raise LimitRuleError(f"limits.slip_payouts[{at}]: tier {tier} is given twice")
            self._slip_payouts[tier] = payout_minor

    def of(
        self,
        key: str,
        *,
        sport: str = "",
        phase: str = PREMATCH,
        given: LimitsPatch | None = None,
    ) -> tuple[Limits, str]:
        """Return a new market's limits, and why it gets them.

        Parameters
        ----------
        key : str
            The market's key, which has its fixture and its type.
        sport : str, optional
            The sport, if whoever names the market knows it.
        phase : str, optional
            PREMATCH or LIVE.
        given : LimitsPatch, optional
            Limits that whoever names the market asks for; they go before the rules.

        Returns
        -------
        tuple[Limits, str]
            Each limit is what `given` names, else what the first matching rule names, else the
            default, and at most the cap. The reason names the rules used and the limits capped.
        """
        try:
            parsed = parse_market_key(key)
        except MalformedIdError:
            return self._defaults, "malformed key"  # the market machine refuses it
        tier = self._tier(parsed.fixture)
        facts = {
            "sport": sport,
            "type": parsed.type,
            "fixture": parsed.fixture,
            "tier": str(tier),
            "phase": phase,
        }
        chosen = {name: getattr(given, name) for name in given.names()} if given else {}
        reasons = [f"given {len(chosen)}"] if chosen else []
        for number, rule in enumerate(self._rules, start=1):
            new = [name for name in rule.limits if name not in chosen]
            if new and rule.matches(facts):
                chosen |= {name: rule.limits[name] for name in new}
                reasons.append(f"rule {number}")
        limits = replace(self._defaults, **chosen)
        over = {name: cap for name, cap in self._cap.items() if getattr(limits, name) > cap}
        limits = replace(limits, **over)
        if limits.stake_minor_min > limits.stake_minor_max:
            limits = replace(limits, stake_minor_min=limits.stake_minor_max)
        reasons = [*(reasons or ["defaults"]), *(f"cap {name}" for name in over if name in chosen)]
        why = f"{phase} tier {tier}: {', '.join(reasons)}"
        return limits, why if len(why) <= WHY_CHARS_MAX else f"{why[: WHY_CHARS_MAX - 1]}…"

    def of_builders(self, fixture: str, *, sport: str) -> PhaseLimits | None:
        """Return the limits of a fixture's bet builders by phase; None where they are the same.

        No rule can name the legs of a builder: all of a fixture have the same.
        """
        (prematch, _), (live, why) = (
            self.of(f"{fixture}/{BUILDER}", sport=sport, phase=phase) for phase in (PREMATCH, LIVE)
        )
        return None if prematch == live else PhaseLimits(prematch=prematch, live=live, why=why)

    def slip_payout_minor_max(self, fixtures: Iterable[str]) -> int:
        """Return the most that a slip on some fixtures may pay, in base currency."""
        other = self._slip_payout_minor_max
        if not self._slip_payouts:
            return other
        return min(self._slip_payouts.get(self._tier(fixture), other) for fixture in fixtures)

    def _tier(self, fixture: str) -> int:
        return next(
            (tier for tier, each in self._tiers if fnmatchcase(fixture, each)), TIER_UNKNOWN
        )

    @property
    def cap(self) -> HouseCap:
        """The house cap."""
        return HouseCap(**{name: Minor(figure) for name, figure in self._cap.items()})

    def over_cap(self, patch: LimitsPatch) -> str:
        """Return the first limit of a patch that is over the house cap and the cap, or nothing."""
        for name in patch.names():
            cap = self._cap.get(name)
            if cap is not None and getattr(patch, name) > cap:
                return f"{name} {getattr(patch, name)} is over the house cap of {cap}"
        return ""


def tighter(limits: Limits, other: Limits) -> Limits:
    """Return the lower of each limit; the smallest stake is the higher, within the largest."""
    lower = {name: min(getattr(limits, name), getattr(other, name)) for name in _CAPPED}
    smallest = max(limits.stake_minor_min, other.stake_minor_min)
    return Limits(stake_minor_min=min(smallest, lower["stake_minor_max"]), **lower)


def patch_of(limits: Limits) -> LimitsPatch:
    """Return the patch that names every limit."""
    return LimitsPatch(**asdict(limits))


def _read_rule(at: int, text: str) -> _Rule:
    match: dict[str, str] = {}
    limits: dict[str, int] = {}
    for name, value in _pairs(f"limits.rules[{at}]", text.split()):
        if name in match or name in limits:
            raise LimitRuleError(f"limits.rules[{at}]: {name} is given twice")
        if name in _LIMITS:
            high = STAKE_MINOR_MAX if name.startswith("stake") else LIMIT_MINOR_MAX
            low = 0 if name == _FIXTURE else 1
            limits[name] = _number(f"limits.rules[{at}].{name}", value, low=low, high=high)
        elif name == "phase" and value not in (PREMATCH, LIVE):
            raise LimitRuleError(f"limits.rules[{at}].phase: {PREMATCH} or {LIVE}, not {value}")
        elif name in _MATCHED:
            match[name] = value
        else:
            known = ", ".join((*_MATCHED, *_LIMITS))
            raise LimitRuleError(f"limits.rules[{at}]: no {name}; a rule names {known}")
    if not limits:
        raise LimitRuleError(f"limits.rules[{at}]: sets none of {', '.join(_LIMITS)}")
    return _Rule(match, limits)


def _read_tier(at: int, text: str) -> tuple[int, str]:
    ((tier, pattern),) = _pairs(f"limits.tiers[{at}]", [text])
    return _number(f"limits.tiers[{at}]", tier, low=1, high=99), pattern


def _read_slip_payout(at: int, text: str) -> tuple[int, int]:
    where = f"limits.slip_payouts[{at}]"
    ((tier, payout),) = _pairs(where, [text])
    return (
        _number(where, tier, low=1, high=99),
        _number(where, payout, low=1, high=LIMIT_MINOR_MAX),
    )


def _pairs(where: str, parts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for part in parts:
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            raise LimitRuleError(f"{where}: {part[:WHY_CHARS_MAX]!r} is not NAME=VALUE")
        yield name, value


def _number(where: str, text: str, *, low: int, high: int) -> int:
    digits = text.replace("_", "")
    if not (digits.isascii() and digits.isdigit() and low <= int(digits) <= high):
        raise LimitRuleError(f"{where}: {low} to {high}, not {text[:WHY_CHARS_MAX]}")
    return int(digits)
