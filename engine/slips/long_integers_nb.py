"""Multiply and divide integers of many words, exactly, inside a scratch of the caller.

Owns the arithmetic only. Never allocates and never knows what the numbers mean.

A number is a place in the scratch and a length: words of 31 bits in int64s, lowest first, so that a
product of two words and a carry stays inside 63 bits. 0 has one word, and no other number's
highest word is 0.
"""

from typing import Final

import numpy as np

from engine.common.jit import kernel
from engine.common.rows import I64s

WORD_BITS: Final = 31
WORD: Final = (1 << WORD_BITS) - 1
"""The largest word."""


@kernel()
def bits_nb(number: int) -> int:
    """Return how many bits a number has."""
    bits = 0
    step = 32
    while step:
        if number >> (bits + step):
            bits += step
        step >>= 1
    return bits + 1


@kernel(inline=True)
def multiply_nb(work: I64s, source: int, length: int, factor: int, target: int) -> int:
    """Write `source` times a factor below 2**61 to `target`; return its length in words."""
    carry = 0
    low = factor & WORD
    high = factor >> WORD_BITS
    if high == 0:
        for at in range(length):
            total = work[source + at] * low + carry
            work[target + at] = total & WORD
            carry = total >> WORD_BITS
    else:
        before = 0
        for at in range(length):
            word = work[source + at]
            total = word * low + before * high + carry
            work[target + at] = total & WORD
            carry = total >> WORD_BITS
            before = word
        total = before * high + carry
        work[target + length] = total & WORD
        carry = total >> WORD_BITS
        length += 1
    if carry:
        work[target + length] = carry
        length += 1
    while length > 1 and work[target + length - 1] == 0:
        length -= 1
    return length


@kernel(inline=True)
def below_nb(work: I64s, num: int, num_len: int, den: int, den_len: int) -> bool:
    """Return whether one number is below another."""
    if num_len != den_len:
        return num_len < den_len
    for at in range(num_len - 1, -1, -1):
        if work[num + at] != work[den + at]:
            return bool(work[num + at] < work[den + at])
    return False


@kernel(inline=True)
def subtract_nb(work: I64s, num: int, num_len: int, den: int, den_len: int, digit: int) -> int:
    """Subtract `den` times one word from `num`, which is not below it; return the new length."""
    carry = 0
    for at in range(den_len):
        total = work[den + at] * digit + carry
        word = work[num + at] - (total & WORD)
        carry = total >> WORD_BITS
        if word < 0:
            word += WORD + 1
            carry += 1
        work[num + at] = word
    at = den_len
    while carry:
        word = work[num + at] - carry
        carry = 0
        if word < 0:
            word += WORD + 1
            carry = 1
        work[num + at] = word
        at += 1
    while num_len > 1 and work[num + num_len - 1] == 0:
        num_len -= 1
    return num_len


@kernel(inline=True)
def leading_shift_nb(word: int) -> int:
    """Return by how many bits a word is shifted to set its highest bit."""
    shift = 0
    step = 16
    while step:
        if word < np.int64(1) << (WORD_BITS - step):
            word <<= step
            shift += step
        step >>= 1
    return shift


@kernel(inline=True)
def word_nb(work: I64s, row: int, length: int, at: int, shift: int) -> int:
    """Return one word of a number times ``2**shift``, 0 outside of it."""
    high = work[row + at] if 0 <= at < length else 0
    low = work[row + at - 1] if 0 < at <= length else 0
    return int(((high << shift) & WORD) | (low >> (WORD_BITS - shift)))


@kernel()
def quotient_nb(
    work: I64s, num: int, num_len: int, den: int, den_len: int, rest: int, quotient_max: int
) -> int:
    """Return ``floor(num / den)``, but `quotient_max` at most, which is below 2**62.

    A digit is estimated from the leading words as in Knuth's algorithm D (The Art of Computer
    Programming, 4.3.1), but never too high, and that is repeated until the rest is below `den`.
    The rest is written to `rest`, which needs `num_len` words; `num` and `den` stay.
    """
    if num_len > den_len + 2:
        return quotient_max
    for at in range(num_len):
        work[rest + at] = work[num + at]
    shift = leading_shift_nb(work[den + den_len - 1])
    divisor = word_nb(work, den, den_len, den_len - 1, shift) + 1
    quotient = 0
    while not below_nb(work, rest, num_len, den, den_len):
        place = num_len - den_len
        top = word_nb(work, rest, num_len, num_len, shift) << WORD_BITS
        top |= word_nb(work, rest, num_len, num_len - 1, shift)
        if top < divisor and place > 0:
            top = top << WORD_BITS | word_nb(work, rest, num_len, num_len - 2, shift)
            place -= 1
        digit = min(max(top // divisor, 1), WORD)
        if place > 1:
            return quotient_max
        quotient += digit << (WORD_BITS * place)
        num_len = place + subtract_nb(work, rest + place, num_len - place, den, den_len, digit)
        while num_len > 1 and work[rest + num_len - 1] == 0:
            num_len -= 1
    return int(min(quotient, quotient_max))
