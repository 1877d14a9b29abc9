"""The groups that a bet_stop names, and the markets that are in each.

Owns one question: does a bet_stop of these groups stop this market. It never suspends anything.
"""

from collections.abc import Mapping, Sequence
from typing import Final

ALL: Final = "all"
_MARKETS_BY_GROUPS: Final[tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]] = (
    (
        ("score", "regular_play"),
        (
            1,
            *range(8, 17),
            *range(18, 22),
            *range(23, 35),
            41,
            *range(45, 60),
            *range(186, 200),
            *range(548, 552),
            *range(879, 882),
        ),
    ),
    (
        ("combo", "regular_play"),
        (35, 36, 184, 540, 541, 546, 547, *range(818, 821), *range(854, 866)),
    ),
    (("combo", "regular_play", "incl_ot"), (37,)),
    (("score", "1st_half"), (60, *range(62, 67), *range(68, 78), 80, 81, 552)),
    (("combo", "1st_half"), (78, 79, 542)),
    (("score", "2nd_half"), (*range(83, 89), *range(90, 99), 553)),
    (("combo", "2nd_half"), (543, 544, 545)),
    (("score", "ot"), (113, 114, 115, 116, 117)),
    (("score", "set"), tuple(range(202, 209))),
    (("score", "game"), tuple(range(210, 216))),
    (("score", "incl_ot"), (219, *range(223, 231), 290, 291)),
    (("score", "quarter"), (235, 236, *range(302, 306))),
)
_OTHER_GROUPS: Final = (
    "180s", "5_min", "10_min", "15_min", "bookings", "break", "corners", "cup", "innings",
    "kills", "leg", "map", "misc", "offsides", "over", "pen_so", "penalties", "period",
    "player", "player_props", "rapid_market", "round", "scorers", "tiebreak", "tries", "wicket",
)  # fmt: skip
"""Groups of the provider that contain none of the markets above."""
_KNOWN_GROUPS: Final = (
    ALL,
    *(name for names, _ in _MARKETS_BY_GROUPS for name in names),
    *_OTHER_GROUPS,
)
_GROUPS_BY_MARKET: Final[Mapping[int, tuple[str, ...]]] = {
    market_id: groups for groups, market_ids in _MARKETS_BY_GROUPS for market_id in market_ids
}


def stopped_by(market_id: int, groups: Sequence[str]) -> bool:
    """Say whether a bet_stop of these groups stops a market.

    The market is spared only when that is certain: the market's own groups are known, all groups
    of the bet_stop are known, and the two have none in common.
    """
    own = _GROUPS_BY_MARKET.get(market_id)
    if own is None or ALL in groups:
        return True
    return any(group in own or group not in _KNOWN_GROUPS for group in groups)
