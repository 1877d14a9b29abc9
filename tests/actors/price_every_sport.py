"""A program: start a market shell, and see that no repricing or feed loads or compiles a kernel.

It must begin in a process of its own, where nothing has loaded the kernels before.
"""

import sys
import tempfile
from typing import Any, Final

from numba.extending import is_jitted

from actors.market_shell import MarketShell
from actors.messages import decode_market_events, encode
from engine.common.commands import CreateMarket, OpenMarket
from engine.common.events import FeedApplied, OddsSet
from persistence.journal import JournalOptions
from tests.actors.trade import market_control

PRICED: Final[dict[str, tuple[str, tuple[str, ...], dict[str, Any]]]] = {
    "football": ("1x2", ("home", "draw", "away"), {"home_rate": 1.4, "away_rate": 1.1}),
    "tennis": ("winner", ("home", "away"), {"home_serve": 0.65, "away_serve": 0.6}),
    "basketball": ("winner", ("home", "away"), {"margin": 4.0, "total": 160.0}),
    "race": ("win", ("a", "b", "c"), {"win": [0.5, 0.3, 0.2]}),
    "generic": ("mayor", ("x", "y"), {"fair": {"mayor": [0.5, 0.5]}}),
}
"""Of each sport: a market type, its outcomes, and a model."""


def loaded() -> tuple[set[str], int]:
    """Return the engine's modules, and how many compiled signatures their kernels have."""
    modules = {name for name in sys.modules if name.startswith("engine.")}
    values = [value for name in modules for value in vars(sys.modules[name]).values()]
    return modules, sum(len(value.signatures) for value in values if is_jitted(value))


def price_every_sport(shell: MarketShell) -> None:
    """Create a market of every sport, reprice it, and let a feed set its odds."""
    for number, (sport, (kind, outcomes, model)) in enumerate(PRICED.items(), 1):
        fixture, chances = f"m{number}", [1 / len(outcomes)] * len(outcomes)
        created = CreateMarket(
            market_no=number,
            key=f"{fixture}/{kind}",
            outcomes=outcomes,
            odds_milli=(1_900,) * len(outcomes),
        )
        shell.control(market_control(created, OpenMarket(market_no=number)))
        request = {"by": "t", "fixture": fixture, "sport": sport, "model": model, "state": {}}
        events = decode_market_events(shell.reprice(encode(request)))
        assert [type(event) for event in events] == [OddsSet], (sport, events)
        fair = {"probabilities": chances, "active": [True] * len(outcomes)}
        update = {"market_no": number, "fair": fair, "mark": {"source": "t", "position": 1}}
        events = decode_market_events(shell.follow(encode({"by": "t", "updates": [update]})))
        assert [type(event) for event in events] == [FeedApplied], (sport, events)


def main() -> None:
    """Compare what is loaded when the shell has started with what is loaded afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        shell = MarketShell(name="market-00000", folder=folder, options=JournalOptions())
        modules, signatures = loaded()
        price_every_sport(shell)
        late = loaded()
        shell.abandon()
    assert late == (modules, signatures), (late[0] - modules, late[1] - signatures)


if __name__ == "__main__":
    main()
