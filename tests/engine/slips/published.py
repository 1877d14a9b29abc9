"""Settlements that public pages work out, each with its address: figures only.

Every line is rounded down to the minor unit; where a page rounds to the nearest or carries rounded
odds, what it prints is noted. Stakes are those of one line.
"""

from tests.engine.slips.settled import (
    HALF_LOST,
    LOST,
    VOID,
    Published,
    deducted,
    half_won,
    tied,
    won,
)

_REFERENCE = "the project's DOMAIN.md and REFERENCE.md, with sources there"
_MARATHON = "marathonbet.co.uk/en/help/bet_glossary"
_BODOG = "bodog.eu/help/common-faq/quarter-ball-parlay-payout-examples"
_PINNACLE = "help.pinnaclesports.com/en/support/solutions/articles/11000053896"
_SBOBET = "info.sbobet.com/article/AA-00182"
_ASIAN = "en.aaakk.org/sports-betting/asian-handicap-string-off-clearance-calculation-methods"
_HAMMOND = "taylorfrancis.com/chapters/mono/10.4324/9781315063324-11 (Hammond)"
_GOLF_DOUBLE = "golfbettingsystem.co.uk/each-way-double-explained"
_BOOKMAKING = "tickerdossier.com/wiki/bookmaking (Mathematics of bookmaking)"
_SKYBET = "support.skybet.com/app/answers/detail/dead-heat"
_DRAFTKINGS = "help.draftkings.com/hc/en-us/articles/4405230597139"
_SHEET = "docstoc.com/docs/126500329/bet"
_SYSTEM = "wettzentrale.net/sportwetten-lexikon/systemwette"
_BANKER = "meinonlinewettanbieter.com/?p=2300"
_PATENT = "unibet.nu/betting/bet-calculator/patent"
_UNIBET_CANADIAN = "unibet.co.uk/betting/bet-calculator/canadian"
_TRIXIE = "drawnobet.com/trixie-bet"
_YANKEE = "safebookmakerssites.com/ARTICLES2/calculateyankeebetwinnings.htm"
_LUCKY = "theanswerbank.co.uk/find/answer/8779941"
_TWO_OF_THREE = "sportsbet24.online/page/43"

SINGLES = (1,)
TRIXIE = (2, 3)
PATENT = (1, 2, 3)
YANKEE = (2, 3, 4)
LUCKY_15 = (1, 2, 3, 4)
CANADIAN = (2, 3, 4, 5)


def _won(*odds: str) -> tuple[tuple[int, int], ...]:
    return tuple(won(each) for each in odds)


ACCUMULATORS = (
    Published("treble", f"{_MARATHON}/trebles", "10", (3,), _won("1.5", "2", "2.6"), "78.00"),
    Published(
        "treble", "nfl-stats.com/Betting-Guide/bg-accum.html", "20", (3,),
        _won("2.5", "2.0", "2.25"), "225.00",
    ),
    Published(
        "double", "bettingpromotioncodes.com/betting-school/multiple-bets", "10", (2,),
        _won("3/1", "5/2"), "140.00",
    ),
    Published(
        "double of 2/1 and 4/1", "m.bannedsystems.co.uk/systems/bets.htm", "1", (2,),
        _won("2/1", "4/1"), "15.00",
    ),
    Published(
        "double of 5/2 and 5/1", "m.bannedsystems.co.uk/systems/bets.htm", "1", (2,),
        _won("5/2", "5/1"), "21.00",
    ),
    Published(
        "treble of evens, 6/4 and 5/4", "online-betting.me.uk/betting-glossary/perms.php", "1",
        (3,), _won("1/1", "6/4", "5/4"), "11.25",
    ),
    Published(
        "treble with a match cancelled", "help.midnite.com/en/articles/2686795", "10", (3,),
        (won("1.50"), VOID, won("1.10")), "16.50",
    ),
)  # fmt: skip
FULL_COVERS = (
    Published(
        "trixie, all win", "oddschecker.com/betting-terms/trixie", "1", TRIXIE,
        _won("2/1", "3/1", "4/1"), "107.00",
    ),
    Published(
        "trixie at 2/1, all win", "bethq.com/how-to-bet/articles/trixie-bets", "1", TRIXIE,
        _won("2/1", "2/1", "2/1"), "54.00",
    ),
    Published("trixie at evens, all win", _TRIXIE, "10", TRIXIE, _won("2", "2", "2"), "200.00"),
    Published("trixie, two win", _TRIXIE, "10", TRIXIE, (*_won("2", "2"), LOST), "40.00"),
    Published("patent, all win", _PATENT, "1", PATENT, _won("5.50", "7.00", "8.00"), "467.00"),
    Published("patent, two win", _PATENT, "1", PATENT, (LOST, *_won("7.00", "8.00")), "71.00"),
    Published("patent, one wins", _PATENT, "1", PATENT, (won("5.50"), LOST, LOST), "5.50"),
    Published(
        "patent at 3/1, all win", "freeracingtips.co.uk/faqs-2/what-is-a-patent-bet", "1", PATENT,
        _won("3/1", "3/1", "3/1"), "124.00",
    ),
    Published(
        "patent at 5.0, two win", "bookie-bonus-code.co.uk/patent-bet", "10", PATENT,
        (won("5.0"), LOST, won("5.0")), "350.00",
    ),
    Published(
        "patent at 7/1, one wins", "betalyst.com/bet-types/what-is-a-patent-bet", "10", PATENT,
        (LOST, won("7/1"), LOST), "80.00",
    ),
    Published("yankee, all win", f"{_MARATHON}/yankee", "1", YANKEE,
              _won("2.00", "3.50", "4.00", "1.50"), "156.75"),
    Published("yankee, three win", f"{_MARATHON}/yankee", "1", YANKEE,
              (*_won("2.00", "3.50", "4.00"), LOST), "57.00"),
    Published("yankee at 10 a line", "betsico.com/en/patent-bet", "10", YANKEE,
              _won("2", "3.5", "4", "1.5"), "1567.50"),
    Published("yankee, all win", _YANKEE, "1", YANKEE, _won("2/1", "3/1", "5/1", "8/1"), "1377"),
    Published("yankee at 25p", _YANKEE, "0.25", YANKEE, _won("2/1", "3/1", "5/1", "8/1"), "344.25"),
    Published("yankee at 30p and 3/1", _SHEET, "0.30", YANKEE, _won(*["3/1"] * 4), "182.40"),
    Published("lucky 15 with a non-runner", _SHEET, "0.30", LUCKY_15,
              (*_won(*["3/1"] * 3), VOID), "74.70"),
    Published("lucky 15, all win", _LUCKY, "1", LUCKY_15,
              _won("3/1", "7/1", "5/2", "1/1"), "606.50"),
    Published("lucky 15 at 20p", _LUCKY, "0.20", LUCKY_15,
              _won("3/1", "7/1", "5/2", "1/1"), "121.30"),
    Published("lucky 15, all win", _REFERENCE, "1", LUCKY_15, _won("3", "4", "5", "6"), "839.00"),
    Published("lucky 15, one wins", "toolsgambling.com/blog/lucky-15-bet-explained", "1", LUCKY_15,
              (won("4.00"), LOST, LOST, LOST), "4.00"),
    Published("canadian, all win", _UNIBET_CANADIAN, "1", CANADIAN,
              _won("1/1", "6/4", "6/4", "1/1", "1/1"), "318.75"),
    Published("canadian, two at evens win", _UNIBET_CANADIAN, "1", CANADIAN,
              (won("1/1"), LOST, LOST, LOST, won("1/1")), "4.00"),
    Published("lucky 15, two at 20/1 win, one after 25p", _REFERENCE, "1", LUCKY_15,
              (won("20/1"), deducted("20/1", pence=25), LOST, LOST), "373.00"),
)  # fmt: skip
SYSTEMS = (
    Published("2 of 3, all win", _SYSTEM, "10", (2,), _won("3.10", "3.20", "3.35"), "310.25"),
    Published("2 of 3, one loses", _SYSTEM, "10", (2,), (*_won("3.10", "3.20"), LOST), "99.20"),
    Published("2 of 3, one loses", _SYSTEM, "10", (2,), (LOST, *_won("3.20", "3.35")), "107.20"),
    Published("2 of 3, all win", _TWO_OF_THREE, "200", (2,), _won("1.90", "2.00", "2.5"), "2710"),
    Published("2 of 3, one loses", _TWO_OF_THREE, "200", (2,),
              (won("1.90"), LOST, won("2.5")), "950.00"),
    Published("a banker and 2 of 3, all win", _BANKER, "10", (2,),
              _won("1.40", "2.00", "3.00", "4.00"), "364.00", bankers=1),
    Published("a banker and 2 of 3, one loses", _BANKER, "10", (2,),
              (*_won("1.40", "2.00", "3.00"), LOST), "84.00", bankers=1),
    Published("a banker and 2 of 3, the banker loses", _BANKER, "10", (2,),
              (LOST, *_won("2.00", "3.00", "4.00")), "0", bankers=1),
)  # fmt: skip
HALVES = (
    # Printed as 234.33.
    Published("two half lost", _PINNACLE, "100", (4,),
              (won("2.060"), won("4.550"), HALF_LOST, HALF_LOST), "234.32"),
    Published("one half won", _BODOG, "10", (4,),
              (half_won("2.0"), *_won("2.2", "1.91", "2.5")), "157.57"),
    Published("two half won", _BODOG, "10", (4,),
              (half_won("2.0"), half_won("2.2"), *_won("1.91", "2.5")), "114.60"),
    # Printed as 11.94.
    Published("two half lost", _BODOG, "10", (4,),
              (HALF_LOST, HALF_LOST, *_won("1.91", "2.5")), "11.93"),
    Published("one half lost", _SBOBET, "100", (3,),
              (HALF_LOST, *_won("1.96", "1.90")), "186.20"),
    Published("two half lost", _SBOBET, "100", (3,), (HALF_LOST, HALF_LOST, won("1.90")), "47.50"),
    # Printed as odds of 20.05 and 6.68.
    Published("one half won", _ASIAN, "100", (5,),
              (*_won("2.015", "1.755"), half_won("2.045"), *_won("1.895", "1.965")), "2004.84"),
    Published("one half lost", _ASIAN, "100", (5,),
              (HALF_LOST, *_won("1.755", "2.045", "1.895", "1.965")), "668.20"),
    # Printed as a profit of 4868.
    Published("one half won", "dzieci.eu/forum/index.php?topic_id=827", "1000", (3,),
              (*_won("2.130", "1.900"), half_won("1.900")), "5868.15"),
    # Printed as 711.5.
    Published("one half lost", "sulawesiseaslugs.com/2020/01", "300", (3,),
              (HALF_LOST, *_won("2.36", "2.01")), "711.54"),
    Published("half lost, alone",
              "elinformadordechiapas.info/buying-the-odds-handicap-with-the-purchase", "200",
              SINGLES, (HALF_LOST,), "100.00"),
)  # fmt: skip
DEAD_HEATS = (
    Published("three tie to win", "betdaq.zendesk.com/hc/en-gb/articles/360017086559", "60",
              SINGLES, (tied("6.0", places=1, of=3),), "120.00"),
    Published("four tie for two places", "betdaq.zendesk.com/hc/en-gb/articles/360017086559", "60",
              SINGLES, (tied("6.0", places=2, of=4),), "180.00"),
    # Printed as 26.67.
    Published("three tie to win", "help.smarkets.com/hc/en-gb/articles/360002522132", "20",
              SINGLES, (tied("4.0", places=1, of=3),), "26.66"),
    Published("two tie to win", "support.betfair.com/app/answers/detail/a_id/6779", "10",
              SINGLES, (tied("10/1", places=1, of=2),), "55.00"),
    Published("two tie to win", "horseracingqa.com/what-happens-in-the-event-of-dead-heat", "10",
              SINGLES, (tied("4/1", places=1, of=2),), "25.00"),
    Published("three tie", _SKYBET, "10", SINGLES, (tied("6/4", places=1, of=3),), "8.33"),
    Published("three tie", _SKYBET, "20", SINGLES, (tied("20/1", places=1, of=3),), "140.00"),
    Published("three tie", _SKYBET, "5", SINGLES, (tied("5/1", places=1, of=3),), "10.00"),
    Published("two tie", _DRAFTKINGS, "50", SINGLES, (tied("2.5", places=1, of=2),), "62.50"),
    Published("two tie, less than the stake", _DRAFTKINGS, "50", SINGLES,
              (tied("1.8", places=1, of=2),), "45.00"),
    Published("six tie for three places", _DRAFTKINGS, "50", SINGLES,
              (tied("3.0", places=3, of=6),), "75.00"),
    Published("three tie for the last place",
              "get.galaxysports.help/hc/en-us/articles/4410491966225", "100", SINGLES,
              (tied("3/1", places=1, of=3),), "133.33"),
    Published("three tie", "betwarrior.zendesk.com/hc/en-gb/articles/360035373311", "10", SINGLES,
              (tied("6.00", places=1, of=3),), "20.00"),
    Published("two tie", "help.picklebet.com/hc/en-us/articles/4412015626255", "100", SINGLES,
              (tied("5.00", places=1, of=2),), "250.00"),
)  # fmt: skip
DEDUCTIONS = (
    Published("25p off 8/1", "allaboutbetting.co.uk/horse-racing/rule-4", "10", SINGLES,
              (deducted("8/1", pence=25),), "70.00"),
    Published("80p off 2.25", "unibet.co.uk/help (horse racing, win)", "10", SINGLES,
              (deducted("2.25", pence=80),), "12.50"),
    Published("30p off 5/1", "winnersodds.com/understanding-rule-4-deductions", "10", SINGLES,
              (deducted("5/1", pence=30),), "45.00"),
    # Printed as 33.65: 21.375 and 12.275, which are two lines, each rounded down.
    Published("35p off 7/4 and its place at a fifth",
              "support.betfair.com/app/answers/detail/a_id/6556", "10", SINGLES,
              (deducted("7/4", pence=35), deducted("1.35", pence=35)), "33.64", each_way=True),
    Published("35p off 7/4 and its place at a fifth, for ten times the stake",
              "support.betfair.com/app/answers/detail/a_id/6556", "100", SINGLES,
              (deducted("7/4", pence=35), deducted("1.35", pence=35)), "336.50", each_way=True),
    # Printed as 12.28.
    Published("35p off the place alone", "support.betfair.com/app/answers/detail/a_id/6556", "10",
              SINGLES, (LOST, deducted("1.35", pence=35)), "12.27", each_way=True),
)  # fmt: skip
EACH_WAY = (
    Published("both win", _HAMMOND, "1", (2,), _won("10/1", "10/1", "2/1", "2/1"), "130.00",
              each_way=True),
    Published("one wins, one is placed", _HAMMOND, "1", (2,),
              (won("10/1"), LOST, *_won("2/1", "2/1")), "9.00", each_way=True),
    Published("both are placed", _HAMMOND, "1", (2,), (LOST, LOST, *_won("2/1", "2/1")), "9.00",
              each_way=True),
    Published("both are placed", _GOLF_DOUBLE, "10", (2,), (LOST, LOST, *_won("5/1", "10/1")),
              "660.00", each_way=True),
    Published("both win", _GOLF_DOUBLE, "10", (2,), _won("20/1", "40/1", "5/1", "10/1"),
              "9270.00", each_way=True),
    Published("11/4 at a fifth wins", _BOOKMAKING, "100", SINGLES, _won("11/4", "1.55"), "530.00",
              each_way=True),
    Published("11/4 at a fifth is placed", _BOOKMAKING, "100", SINGLES, (LOST, won("1.55")),
              "155.00", each_way=True),
    Published("20/1 at a fifth is third", "racing-systems.co.uk/betting-guide", "10", SINGLES,
              (LOST, won("4/1")), "50.00", each_way=True),
    Published("21.0 at a fifth wins", "fog2014.blogspot.com/2017", "10", SINGLES,
              _won("21.0", "5.0"), "260.00", each_way=True),
    Published("50/1 at a quarter wins", "b2action.com/each-way-bets-explained-2", "5", SINGLES,
              _won("50/1", "13.5"), "322.50", each_way=True),
    Published("50/1 at a quarter is placed", "b2action.com/each-way-bets-explained-2", "5",
              SINGLES, (LOST, won("13.5")), "67.50", each_way=True),
    Published("8/1 at a quarter wins", "groups.yahoo.com/neo/groups/Czechlist (38468)", "10",
              SINGLES, _won("8/1", "2/1"), "120.00", each_way=True),
    Published("18/1 at a quarter wins", "co.foxbet.com/help/articles/golf-each-way-bet/208230",
              "5", SINGLES, _won("18/1", "5.5"), "122.50", each_way=True),
    Published("7/4 at a fifth wins", "support.betfair.com/app/answers/detail/a_id/6556", "10",
              SINGLES, _won("7/4", "1.35"), "41.00", each_way=True),
    Published("7/4 at a fifth is second", "support.betfair.com/app/answers/detail/a_id/6556", "10",
              SINGLES, (LOST, won("1.35")), "13.50", each_way=True),
    # Printed as 41.88: a quarter of 7/4 is 0.4375, which odds in thousandths cut to 1.437.
    Published("7/4 at a quarter wins", "support.betfair.com/app/answers/detail/a_id/6576", "10",
              SINGLES, _won("7/4", "1.437"), "41.87", each_way=True),
    Published("third alone of three places", "help.daznbet.com/hc/en-gb/articles/9775118959517",
              "20", SINGLES, (LOST, won("4/1")), "100.00", each_way=True),
    Published("two tie for the last of three places",
              "help.daznbet.com/hc/en-gb/articles/9775118959517", "20", SINGLES,
              (LOST, tied("4/1", places=1, of=2)), "50.00", each_way=True),
    Published("two tie for the last of five places", "scribd.com/document/352884153 (Paddy Power)",
              "1", SINGLES, (LOST, tied("4/1", places=1, of=2)), "2.50", each_way=True),
    # Worked with a stake cut to 3.33, which gives 11.65.
    Published("three tie for the last of five places",
              "support.betfair.com/app/answers/detail/a_id/16", "10", SINGLES,
              (LOST, tied("5/2", places=1, of=3)), "11.66",
              each_way=True),
)  # fmt: skip
PUBLISHED = (
    *ACCUMULATORS,
    *FULL_COVERS,
    *SYSTEMS,
    *HALVES,
    *DEAD_HEATS,
    *DEDUCTIONS,
    *EACH_WAY,
)
