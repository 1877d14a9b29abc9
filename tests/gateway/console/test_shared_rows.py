"""Screens that show the same rows are sent the same bytes, and end with the same table."""

import json
import random
from typing import Any

from gateway.console.model import Model
from gateway.console.open_alerts import OpenAlerts
from gateway.console.pages.floor_rows import EVERY_S, FloorRows
from gateway.console.shared_rows import CHANGES_MAX, SharedRows
from gateway.messages.fixtures import FixtureLine
from tests.gateway.console.test_model import book_of, image_of


class Shown:
    """A screen's table, changed as the browser changes it."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.seen = -1
        self.received: list[str] = []

    def read(self, shared: SharedRows) -> None:
        self.received = shared.since(self.seen)
        self.seen = shared.number
        for text in self.received:
            change = json.loads(text)
            for row in change["add"]:
                self.rows[row["id"]] = row
            for row in change["update"]:
                self.rows[row["id"]] |= row
            for row in change["remove"]:
                del self.rows[row["id"]]


def test_every_screen_ends_with_the_rows_as_they_are() -> None:
    rng = random.Random(3)
    shared, often, seldom = SharedRows(), Shown(), Shown()
    for turn in range(6 * CHANGES_MAX):
        rows = [
            {"id": str(rng.randrange(9)), "odds": rng.randrange(3), "worst": rng.randrange(2)}
            for _ in range(rng.randrange(3))
        ]
        shared.take(rows, gone=[str(rng.randrange(9))] if rng.random() < 0.1 else [])
        often.read(shared)
        assert often.rows == shared.rows
        if turn % (2 * CHANGES_MAX) == 0:
            seldom.read(shared)  # it is further behind than changes are kept
            assert seldom.rows == shared.rows


def test_what_has_changed_is_sent_alone_and_encoded_once() -> None:
    shared, screens = SharedRows(), [Shown() for _ in range(20)]
    shared.take([{"id": "a", "odds": 2, "worst": 0}, {"id": "b", "odds": 3, "worst": 0}])
    for screen in screens:
        screen.read(shared)
    assert shared.encoded == 2  # a change, and the whole table for those that had nothing
    assert shared.take([{"id": "a", "odds": 2, "worst": -5}])
    assert not shared.take([{"id": "a", "odds": 2, "worst": -5}], gone=["never"])
    for screen in screens:
        screen.read(shared)
    assert shared.encoded == 3
    assert {text for screen in screens for text in screen.received} == {
        '{"add":[],"update":[{"id":"a","worst":-5}],"remove":[]}'
    }
    for screen in screens:
        screen.read(shared)
        assert screen.received == []


def test_the_floor_makes_rows_of_changed_fixtures_once_for_all_screens() -> None:
    model = Model()
    alerts = OpenAlerts(lambda: model.session)
    floor, screen = FloorRows(model, alerts), Shown()
    for number, name in enumerate(("f", "g", "h"), 1):
        image = image_of(number, f"{name}/1x2")
        model._take_image(image)
        model._take_book(book_of(image, bets=1, stake=10, liability=(7, -7)))
    floor.refresh(1_000.0)
    screen.read(floor.shared)
    assert [row["worst"] for row in screen.rows.values()] == [-7, -7, -7]
    assert floor.sums["worst"] == ("0", "neg")

    # The other screens of the same tenth of a second find it done.
    model._take_image(image_of(2, "g/1x2", status="suspended"))
    floor.refresh(1_000.0 + EVERY_S / 2)
    assert floor.shared.number == 1
    floor.refresh(1_000.0 + EVERY_S)
    screen.read(floor.shared)
    (change,) = map(json.loads, screen.received)
    assert [row["id"] for row in change["update"]] == ["g"]
    assert screen.rows["g"]["suspended"] == 1

    # A fixture that has left the model leaves every floor.
    model._take_image(image_of(3, "h/1x2", status="settled"))
    model.take_fixture(FixtureLine(fixture="h", name="h", state="ended"))
    model.tidy(1e12)
    floor.refresh(1_001.0)
    screen.read(floor.shared)
    assert set(screen.rows) == {"f", "g"} == set(floor.shared.rows)
