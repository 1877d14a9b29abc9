"""Add commands and read their arguments; a reader returns a value in bounds or names the bounds.

Owns what all commands share: how a command is added to the parser, and the kinds of arguments. It
knows no command.
"""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.session.tokens import SubjectField

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_SHOWN_CHARS: Final = 20
_DIGITS_MAX: Final = 19


def add_command(
    commands: "Commands", name: str, summary: str, **options: Any
) -> argparse.ArgumentParser:
    """Add a command and return its parser.

    Parameters
    ----------
    commands
        The parsers to add to.
    name : str
        What a person types.
    summary : str
        One line for the list of commands; as a sentence it is the command's description too.
    **options
        Further arguments of ``add_parser``.
    """
    description = f"{summary[0].upper()}{summary[1:]}."
    return commands.add_parser(
        name, help=summary, description=description, allow_abbrev=False, **options
    )


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `low` (not below zero) to `high`, written in digits."""

    def parse(text: str) -> int:
        digits = text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX
        value = int(text) if digits else -1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{low} to {high}, not {text[:_SHOWN_CHARS]!r}")
        return value

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    """Return a reader of numbers from `low` to `high`."""

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
    """Read the name of a token's holder.

    Raises
    ------
    argparse.ArgumentTypeError
        When the name is empty, too long or has other characters than a subject may have.
    """
    try:
        return msgspec.convert(text, SubjectField)
    except msgspec.ValidationError as error:
        raise argparse.ArgumentTypeError(
            f"1 to 48 letters, digits, or . _ @ -, not {text[:_SHOWN_CHARS]!r}"
        ) from error
