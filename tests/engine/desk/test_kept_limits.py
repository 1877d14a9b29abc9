"""Limits by scope: each market is given what holds for it, once, and a person's own stand."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.common.commands import LimitsPatch
from engine.common.events import Refused
from engine.common.reasons import Reason
from engine.desk.kept_limits import KeptLimits, LimitsDocument, LimitsKept, ScopedLimits
from engine.desk.scopes import Scope, no_room
from tests.engine.desk.test_kept_margins import PLACES, SCOPES, fits, weight

NAMES = ("stake_minor_max", "payout_minor_max")
PATCHES = st.sampled_from(
    [
        LimitsPatch(stake_minor_max=100),
        LimitsPatch(stake_minor_max=200),
        LimitsPatch(payout_minor_max=5_000),
        LimitsPatch(stake_minor_max=100, payout_minor_max=9_000),
    ]
)
STEPS = st.one_of(
    st.tuples(st.just("keep"), st.sampled_from(SCOPES), PATCHES),
    st.tuples(st.just("release"), st.sampled_from(SCOPES), st.none()),
    st.tuples(st.just("by hand"), st.sampled_from(PLACES), PATCHES),
    st.tuples(st.just("restart"), st.none(), st.none()),
)
round_trip = msgspec.msgpack.Decoder(LimitsDocument).decode


class House:
    """Markets with their limits, and a desk that gives them what they are due."""

    def __init__(self) -> None:
        self.limits = ScopedLimits()
        self.documents: list[bytes] = []
        self.markets = {place.market_no: dict.fromkeys(NAMES, 1) for place in PLACES}

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
            due = self.limits.due(place)
            if due is not None:
                set_by_hand(self.markets[place.market_no], due.new)
                self.write(self.limits.give([place.market_no], due.limits))
                assert self.limits.due(place) is None


def set_by_hand(market: dict[str, int], patch: LimitsPatch) -> None:
    market |= {name: getattr(patch, name) for name in patch.names()}


def holding(kept: dict[Scope, LimitsPatch], place: tuple) -> dict[str, int]:  # type: ignore[type-arg]
    """Return the limits that hold for a market, by looking at every scope there is."""
    held: dict[str, int] = {}
    for scope in sorted(kept, key=weight):
        if fits(scope, place):  # type: ignore[arg-type]
            set_by_hand(held, kept[scope])
    return held


@given(st.lists(STEPS, max_size=12))
def test_a_market_has_what_was_kept_or_set_by_hand_last(
    steps: list[tuple[str, object, LimitsPatch]],
) -> None:
    house = House()
    kept: dict[Scope, LimitsPatch] = {}
    expected = {number: dict(values) for number, values in house.markets.items()}
    held = {place.market_no: {} for place in PLACES}  # type: ignore[var-annotated]
    for what, where, patch in steps:
        match what, where:
            case "keep", Scope() as scope:
                house.write(house.limits.keep(KeptLimits(scope=scope, limits=patch)))
                kept[scope] = patch
            case "release", Scope() as scope:
                house.write(house.limits.release(scope, by="risk:bo", at_ns=1))  # type: ignore[arg-type]
                kept.pop(scope, None)
            case "by hand", place:
                set_by_hand(house.markets[place.market_no], patch)  # type: ignore[attr-defined]
                set_by_hand(expected[place.market_no], patch)  # type: ignore[attr-defined]
            case _:
                house.restart()
        house.give()
        for place in PLACES:
            number, now = place.market_no, holding(kept, place)
            fresh = {name: value for name, value in now.items() if held[number].get(name) != value}
            expected[number] |= fresh
            held[number] = now
        assert house.markets == expected


def test_who_keeps_the_most_specific_of_what_is_new_is_named() -> None:
    limits, place = ScopedLimits(), PLACES[0]
    patch = LimitsPatch(stake_minor_max=100, payout_minor_max=5_000)
    limits.apply(LimitsKept(kept=KeptLimits(scope=Scope(), limits=patch, by="risk:bo")))
    near = KeptLimits(
        scope=Scope(fixture=place.fixture), limits=LimitsPatch(stake_minor_max=50), by="trader:al"
    )
    limits.apply(LimitsKept(kept=near))
    due = limits.due(place)
    assert due is not None
    assert (due.by, due.new) == ("trader:al", due.limits)
    limits.apply(limits.give([place.market_no], LimitsPatch(stake_minor_max=50)))
    rest = limits.due(place)
    assert rest is not None
    assert (rest.by, rest.new) == ("risk:bo", LimitsPatch(payout_minor_max=5_000))


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
