"""Who is told of a match's score, and how often."""

import asyncio

from actors.match_notices import FIXTURES_MAX, MatchNotices
from actors.peer import LocalPeer


class Receiver:
    """A part that notes the scores that it is told."""

    def __init__(self) -> None:
        self.scores: list[tuple[object, ...]] = []

    def on_match(self, *score: object) -> None:
        self.scores.append(score)

    def on_match_again(self, *score: object) -> None:
        self.scores.append(("again", *score))


def peers(**parts: Receiver) -> dict[str, LocalPeer]:
    return {name: LocalPeer(part, name=name) for name, part in parts.items()}


async def test_gateways_and_the_desk_are_told_of_each_new_score_once() -> None:
    gateway, desk = Receiver(), Receiver()
    notices = MatchNotices()
    for score in ((True, 0, 0), (True, 0, 0), (True, 1, 0), None):
        notices.send(peers(gateway=gateway, desk=desk), "cup", score, stopped=True)
    await asyncio.sleep(0)
    assert gateway.scores == [("cup", True, 0, 0, True), ("cup", True, 1, 0, True)]
    assert desk.scores == gateway.scores


async def test_one_that_comes_is_told_how_all_matches_stand() -> None:
    late = Receiver()
    notices = MatchNotices()
    for fixture in ("cup", "cap"):
        notices.send({}, fixture, (True, 1, 0), stopped=False)
    notices.repeat(peers(late=late)["late"])
    await asyncio.sleep(0)
    assert late.scores == [("again", "cup", True, 1, 0), ("again", "cap", True, 1, 0)]


async def test_the_score_of_the_oldest_of_too_many_fixtures_is_sent_again() -> None:
    gateway = Receiver()
    notices = MatchNotices()
    for number in (*range(FIXTURES_MAX + 1), FIXTURES_MAX, 0):
        notices.send(peers(gateway=gateway), f"cup-{number}", (True, 0, 0), stopped=False)
    await asyncio.sleep(0)
    assert len(gateway.scores) == FIXTURES_MAX + 2
    assert gateway.scores[-1][0] == "cup-0"
