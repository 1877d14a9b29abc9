"""Write amounts, odds and columns as people read them; owns no figure."""

from collections.abc import Sequence


def money(amount_minor: int, *, cents: bool = True) -> str:
    """Return an amount of minor units as people write it, 1234567 as ``12,345.67``."""
    sign, whole = "-" if amount_minor < 0 else "", abs(amount_minor)
    return f"{sign}{whole // 100:,}" + (f".{whole % 100:02d}" if cents else "")


def odds_text(odds_milli: int) -> str:
    """Return odds with the decimals that people write: 2.18, 11.5, 240."""
    if odds_milli < 10_000:
        return f"{odds_milli / 1_000:.2f}"
    return f"{odds_milli / 1_000:.1f}" if odds_milli < 100_000 else f"{odds_milli // 1_000}"


def pad(columns: Sequence[tuple[str, str]]) -> list[str]:
    """Return names and values as lines in two columns."""
    width = max((len(name) for name, _ in columns), default=0)
    return [f"{name:<{width}}  {value}" for name, value in columns]
