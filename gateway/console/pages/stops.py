"""What a person stops and resumes: a fixture, a type of its markets, a competition, the house.

Owns these actions and their undo. What is stopped, and what a resumption gives back, is the
gateway's to say.
"""

from typing import Any

from msgspec import UNSET

from gateway.console.house_stop import is_part, part_text
from gateway.console.pages.frame import Screen
from gateway.console.undos import Undo
from gateway.messages.scopes import MarketScope, Scoped


def competition_of(screen: Screen, fixture: str) -> MarketScope | None:
    """Return the competition of a fixture as a scope; None, and a line, where nobody said it."""
    about = screen.model.fixtures[fixture].about
    if about is None or not about.competition:
        screen.say(f"{fixture} is in no competition", bad=True)
        return None
    return MarketScope(competition=about.competition, sport=about.sport or UNSET)


async def suspend_competition(screen: Screen, fixture: str, why: str) -> None:
    """Suspend every market of a fixture's competition; undo resumes what this has suspended."""
    scope = competition_of(screen, fixture)
    if scope is not None:
        await suspend_part(screen, scope, str(scope.competition), why=why or "by hand")


async def resume_competition(screen: Screen, fixture: str) -> None:
    """Resume what a suspension of the competition, or of all of a fixture, holds."""
    scope = competition_of(screen, fixture)
    if scope is not None:
        session = screen.user.session
        await screen.act(f"resume {scope.competition}", lambda: session.resume_scope(scope))


async def suspend_part(screen: Screen, scope: MarketScope, name: str, *, why: str) -> None:
    """Suspend every market of a scope; undo takes this person's stop off, where it is new."""
    session = screen.user.session

    def undo(answer: Scoped) -> Undo | None:
        if not answer.changed:
            return None
        return Undo(f"undo: resume {name}", lambda: screen.user.session.resume_scope(scope))

    await screen.act(f"suspend {name}", lambda: session.suspend_scope(scope, why=why), undo=undo)


async def suspend_fixture(screen: Screen, fixture: str, *, why: str = "by hand") -> None:
    """Suspend all markets of a fixture; undo takes this person's stop off, where it is new."""
    session = screen.user.session

    def undo(answer: Any) -> Undo | None:
        # A stop that stood before is no news, and an undo would take that back, too.
        if not answer.suspended:
            return None
        return Undo(
            f"undo: resume {fixture}", lambda: screen.user.session.resume_all(fixture=fixture)
        )

    await screen.act(
        f"suspend {fixture}", lambda: session.suspend_all(fixture=fixture, why=why), undo=undo
    )


async def resume_fixture(screen: Screen, fixture: str) -> None:
    """Resume what a suspension of the whole fixture holds."""
    session = screen.user.session
    await screen.act(f"resume {fixture}", lambda: session.resume_all(fixture=fixture))


async def lift_fixture(screen: Screen, fixture: str) -> None:
    """Take everybody's stops off a fixture, as a head trader may; undo suspends it again."""
    session, name = screen.user.session, f"lift all stops of {fixture}"

    async def suspend() -> Any:
        return await screen.user.session.suspend_all(fixture=fixture, why="lifted by mistake")

    def undo(answer: Any) -> Undo | None:
        return Undo(f"undo: suspend {fixture}", suspend) if answer.resumed else None

    await screen.act(name, lambda: session.resume_all(fixture=fixture, force=True), undo=undo)


async def stop_house(screen: Screen, why: str) -> None:
    """Refuse every new bet of the house; undo takes bets again if this has stopped it."""
    house, user = screen.model.house, screen.user
    undo = None
    if not house.banner:
        undo = Undo("undo: start the house", lambda: house.start(lambda: user.session))

    async def stop() -> None:
        await house.stop(lambda: user.session, why)

    if await screen.act("stop the house", stop, undo=undo) and is_part(house.house):
        screen.say(f"stop the house: {part_text(house.house)}", bad=True)


async def start_house(screen: Screen) -> None:
    """Take bets again."""
    house, user = screen.model.house, screen.user
    done = await screen.act("start the house", lambda: house.start(lambda: user.session))
    if done and (house.house.missing or house.house.stopped):
        missing = len(house.house.missing)
        screen.say(f"start the house: MISSING {missing} account shards: press Y again", bad=True)
