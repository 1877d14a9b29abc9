"""What a provider says in a story, as facts from which both the bytes and the truth are made.

Owns the messages and their rendering; the oracle reads the facts and never the bytes.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

NOW_MS: Final = 1_700_000_000_000
PRODUCT: Final = 1
EVENTS: Final = ("sr:match:77001", "sr:match:77002")


class MarketKind(Struct, frozen=True):
    """One kind of market that the stories play: the provider's names and ours."""

    number: int
    specifiers: str
    ours: str
    outcomes: tuple[str, ...]

    @property
    def name(self) -> tuple[int, str]:
        """What the provider calls the market within its event."""
        return self.number, self.specifiers


KINDS: Final = (
    MarketKind(1, "", "1x2", ("1", "2", "3")),
    MarketKind(18, "total=2.5", "total?total=2.5", ("12", "13")),
    MarketKind(29, "", "both_teams_to_score", ("74", "76")),
)
"""A market in the stories is an event's name and a place here."""

Place = tuple[str, int]


class Message(Struct, frozen=True, kw_only=True):
    """One message; `at_ms` is its own time, after NOW_MS.

    `statuses` are those of the markets of an odds_change by place, `winners` the winning outcome of
    each market that is settled, `touched` the markets of a cancellation or a roll-back.
    """

    kind: str
    event: str
    at_ms: int
    statuses: Mapping[int, int] = {}
    winners: Mapping[int, int] = {}
    touched: tuple[int, ...] = ()
    certainty: int = 1
    odds_milli: int = 2_000

    @property
    def rows(self) -> tuple[int, ...]:
        """The markets that the message names, in its order."""
        if self.kind == "bet_stop":
            return ()
        return (*self.statuses, *self.winners, *self.touched)

    def render(self) -> str:
        """Return the message as the provider writes it."""
        head = f'event_id="{self.event}" product="{PRODUCT}" timestamp="{NOW_MS + self.at_ms}"'
        if self.kind == "bet_stop":
            return f'<bet_stop {head} groups="all"/>'
        if self.kind == "odds_change":
            rows = "".join(self._offered(place) for place in self.statuses)
            return f"<odds_change {head}>{_STATUS}<odds>{rows}</odds></odds_change>"
        if self.kind == "bet_settlement":
            rows = "".join(self._settled(place) for place in self.winners)
            sure = f'certainty="{self.certainty}"'
            return f"<bet_settlement {head} {sure}><outcomes>{rows}</outcomes></bet_settlement>"
        rows = "".join(f"<market {_named(KINDS[place])}/>" for place in self.touched)
        return f"<{self.kind} {head}>{rows}</{self.kind}>"

    def _offered(self, place: int) -> str:
        kind = KINDS[place]
        rows = "".join(
            f'<outcome id="{name}" odds="{self.odds_milli / 1_000:.2f}" active="1"/>'
            for name in kind.outcomes
        )
        return f'<market {_named(kind)} status="{self.statuses[place]}">{rows}</market>'

    def _settled(self, place: int) -> str:
        kind = KINDS[place]
        rows = "".join(
            f'<outcome id="{name}" result="{int(at == self.winners[place])}"/>'
            for at, name in enumerate(kind.outcomes)
        )
        return f"<market {_named(kind)}>{rows}</market>"


_STATUS: Final = (
    '<sport_event_status status="1" match_status="6" home_score="0" away_score="0">'
    '<clock match_time="12:30"/></sport_event_status>'
)


def _named(kind: MarketKind) -> str:
    specifiers = f' specifiers="{kind.specifiers}"' if kind.specifiers else ""
    return f'id="{kind.number}"{specifiers}'
