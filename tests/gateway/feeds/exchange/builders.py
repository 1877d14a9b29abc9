"""Build an exchange's messages, and simulate one market as images and differences."""

import json
import random
from typing import Any

STEPS = (
    (2.0, 0.01),
    (3.0, 0.02),
    (4.0, 0.05),
    (6.0, 0.1),
    (10.0, 0.2),
    (20.0, 0.5),
    (30.0, 1.0),
    (50.0, 2.0),
    (100.0, 5.0),
    (1000.0, 10.0),
)


UNREAD = {
    "bspMarket": False,
    "bspReconciled": False,
    "complete": True,
    "crossMatching": True,
    "discountAllowed": True,
    "marketBaseRate": 5,
    "marketTime": "2023-11-14T22:00:00.000Z",
    "suspendTime": "2023-11-14T22:00:00.000Z",
    "openDate": "2023-11-14T22:00:00.000Z",
    "persistenceEnabled": True,
    "regulators": ["MR_INT"],
    "runnersVoidable": False,
    "timezone": "GMT",
    "turnInPlayEnabled": True,
}
"""Fields of a definition that the engine ignores; betfairlightweight requires them."""


def ladder_prices() -> list[float]:
    """Return every price of the exchange's ladder, from 1.01 to 1000."""
    prices, price = [], 1.01
    for top, step in STEPS:
        while price < top - 1e-9:
            prices.append(round(price, 2))
            price += step
        price = top
    return [*prices, 1000.0]


PRICES = ladder_prices()


def line(**fields: Any) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def mcm(*changes: dict[str, Any], pt: int, clk: str = "c", **fields: Any) -> bytes:
    body = {"op": "mcm", "clk": clk, "pt": pt, **fields}
    return line(**body, **({"mc": list(changes)} if changes else {}))


def runner(number: int, status: str = "ACTIVE", **fields: Any) -> dict[str, Any]:
    return {"id": number, "status": status, "sortPriority": number, **fields}


def definition(*runners: dict[str, Any], status: str = "OPEN", **fields: Any) -> dict[str, Any]:
    return {
        "status": status,
        "eventId": "77",
        "eventTypeId": "7",
        "marketType": "WIN",
        "bettingType": "ODDS",
        "numberOfWinners": 1,
        "inPlay": False,
        "betDelay": 0,
        "version": 1,
        "runners": list(runners),
        "numberOfActiveRunners": len(runners),
        **UNREAD,
        "someday": {"a": "field that is unknown"},
        **fields,
    }


def quoted(number: int, probability: float, *, size: float = 50.0, **fields: Any) -> dict[str, Any]:
    """Return a runner change with one best price on each side of a probability."""
    back = max(price for price in PRICES if 1.0 / price > probability)
    lay = min(price for price in PRICES if 1.0 / price < probability)
    return {"id": number, "batb": [[0, back, size]], "batl": [[0, lay, size]], **fields}


class Exchange:
    """One market's true order books, and the messages that change them."""

    def __init__(self, seed: int, *, market_id: str = "1.5", runners: int = 2) -> None:
        self.rng = random.Random(seed)
        self.market_id = market_id
        self.numbers = [1_000 + i for i in range(runners)]
        self.centre = {number: self.rng.randrange(120, 220) for number in self.numbers}
        self.book: dict[int, dict[str, dict[float, float]]] = {
            number: {"atb": {}, "atl": {}, "trd": {}} for number in self.numbers
        }
        self.pt = 1_700_000_000_000

    def _level(self, number: int, side: str) -> tuple[float, float]:
        away = int(self.rng.expovariate(0.2)) + 1
        place = self.centre[number] + {"atb": -away, "atl": away, "trd": 0}[side]
        price = PRICES[min(max(place, 0), len(PRICES) - 1)]
        gone = side != "trd" and self.rng.random() < 0.3 and price in self.book[number][side]
        return price, 0 if gone else round(self.rng.uniform(2.0, 900.0), 2)

    def image(self) -> bytes:
        """Return the whole market as it is now."""
        names = [runner(number, name=f"Runner {number}") for number in self.numbers]
        changes = [
            {"id": number, side: [list(level) for level in levels.items()]}
            for number, sides in self.book.items()
            for side, levels in sides.items()
            if levels
        ]
        market = {"id": self.market_id, "marketDefinition": definition(*names), "img": True}
        return mcm(market | ({"rc": changes} if changes else {}), pt=self.pt, clk=str(self.pt))

    def move(self) -> bytes:
        """Move the market once at random; return the difference."""
        self.pt += self.rng.randrange(20, 4_000)
        changes = []
        for number in self.rng.sample(self.numbers, 1 + (self.rng.random() < 0.2)):
            if self.rng.random() < 0.1:
                self.centre[number] += self.rng.choice((-1, 1))
            change: dict[str, Any] = {"id": number}
            for side in self.rng.sample(("atb", "atl", "trd"), self.rng.choice((1, 1, 2))):
                levels = dict(self._level(number, side) for _ in range(self.rng.choice((1, 1, 2))))
                change[side] = [[price, size] for price, size in levels.items()]
                for price, size in levels.items():
                    if size:
                        self.book[number][side][price] = size
                    else:
                        del self.book[number][side][price]
                if side == "trd":
                    change["tv"] = round(sum(self.book[number]["trd"].values()), 2)
                    change["ltp"] = next(iter(levels))
            changes.append(change)
        return mcm({"id": self.market_id, "rc": changes}, pt=self.pt, clk=str(self.pt))


def recording(*, seed: int, messages: int) -> list[bytes]:
    """Return a seeded market's messages: an image, then differences."""
    exchange = Exchange(seed)
    return [exchange.image(), *(exchange.move() for _ in range(messages - 1))]
