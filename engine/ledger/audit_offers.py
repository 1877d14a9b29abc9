"""The audit of a ledger's offers: slips that took one, free bets, and the offers' accounts.

Owns their invariants. Never holds or changes state; returns the first fault as text, as audit does.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from engine.common.offers import (
    FULL_COVER_LEGS_MAX,
    FULL_COVER_LEGS_MIN,
    OFFER_CAP_MINOR_MAX,
    OFFER_MILLI_MAX,
    OfferKind,
)
from engine.common.rows import Rows, SlipKind, U32s, U64s
from engine.common.units import BALANCE_MINOR_MAX, ODDS_MILLI_MIN, STAKE_MINOR_MAX
from engine.ledger.audit_nb import unfound_ref_nb
from engine.ledger.audit_offers_nb import offered_faults_nb
from engine.ledger.tables import LedgerTables

STEPS_IN_PAGE_MAX: Final = 1 << 15
"""Legs of all lines of slips after which one search for offers that gave otherwise ends, so that it
does not hold its shard up for long."""
_NO_BOUND: Final = 1 << 62
_Rules = Iterator[tuple[str, Any]]


def offer_rules(tables: LedgerTables) -> _Rules:
    """Yield each rule of a row by itself or of its slots, and for which rows it holds."""
    offers = tables.offers
    rules = offers.offers
    known = rules["kind"] > 0
    yield "offers: unknown kind", rules["kind"] <= max(OfferKind)
    yield "offers: currency without a rate", ~known | (rules["currency"] < len(tables.currencies))
    yield "offers: active is not 0 or 1", rules["active"] <= known
    yield "offers: cap out of bounds", _within(rules["cap_minor"], 0, OFFER_CAP_MINOR_MAX)
    stake = _within(rules["stake_minor_max"], 1, STAKE_MINOR_MAX)
    yield "offers: stake out of bounds", np.where(known, stake, rules["stake_minor_max"] == 0)
    yield "offers: ladder out of bounds", (rules["ladder_milli"] <= OFFER_MILLI_MAX).all(axis=1)
    cover = rules["kind"] == OfferKind.FULL_COVER
    covered = _within(rules["legs_min"], FULL_COVER_LEGS_MIN, FULL_COVER_LEGS_MAX)
    yield "offers: legs of a full cover out of bounds", ~cover | covered
    early = rules["kind"] == OfferKind.EARLY_PAYOUT
    yield "offers: lead out of bounds", (rules["lead"] > 0) == early
    yield "offers: pre_match is not 0 or 1", rules["pre_match"] <= early
    bounded = known & (rules["kind"] != OfferKind.FREE_BET)
    yield "offers: uses bounded of a kind without", bounded | (rules["uses_max"] == 0)
    yield "offers: padding in use", ~rules["pad"].any(axis=1)
    grants = offers.used_grants()
    yield "free_bets: account beyond the accounts", grants["account"] < tables.accounts_len
    yield "free_bets: offer unknown", _is_known(rules, grants["offer"])
    yield "free_bets: amount out of bounds", _within(grants["amount_minor"], 0, BALANCE_MINOR_MAX)
    earned = grants["head"] > 0
    yield "free_bets: a ref without a grant", (grants["ref"][:, 0] != 0) != earned
    timed = (grants["expires_at_ns"] > 0) == (grants["amount_minor"] > 0)
    yield "free_bets: promised and not earned, with an end", ~earned | timed
    yield "free_bets: padding in use", ~grants["pad"].any(axis=1)
    offered = offers.used_offered()
    yield "offered: head beyond the slips", offered["head"] < tables.slips_len
    yield "offered: heads do not rise", np.diff(offered["head"].astype(np.int64), prepend=-1) > 0
    yield "offered: offer unknown", _is_known(rules, offered["offer"])
    yield "offered: free bet unknown", offered["grant"] <= len(grants)
    yield "offered: a payment without a free bet", offered["pays"] <= (offered["grant"] > 0)
    numbers = np.minimum(offered["offer"], len(rules) - 1)
    counts = (offered["pays"] > 0) | (rules["uses_max"][numbers] > 0)
    yield "offered: a use that nothing counts", offered["uses"] <= counts
    yield "offered: padding in use", ~offered["pad"].any(axis=1)


def offers_fault(tables: LedgerTables) -> str:
    """Return the first fault between rows of offers and slips that passed alone, or ""."""
    offers = tables.offers
    slips, offered, grants = tables.used_slips(), offers.used_offered(), offers.used_grants()
    taken = np.flatnonzero(slips["offer"])
    if not np.array_equal(taken, offered["head"]):
        return "offered: not one row for each slip that took an offer"
    if (slips["kind"][taken] != SlipKind.HEAD).any():
        return "slips: a bet of one selection took an offer"
    if not np.array_equal(slips["offer"][taken], offered["offer"]):
        return "offered: an offer that is not its slip's"
    pays = offered["pays"] > 0
    if not np.array_equal(slips["odds_seen_milli"][taken], _lowest_odds(tables)):
        return "slips: not the lowest odds that the offer asks"
    used = np.zeros(len(grants), np.int64)
    uses = offered[(offered["uses"] > 0) & pays]
    np.add.at(used, uses["grant"] - 1, slips["stake_minor"][uses["head"]])
    if not np.array_equal(used, grants["used_minor"]):
        return "free_bets: used is not the stakes of the slips that it pays for"
    linked = np.flatnonzero(offered["grant"])
    owners = grants["account"][offered["grant"][linked] - 1]
    if not np.array_equal(owners, slips["account"][offered["head"][linked]]):
        return "offered: a free bet of another account"
    promised = offered[~pays & (offered["grant"] > 0)]
    earned = np.flatnonzero(grants["head"])
    if not np.array_equal(promised["grant"], earned + 1) or not np.array_equal(
        promised["head"] + 1, grants["head"][earned]
    ):
        return "free_bets: not one promised for each slip with an insurance"
    wrong, _ = _given_otherwise(tables, 0, len(offered), steps_max=_NO_BOUND, most=1)
    if len(wrong):
        return f"offered: not what the offer gives for what stands (row {wrong[0]})"
    return _account_fault(tables) or _ref_fault(tables) or offers.uses_fault(slips)


def offer_faults(tables: LedgerTables, start: int, stop: int) -> tuple[U64s, int]:
    """Return which of some slips' offers gave otherwise than what stands makes of their rules.

    Parameters
    ----------
    tables : LedgerTables
        Of a ledger between two calls.
    start, stop : int
        The slots of the slips.

    Returns
    -------
    array of uint64, int
        The bet ids of these slips, and the slot up to which slips were looked at: `stop`, or a
        lower one where slips of very many lines took offers.
    """
    offered = tables.offers.used_offered()
    slots = np.array([start, stop], np.uint32)
    begin, end = np.searchsorted(offered["head"], slots).tolist()
    wrong, at = _given_otherwise(
        tables, begin, end, steps_max=STEPS_IN_PAGE_MAX, most=max(0, end - begin)
    )
    bet_ids: U64s = tables.slips["bet_id"][offered["head"][wrong]]
    return bet_ids, stop if at >= end else int(offered["head"][at])


def _given_otherwise(
    tables: LedgerTables, begin: int, end: int, *, steps_max: int, most: int
) -> tuple[U32s, int]:
    """Return the rows of slips whose offers gave otherwise, and the row where the search ended."""
    tables.make_room_for_slip_bets(0)
    faults = np.empty(most, np.uint32)
    count, at = offered_faults_nb(
        tables.slips,
        tables.slip_bets,
        tables.slip_bets_len,
        tables.scratch,
        tables.offers.store,
        begin,
        end,
        steps_max,
        faults,
    )
    return faults[:count], at


def _lowest_odds(tables: LedgerTables) -> Any:
    """Return at which odds the offer of each slip that took one asks its legs to be taken, or 0."""
    offered = tables.offers.used_offered()
    rules = tables.offers.offers[offered["offer"]]
    insured = (rules["kind"] == OfferKind.INSURANCE) & (offered["pays"] == 0)
    asks = insured | (rules["kind"] == OfferKind.FREE_BET)
    lowest = rules["odds_milli_min"]
    return np.where(asks & (lowest > ODDS_MILLI_MIN), lowest, 0)


def added_by_account(tables: LedgerTables) -> Any:
    """Return what offers have given to each account, by its slot."""
    offered = tables.offers.used_offered()
    sums = np.zeros(tables.accounts_len, np.int64)
    owners = tables.used_slips()["account"][offered["head"]]
    np.add.at(sums, owners, offered["added_minor"])
    return sums


def _account_fault(tables: LedgerTables) -> str:
    offers = tables.offers
    given = np.zeros(len(offers.offers), np.int64)
    offered = offers.used_offered()
    np.add.at(given, offered["offer"], offered["added_minor"])
    if given.tolist() != offers.given_minor:
        number = int(np.argmax(given != np.array(offers.given_minor, np.int64)))
        return f"offers_given_minor: not what offer {number} gave to its slips"
    return ""


def _ref_fault(tables: LedgerTables) -> str:
    offers = tables.offers
    refs = int(np.count_nonzero(offers.used_grants()["ref"][:, 0]))
    if int(np.count_nonzero(offers.grant_table)) != refs:
        return "free_bets: the hash table holds other rows"
    slot = unfound_ref_nb(
        offers.grant_table, tables.ref_seed, offers.grants, offers.grants_len, tables.accounts
    )
    return f"free_bets: row {slot} is not found by its ref" if slot >= 0 else ""


def _is_known(rules: Rows, numbers: Any) -> Any:
    return (numbers < len(rules)) & (rules["kind"][np.minimum(numbers, len(rules) - 1)] > 0)


def _within(column: Any, low: int, high: int) -> Any:
    return (column >= low) & (column <= high)
