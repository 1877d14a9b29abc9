"""Margins by scope: the most specific holds, for margin and skew each by itself."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from engine.common.events import Refused
from engine.common.ids import BUILDER, MarketNo
from engine.common.reasons import Reason
from engine.desk import scopes
from engine.desk.kept_margins import Held, KeptMargin, MarginKept, MarginReleased, Margins
from engine.desk.scopes import Scope, fixture_scopes, most_specific_first, wide_scopes
from engine.watch.rules import Place

TYPES = ("1x2", "total", BUILDER)
FIXTURES = {"cup-1": ("football", "cup"), "cup-2": ("football", ""), "open-1": ("tennis", "cup")}
PLACES = [
    Place(fixture, MarketNo(10 * at + k), market_type, sport, competition)
    for at, (fixture, (sport, competition)) in enumerate(FIXTURES.items(), start=1)
    for k, market_type in enumerate(TYPES)
]
SCOPES = sorted(
    {scope for place in PLACES for scope in (*fixture_scopes(place), *wide_scopes(place))},
    key=most_specific_first,
)
MARGINS = st.sampled_from([UNSET, {"book_milli": 1_030}, {"book_milli": 1_080}])
SKEWS = st.sampled_from([UNSET, None, {"type": "linear", "scale_minor": 1_000}])


@st.composite
def kept_margins(draw: st.DrawFn, scope: Scope) -> KeptMargin:
    return KeptMargin(scope=scope, margin=draw(MARGINS), skew=draw(SKEWS))


def keep(*kept: KeptMargin) -> Margins:
    margins = Margins()
    for each in kept:
        document = margins.keep(each)
        assert isinstance(document, MarginKept)
        margins.apply(document)
    return margins


def fits(scope: Scope, place: Place) -> bool:
    """Say whether a market is in a scope, field by field as the documents have it."""
    stated = (scope.sport, scope.competition, scope.fixture, scope.market_type, scope.market_no)
    true = (place.sport, place.competition, place.fixture, place.market_type, place.market_no)
    return all(not said or said == is_so for said, is_so in zip(stated, true, strict=True))


def weight(scope: Scope) -> int:
    """Return how specific a scope is, as a number of the documents' list from the bottom."""
    if scope.market_no:
        return 100
    step = 40 if scope.fixture else 20 if scope.competition else 10 if scope.sport else 0
    return step + (5 if scope.market_type else 0) + (2 if scope.competition and scope.sport else 0)


def plain(kept: list[KeptMargin], place: Place, own: KeptMargin) -> Held:
    """Return what holds, by looking at every scope there is; `own` is just below a fixture's."""
    found: dict[str, tuple[int, Any]] = {"margin": (-1, None), "skew": (-1, None)}
    for each in [*kept, own]:
        rank = 39 if each is own else weight(each.scope)
        for name in found:
            value = getattr(each, name)
            if value is not UNSET and fits(each.scope, place) and rank > found[name][0]:
                found[name] = rank, value
    return Held(margin=found["margin"][1], skew=found["skew"][1])


@given(st.data())
def test_the_most_specific_scope_with_one_holds_as_a_plain_twin_says(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(SCOPES), unique=True, max_size=8))
    kept = [data.draw(kept_margins(scope)) for scope in chosen]
    margins = keep(*kept)
    fixture = data.draw(st.sampled_from(list(FIXTURES)))
    own = data.draw(kept_margins(Scope(fixture=fixture)))
    places = [place for place in PLACES if place.fixture == fixture]
    expected = {place.market_no: plain(kept, place, own) for place in places}
    assert {place.market_no: margins.of(place, own) for place in places} == expected
    priced = margins.of_fixture(places, own)
    found = dict.fromkeys(expected, priced.held)
    for group in priced.apart:
        assert group.held != priced.held
        found |= dict.fromkeys(group.market_nos, group.held)
    assert found == expected
    named = [each.held for each in priced.apart]
    assert all(one not in named[:at] for at, one in enumerate(named)), "one pass for each"


@given(st.sampled_from(PLACES))
def test_scopes_are_listed_in_the_order_in_which_they_hold(place: Place) -> None:
    order = [*fixture_scopes(place), *wide_scopes(place)]
    assert sorted(order, key=most_specific_first) == order
    assert [scope for scope in SCOPES if fits(scope, place)] == order
    assert sorted(map(weight, order), reverse=True) == list(map(weight, order))


def test_a_scope_that_is_released_holds_no_more() -> None:
    margins = keep(KeptMargin(scope=Scope(), margin={"book_milli": 1_080}))
    document = margins.release(Scope(), by="trader:anna", at_ns=1)
    assert isinstance(document, MarginReleased)
    margins.apply(document)
    assert margins.of(PLACES[0]) == Held()
    again = margins.release(Scope(), by="trader:anna", at_ns=2)
    assert isinstance(again, Refused)
    assert again.reason is Reason.SCOPE_UNKNOWN


def test_there_is_room_for_so_many_scopes_and_markets_of_one() -> None:
    of_markets = [
        KeptMargin(scope=Scope(fixture="cup-1", market_no=MarketNo(number)))
        for number in range(1, scopes.NARROW_MAX + 2)
    ]
    margins = keep(*of_markets[:-1], KeptMargin(scope=Scope(fixture="cup-1")))
    refused = margins.keep(of_markets[-1])
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.field) == (Reason.CAPACITY, "scope")
    assert isinstance(margins.keep(of_markets[0]), MarginKept), "it is kept already"
    while len(margins.kept) < scopes.KEPT_MAX:
        kept = KeptMargin(scope=Scope(fixture=f"f-{len(margins.kept)}"))
        margins.apply(margins.keep(kept))  # type: ignore[arg-type]
    assert isinstance(margins.keep(KeptMargin(scope=Scope())), Refused)
