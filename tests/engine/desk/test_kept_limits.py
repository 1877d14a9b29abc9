"""Limits and delays by scope: each market is given what holds, once, and a person's own stand."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from engine.common.acceptance import AcceptancePatch
from engine.common.commands import LimitsPatch
from engine.common.events import Refused
from engine.common.reasons import Reason
from engine.desk.kept_limits import (
    PARTS,
    Given,
    KeptLimits,
    LimitsDocument,
    LimitsKept,
    LimitsReleased,
    ScopedLimits,
    Terms,
)
from engine.desk.scopes import Scope, no_room
from engine.watch.rules import Place
from tests.engine.desk.test_kept_margins import FIXTURES, PLACES, SCOPES, fits, weight

NAMES = ("stake_minor_max", "payout_minor_max", "delay_ms", "referral_ms")
LIMITS = st.sampled_from(
    [
        UNSET,
        LimitsPatch(),
        LimitsPatch(stake_minor_max=100),
        LimitsPatch(stake_minor_max=200),
        LimitsPatch(stake_minor_max=100, payout_minor_max=9_000),
    ]
)
ACCEPTANCES = st.sampled_from(
    [
        UNSET,
        AcceptancePatch(),
        AcceptancePatch(delay_ms=0),
        AcceptancePatch(delay_ms=5_000),
        AcceptancePatch(delay_ms=3_000, referral_ms=60_000),
    ]
)
KEPT = st.fixed_dictionaries(
    {name: LIMITS if name.startswith("limits") else ACCEPTANCES for name in PARTS}
)
STEPS = st.one_of(
    st.tuples(st.just("keep"), st.sampled_from(SCOPES), KEPT),
    st.tuples(st.just("release"), st.sampled_from(SCOPES), st.none()),
    st.tuples(
        st.just("by hand"),
        st.sampled_from(PLACES),
        st.dictionaries(st.sampled_from(NAMES), st.integers(1, 9)),
    ),
    st.tuples(st.just("kick off"), st.sampled_from(list(FIXTURES)), st.none()),
    st.tuples(st.just("restart"), st.none(), st.none()),
)
round_trip = msgspec.msgpack.Decoder(LimitsDocument).decode
Parts = dict[str, Any]


class House:
    """Markets with their figures, and a desk that gives them what they are due."""

    def __init__(self) -> None:
        self.limits = ScopedLimits()
        self.documents: list[bytes] = []
        self.in_play: list[str] = []
        self.markets = {place.market_no: dict.fromkeys(NAMES, 0) for place in PLACES}

    def write(self, document: LimitsDocument | Refused) -> None:
        if not isinstance(document, Refused):
            self.documents.append(msgspec.msgpack.encode(document))
            self.limits.apply(document)

    def restart(self) -> None:
        self.limits = ScopedLimits()
        for document in self.documents:
            self.limits.apply(round_trip(document))

    def give(self) -> None:
        for place in PLACES:
            in_play = place.fixture in self.in_play
            due = self.limits.due(place, in_play=in_play)
            if due is not None:
                self.markets[place.market_no] |= due.new.figures()
                self.write(self.limits.give([place.market_no], due.given))
                assert self.limits.due(place, in_play=in_play) is None


def holding(kept: dict[Scope, Parts], place: Place, *, in_play: bool) -> dict[str, int]:
    """Return the figures that hold for a market, by looking at every scope there is."""
    held: dict[str, int] = {}
    for scope in sorted(kept, key=weight):
        if not fits(scope, place):
            continue
        for tail in ("", "_in_play") if in_play else ("",):
            for name in ("limits", "acceptance"):
                part = kept[scope][name + tail]
                held |= {} if part is UNSET else {key: getattr(part, key) for key in part.names()}
    return held


def kept_after(before: Parts | None, parts: Parts) -> Parts | None:
    """Return what is kept of a scope after a message; None where that is nothing."""
    after = {
        name: before[name] if part is UNSET and before is not None else part
        for name, part in parts.items()
    }
    return after if any(part is not UNSET and part.names() for part in after.values()) else None


@given(st.lists(STEPS, max_size=12))
def test_a_market_has_what_was_kept_or_set_by_hand_last(steps: list[tuple[str, Any, Any]]) -> None:
    house = House()
    kept: dict[Scope, Parts] = {}
    expected = {number: dict(values) for number, values in house.markets.items()}
    held: dict[int, dict[str, int]] = {place.market_no: {} for place in PLACES}
    for what, where, said in steps:
        match what:
            case "keep":
                house.write(house.limits.keep(KeptLimits(scope=where, **said)))
                after = kept_after(kept.pop(where, None), said)
                kept |= {} if after is None else {where: after}
            case "release":
                house.write(house.limits.release(where, by="risk:bo", at_ns=1))  # type: ignore[arg-type]
                kept.pop(where, None)
            case "by hand":
                house.markets[where.market_no] |= said
                expected[where.market_no] |= said
            case "kick off":
                house.in_play.append(where)
            case _:
                house.restart()
        house.give()
        for place in PLACES:
            number, now = (
                place.market_no,
                holding(kept, place, in_play=place.fixture in house.in_play),
            )
            fresh = {name: value for name, value in now.items() if held[number].get(name) != value}
            expected[number] |= fresh
            held[number] = now
        assert house.markets == expected


def test_a_market_that_was_given_the_terms_of_play_keeps_them_when_a_new_process_knows_less() -> (
    None
):
    limits, place = ScopedLimits(), PLACES[0]
    slow = KeptLimits(
        scope=Scope(),
        acceptance=AcceptancePatch(delay_ms=0),
        acceptance_in_play=AcceptancePatch(delay_ms=5_000),
    )
    limits.apply(LimitsKept(kept=slow))
    due = limits.due(place, in_play=True)
    assert due is not None
    assert due.new == Terms(acceptance=AcceptancePatch(delay_ms=5_000))
    limits.apply(limits.give([place.market_no], due.given))
    assert limits.due(place, in_play=False) is None


def test_the_last_part_that_ends_releases_the_scope() -> None:
    limits = ScopedLimits()
    limits.apply(
        LimitsKept(kept=KeptLimits(scope=Scope(), acceptance=AcceptancePatch(delay_ms=5_000)))
    )
    ended = limits.keep(KeptLimits(scope=Scope(), acceptance=AcceptancePatch(), by="risk:bo"))
    assert isinstance(ended, LimitsReleased)
    limits.apply(ended)
    assert not limits.kept
    nothing = limits.keep(KeptLimits(scope=Scope(), acceptance=AcceptancePatch()))
    assert isinstance(nothing, Refused)
    assert nothing.reason is Reason.SCOPE_UNKNOWN


def test_who_keeps_the_most_specific_of_what_is_new_is_named() -> None:
    limits, place = ScopedLimits(), PLACES[0]
    patch = LimitsPatch(stake_minor_max=100, payout_minor_max=5_000)
    limits.apply(LimitsKept(kept=KeptLimits(scope=Scope(), limits=patch, by="risk:bo")))
    near = KeptLimits(
        scope=Scope(fixture=place.fixture), limits=LimitsPatch(stake_minor_max=50), by="trader:al"
    )
    limits.apply(LimitsKept(kept=near))
    due = limits.due(place, in_play=False)
    assert due is not None
    assert (due.by, due.new) == ("trader:al", due.given.terms)
    cut = Given(terms=Terms(limits=LimitsPatch(stake_minor_max=50)))
    limits.apply(limits.give([place.market_no], cut))
    rest = limits.due(place, in_play=False)
    assert rest is not None
    assert (rest.by, rest.new.limits) == ("risk:bo", LimitsPatch(payout_minor_max=5_000))


def test_there_is_room_for_no_more_scopes_than_the_bound() -> None:
    limits = ScopedLimits()
    while no_room(limits.kept, Scope(fixture="last")) is None:
        kept = KeptLimits(
            scope=Scope(fixture=f"f-{len(limits.kept)}"), limits=LimitsPatch(stake_minor_max=1)
        )
        limits.apply(limits.keep(kept))  # type: ignore[arg-type]
    refused = limits.keep(KeptLimits(scope=Scope(), limits=LimitsPatch(stake_minor_max=1)))
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.CAPACITY
