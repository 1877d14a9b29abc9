"""Identical bets over many accounts are found, unless the stake is a common one."""

from engine.watch.identical import IdenticalDetector, IdenticalRule
from tests.engine.watch.streams import bet, see

RULE = IdenticalRule(window_s=60, accounts_min=5, p_max=1e-4)
OTHERS = [bet(n * 5.0, 100 + n % 50, outcome=n % 3, stake=1_000 + n) for n in range(200)]


def test_one_stake_of_many_accounts_on_one_outcome_is_found_once() -> None:
    identical = [bet(500.0 + n, n + 1, stake=7_300) for n in range(8)]
    found = see(IdenticalDetector(RULE), OTHERS + identical)
    assert len(found) == 1
    assert found[0].accounts == (1, 2, 3, 4, 5)
    assert found[0].figures["stake_minor"] == 7_300


def test_bets_of_one_account_are_not_many_accounts() -> None:
    identical = [bet(500.0 + n, 1 + n % 4, stake=7_300) for n in range(8)]
    assert not see(IdenticalDetector(RULE), OTHERS + identical)


def test_bets_further_apart_than_the_window_are_not_identical() -> None:
    identical = [bet(100.0 + 20.0 * n, n + 1, stake=7_300) for n in range(8)]
    assert not see(IdenticalDetector(RULE), OTHERS + identical)


def test_a_common_stake_on_a_busy_outcome_is_chance() -> None:
    common = [bet(n * 2.0, n + 1, stake=(1_000, 2_000)[n % 2]) for n in range(300)]
    assert not see(IdenticalDetector(RULE), common)


def test_a_stake_below_the_rules_least_is_not_looked_at() -> None:
    rule = IdenticalRule(window_s=60, accounts_min=5, p_max=1e-4, stake_minor_min=8_000)
    identical = [bet(500.0 + n, n + 1, stake=7_300) for n in range(8)]
    assert not see(IdenticalDetector(rule), OTHERS + identical)


def test_the_same_thing_later_is_found_again() -> None:
    identical = [bet(at_s + n, n + 1, stake=7_300) for at_s in (300.0, 700.0) for n in range(8)]
    assert len(see(IdenticalDetector(RULE), OTHERS + identical)) == 2
