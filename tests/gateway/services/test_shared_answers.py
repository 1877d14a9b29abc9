"""A question that is asked once for everybody who wants its answer."""

import asyncio

import pytest

from gateway.services.shared_answers import SharedAnswer
from tests.actors.virtual import run_virtual

LIFETIME_S = 1.0


class Question:
    """Answers how often it was asked, each time after some seconds."""

    def __init__(self, *, takes_s: float = 0.0, fails: bool = False) -> None:
        self.asked = 0
        self._takes_s = takes_s
        self._fails = fails

    async def ask(self) -> int:
        self.asked += 1
        await asyncio.sleep(self._takes_s)
        if self._fails:
            raise LookupError(self.asked)
        return self.asked


def test_an_answer_serves_everybody_within_its_lifetime_and_nobody_after_it() -> None:
    async def main() -> None:
        shared = SharedAnswer(Question().ask, lifetime_s=LIFETIME_S)
        assert [await shared.get() for _ in range(3)] == [1, 1, 1]
        await asyncio.sleep(0.9 * LIFETIME_S)
        assert await shared.get() == 1
        await asyncio.sleep(0.2 * LIFETIME_S)
        assert await shared.get() == 2

    run_virtual(main())


def test_a_question_that_takes_longer_than_its_lifetime_is_not_asked_twice_at_a_time() -> None:
    async def main() -> None:
        question = Question(takes_s=3 * LIFETIME_S)
        shared = SharedAnswer(question.ask, lifetime_s=LIFETIME_S)
        first = asyncio.create_task(shared.get())
        await asyncio.sleep(2 * LIFETIME_S)
        assert await shared.get() == await first == question.asked == 1
        assert await shared.get() == 2, "its answer is old already"

    run_virtual(main())


def test_who_goes_away_takes_the_answer_from_nobody() -> None:
    async def main() -> None:
        shared = SharedAnswer(Question(takes_s=LIFETIME_S).ask, lifetime_s=LIFETIME_S)
        first, second = (asyncio.create_task(shared.get()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == 1

    run_virtual(main())


def test_what_fails_fails_for_all_that_waited_and_is_asked_anew_later() -> None:
    async def main() -> None:
        question = Question(fails=True)
        shared = SharedAnswer(question.ask, lifetime_s=LIFETIME_S)
        for _ in range(2):
            with pytest.raises(LookupError, match="1"):
                await shared.get()
        await asyncio.sleep(1.1 * LIFETIME_S)
        with pytest.raises(LookupError, match="2"):
            await shared.get()

    run_virtual(main())
