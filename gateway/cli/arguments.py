"""Kinds of command-line arguments: each turns a word into a value in bounds, or says the bounds.

Owns the wording of what argparse then prints. Knows no command.
"""

import argparse
from collections.abc import Callable
from typing import Final

import msgspec

from gateway.session.tokens import SubjectField

_SHOWN_CHARS: Final = 20
_DIGITS_MAX: Final = 19


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return what reads a whole number from `low` (not below zero) to `high`, written in digits."""

    def parse(text: str) -> int:
        digits = text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX
        value = int(text) if digits else -1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{low} to {high}, not {text[:_SHOWN_CHARS]!r}")
        return value

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    """Return what reads a number from `low` to `high`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = low - 1.0
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{low:g} to {high:g}, not {text[:_SHOWN_CHARS]!r}")
        return value

    return parse


def subject(text: str) -> str:
    """Read the name of a token's holder."""
    try:
        return msgspec.convert(text, SubjectField)
    except msgspec.ValidationError as error:
        raise argparse.ArgumentTypeError(
            f"1 to 48 letters, digits, or . _ @ -, not {text[:_SHOWN_CHARS]!r}"
        ) from error
