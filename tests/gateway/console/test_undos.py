"""What a screen takes back: the last thing that it did itself, and not long ago."""

import pytest

from gateway.console.pages.frame import outcome_text
from gateway.console.undos import UNDO_MAX, UNDO_S, NotUndoneError, Undo, Undos
from gateway.messages.inputs import InputsKept
from gateway.messages.trader import ResumedAll, SuspendedAll


async def nothing() -> None:
    """Take nothing back."""


def kept(*times_s: float) -> Undos:
    """Return actions of these times, each with its number as its label."""
    undos = Undos()
    for number, at_s in enumerate(times_s):
        undos.push(Undo(str(number), nothing), at_s)
    return undos


def test_the_last_goes_first_and_each_once() -> None:
    undos = kept(1.0, 2.0)
    assert [undos.pop(3.0).label for _ in range(2)] == ["1", "0"]
    with pytest.raises(NotUndoneError, match="nothing to undo"):
        undos.pop(3.0)


def test_what_is_too_old_is_not_taken_back_nor_anything_before_it() -> None:
    undos = kept(0.0, 1.0, 50.0)
    assert undos.pop(1.5 + UNDO_S).label == "2"
    with pytest.raises(NotUndoneError, match="1: not sent, older than 60 s"):
        undos.pop(1.5 + UNDO_S)
    with pytest.raises(NotUndoneError, match="nothing to undo"):
        undos.pop(1.5 + UNDO_S)
    assert kept(0.0).pop(UNDO_S).label == "0"


def test_past_the_bound_the_oldest_go() -> None:
    undos = kept(*[0.0] * (UNDO_MAX + 3))
    assert [undos.pop(0.0).label for _ in range(UNDO_MAX)][-1] == "3"
    with pytest.raises(NotUndoneError):
        undos.pop(0.0)


def test_what_was_not_done_is_said_and_said_as_bad() -> None:
    kept_inputs = InputsKept(fixture="f", repriced=3, refused=130, why="shell down", suspended=2)
    assert outcome_text(kept_inputs) == (": 2 suspended, 0 resumed, 130 REFUSED, shell down", True)
    text, bad = outcome_text(InputsKept(fixture="f", suspended=1, failed=(4, 5), why="x"))
    assert (text, bad) == (": 1 suspended, 0 resumed, 2 FAILED, x", True)
    text, bad = outcome_text(SuspendedAll(suspended=5, unchanged=1, failed=(1, 2), owed=2))
    assert bad
    assert text == ": 5 suspended, 1 unchanged, 2 FAILED, 2 of them kept, until their shells answer"
    text, bad = outcome_text(SuspendedAll(suspended=4, unchanged=1))
    assert (text, bad) == (": 4 suspended, 1 unchanged", False)
    left = ResumedAll(kept=2, others=("trader:ada", "risk:bob"))
    text, bad = outcome_text(left)
    assert (text, bad) == (
        ": 0 resumed, 0 released, 0 unchanged, 2 STOPPED by risk:bob, trader:ada",
        True,
    )
    assert outcome_text(None) == ("", False)
