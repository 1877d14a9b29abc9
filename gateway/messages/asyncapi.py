"""The AsyncAPI 3.0 document of the wire, made from the schemas that sessions decode with.

Owns the document's shape and its prose; every field, bound and description comes from `wire`,
`limits` and the reasons, so that it cannot tell another story than the code. `docs/asyncapi.yaml`
is its output, and a test holds the file to it.
"""

import json
from typing import Any, Final, get_args

import msgspec

from engine.common.reasons import MESSAGES, RETRYABLE, Reason
from gateway.messages.arbitrage import Arbitrage, AskArbitrage
from gateway.messages.base import Error, Welcome
from gateway.messages.bettor import (
    AskBalance,
    AskOpenBets,
    AskStatus,
    BalanceAnswer,
    Bet,
    BetEvent,
    MoneyEvent,
    OpenBetsAnswer,
    Place,
    PlaceMany,
    SlipAnswer,
    WatchAccount,
    Watching,
)
from gateway.messages.exposure import AskExposure, Exposure
from gateway.messages.feed import (
    AskFeedStats,
    FeedAttach,
    FeedAttached,
    FeedPush,
    FeedPushed,
    FeedRequest,
    FeedRequestDone,
    FeedStats,
)
from gateway.messages.market import Market, Odds, Subscribe, Subscribed, Unsubscribe
from gateway.messages.protocol import ClientMessage, ServerMessage
from gateway.messages.trader import (
    AskBook,
    Book,
    Control,
    Controlled,
    ListMarkets,
    Markets,
    Reprice,
    SuspendAll,
    SuspendedAll,
)
from gateway.net.codec import JSON_SUBPROTOCOL, MSGPACK_SUBPROTOCOL
from gateway.session.permissions import FEED_COMMANDS, PERMISSIONS
from gateway.session.tokens import Role
from gateway.settings import LIMITS, CloseCode, GatewaySettings

_ANSWERS: Final[dict[type, tuple[type, ...]]] = {
    Place: (Bet, Error),
    PlaceMany: (Bet, Error),
    AskStatus: (SlipAnswer, Error),
    AskBalance: (BalanceAnswer, Error),
    AskOpenBets: (OpenBetsAnswer, Error),
    WatchAccount: (Watching, Error),
    Subscribe: (Subscribed, Error),
    Unsubscribe: (Subscribed, Error),
    Control: (Controlled, Error),
    SuspendAll: (SuspendedAll, Error),
    Reprice: (Controlled, Error),
    ListMarkets: (Markets, Error),
    AskBook: (Book, Error),
    AskExposure: (Exposure, Error),
    AskArbitrage: (Arbitrage, Error),
    FeedPush: (FeedPushed, Error),
    FeedAttach: (FeedAttached, Error),
    FeedRequestDone: (Error,),
    AskFeedStats: (FeedStats, Error),
}
_UNASKED: Final[dict[str, tuple[type, ...]]] = {
    "bets": (Welcome, Market, Odds, BetEvent, MoneyEvent),
    "control": (Welcome, Market, Odds),
    "feed": (Welcome, FeedRequest),
}

_INTRODUCTION: Final = f"""\
Three WebSocket listeners: `bets` for bettors, `control` for traders, feeds and quants, `feed` for
what providers say (both on loopback unless configured otherwise). All speak two subprotocols with
the same messages: `{MSGPACK_SUBPROTOCOL}` (one msgpack map in each binary frame) and
`{JSON_SUBPROTOCOL}` (one JSON object in each text frame). Compression is never negotiated.

A signed token (JWT, HS256) comes in the handshake: `Authorization: Bearer TOKEN`, or
`?token=TOKEN` where headers cannot be set. Its claims are `sub`, `role`, `exp`, `iss`
(`overround`), and `account` for a bettor. A token is a bearer credential, good for any number of
connections until it expires; an open session ends at the same moment.

Money is in minor units (cents), odds in thousandths (2.500 is 2500), times in nanoseconds since
1970 UTC; all are integers, and a number with a fraction is refused. The gateway leaves out fields
that are at their default. Fields it may add later must be ignored; fields it does not know are
refused.

A bet is acknowledged when it is on disk. Its `ref` makes it idempotent within its account: sent
again with the same content, on any connection, it gets the same answer; with other content it is
rejected with reason 603. A bet whose answer is `unknown`, or was lost with its connection, is
resolved by `status`.

Prices: `market` is an image, `odds` a change. Both carry absolute values and the market's
version, which only rises. A slow reader skips versions and always ends with the latest. After a
lost connection `subscribe` again with what was `seen`.

Plain GETs on the same ports: `/healthz`, `/readyz`, `/metrics` (Prometheus), `/v1/markets`
(`after`, `limit`, `fixture`), and `/v1/markets/KEY`, the image as JSON with the version as its
ETag."""


def document() -> str:
    """Return the document as YAML text."""
    return "\n".join(_yaml(build(), 0)) + "\n"


def build() -> dict[str, Any]:
    """Return the document as plain data."""
    asked = get_args(ClientMessage)
    sent = get_args(ServerMessage)
    schemas = _schemas((*asked, *sent))
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Overround gateway", "version": "1", "description": _introduction()},
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {
            listener: {
                "address": "/",
                "servers": [{"$ref": f"#/servers/{listener}"}],
                "messages": {
                    _name(kind): {"$ref": f"#/components/messages/{_name(kind)}"}
                    for kind in _messages(listener)
                },
            }
            for listener in _UNASKED
        },
        "operations": _operations(),
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
            "messages": {_name(kind): _message(kind) for kind in (*asked, *sent)},
            "schemas": schemas,
        },
    }


def _name(kind: type) -> str:
    """Return a message's name: its tag, with `ask_` before a question tagged like its answer."""
    tag = str(kind.__struct_config__.tag)  # type: ignore[attr-defined]
    doubled = kind in get_args(ClientMessage) and tag in _SENT_TAGS
    return f"ask_{tag}" if doubled else tag


_SENT_TAGS: Final = frozenset(str(kind.__struct_config__.tag) for kind in get_args(ServerMessage))


def _messages(listener: str) -> list[type]:
    """Return all messages of a listener, questions first, each once."""
    asked = [kind for kind in get_args(ClientMessage) if _roles(listener, kind)]
    sent = dict.fromkeys(_UNASKED[listener])
    for kind in asked:
        sent.update(dict.fromkeys(_ANSWERS[kind]))
    return [*asked, *sent]


def _roles(listener: str, kind: type) -> list[str]:
    return [role.value for role in Role if kind in PERMISSIONS.get((listener, role), ())]


def _servers() -> dict[str, Any]:
    settings = GatewaySettings()
    words = {
        "bets": "Bettors; everyone may follow prices.",
        "control": "Traders, feeds and quants.",
        "feed": "What providers say, message by message.",
    }
    return {
        listener: {
            "host": f"localhost:{port}",
            "protocol": "ws",
            "description": words[listener],
            "security": [{"$ref": "#/components/securitySchemes/token"}],
        }
        for listener, port in (
            ("bets", settings.bets_port),
            ("control", settings.control_port),
            ("feed", settings.feed_port),
        )
    }


def _operations() -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for listener in _UNASKED:
        channel = {"$ref": f"#/channels/{listener}"}

        def refs(kinds: tuple[type, ...], listener: str = listener) -> list[dict[str, str]]:
            return [{"$ref": f"#/channels/{listener}/messages/{_name(kind)}"} for kind in kinds]

        for kind in get_args(ClientMessage):
            roles = _roles(listener, kind)
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
        for kind in _UNASKED[listener]:
            operations[f"{listener}.{_name(kind)}"] = {
                "action": "send",
                "channel": channel,
                "summary": _summary(kind),
                "messages": refs((kind,)),
            }
    return operations


def _message(kind: type) -> dict[str, Any]:
    return {
        "name": str(kind.__struct_config__.tag),  # type: ignore[attr-defined]
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
        # Docstrings wrap at the width of the source; a reader's page has its own.
        if "description" in schema:
            paragraphs = str(schema["description"]).split("\n\n")
            schema["description"] = "\n\n".join(" ".join(text.split()) for text in paragraphs)
    return {name: components[name] for name in sorted(components)}


def _introduction() -> str:
    limits = "\n".join(
        f"| {name} | {getattr(GatewaySettings(), name)} | {answer} |"
        for name, answer in LIMITS.items()
    )
    closes = "\n".join(f"| {code.value} | {_CLOSES[code]} |" for code in CloseCode)
    reasons = "\n".join(
        f"| {reason.value} | {MESSAGES[reason]} | {'yes' if reason in RETRYABLE else 'no'} |"
        for reason in Reason
    )
    commands = ", ".join(sorted(str(kind.__struct_config__.tag) for kind in FEED_COMMANDS))
    return (
        f"{_INTRODUCTION}\n\nA feed may send these commands only: {commands}.\n\n"
        "## Limits\n\n| limit | default | what the client sees |\n| --- | --- | --- |\n"
        f"{limits}\n\n"
        f"## Close codes\n\n| code | meaning |\n| --- | --- |\n{closes}\n\n"
        f"## Reasons\n\n| code | words | retryable |\n| --- | --- | --- |\n{reasons}"
    )


_CLOSES: Final[dict[CloseCode, str]] = {
    CloseCode.GOING_AWAY: "the gateway stops; connect again",
    CloseCode.PROTOCOL_ERROR: "a frame breaks RFC 6455",
    CloseCode.UNSUPPORTED_DATA: "a text frame on msgpack, or a binary one on JSON",
    CloseCode.INVALID_DATA: "the payload is not msgpack, not JSON or not UTF-8",
    CloseCode.POLICY_VIOLATION: "too many messages outside the schemas or the role",
    CloseCode.TOO_BIG: "a message is over frame_bytes_max",
    CloseCode.INTERNAL_ERROR: "a defect of the gateway; what was asked is unknown",
    CloseCode.TOKEN_EXPIRED: "the token's time has passed; connect with a new one",
    CloseCode.IDLE: "no sign of life, and no answer to a ping",
    CloseCode.TOO_SLOW: "answers pile up unread; connect again, ask `status`, resume by version",
    CloseCode.RATE_LIMITED: "far over the frame rate for long",
}

# --- YAML ----------------------------------------------------------------------------------------


def _yaml(value: Any, depth: int) -> list[str]:
    """Return a value as lines of block YAML, in the order of its keys."""
    pad = "  " * depth
    lines: list[str] = []
    if isinstance(value, dict):
        for key, item in value.items():
            lines += _entry(f"{pad}{_scalar(key)}:", item, depth)
    else:
        for item in value:
            inner = _yaml(item, depth + 1) if isinstance(item, dict | list) and item else None
            if inner is None:
                lines.append(f"{pad}- {_scalar(item)}")
            else:
                lines.append(f"{pad}- {inner[0].lstrip()}")
                lines += inner[1:]
    return lines


def _entry(head: str, item: Any, depth: int) -> list[str]:
    if isinstance(item, dict | list) and item:
        return [head, *_yaml(item, depth + 1)]
    if isinstance(item, str) and "\n" in item:
        pad = "  " * (depth + 1)
        return [f"{head} |-", *(f"{pad}{line}".rstrip() for line in item.split("\n"))]
    return [f"{head} {_scalar(item)}"]


def _scalar(value: Any) -> str:
    """Return a scalar as JSON, which YAML reads the same way; plain words stay plain."""
    if isinstance(value, str) and value.replace("_", "a").isalpha() and value not in _YAML_KEYWORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


_YAML_KEYWORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
