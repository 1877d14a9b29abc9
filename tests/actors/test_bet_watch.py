"""Gateways that watch bets: they are sent no more lines than they lent, and what they missed."""

from typing import Any

from actors.bet_watch import LINES_LENT_MAX, BetWatch


class Notified:
    """A gateway that notes what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def notify(self, *call: Any) -> None:
        self.calls.append(call)


def test_a_gateway_is_sent_what_it_lent_and_then_told_what_it_missed() -> None:
    watch, one, other = BetWatch(), Notified(), Notified()
    gateways: Any = {"one": one, "other": other}
    watch.lend("one", 10)
    for count in (4, 6, 1, 2):
        watch.send(gateways, count, "on_bets", b"rows")
    watch.lend("one", 10)
    watch.send(gateways, 5, "on_bets", b"rows")
    watch.send(gateways, 5, "on_bets", b"rows")
    sent = ("on_bets", 0, b"rows")
    assert one.calls == [sent, sent, ("on_bets", 3, b"rows"), sent]
    assert other.calls == []


def test_an_allowance_replaces_what_is_left_and_none_is_over_the_bound() -> None:
    watch, one = BetWatch(), Notified()
    gateways: Any = {"one": one}
    watch.lend("one", 10)
    watch.lend("one", 3)
    watch.send(gateways, 4, "on_bets")
    assert one.calls == []
    watch.lend("one", 10 * LINES_LENT_MAX)
    watch.send(gateways, LINES_LENT_MAX + 1, "on_bets")
    watch.send(gateways, LINES_LENT_MAX, "on_bets")
    assert one.calls == [("on_bets", LINES_LENT_MAX + 5)]


def test_a_watch_ends_when_a_gateway_says_so_or_is_gone() -> None:
    watch = BetWatch()
    assert not watch
    for name in ("one", "two"):
        watch.lend(name, 5)
    watch.lend("one", 0)
    assert watch
    watch.keep({"one": Notified()})
    assert not watch
