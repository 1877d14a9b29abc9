"""Limits of new markets: rules, tiers, phases, what an opening file gives, and the house cap."""

import pytest
from msgspec.structs import replace

from engine.common.commands import WHY_CHARS_MAX, Limits, LimitsPatch
from engine.common.units import STAKE_MINOR_MAX
from gateway.configuration.config import ConfigError, load_config
from gateway.market_limits import LimitRuleError, LimitRules, LimitsSettings, patch_of

DEFAULTS = Limits(
    stake_minor_max=10_000,
    payout_minor_max=500_000,
    outcome_liability_minor_max=250_000,
    market_liability_minor_max=250_000,
)
RULES = LimitRules(
    LimitsSettings(
        tiers=("1=wc22-*", "2=sr:match:*"),
        rules=(
            "type=correct_score stake_minor_max=500",
            "sport=football tier=1 phase=prematch stake_minor_max=200_000 payout_minor_max=900_000",
            "sport=football stake_minor_max=20_000",
            "phase=live outcome_liability_minor_max=50_000",
        ),
    )
)


def test_a_market_that_no_rule_names_has_small_defaults() -> None:
    assert LimitRules(LimitsSettings()).of("a/1x2") == (DEFAULTS, "prematch tier 0: defaults")
    assert DEFAULTS.stake_minor_max < Limits().stake_minor_max


@pytest.mark.parametrize(
    ("key", "facts", "changes", "why"),
    [
        ("a/1x2", {}, {}, "prematch tier 0: defaults"),
        (
            "wc22-64/1x2",
            {"sport": "football"},
            {"stake_minor_max": 200_000, "payout_minor_max": 900_000},
            "prematch tier 1: rule 2",
        ),
        (
            "wc22-64/1x2",
            {"sport": "football", "phase": "live"},
            {"stake_minor_max": 20_000, "outcome_liability_minor_max": 50_000},
            "live tier 1: rule 3, rule 4",
        ),
        (
            "wc22-64/correct_score",
            {"sport": "football"},
            {"stake_minor_max": 500, "payout_minor_max": 900_000},
            "prematch tier 1: rule 1, rule 2",
        ),
        ("sr:match:9/1x2", {"sport": "tennis"}, {}, "prematch tier 2: defaults"),
    ],
)
def test_each_limit_is_that_of_the_first_rule_that_fits(key, facts, changes, why) -> None:
    assert RULES.of(key, **facts) == (replace(DEFAULTS, **changes), why)


def test_what_is_given_goes_before_rules_and_no_market_passes_the_cap() -> None:
    given = LimitsPatch(stake_minor_max=2_000_000, payout_minor_max=7)
    limits, why = RULES.of("wc22-64/1x2", sport="football", given=given)
    assert limits == replace(DEFAULTS, stake_minor_max=1_000_000, payout_minor_max=7)
    assert why == "prematch tier 1: given 2, cap stake_minor_max"


def test_a_default_over_the_cap_is_capped_and_a_minimum_never_passes_the_maximum() -> None:
    rules = LimitRules(LimitsSettings(cap_stake_minor_max=50, rules=("stake_minor_min=60",)))
    limits, _ = rules.of("a/1x2")
    assert (limits.stake_minor_min, limits.stake_minor_max) == (50, 50)


def test_a_malformed_key_is_left_to_the_market_machine() -> None:
    assert RULES.of("no key") == (DEFAULTS, "malformed key")


def test_a_long_reason_is_cut_to_what_a_command_holds() -> None:
    wide = Limits(
        stake_minor_max=STAKE_MINOR_MAX,
        payout_minor_max=10**15,
        outcome_liability_minor_max=10**15,
        market_liability_minor_max=10**15,
    )
    limits, why = RULES.of("a/1x2", given=patch_of(wide))
    assert len(why) == WHY_CHARS_MAX
    assert limits.stake_minor_max == 1_000_000


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"rules": ("sport=football",)}, "limits.rules[1]: sets none of"),
        ({"rules": ("colour=red stake_minor_max=1",)}, "limits.rules[1]: no colour; a rule names"),
        ({"rules": ("stake_minor_max",)}, "limits.rules[1]: 'stake_minor_max' is not NAME=VALUE"),
        ({"rules": ("stake_minor_max=0",)}, "limits.rules[1].stake_minor_max: 1 to 1000000000"),
        ({"rules": ("stake_minor_max=-1",)}, "not -1"),
        ({"rules": ("stake_minor_max=1 stake_minor_max=2",)}, "stake_minor_max is given twice"),
        ({"rules": ("phase=later stake_minor_max=2",)}, "limits.rules[1].phase: prematch or live"),
        ({"tiers": ("one=a*",)}, "limits.tiers[1]: 1 to 99, not one"),
        ({"slip_payouts": ("1",)}, "limits.slip_payouts[1]: '1' is not NAME=VALUE"),
        ({"slip_payouts": ("0=5",)}, "limits.slip_payouts[1]: 1 to 99, not 0"),
        ({"slip_payouts": ("1=0",)}, "limits.slip_payouts[1]: 1 to 1000000000000000, not 0"),
        ({"slip_payouts": ("1=5", "1=6")}, "limits.slip_payouts[2]: tier 1 is given twice"),
    ],
)
def test_a_malformed_rule_is_refused_with_its_place_and_bound(settings, fault) -> None:
    with pytest.raises(LimitRuleError) as error:
        LimitRules(LimitsSettings(**settings))
    assert fault in str(error.value)


def test_a_slip_may_pay_what_the_lowest_of_its_fixtures_allows() -> None:
    rules = LimitRules(
        LimitsSettings(
            tiers=("1=wc22-*", "2=sr:match:*"),
            slip_payout_minor_max=700,
            slip_payouts=("1=900", "2=500"),
        )
    )
    assert rules.slip_payout_minor_max(["wc22-64"]) == 900
    assert rules.slip_payout_minor_max(["wc22-64", "cup-1"]) == 700
    assert rules.slip_payout_minor_max(["wc22-64", "cup-1", "sr:match:7"]) == 500
    assert LimitRules(LimitsSettings()).slip_payout_minor_max(["wc22-64"]) == 50_000_000


def test_a_malformed_rule_is_a_fault_of_the_configuration() -> None:
    env = {"OVERROUND_LIMITS__RULES": '["type=1x2 stake_minor_max=0"]'}
    with pytest.raises(ConfigError, match=r"limits\.rules\[1\]\.stake_minor_max: 1 to"):
        load_config(env=env)
    env = {"OVERROUND_LIMITS__RULES": '["type=1x2 stake_minor_max=5"]'}
    rules = LimitRules(load_config(env=env).limits)
    assert rules.of("a/1x2")[0].stake_minor_max == 5


def test_a_patch_over_the_cap_is_named_with_both_figures() -> None:
    assert RULES.over_cap(LimitsPatch(stake_minor_max=1_000_000)) == ""
    assert RULES.over_cap(LimitsPatch(stake_minor_min=5, payout_minor_max=100_000_001)) == (
        "payout_minor_max 100000001 is over the house cap of 100000000"
    )
