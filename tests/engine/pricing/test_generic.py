"""Generic markets: given probabilities become odds, and given results settle them."""

import msgspec
import numpy as np
import pytest

from engine.common.commands import OutcomeResult
from engine.pricing.generic import SPORT, GenericModel, GenericState
from engine.pricing.ladder import FINE
from engine.pricing.margin import Method
from engine.pricing.quoting import BookFigures, Margin
from engine.pricing.skew import LogOddsSkew
from engine.pricing.sport import SPORTS, MarketTypeError, SportBoard

KEYS = ("oscars24/best_picture", "oscars24/nominated?category=score|winners=2")
NAMES = {KEYS[0]: ("Past Lives", "Oppenheimer", "other"), KEYS[1]: ("a", "b", "c", "d")}
MODEL = GenericModel(
    fair={
        "best_picture": (0.2, 0.5, 0.3),
        "nominated?category=score|winners=2": (0.8, 0.6, 0.4, 0.2),
    }
)


def board() -> SportBoard:
    return SportBoard("generic", KEYS, names=NAMES, ladder=FINE)


def test_any_market_is_quoted_at_the_requested_book_sum() -> None:
    assert SPORTS["generic"] is SPORT
    margin = Margin(method=Method.PROPORTIONAL, book_milli=1_100)
    quotes = board().quotes(MODEL, GenericState(), margin)
    assert [quote.odds_milli for quote in quotes[KEYS[0]]] == [4_545, 1_818, 3_030]
    assert [quote.odds_milli for quote in quotes[KEYS[1]]] == [1_136, 1_515, 2_273, 4_545]
    assert all(quote.active for row in quotes.values() for quote in row)


def test_odds_are_skewed_by_the_book() -> None:
    payout = np.array((0, 900_000, 0, 0, 0, 0, 0), np.int64)
    figures = BookFigures(stake_minor=payout // 2, payout_minor=payout)
    skew = LogOddsSkew(scale_minor=1_000_000)
    skewed = board().quotes(MODEL, GenericState(), Margin(), skew, figures)[KEYS[0]]
    plain = board().quotes(MODEL, GenericState(), Margin())[KEYS[0]]
    assert skewed[1].odds_milli < plain[1].odds_milli
    assert skewed[0].odds_milli > plain[0].odds_milli


@pytest.mark.parametrize(
    "fair",
    [
        {}, {"best_picture": (0.5, 0.5)}, {"best_picture": (0.5, 0.5, 0.1)},
        {"worst_picture": (0.2, 0.5, 0.3)},
    ],
)  # fmt: skip
def test_a_market_without_complete_probabilities_is_not_offered(
    fair: dict[str, tuple[float, ...]],
) -> None:
    quotes = board().quotes(GenericModel(fair=fair), GenericState(), Margin())
    assert not any(quote.active for row in quotes.values() for quote in row)


def test_an_outcome_without_a_chance_is_not_offered() -> None:
    model = GenericModel(fair={"best_picture": (0.0, 0.6, 0.4)})
    quotes = board().quotes(model, GenericState(), Margin())
    assert [quote.active for quote in quotes[KEYS[0]]] == [False, True, True]


def test_given_results_settle_a_market_and_end_its_offer() -> None:
    won, lost = OutcomeResult(won=True), OutcomeResult(won=False)
    state = GenericState(results={"best_picture": (lost, won, lost), "other": (won,)})
    assert board().results(state) == {KEYS[0]: (lost, won, lost)}
    quotes = board().quotes(MODEL, state, Margin())
    assert not any(quote.active for quote in quotes[KEYS[0]])
    assert all(quote.active for quote in quotes[KEYS[1]])
    short = GenericState(results={"best_picture": (won,)})
    assert board().results(short) == {}


def test_a_model_is_decoded_within_its_bounds() -> None:
    assert msgspec.json.decode(msgspec.json.encode(MODEL), type=GenericModel) == MODEL
    with pytest.raises(msgspec.ValidationError, match="<= 1"):
        msgspec.json.decode(b'{"fair": {"a": [1.5]}}', type=GenericModel)
    for chance in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="each from 0 to 1"):
            GenericModel(fair={"a": (chance,)})
    with pytest.raises(ValueError, match="at most 512 markets"):
        GenericModel(fair={str(number): (1.0,) for number in range(513)})


@pytest.mark.parametrize(
    ("specifiers", "names", "message"),
    [
        ((), None, "names of 1 to 512"), ((), (), "names of 1 to 512"),
        ((), ("x",) * 513, "names of 1 to 512"),
        ((("winners", "3"),), ("a", "b"), "winners: from 1 to 2"),
        ((("winners", "0"),), ("a", "b"), "winners: from 1 to 2"),
        ((("winners", "many"),), ("a", "b"), "winners: from 1 to 2"),
    ],
)  # fmt: skip
def test_a_market_without_outcomes_or_with_more_winners_is_refused(
    specifiers: tuple[tuple[str, str], ...], names: tuple[str, ...] | None, message: str
) -> None:
    with pytest.raises(MarketTypeError, match=message):
        SPORT.market("anything", specifiers, names)
