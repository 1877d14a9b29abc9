"""What gateways ask the desk's part, and its answers.

Owns schemas and their codecs only; desk.py answers.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from engine.common.commands import MarketCommand
from engine.common.events import Refused
from engine.common.ids import MarketNo
from engine.common.match_events import MatchEvent
from engine.common.stated_matches import MatchStatements
from engine.common.stated_results import MarketStatements
from engine.common.units import Minor
from engine.desk.approvals import Basis, Proposal, ProposalState, Verdict
from engine.desk.audit_trail import AuditQuery, LinesAdded, NumberedLine
from engine.desk.kept_inputs import KeptInputs
from engine.desk.kept_limits import KeptLimits
from engine.desk.kept_margins import FixtureMargins, KeptMargin
from engine.desk.scopes import Scope
from engine.pricing.football.model import Side
from engine.watch.alerts import Alert, AlertStatus
from engine.watch.rules import Place, RuleName, WatchRule

PAGE_MAX: Final = 1_000
"""Proposals or lines in one answer."""
SCOPES_PAGE_MAX: Final = 100
"""Scopes with what is kept for them in one answer."""
LINES_IN_CALL_MAX: Final = 1_024
"""Lines of the audit trail in one call; a gateway sends the rest in the next."""


class Propose(Struct, frozen=True, kw_only=True, tag_field="ask", tag="propose"):
    """Propose commands for another person's approval."""

    by: str
    why: str
    commands: tuple[MarketCommand, ...]
    change_minor: Minor
    basis: tuple[Basis, ...]


class Decide(Struct, frozen=True, kw_only=True, tag_field="ask", tag="decide"):
    """Approve, reject or withdraw a proposal."""

    number: int
    by: str
    verdict: Verdict
    why: str


class NoteCarriedOut(Struct, frozen=True, kw_only=True, tag_field="ask", tag="note_carried_out"):
    """Note what came of an approved proposal's commands."""

    number: int
    result: str


class ListProposals(Struct, frozen=True, kw_only=True, tag_field="ask", tag="list_proposals"):
    """Ask for proposals below a number, newest first; `state` empty stands for any."""

    state: str = ""
    before: int = 0
    limit: int = 100


class SearchTrail(Struct, frozen=True, kw_only=True, tag_field="ask", tag="search_trail"):
    """Ask for lines of the audit trail, newest first."""

    query: AuditQuery
    limit: int = 100


class PutRule(Struct, frozen=True, kw_only=True, tag_field="ask", tag="put_rule"):
    """Set a rule, or remove the one of a name."""

    by: str
    name: RuleName
    rule: WatchRule | None


class ListRules(Struct, frozen=True, kw_only=True, tag_field="ask", tag="list_rules"):
    """Ask for all rules."""


class WorkAlert(Struct, frozen=True, kw_only=True, tag_field="ask", tag="work_alert"):
    """Change an alert; what is None stays as it is."""

    by: str
    number: int
    status: AlertStatus | None = None
    owner: str | None = None
    note: str | None = None


class ListAlerts(Struct, frozen=True, kw_only=True, tag_field="ask", tag="list_alerts"):
    """Ask for alerts, newest first; with `changed`, for those changed after a change instead."""

    open_only: bool = False
    rule: str = ""
    fixture: str = ""
    before: int = 0
    changed: int = -1
    limit: int = 100


class KeepInputs(Struct, frozen=True, kw_only=True, tag_field="ask", tag="keep_inputs"):
    """Keep a fixture's inputs, with its clock running from now or standing, and reprice it."""

    inputs: KeptInputs
    running: bool
    keep_state: bool = False
    after: int | None = None


class HappenInMatch(Struct, frozen=True, kw_only=True, tag_field="ask", tag="happen_in_match"):
    """Change a fixture's state by an event of its match, and reprice it."""

    by: str
    fixture: str
    event: MatchEvent
    side: Side | None
    after: int | None = None


class ReleaseInputs(Struct, frozen=True, kw_only=True, tag_field="ask", tag="release_inputs"):
    """Keep a fixture's inputs no longer."""

    by: str
    fixture: str


class AskConflicts(Struct, frozen=True, kw_only=True, tag_field="ask", tag="ask_conflicts"):
    """Ask for the markets of which feeds state different results."""


class AskInputs(Struct, frozen=True, kw_only=True, tag_field="ask", tag="ask_inputs"):
    """Ask for a fixture's inputs."""

    fixture: str


class AskMatch(Struct, frozen=True, kw_only=True, tag_field="ask", tag="ask_match"):
    """Ask how a fixture's match stands, as far as the desk knows."""

    fixture: str


class KeepMargin(Struct, frozen=True, kw_only=True, tag_field="ask", tag="keep_margin"):
    """Keep a scope's margin and skew, and reprice what is kept of the fixtures it touches."""

    kept: KeptMargin


class ReleaseMargin(Struct, frozen=True, kw_only=True, tag_field="ask", tag="release_margin"):
    """Keep a scope's margin and skew no longer, and reprice likewise."""

    by: str
    scope: Scope


class KeepLimits(Struct, frozen=True, kw_only=True, tag_field="ask", tag="keep_limits"):
    """Keep limits, delay and referral for a scope, and give them to its markets."""

    kept: KeptLimits


class ReleaseLimits(Struct, frozen=True, kw_only=True, tag_field="ask", tag="release_limits"):
    """Keep limits, delay and referral of a scope no longer; its markets have what they have."""

    by: str
    scope: Scope


class AskLimits(Struct, frozen=True, kw_only=True, tag_field="ask", tag="ask_limits"):
    """Ask for the limits of all scopes, or of those that a market is in."""

    market_no: MarketNo = MarketNo(0)
    skip: int = 0
    limit: int = 100


class AskMargins(Struct, frozen=True, kw_only=True, tag_field="ask", tag="ask_margins"):
    """Ask for the margins and skews of all scopes, or of those that a market is in."""

    market_no: MarketNo = MarketNo(0)
    skip: int = 0
    limit: int = 100


class AskPricing(Struct, frozen=True, kw_only=True, tag_field="ask", tag="ask_pricing"):
    """Ask by what margins and skews some markets of a fixture, at least one, are to be priced.

    `own` is what whoever prices them has named himself.
    """

    places: tuple[Place, ...]
    own: KeptMargin | None


DeskRequest = (
    Propose
    | KeepMargin
    | ReleaseMargin
    | AskMargins
    | KeepLimits
    | ReleaseLimits
    | AskLimits
    | AskPricing
    | KeepInputs
    | HappenInMatch
    | ReleaseInputs
    | AskInputs
    | AskMatch
    | AskConflicts
    | Decide
    | NoteCarriedOut
    | ListProposals
    | SearchTrail
    | PutRule
    | ListRules
    | WorkAlert
    | ListAlerts
)


class ProposalView(Struct, frozen=True, kw_only=True):
    """A proposal as its answer shows it, with its state at the time of the answer."""

    proposal: Proposal
    state: ProposalState


class ProposalPage(Struct, frozen=True, kw_only=True, tag_field="answer", tag="proposals"):
    """Proposals, newest first; with `more`, there are older ones."""

    proposals: tuple[ProposalView, ...]
    more: bool = False


class TrailPage(Struct, frozen=True, kw_only=True, tag_field="answer", tag="trail"):
    """Lines, newest first; with `more`, older ones match. `first` is the oldest in memory."""

    lines: tuple[NumberedLine, ...]
    more: bool
    first: int


class RulePage(Struct, frozen=True, kw_only=True, tag_field="answer", tag="rules"):
    """All rules by name, and how much the watch has seen since its process began."""

    rules: tuple[WatchRule, ...]
    bets_seen: int = 0
    bets_missed: int = 0
    findings_dropped: int = 0


class AlertPage(Struct, frozen=True, kw_only=True, tag_field="answer", tag="alerts"):
    """Alerts, and the number of the last change of any; with `more`, there are others."""

    alerts: tuple[Alert, ...]
    changes: int
    more: bool = False


class Repriced(Struct, frozen=True, kw_only=True):
    """What came of a repricing: markets with new odds, those refused, and the first refusal."""

    markets: int = 0
    refused: int = 0
    why: str = ""


class InputsPage(Struct, frozen=True, kw_only=True, tag_field="answer", tag="inputs"):
    """A fixture's inputs, None where none are kept, with its state at the time of the answer."""

    inputs: KeptInputs | None = None
    state: dict[str, Any] = {}
    repriced: Repriced = Repriced()


class MatchPage(Struct, frozen=True, kw_only=True, tag_field="answer", tag="match"):
    """A fixture's inputs, as in InputsPage, and whether a repricing or its state said play."""

    inputs: KeptInputs | None = None
    state: dict[str, Any] = {}
    in_play: bool = False


class MarginPage(Struct, frozen=True, kw_only=True, tag_field="answer", tag="margins"):
    """Margins and skews, those of the most specific scopes first; `total` are kept or fit.

    `fixtures` whose inputs are kept will be repriced.
    """

    margins: tuple[KeptMargin, ...] = ()
    total: int = 0
    fixtures: int = 0


class LimitsPage(Struct, frozen=True, kw_only=True, tag_field="answer", tag="limits"):
    """Limits, those of the most specific scopes first; `total` are kept or fit.

    `markets` of a changed scope are looked at, and given what they are due.
    """

    limits: tuple[KeptLimits, ...] = ()
    total: int = 0
    markets: int = 0


class PricingPage(Struct, frozen=True, kw_only=True, tag_field="answer", tag="pricing"):
    """By what margins and skews a fixture's markets are to be priced."""

    margins: FixtureMargins


class ConflictPage(Struct, frozen=True, kw_only=True, tag_field="answer", tag="conflicts"):
    """Markets of which feeds state different results, with what each states; so of matches."""

    conflicts: tuple[MarketStatements, ...]
    matches: tuple[MatchStatements, ...] = ()


class NotDone(Struct, frozen=True, kw_only=True, tag_field="answer", tag="not_done"):
    """Nothing has changed."""

    refused: Refused


DeskAnswer = (
    ProposalPage
    | InputsPage
    | MatchPage
    | ConflictPage
    | MarginPage
    | LimitsPage
    | PricingPage
    | TrailPage
    | RulePage
    | AlertPage
    | NotDone
)

encode: Final = msgspec.msgpack.Encoder().encode
decode_request: Final = msgspec.msgpack.Decoder(DeskRequest).decode
decode_answer: Final = msgspec.msgpack.Decoder(DeskAnswer).decode
decode_lines: Final = msgspec.msgpack.Decoder(LinesAdded).decode
