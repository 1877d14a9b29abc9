"""A caller's copy of the routes, whose updates may overtake one another."""

from hypothesis import given
from hypothesis import strategies as st

from actors.messages import MarketRoute, ShellRoute, ShellState
from actors.peer import LocalPeer
from actors.routes import Routes

FIRST, SECOND = "market-00000", "market-00001"
MARKET = MarketRoute(market_no=4, key="a/1x2", shell=FIRST)


def shell(name: str = FIRST, *, state: ShellState = ShellState.SERVING) -> ShellRoute:
    return ShellRoute(name=name, kind="market", generation=1, state=state)


def peer(name: str = FIRST) -> LocalPeer:
    return LocalPeer(object(), name=name)


def routes_at_version_5() -> Routes:
    routes = Routes(shards=2)
    peers = {FIRST: peer()}
    assert routes.update(version=5, shells=[shell()], markets=[MARKET], peers=peers) == [shell()]
    return routes


def test_markets_and_accounts_lead_to_their_shells() -> None:
    routes = routes_at_version_5()
    assert routes.market_shell(4) == FIRST
    assert routes.market_no_by_key == {"a/1x2": 4}
    assert routes.account_shell(7) == "account-001"
    found = routes.peer(FIRST)
    assert found is not None
    assert found.name == FIRST
    assert routes.market_shell(9) is None
    assert routes.peer("nobody") is None


def test_a_shell_that_is_down_has_no_peer_and_keeps_its_markets() -> None:
    routes = routes_at_version_5()
    routes.update(version=6, shells=[shell(state=ShellState.DOWN)], markets=[], peers={})
    assert routes.peer(FIRST) is None
    assert routes.market_shell(4) == FIRST


def test_an_update_older_than_a_shells_route_leaves_it_as_it_is() -> None:
    routes = routes_at_version_5()
    down = shell(state=ShellState.DOWN)
    assert routes.update(version=4, shells=[down], markets=[], peers={}) == []
    assert routes.peer(FIRST) is not None
    assert routes.version == 5


def test_an_overtaken_update_still_sets_the_route_of_another_shell() -> None:
    routes = routes_at_version_5()
    late, other = shell(SECOND), peer(SECOND)
    down = shell(state=ShellState.DOWN)
    changed = routes.update(version=4, shells=[late, down], markets=[], peers={SECOND: other})
    assert changed == [late]
    assert routes.peer(SECOND) is other


@given(
    numbers=st.lists(st.integers(0, 200), unique=True, max_size=60),
    after=st.integers(-1, 210),
    limit=st.integers(1, 70),
    fixture=st.sampled_from(["", "f0", "f1", "f9"]),
)
def test_page_is_that_of_all_markets_sorted(
    numbers: list[int], after: int, limit: int, fixture: str
) -> None:
    routes = Routes(shards=1)
    for number in numbers:
        market = MarketRoute(market_no=number, key=f"f{number % 2}/m?n={number}", shell=FIRST)
        routes.update(version=1, shells=[], markets=[market, market], peers={})
    expected = [
        number
        for number in sorted(numbers)
        if number > after and routes.markets[number].key.startswith(fixture and f"{fixture}/")
    ]
    page, more = routes.page(fixture=fixture, after=after, limit=limit)
    assert [route.market_no for route in page] == expected[:limit]
    assert more == (len(expected) > limit)
    assert list(routes.numbers(fixture=fixture)) == [
        number
        for number in sorted(numbers)
        if routes.markets[number].key.startswith(fixture and f"{fixture}/")
    ]


@given(
    placed=st.dictionaries(st.integers(0, 200), st.sampled_from([FIRST, SECOND, "x"]), max_size=60)
)
def test_numbers_of_a_shell_are_those_of_its_markets_sorted(placed: dict[int, str]) -> None:
    routes = Routes(shards=1)
    for number, name in placed.items():
        market = MarketRoute(market_no=number, key=f"f/m?n={number}", shell=name)
        routes.update(version=1, shells=[], markets=[market, market], peers={})
    for name in (FIRST, SECOND, "x", "unknown"):
        expected = sorted(number for number, shell_name in placed.items() if shell_name == name)
        assert list(routes.numbers_of_shell(name)) == expected
