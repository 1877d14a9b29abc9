"""A slip that was drawn is the message that places it, within the protocol's bounds."""

import msgspec
import numpy as np
import pytest

from engine.common.lifecycle import Status
from engine.common.rows import Policy
from engine.common.views import PriceImage
from gateway.demo.bettors import slip_message
from gateway.messages.slips import SLIP_POLICY_NUMBERS, PlaceSlip
from simulations.crowd import SLIP_PROFILES, Board
from simulations.crowd_slips import draw_slip

BOARD = Board(
    PriceImage(
        market_no=number + 1,
        key=f"match-{number}/1x2",
        status=Status.ACTIVE,
        version=1,
        outcomes=("home", "draw", "away"),
        odds_milli=(1_800, 3_400, 4_600),
        active=(True, True, True),
    )
    for number in range(6)
)


@pytest.mark.parametrize("profile", SLIP_PROFILES)
def test_a_drawn_slip_is_sent_as_it_was_drawn(profile):
    rng = np.random.default_rng(3)
    for _ in range(200):
        slip = draw_slip(profile, BOARD, rng=rng)
        message = slip_message(slip, "a-1")
        raw = msgspec.msgpack.encode(message)
        assert msgspec.msgpack.decode(raw, type=PlaceSlip) == message
        assert message.ref == "a-1"
        assert [
            (leg.market, leg.outcome, leg.odds_milli, leg.position) for leg in message.legs
        ] == [(leg.market_no, leg.outcome, leg.odds_milli, leg.position) for leg in slip.legs]
        assert [
            (bet.stake_minor, bet.sizes, bet.positions, bet.bankers) for bet in message.bets
        ] == [(bet.stake_minor, bet.sizes, bet.positions, bet.bankers) for bet in slip.bets]
        assert SLIP_POLICY_NUMBERS[message.policy, message.policy_over] == slip.policy


@pytest.mark.parametrize("policy", Policy)
def test_every_policy_has_its_words(policy):
    slip = draw_slip(SLIP_PROFILES[0], BOARD, rng=np.random.default_rng(3))
    message = slip_message(slip._replace(policy=policy), "a")
    assert SLIP_POLICY_NUMBERS[message.policy, message.policy_over] == policy
