"""The greeting: who belongs here gets in, and nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.road.greeting import (
    GREETING_BYTES_MAX,
    CalleeGreeting,
    CallerGreeting,
    GreetingError,
)

SECRET = b"a secret of the whole system"
TOKEN = bytes(range(16))


def _caller(
    secret: bytes = SECRET, *, part: str = "account-000", token: bytes = TOKEN
) -> CallerGreeting:
    return CallerGreeting(secret, part=part, token=token, caller="gateway-0")


def _callee(secret: bytes = SECRET) -> CalleeGreeting:
    return CalleeGreeting(secret, part="account-000", token=TOKEN)


def test_both_ends_of_a_system_let_each_other_in() -> None:
    caller, callee = _caller(), _callee()
    proof = caller.take(callee.take(caller.begin()))
    assert caller.done
    assert not callee.done
    assert callee.take(proof + b"frames") == b""
    assert callee.done
    assert (callee.caller, callee.take_rest()) == ("gateway-0", b"frames")


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_the_greeting_may_come_in_pieces(sizes: list[int]) -> None:
    caller, callee = _caller(), _callee()

    def carry(data: bytes, to: CalleeGreeting | CallerGreeting) -> bytes:
        replies, at = [], 0
        while at < len(data):
            size = sizes[at % len(sizes)]
            replies.append(to.take(data[at : at + size]))
            at += size
        return b"".join(replies)

    carry(carry(carry(caller.begin(), callee), caller), callee)
    assert caller.done
    assert callee.done


def test_a_caller_without_the_secret_is_refused_and_learns_nothing_of_use() -> None:
    caller, callee = _caller(b"a guess of the secret"), _callee()
    challenge = callee.take(caller.begin())
    with pytest.raises(GreetingError, match="the callee does not know the secret"):
        caller.take(challenge)
    reflected = challenge[2:]  # the callee's proof is none of a caller
    with pytest.raises(GreetingError):
        callee.take(len(reflected).to_bytes(2, "little") + reflected)
    assert not callee.done


def test_a_proof_of_an_earlier_connection_opens_no_other() -> None:
    caller, callee = _caller(), _callee()
    hello = caller.begin()
    proof = caller.take(callee.take(hello))
    later = _callee()
    later.take(hello)
    with pytest.raises(GreetingError, match="the caller does not know the secret"):
        later.take(proof)


@pytest.mark.parametrize(
    "caller",
    [_caller(part="account-001"), _caller(token=bytes(16)), _caller(token=b"")],
    ids=["another part", "another process of the part", "no token"],
)
def test_who_wants_another_process_gets_no_answer(caller: CallerGreeting) -> None:
    with pytest.raises(GreetingError, match="another process"):
        _callee().take(caller.begin())


@given(st.binary(min_size=1, max_size=300))
def test_whatever_a_stranger_sends_does_not_let_it_in(data: bytes) -> None:
    callee = _callee()
    try:
        callee.take(data)
        callee.take(data)
    except GreetingError:
        return
    assert not callee.done


def test_a_message_past_its_bound_is_refused_before_it_has_come() -> None:
    with pytest.raises(GreetingError, match=f"at most {GREETING_BYTES_MAX}"):
        _callee().take(b"\xff\xff")
