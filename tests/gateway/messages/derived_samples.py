"""Samples of messages about markets that follow others: bet builders and each-way."""

from gateway.messages.builders import BuildBet, Builder, BuilderLeg
from gateway.messages.each_way import AskEachWay, EachWay
from gateway.messages.slips import BetLines, Leg, PlaceSlip, PlaceTerms

DERIVED_REQUESTS = (
    AskEachWay(id=10, market=50),
    PlaceSlip(
        ref="e1",
        legs=(
            Leg(
                market=50,
                outcome=3,
                odds_milli=2_750,
                each_way=PlaceTerms(places=3, odds_num=1, odds_den=5),
            ),
        ),
        bets=(BetLines(stake_minor=1_000),),
    ),
    BuildBet(id=9, legs=(BuilderLeg(market=42, outcome=2), BuilderLeg(market=43, outcome=0))),
)
DERIVED_ANSWERS = (
    EachWay(
        id=10,
        market=51,
        key="ascot-1/each_way?fraction=1/5|places=3",
        places=3,
        odds_num=1,
        odds_den=5,
        odds_milli=(1_350, 2_000),
        active=(True, True),
        status="active",
        version=4,
    ),
    Builder(
        id=9,
        market=77,
        key="cup-1/builder?legs=1a,18a2.5",
        odds_milli=3_250,
        status="active",
        offered=True,
        version=3,
        legs=(BuilderLeg(market=42, outcome=0), BuilderLeg(market=43, outcome=0)),
        implied=(BuilderLeg(market=44, outcome=1),),
    ),
    Builder(
        id=9,
        legs=(BuilderLeg(market=42, outcome=0), BuilderLeg(market=42, outcome=2)),
        reason=212,
        message="legs: cannot all be won: 1x2 home; 1x2 away",
    ),
)
