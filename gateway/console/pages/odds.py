"""What a person does to one outcome's odds: set them, let them stand, release them; and undo it.

Owns what an undo looks at first. Odds that were right a minute ago may be those of before a goal,
and what stands by now may be somebody else's: so an undo is sent only where its action is the last.
"""

from typing import Any

from engine.common.commands import Quote
from engine.common.units import OddsMilli
from gateway.console.lines import Line
from gateway.console.pages.frame import Screen
from gateway.console.pages.parts import odds_milli_of
from gateway.console.undos import Undo, require


async def set_odds(screen: Screen, line: Line, outcome: int, text: str) -> None:
    """Set one outcome's odds; undo sets what they were, while the market is as this left it."""
    session, number, before = screen.user.session, line.number, line.image.odds_milli[outcome]
    milli = odds_milli_of(text)
    if milli is None:
        screen.say("odds: 1.001 to 10000", bad=True)
        return

    async def set_to(odds_milli: int) -> tuple[Any, ...]:
        quote = Quote(outcome=outcome, odds_milli=OddsMilli(odds_milli))
        return (await session.set_odds(number, [quote]),)

    name = named(line, outcome)

    def undo(answer: tuple[Any, ...]) -> Undo | None:
        version = answer[0].version

        async def back() -> tuple[Any, ...]:
            require((await session.book(number)).version == version, "the market has")
            return await set_to(before)

        return Undo(f"undo: {name} {before / 1_000:g}", back) if before else None

    await screen.act(f"{name} {milli / 1_000:g}", lambda: set_to(milli), undo=undo)


async def override_odds(screen: Screen, line: Line, outcome: int, text: str) -> None:
    """Give one outcome odds that stand until they are released; undo releases no others."""
    milli = odds_milli_of(text)
    if milli is None:
        screen.say("odds: 1.001 to 10000", bad=True)
        return
    session, number, name = screen.user.session, line.number, named(line, outcome)

    async def override() -> tuple[Any, ...]:
        return (await session.override_odds(number, {outcome: milli}),)

    async def back() -> tuple[Any, ...]:
        book = await session.book(number)
        stands = book.overridden[outcome] and book.odds_milli[outcome] == milli
        require(stands, "the odds that stand have")
        return (await session.release_odds(number, [outcome]),)

    undo = Undo(f"undo: release {name}", back)
    await screen.act(f"{name} stands at {milli / 1_000:g}", override, undo=undo)


async def release_odds(screen: Screen, line: Line, outcome: int) -> None:
    """Give one outcome the odds that were given it last."""
    session, number = screen.user.session, line.number

    async def release() -> tuple[Any, ...]:
        return (await session.release_odds(number, [outcome]),)

    await screen.act(f"release {named(line, outcome)}", release)


def named(line: Line, outcome: int) -> str:
    """Return how a line of an action calls a market's outcome."""
    return f"{line.name} {line.image.outcomes[outcome]}"
