"""Offers that gave otherwise than their rules say are found, in parts of a bounded size."""

from engine.common.offers import EarlyPayoutRule
from engine.ledger.audit_offers import STEPS_IN_PAGE_MAX
from tests.engine.ledger.slip_builders import accumulator, cover
from tests.engine.ledger.test_offers import CAP, offering


def test_offers_that_gave_otherwise_are_looked_for_in_parts_of_a_bounded_number_of_lines() -> None:
    ledger = offering(EarlyPayoutRule(lead=2, cap_minor=CAP))
    big = [cover(*(2_000,) * 11, stake_minor=1, ref=f"c{at}", offer=1) for at in range(3)]
    for one in big:
        one.hold_all(ledger)
    plain = accumulator(2_000, 2_000)
    plain.hold_all(ledger)
    stop = ledger.slips_len
    lines = (1 << 11) - 12
    assert 11 * lines < STEPS_IN_PAGE_MAX < 22 * lines, "one of these slips at a time"
    heads = [stop - 3 - 12 * left for left in (3, 2, 1)]
    ledger._tables.offers.offered["added_minor"][1] = 1
    assert [ledger.offer_faults(at, stop)[1] for at in (0, *heads[1:])] == [*heads[1:], stop]
    found = [ledger.offer_faults(at, stop)[0].tolist() for at in (0, *heads[1:])]
    assert found == [[], [big[1].bet_id], []]
    assert ledger.offer_faults(stop - 3, stop)[0].tolist() == []
    assert ledger.offer_faults(heads[1], heads[1] + 1)[0].tolist() == [big[1].bet_id]
