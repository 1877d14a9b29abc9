"""The AsyncAPI 3.0 document of the public protocol, made from the message classes themselves.

Owns the document's structure and its prose. Every field, bound and description comes from the
message classes, the settings and the reasons, so that document and code cannot differ. A test
compares docs/asyncapi.json with the output.
"""

import json
from typing import Any, Final, get_args

import msgspec

from engine.common.reasons import MESSAGES, RETRYABLE, SLIP_MESSAGES, Reason
from gateway.messages.access import Access
from gateway.messages.account_bounds import AccountBounded, BoundAccount
from gateway.messages.account_view import (
    AccountInfo,
    AskAccount,
    BlockPut,
    FactorPut,
    PutBlock,
    PutFactor,
)
from gateway.messages.approvals import (
    Decided,
    DecideProposal,
    ListProposals,
    Proposals,
    ProposeCommands,
    Proposed,
    WithdrawProposal,
)
from gateway.messages.arbitrage import Arbitrage, AskArbitrage
from gateway.messages.audit import AskAuditTrail, AuditLines
from gateway.messages.base import (
    JSON_SUBPROTOCOL,
    MSGPACK_SUBPROTOCOL,
    TEXT_IN_JSON,
    TEXTS_IN_JSON,
    Error,
    Welcome,
)
from gateway.messages.bet_lookup import AskBetStory, BetStory, FindBets, FoundBets
from gateway.messages.bet_stream import BetSeen, WatchBets, WatchingBets
from gateway.messages.bettor import (
    AskBalance,
    AskHistory,
    AskOpenBets,
    AskStatus,
    BalanceAnswer,
    Bet,
    BetEvent,
    BetWaits,
    FreeBetEvent,
    HistoryAnswer,
    MoneyEvent,
    OpenBetsAnswer,
    Place,
    PlaceMany,
    SlipAnswer,
    WatchAccount,
    Watching,
)
from gateway.messages.boards import BoardCreated, CreateBoard, CreateMarkets, MarketsCreated
from gateway.messages.books import AskBooks, Books
from gateway.messages.builders import BuildBet, Builder
from gateway.messages.corrections import AskPreview, Previewed
from gateway.messages.each_way import AskEachWay, EachWay
from gateway.messages.exposed_accounts import AskExposedAccounts, ExposedAccounts
from gateway.messages.exposure import AskExposure, Exposure
from gateway.messages.feed import (
    AskFeedFacts,
    AskFeedStats,
    FeedAttach,
    FeedAttached,
    FeedFacts,
    FeedPush,
    FeedPushed,
    FeedRequest,
    FeedRequestDone,
    FeedStats,
)
from gateway.messages.fixtures import (
    AskCatalogue,
    AskFixtures,
    Catalogue,
    ClaimFixture,
    FixtureChanged,
    Fixtures,
    FixtureSet,
    SetFixture,
    WatchFixtures,
)
from gateway.messages.house import AskHouse, House, StartTheHouse, StopTheHouse
from gateway.messages.inputs import (
    AskInputs,
    HappenInMatch,
    InputsKept,
    KeepInputs,
    ReleaseInputs,
)
from gateway.messages.kept_limits import AskLimits, KeepLimits, LimitsKept, ReleaseLimits
from gateway.messages.margins import AskMargins, KeepMargin, MarginsKept, ReleaseMargin
from gateway.messages.market import Market, Odds, Subscribe, Subscribed, Unsubscribe
from gateway.messages.offers import (
    FreeBetGiven,
    GiveFreeBet,
    ListOffers,
    OfferPut,
    Offers,
    PutOffer,
)
from gateway.messages.protocol import ClientMessage, ServerMessage
from gateway.messages.races import SettleRace
from gateway.messages.referrals import AskReferrals, Referred
from gateway.messages.scopes import AcceptanceScope, LimitScope, ResumeScope, Scoped, SuspendScope
from gateway.messages.settlement_work import AskSettlementWork, SettlementList
from gateway.messages.shells import AskShells, Shells
from gateway.messages.slips import PlaceSlip, SlipBet
from gateway.messages.trader import (
    AskBook,
    Book,
    Control,
    Controlled,
    ListMarkets,
    Markets,
    Reprice,
    ResumeAll,
    ResumedAll,
    SuspendAll,
    SuspendedAll,
)
from gateway.messages.watching import (
    AlertList,
    AlertSeen,
    AskAlerts,
    AskRules,
    RemoveRule,
    RuleList,
    SetRule,
    WatchAlerts,
    WatchingAlerts,
    WorkAlert,
)
from gateway.settings import CLOSE_MEANINGS, LIMITS, CloseCode, GatewaySettings

_ANSWERS: Final[dict[type, tuple[type, ...]]] = {
    Place: (Bet, BetWaits, Error),
    PlaceMany: (Bet, BetWaits, Error),
    BuildBet: (Builder, Error),
    AskEachWay: (EachWay, Error),
    PlaceSlip: (SlipBet, BetWaits, Error),
    AskStatus: (SlipAnswer, Error),
    AskBalance: (BalanceAnswer, Error),
    AskOpenBets: (OpenBetsAnswer, Error),
    AskHistory: (HistoryAnswer, Error),
    WatchAccount: (Watching, Error),
    Subscribe: (Subscribed, Error),
    Unsubscribe: (Subscribed, Error),
    Control: (Controlled, Error),
    SuspendAll: (SuspendedAll, Error),
    ResumeAll: (ResumedAll, Error),
    Reprice: (Controlled, Error),
    SettleRace: (Controlled, Error),
    ListMarkets: (Markets, Error),
    SetFixture: (FixtureSet, Error),
    ClaimFixture: (FixtureSet, Error),
    AskFixtures: (Fixtures, Error),
    AskCatalogue: (Catalogue, Error),
    WatchFixtures: (Watching, Error),
    CreateMarkets: (MarketsCreated, Error),
    CreateBoard: (BoardCreated, Error),
    AskBook: (Book, Error),
    AskBooks: (Books, Error),
    AskExposure: (Exposure, Error),
    AskArbitrage: (Arbitrage, Error),
    PutOffer: (OfferPut, Error),
    GiveFreeBet: (FreeBetGiven, Error),
    ListOffers: (Offers, Error),
    BoundAccount: (AccountBounded, Error),
    StopTheHouse: (House, Error),
    SuspendScope: (Scoped, Error),
    ResumeScope: (Scoped, Error),
    LimitScope: (Scoped, Error),
    AcceptanceScope: (Scoped, Error),
    AskReferrals: (Referred, Error),
    StartTheHouse: (House, Error),
    AskHouse: (House, Error),
    AskPreview: (Previewed, Error),
    AskAuditTrail: (AuditLines, Error),
    SetRule: (RuleList, Error),
    RemoveRule: (RuleList, Error),
    AskRules: (RuleList, Error),
    AskAlerts: (AlertList, Error),
    WorkAlert: (AlertList, Error),
    WatchAlerts: (WatchingAlerts, AlertSeen, Error),
    AskAccount: (AccountInfo, Error),
    PutBlock: (BlockPut, Error),
    PutFactor: (FactorPut, Error),
    FindBets: (FoundBets, Error),
    WatchBets: (WatchingBets, BetSeen, Error),
    AskBetStory: (BetStory, Error),
    ProposeCommands: (Proposed, Error),
    DecideProposal: (Decided, Error),
    WithdrawProposal: (Decided, Error),
    ListProposals: (Proposals, Error),
    KeepInputs: (InputsKept, Error),
    AskInputs: (InputsKept, Error),
    ReleaseInputs: (InputsKept, Error),
    HappenInMatch: (InputsKept, Error),
    KeepMargin: (MarginsKept, Error),
    ReleaseMargin: (MarginsKept, Error),
    AskMargins: (MarginsKept, Error),
    KeepLimits: (LimitsKept, Error),
    ReleaseLimits: (LimitsKept, Error),
    AskLimits: (LimitsKept, Error),
    AskSettlementWork: (SettlementList, Error),
    AskShells: (Shells, Error),
    AskExposedAccounts: (ExposedAccounts, Error),
    FeedPush: (FeedPushed, Error),
    FeedAttach: (FeedAttached, Error),
    FeedRequestDone: (Error,),
    AskFeedStats: (FeedStats, Error),
    AskFeedFacts: (FeedFacts, Error),
}
_PUSHED: Final[dict[str, tuple[type, ...]]] = {
    "bets": (Welcome, Market, Odds, BetEvent, MoneyEvent, FreeBetEvent),
    "control": (Welcome, Market, Odds, FixtureChanged),
    "feed": (Welcome, FeedRequest),
}

_INTRODUCTION: Final = f"""\
Three WebSocket listeners: `bets` for bettors, `control` for traders, feeds and quants, `feed` for
providers' messages (control and feed are on loopback unless configured otherwise). All speak two
subprotocols with the same messages: `{MSGPACK_SUBPROTOCOL}` (one msgpack map in each binary frame)
and `{JSON_SUBPROTOCOL}` (one JSON object in each text frame). Compression is never negotiated.

A signed token (JWT, HS256) comes in the handshake: `Authorization: Bearer TOKEN`, or
`?token=TOKEN` where headers cannot be set. Its claims are `sub`, `role`, `exp`, `iss`
(`overround`), `account` for a bettor, and `nbf` where it is not valid at once. A token is a bearer
credential, good for any number of connections until it expires; an open session ends at the same
moment. The body of a refused handshake names the subprotocol, origin, claim or setting at fault.

Money is in minor units (cents), odds in thousandths (2.500 is 2500), times in nanoseconds since
1970 UTC; all are integers, and a number with a fraction is refused. The gateway leaves out fields
that are at their default. Fields it may add later must be ignored; fields it does not know are
refused. JSON carries the integers that may pass 2^53 as text, since JavaScript reads numbers as
doubles: {", ".join(f"`{name}`" for name in sorted((*TEXT_IN_JSON, *TEXTS_IN_JSON)))}.
A gateway takes them as text and as numbers; in msgpack they are integers. Amounts stay below, but
for the check figure `payout_minor` of events that settle or cancel. Words of states and results
are enumerations, to which later gateways may add.

A bet is acknowledged when it is on disk. Its `ref` makes it safe to send again, on any connection:
the same ref with the same content is never booked twice, and with other content it is rejected with
reason 603. An answer that is `final` stands in the account's journal, and the ref keeps it for
good: every acceptance, and a refusal (a market's 902 and 906 included) for which the account had
reserved the stake. A ref that was refused before that (401, 602, 901, 907, 902 of a market known to
be in quarantine, or 906 of the account's disk) is not remembered: sent again it is a new bet. A bet
whose answer is `unknown` (also from an account in quarantine), or was lost with its connection, is
resolved by `status`. From the moment of an answer `status`, `balance` and the next bet agree with
it at every gateway.

A slip (`place_slip`) holds legs and bets on combinations of them. It is one stake and one answer,
`slip_bet`: accepted when every leg's market has accepted its leg, else nothing is staked and the
answer says of each leg why, at which odds it is offered now, and what stake its market would take.
What is said above of refs, `final` and `unknown` holds for slips too, and a bet and a slip of one
account never share a ref. `status`, `open_bets`, `history` and
`bet_event` show slips with their legs.

`build_bet` joins up to twelve legs of one football match. Its answer, `builder`, names the market
that sells them together, which is created at the first such request; it is then one selection like
any other. Legs that contradict one another are refused, legs that others imply are named.

`ask_each_way` names the place terms of a race by the runners left, and the place market that pays
them. A slip whose legs name terms (`each_way`) is written out: every bet once over the selections
to win, once over them to be placed.

Prices: `market` is an image, `odds` a change. Both carry absolute values and the market's
version, which only rises. A slow reader skips versions and always ends with the latest. After a
lost connection `subscribe` again with what was `seen`.

Plain GETs on the same ports: `/healthz`, `/readyz`, `/metrics` (Prometheus), `/v1/markets`
(`after`, `limit`, `fixture`), `/v1/fixtures` (the filters of `fixtures` but for `owner`),
`/v1/fixtures/ID`, `/v1/catalogue`, and `/v1/markets/KEY`, the image as JSON with the version as its
ETag. Scripts of the origins in `gateway.origins` may read them, `/metrics` excepted."""


def document(access: Access) -> str:
    """Return the document as JSON text."""
    return json.dumps(build(access), ensure_ascii=False, indent=1) + "\n"


def build(access: Access) -> dict[str, Any]:
    """Return the document as plain data."""
    requests = get_args(ClientMessage)
    answers = get_args(ServerMessage)
    schemas = _schemas((*requests, *answers))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Overround gateway",
            "version": "1",
            "description": _introduction(access),
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {
            listener: {
                "address": "/",
                "servers": [{"$ref": f"#/servers/{listener}"}],
                "messages": {
                    _name(kind): {"$ref": f"#/components/messages/{_name(kind)}"}
                    for kind in _messages(access, listener)
                },
            }
            for listener in _PUSHED
        },
        "operations": _operations(access),
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
            "messages": {_name(kind): _message(kind) for kind in (*requests, *answers)},
            "schemas": schemas,
        },
    }


def _tag(kind: type) -> str:
    return str(kind.__struct_config__.tag)  # type: ignore[attr-defined]


def _name(kind: type) -> str:
    """Return a message's name: its tag, with `ask_` before a request with the tag of its answer."""
    tag = _tag(kind)
    doubled = kind in get_args(ClientMessage) and tag in _GATEWAY_TAGS
    return f"ask_{tag}" if doubled else tag


_GATEWAY_TAGS: Final = frozenset(map(_tag, get_args(ServerMessage)))


def _messages(access: Access, listener: str) -> list[type]:
    """Return all messages of a listener, requests first, each once."""
    requests = [kind for kind in get_args(ClientMessage) if access.roles(listener, kind)]
    answers = dict.fromkeys(_PUSHED[listener])
    for kind in requests:
        answers.update(dict.fromkeys(_ANSWERS[kind]))
    return [*requests, *answers]


def _servers() -> dict[str, Any]:
    settings = GatewaySettings()
    descriptions = {
        "bets": "Bettors; every role may follow prices.",
        "control": "Traders, feeds and quants.",
        "feed": "Providers' messages.",
    }
    return {
        listener: {
            "host": f"localhost:{port}",
            "protocol": "ws",
            "description": descriptions[listener],
            "security": [{"$ref": "#/components/securitySchemes/token"}],
        }
        for listener, port in (
            ("bets", settings.bets_port),
            ("control", settings.control_port),
            ("feed", settings.feed_port),
        )
    }


def _operations(access: Access) -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for listener in _PUSHED:
        channel = {"$ref": f"#/channels/{listener}"}

        def refs(kinds: tuple[type, ...], listener: str = listener) -> list[dict[str, str]]:
            return [{"$ref": f"#/channels/{listener}/messages/{_name(kind)}"} for kind in kinds]

        for kind in get_args(ClientMessage):
            roles = access.roles(listener, kind)
            if not roles:
                continue
            operations[f"{listener}.{_name(kind)}"] = {
                "action": "receive",
                "channel": channel,
                "summary": _summary(kind),
                "description": f"Roles: {', '.join(roles)}.",
                "messages": refs((kind,)),
                "reply": {"channel": channel, "messages": refs(_ANSWERS[kind])},
            }
        for kind in _PUSHED[listener]:
            operations[f"{listener}.{_name(kind)}"] = {
                "action": "send",
                "channel": channel,
                "summary": _summary(kind),
                "messages": refs((kind,)),
            }
    return operations


def _message(kind: type) -> dict[str, Any]:
    return {
        "name": _tag(kind),
        "summary": _summary(kind),
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
    }


def _summary(kind: type) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]


def _schemas(kinds: tuple[type, ...]) -> dict[str, Any]:
    _, components = msgspec.json.schema_components(
        kinds, ref_template="#/components/schemas/{name}"
    )
    for schema in components.values():
        # Docstrings are wrapped for the source; the document leaves wrapping to its reader.
        if "description" in schema:
            paragraphs = str(schema["description"]).split("\n\n")
            schema["description"] = "\n\n".join(" ".join(text.split()) for text in paragraphs)
    return {name: _as_draft_07(components[name]) for name in sorted(components)}


def _as_draft_07(node: Any) -> Any:
    """Return a schema as AsyncAPI has it: JSON Schema draft 07, and no object as discriminator.

    The constants of the tag fields tell the alternatives apart without a discriminator.
    """
    if isinstance(node, list):
        return [_as_draft_07(item) for item in node]
    if not isinstance(node, dict):
        return node
    schema = {key: _as_draft_07(value) for key, value in node.items() if key != "discriminator"}
    if "prefixItems" in schema:
        schema |= {"items": schema.pop("prefixItems"), "additionalItems": False}
    properties = schema.get("properties")
    if isinstance(properties, dict):
        for name in TEXT_IN_JSON:
            if name in properties:
                properties[name] = _number_or_text(properties[name])
        for name in TEXTS_IN_JSON:
            if name in properties:
                properties[name]["items"] = _number_or_text(properties[name]["items"])
    return schema


def _number_or_text(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a field that is text in JSON and an integer in msgpack."""
    text = {"type": "string", "pattern": "^-?[0-9]{1,19}$"}
    kept = {key: schema[key] for key in ("default",) if key in schema}
    number = {key: value for key, value in schema.items() if key not in kept}
    return {"anyOf": [text, *number.get("anyOf", [number])], **kept}


def _texts(reason: Reason) -> str:
    of_slip = SLIP_MESSAGES.get(reason)
    return f"{MESSAGES[reason]}; of a slip: {of_slip}" if of_slip else MESSAGES[reason]


def _introduction(access: Access) -> str:
    limits = "\n".join(
        f"| {name} | {getattr(GatewaySettings(), name)} | {answer} |"
        for name, answer in LIMITS.items()
    )
    closes = "\n".join(f"| {code.value} | {CLOSE_MEANINGS[code]} |" for code in CloseCode)
    reasons = "\n".join(
        f"| {reason.value} | {_texts(reason)} | {'yes' if reason in RETRYABLE else 'no'} |"
        for reason in Reason
    )
    commands = "\n".join(
        f"| {role} | {', '.join(sorted(map(_tag, kinds)))} |"
        for role, kinds in access.commands.items()
    )
    return (
        f"{_INTRODUCTION}\n\n"
        f"## Commands by role\n\n| role | commands of `control` |\n| --- | --- |\n{commands}\n\n"
        "## Limits\n\n| limit | default | what the client sees |\n| --- | --- | --- |\n"
        f"{limits}\n\n"
        f"## Close codes\n\n| code | meaning |\n| --- | --- |\n{closes}\n\n"
        f"## Reasons\n\n| code | text | retryable |\n| --- | --- | --- |\n{reasons}"
    )
