"""The markets that the groups of a bet_stop stop."""

import pytest

from gateway.feeds.uof.bet_stop_groups import stopped_by


@pytest.mark.parametrize(
    ("market_id", "groups", "stopped"),
    [
        (1, ["all"], True),
        (1, ["score"], True),
        (1, ["regular_play"], True),
        (1, ["1st_half"], False),
        (1, ["corners"], False),
        (1, ["1st_half", "score"], True),
        (35, ["combo"], True),
        (41, ["regular_play"], True),
        (41, ["1st_half"], False),
        (80, ["1st_half"], True),
        (80, ["regular_play"], False),
        (46, ["score"], True),
        (46, ["1st_half"], False),
        (35, ["score"], False),
        (184, ["combo"], True),
        (184, ["score"], False),
        (37, ["incl_ot"], True),
        (37, ["combo"], True),
        (37, ["score"], False),
        (36, ["incl_ot"], False),
        (552, ["1st_half"], True),
        (552, ["2nd_half"], False),
        (553, ["2nd_half"], True),
        (60, ["1st_half"], True),
        (60, ["2nd_half"], False),
        (83, ["2nd_half"], True),
        (113, ["ot"], True),
        (117, ["ot"], True),
        (117, ["regular_play"], False),
        (540, ["combo"], True),
        (541, ["1st_half"], False),
        (548, ["score"], True),
        (549, ["combo"], False),
        (818, ["regular_play"], True),
        (819, ["1st_half"], False),
        (820, ["score"], False),
        (854, ["combo"], True),
        (865, ["score"], False),
        (879, ["2nd_half"], False),
        (881, ["score"], True),
        (1, ["a_group_of_tomorrow"], True),
        (4711, ["1st_half"], True),
    ],
)
def test_a_bet_stop_spares_a_market_only_where_that_is_certain(market_id, groups, stopped):
    assert stopped_by(market_id, groups) is stopped
