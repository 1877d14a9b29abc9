"""Which shell a new market gets."""

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
