"""The rows of the floor, and their sums: made once for all screens that show it.

Owns what a row says of a fixture. The table and its keys are the page's.
"""

from collections.abc import Collection
from typing import Final

from gateway.console.exposures import Exposures
from gateway.console.figures import known_sum
from gateway.console.lines import FixtureView
from gateway.console.model import Model
from gateway.console.open_alerts import OpenAlerts
from gateway.console.pages.parts import money_text, part_text, tone
from gateway.console.shared_rows import Row, SharedRows

EVERY_S: Final = 0.09
"""Seconds between two looks at the fixtures: a little less than between two of a screen."""
STATE_NAMES: Final = {
    "active": "\u25cf live",
    "suspended": "\u2016 suspended",
    "handed_over": "\u21c4 handed over",
    "inactive": "\u25cb not open",
    "closed": "\u25a0 closed",
    "settled": "\u2713 settled",
    "cancelled": "\u2715 cancelled",
    "quarantined": "\u26a0 quarantined",
    "empty": "",
    "soon": "\u25d4 starts soon",
    "due": "\u25d4 start is due",
    "pre-match": "\u25cb pre-match",
    "to settle": "\u2691 to settle",
    "feed lost": "\u26a0 feed lost",
}
"""Each state has a sign and a word, beside its colour."""
SOON_S: Final = 15 * 60
"""Seconds before its start from which a fixture is about to start."""


class FloorRows:
    """The rows of all fixtures; only those that changed are made anew.

    Parameters
    ----------
    model : Model
        The fixtures.
    alerts : OpenAlerts
        What the desk has found of them.
    """

    def __init__(self, model: Model, alerts: OpenAlerts) -> None:
        self._model = model
        self._alerts = alerts
        self._seen: dict[str, int] = {}
        self._looked_s = self._paced_s = 0.0
        self.shared = SharedRows()
        self.sums: dict[str, tuple[str, str]] = {}
        """Text and class of each figure above the table."""

    def refresh(self, now_s: float) -> None:
        """Bring rows and sums up to date, where the last look is long enough ago."""
        if 0 <= now_s - self._looked_s < EVERY_S:
            return
        self._looked_s = now_s
        pace = not 0 <= now_s - self._paced_s < 1.0
        if pace:
            self._paced_s = now_s
        changed = []
        for name, fixture in self._model.fixtures.items():
            if pace or self._seen.get(name) != fixture.changed:
                self._seen[name] = fixture.changed
                changed.append(fixture_row(fixture, self._alerts, self._model.exposures, now_s))
        gone = []
        if len(self._seen) > len(self._model.fixtures):
            gone = [name for name in self._seen if name not in self._model.fixtures]
            for name in gone:
                del self._seen[name]
        if self.shared.take(changed, gone=gone):
            self.sums = _sums(list(self.shared.rows.values()))


def fixture_row(
    fixture: FixtureView, alerts: OpenAlerts, exposures: Exposures, now_s: float
) -> Row:
    """Return a fixture's row."""
    main, about, score = fixture.main, fixture.about, fixture.score_minor
    odds: dict[str, int] = {}
    if main is not None and main.type == "1x2":
        odds = dict(zip(main.image.outcomes, main.image.odds_milli, strict=True))
    return {
        "id": fixture.id,
        "fixture": fixture.name,
        "sport": "" if about is None else about.sport,
        "competition": "" if about is None else about.competition_name or about.competition,
        "start": None if about is None or not about.start_ms else about.start_ms,
        "owner": "" if about is None else about.owner.partition(":")[2],
        "state": state_text(fixture, now_s, alerts.lost_feeds) + _held_text(fixture),
        "one": odds.get("home"),
        "draw": odds.get("draw"),
        "two": odds.get("away"),
        "score_now": fixture.score_text,
        "markets": fixture.running,
        "suspended": fixture.status_count("suspended"),
        "pace": fixture.bets_a_minute(now_s),
        "bets": fixture.bets,
        "turnover": fixture.turnover_minor,
        "worst": fixture.worst_minor,
        "score": exposures.worst_minor(fixture.id) if score is None else score,
        "expected": fixture.expected_minor,
        "unknown": fixture.unknown,
        "alerts": alerts.of_fixture(fixture.id),
    }


def state_text(fixture: FixtureView, now_s: float, lost_feeds: Collection[str]) -> str:
    """Return a fixture's state, with a sign: what needs a person comes first.

    Its feed is lost where every feed that describes it has lost it, by its own word or because the
    desk's rules have found it late or silent.
    """
    if fixture.needs_settlement:
        return STATE_NAMES["to settle"]
    state, about = fixture.state(), fixture.about
    if about is None or state not in ("active", "suspended", "handed_over", "inactive"):
        return STATE_NAMES.get(state, state)
    lost = [feed for feed in about.external_ids if feed in lost_feeds or feed in about.lost]
    if lost and len(lost) == len(about.external_ids):
        return STATE_NAMES["feed lost"]
    if state == "active" and about.state == "scheduled" and about.start_ms:
        left_s = about.start_ms / 1_000 - now_s
        waits = "due" if left_s < 0 else "soon" if left_s <= SOON_S else "pre-match"
        return STATE_NAMES[waits]
    return STATE_NAMES.get(state, state)


def _held_text(fixture: FixtureView) -> str:
    """Return by whom the fixture's main market is stopped, with others."""
    held_by = "" if fixture.main is None else fixture.main.held_by
    return f" by {held_by}" if held_by else ""


def _sums(rows: list[Row]) -> dict[str, tuple[str, str]]:
    turnover, worst = (sum(row[name] for row in rows) for name in ("turnover", "worst"))
    known = known_sum([row["expected"] for row in rows])
    markets = sum(row["markets"] for row in rows)
    part = part_text(of=markets, unknown=sum(row["unknown"] for row in rows))
    return {
        "fixtures": (f"{len(rows):,}", ""),
        "suspended": (f"{sum(row['suspended'] for row in rows):,}", ""),
        "bets/min": (f"{sum(row['pace'] for row in rows):,}", ""),
        "turnover": (money_text(turnover), tone(turnover)),
        "worst": (money_text(worst), tone(worst)),
        "expected": ("" if known is None else money_text(known) + part, tone(known or 0)),
    }
