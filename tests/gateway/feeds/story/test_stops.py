"""Messages that stop betting, told as stories: however odd the rest of them, no bet is accepted."""

import pytest

from gateway.feeds.exchange.adapter import ExchangeSettings
from tests.gateway.feeds.exchange.builders import definition, mcm, quoted, runner
from tests.gateway.feeds.story.player import play
from tests.gateway.feeds.story.steps import (
    Message,
    Story,
    bet,
    bet_stop,
    cancel,
    counts,
    mark,
    named,
    odds,
    offers,
    restart,
    result,
    results,
    roll_back_result,
    stands,
    status,
    story,
    xml,
)
from tests.gateway.feeds.uof.builders import EVENT, MATCH_WINNER, market, total

WIN = "uof.77.202311142200/win?market=1.5"
EVENTS = (
    "wns:draw:-12345",
    "vf:match:1234",
    "sr:season:54321",
    "od:match:a1b2-c3",
    "sr:simple_tournament:9",
    "x.y:z_1:Final",
)
ON = odds(market(1, MATCH_WINNER), total())
HOME = results(result(1, o1="won", o2="lost", o3="lost"))
BET = bet("A", "1x2", "home", 1_000)
REFUSED = bet("B", "1x2", "home", verdict="MARKET_SUSPENDED")
GROUPS = "|".join(f"score|combo|group_{number}" for number in range(12))


def status_of(attributes: str, children: str = "") -> str:
    return f"<sport_event_status {attributes}>{children}</sport_event_status>"


def stopping(what: str, **fields: str) -> Story:
    """Return a story of an odds_change that suspends a market and has one odd figure."""
    odd = odds(market(1, status=-1), total(outcomes=(("12", "1.8"), ("13", "2.1"))), **fields)
    return story(
        f"an odds_change with {what} suspends all the same, and the rest of it is obeyed",
        ON,
        BET,
        odd,
        REFUSED,
        offers("total?total=2.5", over=1800, under=2100),
        restart("all"),
        bet("C", "1x2", "away", verdict="MARKET_SUSPENDED"),
        HOME,
        stands("1x2", home="won"),
    )


def race(status_word: str, ct: str | None = None) -> Message:
    """Return an exchange's market of two runners with prices, in an image where `ct` says so."""
    change = {
        "id": "1.5",
        "img": True,
        "marketDefinition": definition(
            runner(1, "ACTIVE"), runner(2, "ACTIVE"), status=status_word
        ),
        "rc": [quoted(1, 0.5), quoted(2, 0.5)],
    }
    return Message(lambda at_ms, _: mcm(change, pt=at_ms, ct=ct), "", None)


EACH = (
    stopping("a clock of bare minutes", status=status_of('status="1"', '<clock match_time="75"/>')),
    stopping("a clock of nonsense", status=status_of('status="1"', '<clock match_time="7:5"/>')),
    stopping("a score of -1", status=status_of('status="1" home_score="-1"')),
    stopping("a score of +1", status=status_of('status="1" home_score="+1"')),
    stopping("a status of -1", status=status_of('status="-1"')),
    stopping("a betstop reason in words", odds='betstop_reason="goal"'),
    *(
        story(
            f"an odds_change with {what} beside what it suspends suspends all the same",
            ON,
            BET,
            odds(market(1, status=-1), total(outcomes=(("12", odd), ("13", "2.1")))),
            REFUSED,
            HOME,
            stands("1x2", home="won"),
        )
        for what, odd in (
            ("a probability over 1", 'odds="1.8" probabilities="1.0000000000000002"'),
            ("odds of NaN", "NaN"),
            ("odds of infinity", "INF"),
            ("negative odds", "-1.5"),
            ("odds in words", "evens"),
            ("a flag of nonsense", 'odds="1.8" active="yes"'),
        )
    ),
    story(
        "a suspension whose own outcomes have odd figures is obeyed",
        ON,
        BET,
        odds(market(1, (("1", "NaN"), ("2", 'odds="x" probabilities="2"')), status=-1)),
        REFUSED,
        HOME,
        stands("1x2", home="won"),
    ),
    story(
        "an outcome of odd odds or probability is not offered or keeps its odds, the others go on",
        ON,
        odds(market(1, (("1", "NaN"), ("2", 'odds="3.1" probabilities="1.01"'), ("3", "3.5")))),
        offers("1x2", draw=3100, away=3500),
        counts("unreadable odds.market.outcome.odds", 1),
        counts("unreadable odds.market.outcome.probabilities", 1),
    ),
    story(
        "a roll-back of nothing hides no market from the bet_stop behind it",
        ON,
        roll_back_result(named(1)),
        bet_stop(),
        REFUSED,
        status("total?total=2.5", "SUSPENDED"),
    ),
    story(
        "a bet_stop of 36 groups is one of all markets",
        ON,
        BET,
        bet_stop(groups=GROUPS),
        REFUSED,
        status("total?total=2.5", "SUSPENDED"),
        counts("unreadable groups", 1),
        HOME,
        stands("1x2", home="won"),
    ),
    story(
        "a message that breaks off after its event suspends it, also over a restart",
        ON,
        BET,
        xml("<bet_stop {head} groups=", refused="xml: unclosed token"),
        REFUSED,
        restart("all"),
        bet("C", "1x2", "away", verdict="MARKET_SUSPENDED"),
        ON,
        bet("D", "1x2", "away"),
        HOME,
        stands("1x2", home="won"),
    ),
    *(
        story(
            f"odds from before a message that breaks off open nothing, restart of {what or 'none'}",
            ON,
            mark("older"),
            xml("<bet_stop {head} groups=", refused="xml: unclosed token"),
            *((restart(what),) if what else ()),
            odds(market(1, MATCH_WINNER), at="older"),
            REFUSED,
            ON,
            bet("C", "1x2", "away"),
            HOME,
            stands("1x2", away="lost"),
        )
        for what in ("", "pipeline", "all")
    ),
    story(
        "a message that breaks off and gives a time ahead of ours outranks no odds",
        ON,
        BET,
        xml(f'<bet_stop event_id="{EVENT}" product="1" timestamp="9999999999999" groups='),
        REFUSED,
        ON,
        bet("C", "1x2", "away"),
        HOME,
        stands("1x2", home="won"),
    ),
    *(
        story(
            f"odds sent before a start of {part} open no market that was closed by {what}",
            ON,
            BET,
            *before,
            mark("late"),
            stop,
            restart(part),
            odds(market(1, MATCH_WINNER), at="late"),
            REFUSED,
            ON,
            bet("C", "1x2", "away"),
            HOME,
            stands("1x2", home="won"),
        )
        for part in ("pipeline", "all")
        for what, before, stop in (
            ("a message that breaks off", (), xml("<bet_stop {head} groups=")),
            ("an odd result", (), results(result(1, o1='result="won"'))),
            ("its own odds before a bet_stop", (odds(market(1, status=0)),), bet_stop()),
        )
    ),
    story(
        "odds sent before a start are obeyed by a market that was open, and by every one if asked",
        ON,
        mark("late"),
        restart("pipeline"),
        odds(market(1, (("1", "1.9"), ("2", "3.4"), ("3", "3.6"))), at="late"),
        offers("1x2", home=1900, draw=3400, away=3600),
        BET,
        odds(market(1, status=-1)),
        mark("again"),
        restart("pipeline"),
        odds(market(1, MATCH_WINNER), at="again", request_id=7),
        bet("C", "1x2", "away"),
        HOME,
        stands("1x2", home="won"),
    ),
    story(
        "a market that refused a settlement behind a newer cancellation still hears what stops it",
        ON,
        mark("late"),
        cancel(named(1)),
        results(result(1, o1="won", o2="lost", o3="lost"), at="late"),
        ON,
        BET,
        xml("<bet_cancel {head} start_time="),
        REFUSED,
    ),
    story(
        "a settlement of an odd result settles nothing, takes no bets, and is paid when it is told",
        ON,
        BET,
        results(result(1, o1='result="won"', o2="lost", o3="lost")),
        REFUSED,
        stands("1x2", rest="open"),
        HOME,
        stands("1x2", home="won"),
    ),
    *(
        story(
            f"the market of the event {event} hears stop and result after a restart",
            odds(market(1, MATCH_WINNER), event=event),
            bet("A", f"{event}/1x2", "home"),
            restart("all"),
            bet("B", f"{event}/1x2", "draw"),
            xml(f'<bet_stop event_id="{event}" product="1" timestamp="{{ms}}" groups="all"/>'),
            bet("C", f"{event}/1x2", "home", verdict="MARKET_SUSPENDED"),
            restart("pipeline"),
            xml(
                f'<bet_settlement event_id="{event}" product="1" timestamp="{{ms}}" certainty="2">'
                f"<outcomes>{result(1, o1='won', o2='lost', o3='lost')}</outcomes></bet_settlement>"
            ),
            stands(f"{event}/1x2", home="won"),
        )
        for event in EVENTS
    ),
    story(
        "an exchange's message that breaks off may have stopped any market",
        race("OPEN"),
        bet("A", WIN, "1", 1_000),
        Message(
            lambda at_ms, _: b'{"op":"mcm","pt":%d,"mc":[{"id":"1.5","marke' % at_ms, "", "message"
        ),
        bet("B", WIN, "1", verdict="MARKET_SUSPENDED"),
        race("OPEN", ct="SUB_IMAGE"),
        bet("C", WIN, "2"),
        settings=ExchangeSettings(),
    ),
)


@pytest.mark.parametrize("each", EACH, ids=lambda each: each.title)
def test_the_story_ends_as_it_says(each: Story) -> None:
    play(each)
