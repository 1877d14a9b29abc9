"""Messages by which traders create markets: by hand, or a whole board from a template.

Owns schemas only; engine.pricing.templates has the templates.
"""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct, field

from engine.common.board_inputs import ExpectedGoals, FittedMarkets
from engine.common.commands import (
    NAME_CHARS_MAX,
    KeyField,
    LimitsPatch,
    OddsField,
    OutcomeNameField,
)
from engine.common.events import Refused
from engine.common.ids import MarketNo
from engine.common.units import OUTCOMES_MAX
from gateway.messages.base import FromClient, FromGateway, IdField
from gateway.messages.fixtures import FixtureFields, FixtureLine

CREATED_MAX: Final = 64
"""Markets that one `create_markets` may carry."""


class NewMarket(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A market to create, with its first odds.

    Limits that `limits` does not name come from the settings. `override` says that the odds are
    meant as they are, whatever their guard says.
    """

    key: KeyField
    outcomes: Annotated[tuple[OutcomeNameField, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
    odds_milli: Annotated[tuple[OddsField, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
    limits: LimitsPatch = LimitsPatch()
    open: bool = False
    override: bool = False


class CreateMarkets(FromClient, frozen=True, kw_only=True, tag="create_markets"):
    """Create markets by hand, such as an outright; answered by `markets_created`.

    `sport` (else the fixture's) and `live` choose the rules of limits. A market that exists stays
    as it is, and is opened where it never was and `open` asks for it: so the same request may be
    sent again.
    """

    id: IdField = 0
    markets: Annotated[tuple[NewMarket, ...], Meta(min_length=1, max_length=CREATED_MAX)]
    sport: Annotated[str, Meta(max_length=NAME_CHARS_MAX)] = ""
    live: bool = False


class CreateBoard(FixtureFields, frozen=True, kw_only=True, tag="create_board"):
    """Describe a fixture, create a whole board for it, price it, and open it if `open` says so.

    `template` is one of football (the whole board), football_main, football_cup (with extra time),
    tennis, basketball and race. `pricing` is as `reprice` takes it, and its sport is the
    template's; where it names no margin or skew, those that `keep_margin` keeps hold. For football
    the model may come from `expect` or from `fit` instead: odds of markets, keys without the
    fixture, whose margin is removed first. A race needs its runners in `sides`. `limits` holds for
    every new market of the board; what it does not name comes from the settings, by the template's
    sport and by `live`. Where `pricing` names no state and the desk keeps the fixture's inputs, the
    board is priced by those as the match stands, whatever model the request names; where it keeps
    none, a match in play, and a board that is `live`, need a state. Markets of the fixture that
    were open before stay as they are; the others are priced and opened. Answered by
    `board_created`; the same request may be sent again.
    """

    id: IdField = 0
    template: Annotated[str, Meta(pattern=r"^[a-z_]{1,32}\Z")]
    pricing: Annotated[dict[str, Any], Meta(max_length=5)] = field(default_factory=dict)
    expect: ExpectedGoals | None = None
    fit: FittedMarkets = ()
    limits: LimitsPatch = LimitsPatch()
    open: bool = False
    live: bool = False


class CreatedMarket(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One market of a request: its number, or why there is none, or why it is not open.

    `known` says that it was there before. `market` is 0 where it was not created.
    """

    key: str
    market: MarketNo = MarketNo(0)
    known: bool = False
    refused: Refused | None = None


class MarketsCreated(FromGateway, frozen=True, kw_only=True, tag="markets_created"):
    """What became of each market, in the order of the request."""

    id: int = 0
    markets: tuple[CreatedMarket, ...] = ()


class BoardCreated(FromGateway, frozen=True, kw_only=True, tag="board_created"):
    """What became of each market of the board, the fixture, and the model that priced it."""

    id: int = 0
    fixture: FixtureLine
    markets: tuple[CreatedMarket, ...] = ()
    model: dict[str, Any] = field(default_factory=dict)


CreationRequest = CreateMarkets | CreateBoard
"""What creates markets."""
