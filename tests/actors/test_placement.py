"""Which shell a new market gets."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from actors.placement import Placement, market_shell_name


def test_with_one_market_per_shell_every_market_gets_its_own_shell():
    placement = Placement(markets_per_actor=1)
    assert placement.place(["a/1x2", "a/total?total=2.5", "b/1x2"]) == [
        market_shell_name(n) for n in range(3)
    ]


def test_markets_of_a_fixture_stay_together_while_there_is_room():
    placement = Placement(markets_per_actor=3)
    first = placement.place(["a/1x2", "a/btts"])
    second = placement.place(["b/1x2", "b/btts", "a/total?total=2.5"])
    assert first == [market_shell_name(0)] * 2
    assert second == [market_shell_name(1)] * 2 + [market_shell_name(0)]


def test_a_fixture_larger_than_a_shell_fills_one_shell_after_another():
    placement = Placement(markets_per_actor=2)
    shells = placement.place([f"a/total?total={n}.5" for n in range(5)])
    assert shells == [market_shell_name(n) for n in (0, 0, 1, 1, 2)]


def test_small_fixtures_share_a_shell():
    placement = Placement(markets_per_actor=10)
    assert set(placement.place([f"f{n}/1x2" for n in range(10)])) == {market_shell_name(0)}


def test_placement_continues_from_what_the_directory_holds():
    keys = ["a/1x2", "b/1x2", "b/btts"]
    placement = Placement(markets_per_actor=2)
    shells = placement.place(keys)
    restarted = Placement(markets_per_actor=2, placed=zip(keys, shells, strict=True))
    assert restarted.place(["c/1x2", "a/btts"]) == placement.place(["c/1x2", "a/btts"])


def test_a_new_shell_is_never_named_as_one_that_hosts_markets():
    placement = Placement(
        markets_per_actor=1,
        placed=[("a/1x2", market_shell_name(0)), ("c/1x2", market_shell_name(2))],
    )
    assert placement.place(["d/1x2", "e/1x2"]) == [market_shell_name(n) for n in (3, 4)]


def test_a_shell_whose_markets_were_withdrawn_is_filled_before_a_new_one_is_named():
    named = [market_shell_name(n) for n in range(3)]
    keys = ["a/1x2", "b/1x2", "c/1x2"]
    placement = Placement(markets_per_actor=1)
    assert placement.place(keys) == named
    placement.withdraw(keys[1], named[1])
    restarted = Placement(
        markets_per_actor=1, placed=[(keys[n], named[n]) for n in (0, 2)], shells=named
    )
    expected = [named[1], market_shell_name(3), market_shell_name(4)]
    assert placement.place(["d/1x2", "e/1x2", "f/1x2"]) == expected
    assert restarted.place(["d/1x2", "e/1x2", "f/1x2"]) == expected


@given(
    st.integers(1, 7),
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9), st.randoms()), max_size=12),
)
def test_withdrawals_and_restarts_never_fill_a_shell_beyond_its_bound(
    markets_per_actor: int, steps: list[tuple[int, int, random.Random]]
):
    placement = Placement(markets_per_actor=markets_per_actor)
    placed: dict[str, str] = {}
    named: dict[str, None] = {}
    for serial, (fixture, count, rng) in enumerate(steps):
        keys = [f"f{fixture}/total?total={serial}{n}.5" for n in range(count)]
        shells = placement.place(keys)
        placed.update(zip(keys, shells, strict=True))
        named.update(dict.fromkeys(shells))
        for key in rng.sample(sorted(placed), k=rng.randint(0, len(placed))):
            placement.withdraw(key, placed.pop(key))
        if rng.random() < 0.5:
            placement = Placement(
                markets_per_actor=markets_per_actor, placed=placed.items(), shells=named
            )
        assert all(load <= markets_per_actor for load in Counter(placed.values()).values())
    assert sorted(named) == [market_shell_name(n) for n in range(len(named))]


@given(
    st.integers(1, 7),
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9)), max_size=12),
)
def test_no_shell_gets_more_markets_than_its_bound(
    markets_per_actor: int, fixtures: list[tuple[int, int]]
):
    placement = Placement(markets_per_actor=markets_per_actor)
    load: dict[str, int] = {}
    serial = 0
    for fixture, count in fixtures:
        keys = [f"f{fixture}/total?total={serial + n}.5" for n in range(count)]
        serial += count
        for shell in placement.place(keys):
            load[shell] = load.get(shell, 0) + 1
    assert all(count <= markets_per_actor for count in load.values())
    assert list(load) == [market_shell_name(n) for n in range(len(load))]
