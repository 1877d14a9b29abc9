"""Accounts that coincide beyond chance are found as one group; those who merely meet are not."""

import random

from engine.watch.facts import BetSeen, Fact, Finding
from engine.watch.syndicates import BETS_MAX, PAIRS_MAX, SyndicateDetector, SyndicateRule
from tests.engine.watch.streams import bet, ns, see, status

RULE = SyndicateRule(together_s=8, apart_times=8, false_share=0.01, quiet_s=30)


def crowd(seed: int, *, bets: int = 4_000, accounts: int = 60) -> list[BetSeen]:
    """Bets of independent accounts on six outcomes, close enough that they meet often."""
    draw = random.Random(seed)
    return [
        bet(draw.uniform(0.0, 8_000.0), draw.randint(1_000, 1_000 + accounts), outcome=n % 6)
        for n in range(bets)
    ]


def together(accounts: tuple[int, ...], *, occasions: int) -> list[BetSeen]:
    return [
        bet(200.0 + 350.0 * n + 2.0 * k, account, outcome=n % 6)
        for n in range(occasions)
        for k, account in enumerate(accounts)
    ]


def groups(facts: list[Fact]) -> list[Finding]:
    detector = SyndicateDetector(RULE)
    assert not see(detector, facts)
    return list(detector.check(ns(10_000.0)))


def test_accounts_that_bet_together_are_one_group() -> None:
    found = groups([*crowd(1), *together((1, 2, 3), occasions=20)])
    assert [finding.accounts for finding in found] == [(1, 2, 3)]
    assert found[0].subject == "syndicate of account 1"
    assert found[0].figures["chance"] < 1e-6


def test_two_groups_stay_apart() -> None:
    later = [
        each._replace(at_ns=each.at_ns + 150_000_000_000)
        for each in together((4, 5, 6, 7), occasions=20)
    ]
    found = groups([*crowd(1), *together((1, 2, 3), occasions=20), *later])
    assert [finding.accounts for finding in found] == [(1, 2, 3), (4, 5, 6, 7)]


def test_independent_accounts_are_not_found() -> None:
    assert not any(groups(list(crowd(seed))) for seed in range(4))


def test_a_pair_is_no_syndicate_of_three() -> None:
    assert not groups([*crowd(1), *together((1, 2), occasions=20)])


def test_accounts_that_like_the_same_outcome_are_not_found() -> None:
    draw = random.Random(2)
    alike = [bet(draw.uniform(0.0, 8_000.0), 1 + n % 4) for n in range(1_200)]
    assert not groups([*crowd(3), *alike])


def test_bets_after_a_resumption_are_left_out() -> None:
    facts: list[Fact] = [*crowd(1), *together((1, 2, 3), occasions=20)]
    facts += [status(190.0 + 350.0 * n, active=True) for n in range(20)]
    assert not groups(facts)


def test_refused_bets_show_nothing() -> None:
    facts = [each._replace(accepted=False) for each in together((1, 2, 3), occasions=20)]
    assert not groups(list(facts))


def test_nothing_is_found_again_without_a_further_meeting() -> None:
    detector = SyndicateDetector(RULE)
    see(detector, together((1, 2, 3), occasions=20))
    assert list(detector.check(ns(10_000.0)))
    assert not list(detector.check(ns(10_001.0)))


def test_memory_is_bounded() -> None:
    detector = SyndicateDetector(RULE)
    see(detector, [bet(0.001 * n, n + 1) for n in range(3_000)])
    assert all(len(bets) <= BETS_MAX for bets in detector._outcomes.items.values())
    assert len(detector._pairs) <= PAIRS_MAX
