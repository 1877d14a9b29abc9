"""The provider's published descriptions of the markets that our types name, as checked by hand.

Read from a copy of the answer of its interface `descriptions/en/markets.xml` (1,000 markets of
2021, of which these are the ones with a type here), except for the variants, whose outcomes that
answer leaves out: those are from bookmakers' public records of offered markets. Names are the
provider's, without its placeholders. It holds no rule.
"""

from typing import NamedTuple


class Published(NamedTuple):
    """A market's name, one text of specifiers as sent, and its outcome ids."""

    name: str
    specifiers: str
    outcomes: tuple[str, ...]


def _rows(specifiers: str, outcomes: str, *markets: tuple[int, str]) -> dict[int, Published]:
    return {
        number: Published(name, specifiers, tuple(outcomes.split())) for number, name in markets
    }


_CORRECT_SCORE = " ".join(str(number) for number in range(274, 326, 2))
_DOUBLE_CHANCE_COMBINED = "1718 1719 1720 1721 1722 1723"

FOOTBALL = {
    **_rows(
        "", "1 2 3",
        (1, "1x2"), (60, "1st half - 1x2"), (83, "2nd half - 1x2"), (113, "Overtime - 1x2"),
    ),
    **_rows(
        "goalnr=1", "6 7 8",
        (8, "goal"), (62, "1st half - goal"), (84, "2nd half - goal"), (115, "Overtime - goal"),
    ),
    **_rows("", "6 7 8", (9, "Last goal")),
    **_rows("goalnr=1", "814 816 818 820 822 824 826", (184, "goal & 1x2")),
    **_rows(
        "", "9 10 11",
        (10, "Double chance"), (63, "1st half - double chance"), (85, "2nd half - double chance"),
    ),
    **_rows(
        "", "4 5",
        (11, "Draw no bet"), (64, "1st half - draw no bet"), (86, "2nd half - draw no bet"),
    ),
    **_rows("", "776 778", (12, "home no bet")),
    **_rows("", "780 782", (13, "away no bet")),
    **_rows(
        "hcp=0:1", "1711 1712 1713",
        (14, "Handicap"), (65, "1st half - handicap"), (87, "2nd half - handicap"),
    ),
    **_rows(
        "variant=sr:winning_margin:3+",
        " ".join(f"sr:winning_margin:3+:{number}" for number in range(113, 120)),
        (15, "Winning margin"),
    ),
    **_rows(
        "hcp=-0.5", "1714 1715",
        (16, "Handicap"), (66, "1st half - handicap"), (88, "2nd half - handicap"),
        (117, "Overtime - handicap"),
    ),
    **_rows(
        "total=2.5", "12 13",
        (18, "Total"), (19, "home total"), (20, "away total"), (68, "1st half - total"),
        (69, "1st half - home total"), (70, "1st half - away total"), (90, "2nd half - total"),
        (91, "2nd half - home total"), (92, "2nd half - away total"), (116, "Overtime - total"),
    ),
    **_rows(
        "variant=sr:exact_goals:6+",
        " ".join(f"sr:exact_goals:6+:{number}" for number in range(68, 75)),
        (21, "Exact goals"),
    ),
    **_rows(
        "variant=sr:exact_goals:3+",
        " ".join(f"sr:exact_goals:3+:{number}" for number in range(88, 92)),
        (23, "home exact goals"), (24, "away exact goals"),
    ),
    **_rows(
        "variant=sr:exact_goals:2+",
        " ".join(f"sr:exact_goals:2+:{number}" for number in range(85, 88)),
        (71, "1st half - exact goals"), (72, "1st half - home exact goals"),
        (73, "1st half - away exact goals"), (93, "2nd half - exact goals"),
    ),
    **_rows(
        "variant=sr:goal_range:7+",
        " ".join(f"sr:goal_range:7+:{number}" for number in range(1342, 1346)),
        (25, "Goal range"),
    ),
    **_rows(
        "", "70 72",
        (26, "Odd/even"), (27, "home odd/even"), (28, "away odd/even"),
        (74, "1st half - odd/even"), (94, "2nd half - odd/even"),
    ),
    **_rows(
        "", "74 76",
        (29, "Both teams to score"), (31, "home clean sheet"), (32, "away clean sheet"),
        (33, "home win to nil"), (34, "away win to nil"), (48, "home to win both halves"),
        (49, "away to win both halves"), (50, "home to win either half"),
        (51, "away to win either half"), (56, "home to score in both halves"),
        (57, "away to score in both halves"), (75, "1st half - both teams to score"),
        (76, "1st half - home clean sheet"), (77, "1st half - away clean sheet"),
        (95, "2nd half - both teams to score"), (96, "2nd half - home clean sheet"),
        (97, "2nd half - away clean sheet"),
    ),
    **_rows("total=1.5", "74 76", (58, "Both halves over"), (59, "Both halves under")),
    **_rows("", "784 788 790 792", (30, "Which team to score")),
    **_rows(
        "", "78 80 82 84 86 88",
        (35, "1x2 & both teams to score"), (78, "1st half - 1x2 & both teams to score"),
        (543, "2nd half - 1x2 & both teams to score"),
    ),
    **_rows("total=2.5", "90 92 94 96", (36, "Total & both teams to score")),
    **_rows(
        "total=2.5", "794 796 798 800 802 804",
        (37, "1x2 & total"), (79, "1st half - 1x2 & total"), (544, "2nd half - 1x2 & total"),
    ),
    **_rows("", _CORRECT_SCORE, (45, "Correct score")),
    **_rows(
        "score=1:0", " ".join(map(str, [110, *range(114, 168, 2)])), (41, "Correct score")
    ),
    **_rows(
        "score=0:1", " ".join(map(str, range(442, 462, 2))),
        (80, "1st half - correct score"),
    ),
    **_rows("", "462 464 466 468 470 472 474 476 478 480", (81, "1st half - correct score")),
    **_rows("", "546 548 550 552 554 556 558 560 562 564", (98, "2nd half - correct score")),
    **_rows("", "418 420 422 424 426 428 430 432 434", (47, "Halftime/fulltime")),
    **_rows(
        "total=2.5", " ".join(map(str, range(1836, 1854))),
        (818, "Halftime/fulltime & total"), (819, "Halftime/fulltime & 1st half total"),
    ),
    **_rows(
        "", " ".join(map(str, range(1854, 1890))), (820, "Halftime/fulltime & exact goals"),
    ),
    **_rows(
        "", " ".join(map(str, range(326, 418, 2))), (46, "Halftime/fulltime correct score"),
    ),
    **_rows(
        "", "436 438 440",
        (52, "Highest scoring half"), (53, "home highest scoring half"),
        (54, "away highest scoring half"),
    ),
    **_rows("", "806 808 810 812", (55, "1st/2nd half both teams to score")),
    **_rows(
        "", _DOUBLE_CHANCE_COMBINED,
        (542, "1st half - double chance & both teams to score"),
        (545, "2nd half - double chance & both teams to score"),
        (546, "Double chance & both teams to score"),
        (540, "Double chance (match) & 1st half both teams score"),
        (541, "Double chance (match) & 2nd half both teams score"),
    ),
    **_rows("total=2.5", "1724 1725 1726 1727 1728 1729", (547, "Double chance & total")),
    **_rows("", " ".join(map(str, [1804, *range(1730, 1746)])), (548, "Multigoals")),
    **_rows(
        "", "1805 1746 1747 1748 1749",
        (549, "home multigoals"), (550, "away multigoals"), (552, "1st half - multigoals"),
        (553, "2nd half - multigoals"),
    ),
    **_rows("", " ".join(map(str, [1803, *range(1750, 1760)])), (551, "Multiscores")),
    **_rows(
        "total=2.5", "74 76",
        (854, "home or over"), (855, "home or under"), (856, "draw or over"),
        (857, "draw or under"), (858, "away or over"), (859, "away or under"),
    ),
    **_rows(
        "", "74 76",
        (860, "home or both teams to score"), (861, "draw or both teams to score"),
        (862, "away or both teams to score"), (863, "home or any clean sheet"),
        (864, "draw or any clean sheet"), (865, "away or any clean sheet"),
        (879, "away to win"), (880, "home to win"), (881, "Any team to win"),
    ),
}  # fmt: skip

OTHER_VARIANTS = {
    (21, "variant=sr:exact_goals:5+"): tuple(
        f"sr:exact_goals:5+:{number}" for number in range(1336, 1342)
    ),
    (25, "variant=sr:point_range:6+"): tuple(
        f"sr:point_range:6+:{number}" for number in range(1121, 1125)
    ),
}
"""Outcome ids of further variants of football's markets, by market id and specifiers."""

TENNIS = {
    **_rows("", "4 5", (186, "Winner")),
    **_rows("hcp=-3.5", "1714 1715", (187, "Game handicap")),
    **_rows("hcp=-1.5", "1714 1715", (188, "Set handicap")),
    **_rows("total=22.5", "12 13", (189, "Total games")),
    **_rows("total=11.5", "12 13", (190, "home total games"), (191, "away total games")),
    **_rows("", "74 76", (192, "home to win a set"), (193, "away to win a set")),
    **_rows("variant=sr:exact_sets:bestof:3", "", (196, "Exact sets")),
    **_rows("", "70 72", (198, "Odd/even games")),
    **_rows("variant=sr:correct_score:bestof:3", "", (199, "Correct score")),
    **_rows("setnr=1", "4 5", (202, "set - winner")),
    **_rows("setnr=1|hcp=-1.5", "1714 1715", (203, "set - game handicap")),
    **_rows("setnr=1|total=9.5", "12 13", (204, "set - total games")),
    **_rows("setnr=1", "70 72", (205, "set - odd/even games")),
    **_rows("setnr=1", "74 76", (206, "set - will there be a tiebreak")),
    **_rows(
        "setnr=1", " ".join(str(number) for number in range(865, 879)), (207, "set - correct score")
    ),
    **_rows("setnr=1|gamenr=2", "4 5", (210, "set game - winner")),
}

BASKETBALL = {
    **_rows("", "1 2 3", (1, "1x2"), (60, "1st half - 1x2")),
    **_rows("", "4 5", (11, "Draw no bet"), (64, "1st half - draw no bet")),
    **_rows("hcp=-4.5", "1714 1715", (16, "Handicap"), (66, "1st half - handicap")),
    **_rows("total=158.5", "12 13", (18, "Total")),
    **_rows(
        "total=78.5", "12 13",
        (68, "1st half - total"), (69, "1st half - home total"), (70, "1st half - away total"),
    ),
    **_rows("", "4 5", (219, "Winner (incl. overtime)")),
    **_rows("hcp=-4.5", "1714 1715", (223, "Handicap (incl. overtime)")),
    **_rows("total=160.5", "12 13", (225, "Total (incl. overtime)")),
    **_rows(
        "total=80.5", "12 13",
        (227, "home total (incl. overtime)"), (228, "away total (incl. overtime)"),
    ),
    **_rows("quarternr=2", "1 2 3", (235, "quarter - 1x2")),
    **_rows("quarternr=2|total=40.5", "12 13", (236, "quarter - total")),
    **_rows("quarternr=2", "4 5", (302, "quarter - draw no bet")),
    **_rows("quarternr=2|hcp=-1.5", "1714 1715", (303, "quarter - handicap")),
}  # fmt: skip

PUBLISHED = {"football": FOOTBALL, "tennis": TENNIS, "basketball": BASKETBALL}

UNCHECKED = {
    ("tennis", 196): "the outcome ids of its variants were not found",
    ("tennis", 199): "the outcome ids of its variants were not found",
}
"""Markets of our types whose outcome ids could not be checked, and why. None is in our table."""

NOT_NAMED = {("tennis", 207)}
"""Markets whose outcome ids were checked and are not in our table: they keep their numbers."""
