"""Any story of a match under any faults: no bet after a stop, results as the provider has them."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.common.lifecycle import Status
from gateway.feeds.lsports.messages import BEGAN_BODY
from tests.gateway.feeds.lsports.following import Following
from tests.gateway.feeds.lsports.provider import MATCH, Provider

PAYS = {1: (0, 0), 2: (1, 0), 3: (0, 2), 4: (0, 1), 5: (1, 1)}
"""Won and halves refunded, by settlement."""
ODDS_MILLI = (2_100, 3_400, 3_600)

Faults = st.sampled_from(
    ["none", "none", "none", "none", "drop", "double", "cut", "odd", "swap", "restart", "lose"]
)
Changes = st.one_of(
    st.tuples(st.just("odds"), st.sampled_from("1X2"), st.sampled_from(["1.50", "2.50", "1.0"])),
    st.tuples(st.just("suspend"), st.sampled_from(["1", "X", "2", ""])),
    st.tuples(st.just("fixture"), st.sampled_from([2, 2, 3, 8])),
    st.tuples(
        st.just("settle"),
        st.sampled_from(["1", "X", "2", "1X2"]),
        st.sampled_from([-1, 1, 2, 3, 4, 5]),
    ),
)


def message_of(provider: Provider, change: tuple) -> bytes | None:  # type: ignore[type-arg]
    """Make a change and return its message; None: a settled bet has no odds."""
    bets = provider.markets[MATCH, 1]
    settled = {name for (name, _), bet in bets.items() if bet.get("Settlement", -1) > 0}
    match change:
        case ("odds", names, *_) | ("suspend", names) if settled.intersection(names or "1X2"):
            return None
        case "odds", name, price:
            return provider.odds({name: price})
        case "suspend", names:
            return provider.suspend(*names)
        case "settle", names, result:
            return provider.settle(dict.fromkeys(names, result))
    return provider.fixture(status=change[1])


def offered_by(provider: Provider) -> dict[str, int | None]:
    """Return what the provider offers of the match winner."""
    open_now = provider.fixtures[MATCH]["Status"] == 2
    found: dict[str, int | None] = {}
    for (name, _), bet in provider.markets[MATCH, 1].items():
        milli = round(float(bet["Price"]) * 1_000)
        found[name] = milli if open_now and bet["Status"] == 1 and milli > 1_000 else None
    return found


def owed_by(provider: Provider) -> list[int] | None:
    """Return what bets of 100 on each outcome are owed; None: the market is not settled."""
    bets = provider.markets[MATCH, 1].values()
    results = [bet.get("Settlement", 0) for bet in bets]
    if not all(result > 0 for result in results):
        return None
    owed = []
    for result, odds in zip(results, ODDS_MILLI, strict=True):
        won, halves = PAYS[result]
        owed.append(50 * halves + won * 50 * (2 - halves) * odds // 1_000)
    return owed


def check_stop(following: Following, change: tuple) -> None:  # type: ignore[type-arg]
    """Assert that what a change stops takes no bets."""
    offered = following.odds() if following.status() is Status.ACTIVE else {}
    match change:
        case "suspend", "":
            assert not offered
        case ("suspend", name) | ("odds", name, "1.0"):
            assert offered.get(name) is None
        case "fixture", status:
            assert not offered or status == 2
        case "settle", names, _:
            assert not any(offered.get(name) for name in names)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(Changes, Faults), max_size=14))
@example(
    [(("settle", "1X2", 1), "none"), (("settle", "X", -1), "drop"), (("suspend", "X"), "none")]
)
def test_no_fault_leaves_a_stopped_market_open_or_a_settled_one_unpaid(
    story: list[tuple[tuple, str]],  # type: ignore[type-arg]
) -> None:
    following = Following().opened()
    provider = following.provider
    for outcome, odds in enumerate(ODDS_MILLI):
        assert following.bet(outcome, odds) == 0
    late: list[bytes] = []
    for change, fault in story:
        body = message_of(provider, change)
        if body is None:
            continue
        if fault == "cut":
            body = body[:-5]
        elif fault == "odd":
            body = body.replace(b'"LastUpdate": "', b'"LastUpdate": "never ')
        elif fault == "restart":
            following.restarted()
        elif fault == "lose":
            following.receive(BEGAN_BODY)
        if fault == "swap":
            late.append(body)
        elif fault != "drop":
            following.receive(*[body] * (2 if fault == "double" else 1))
            check_stop(following, change)
            following.receive(*late)
            late.clear()
    following.began()
    following.answer()
    owed, offered = owed_by(provider), offered_by(provider)
    if owed is not None:
        assert following.status() is Status.SETTLED
        assert [payout for _, payout in following.paid().values()] == owed
        return
    assert all(result == "NONE" for result, _ in following.paid().values())
    assert (following.status() is Status.ACTIVE) is any(offered.values())
    if any(offered.values()):
        assert following.odds() == offered
