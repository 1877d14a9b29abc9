"""Integers of many words: multiplied and divided as Python's own integers are."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.slips.long_integers_nb import WORD, WORD_BITS, bits_nb, multiply_nb, quotient_nb

LENGTH_MAX = 90
QUOTIENT_MAX = (1 << 62) - 1

edges = st.sampled_from([0, 1, 2, WORD >> 1, (WORD >> 1) + 1, WORD - 1, WORD])
any_word = st.one_of(edges, st.integers(0, WORD))
numbers = st.lists(any_word, min_size=1, max_size=40).map(
    lambda parts: sum(part << (WORD_BITS * at) for at, part in enumerate(parts))
)


def write(work: np.ndarray, at: int, number: int) -> int:
    length = 0
    while number or not length:
        work[at + length] = number & WORD
        number >>= WORD_BITS
        length += 1
    return length


def read(work: np.ndarray, at: int, length: int) -> int:
    return sum(int(work[at + i]) << (WORD_BITS * i) for i in range(length))


def scratch() -> np.ndarray:
    return np.full(3 * LENGTH_MAX, -1, np.int64)


@given(numbers, st.integers(1, (1 << 61) - 1), st.booleans())
def test_a_product_is_pythons(number: int, factor: int, in_place: bool) -> None:
    work = scratch()
    length = write(work, 0, number)
    to = 0 if in_place else LENGTH_MAX
    length = multiply_nb(work, 0, length, factor, to)
    assert read(work, to, length) == number * factor
    assert length == 1 or work[to + length - 1] != 0


@given(numbers, numbers.filter(bool))
@example(num=(WORD << 62) | (WORD << 31) | WORD, den=(WORD << 31) | WORD)
def test_a_quotient_of_any_two_is_pythons_up_to_the_bound(num: int, den: int) -> None:
    assert divided(num, den) == min(num // den, QUOTIENT_MAX)


quotients = st.one_of(
    st.integers(0, QUOTIENT_MAX + 9),
    st.integers(QUOTIENT_MAX, 1 << 93),
    st.integers(0, 62).flatmap(lambda bits: st.integers((1 << bits) - 2, (1 << bits) + 2)),
).filter(lambda quotient: quotient >= 0)


@given(quotients, numbers.filter(bool), st.data())
def test_a_quotient_is_pythons_beside_whole_multiples(
    quotient: int, den: int, data: st.DataObject
) -> None:
    rest = data.draw(st.one_of(st.sampled_from([0, den - 1]), st.integers(0, den - 1)))
    assert divided(quotient * den + rest, den) == min(quotient, QUOTIENT_MAX)


def divided(num: int, den: int) -> int:
    work = scratch()
    num_len, den_len = write(work, 0, num), write(work, LENGTH_MAX, den)
    rest = 2 * LENGTH_MAX
    quotient = quotient_nb(work, 0, num_len, LENGTH_MAX, den_len, rest, QUOTIENT_MAX)
    assert read(work, 0, num_len) == num
    assert read(work, LENGTH_MAX, den_len) == den
    return quotient


@pytest.mark.parametrize("number", [1, 2, 3, 4, 255, 256, WORD, 1 << 40, (1 << 62) - 1, 1 << 62])
def test_bits_are_counted(number: int) -> None:
    assert bits_nb(number) == number.bit_length()
