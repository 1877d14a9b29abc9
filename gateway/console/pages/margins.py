"""The form by which a person says what margin and skew a part of the house is priced with.

Owns the form's fields and what it sends. What is kept, and which of several scopes holds for a
market, is the desk's.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET

from gateway.client import ControlSession
from gateway.console.pages.forms import FormError, field, minor_of
from gateway.console.pages.frame import Screen
from gateway.console.undos import Undo
from gateway.messages.scopes import MarketScope

_AS_IT_IS: Final = "as it is"
METHODS: Final = {"odds ratio": 3, "proportional": 0, "additive": 1, "power": 2, "shin": 4}
"""How the margin is spread over outcomes, by the number that messages have for it."""
_LOG_ODDS: Final = {"log_odds_milli_max": "most that log-odds move, thousandths"}
SKEWS: Final[dict[str, dict[str, str]]] = {
    "linear": {
        "scale_minor": "excess payout that doubles a chance",
        "shift_milli_max": "most that a chance moves, thousandths",
    },
    "log_odds": {"scale_minor": "excess payout that moves log-odds by 1", **_LOG_ODDS},
    "optimal": {
        "risk_minor": "risk tolerance",
        "bet_payout_minor": "what the next bet would pay",
        "elasticity": "elasticity of demand",
        "tilt": "tilt to favourites",
        **_LOG_ODDS,
    },
}
"""The parameters of each way in which odds follow the book; docs/pricing.md has what they mean."""
MARGIN: Final[tuple[dict[str, Any], ...]] = (
    field("margin", "margin, %", hint="5"),
    field("method", "spread over outcomes", options=list(METHODS)),
    field("skew", "odds follow the book", options=[_AS_IT_IS, "not at all", *SKEWS]),
    *(
        field(f"{skew}.{name}", label, of=("skew", skew))
        for skew, names in SKEWS.items()
        for name, label in names.items()
    ),
)


def margin_of(values: dict[str, str]) -> dict[str, Any]:
    """Return what `keep_margin` takes beside its scope.

    Raises
    ------
    FormError
        A field is no number, or nothing is said.
    """
    said: dict[str, Any] = {}
    if "margin" in values:
        tenths = minor_of(values["margin"], "margin") // 10
        method = values.get("method", "odds ratio")
        if method not in METHODS:
            raise FormError("spread over outcomes: one of " + ", ".join(METHODS))
        said["margin"] = {"method": METHODS[method], "book_milli": 1_000 + tenths}
    skew = values.get("skew", _AS_IT_IS)
    if skew == "not at all":
        said["skew"] = None
    elif skew in SKEWS:
        said["skew"] = {"type": skew, **_parameters(skew, values)}
    elif skew != _AS_IT_IS:
        raise FormError("odds follow the book: one of " + ", ".join(SKEWS))
    if not said:
        raise FormError("neither a margin nor a skew is given")
    return said


def _parameters(skew: str, values: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, label in SKEWS[skew].items():
        text = values.get(f"{skew}.{name}")
        if text is None:
            continue
        try:
            found[name] = minor_of(text, label) if "_minor" in name else _number(text)
        except ValueError as error:
            raise FormError(f"{label}: a number") from error
    return found


def _number(text: str) -> float | int:
    return int(text) if text.lstrip("-").isdigit() else float(text)


async def keep_margin(screen: Screen, scope: MarketScope, values: dict[str, str]) -> bool:
    """Have the desk keep a margin or a skew for a scope; undo keeps what was before, or nothing."""
    try:
        said = margin_of(values)
    except FormError as error:
        screen.say(str(error), bad=True)
        return False
    session = screen.user.session
    back: Callable[[], Any]

    async def keep() -> Any:
        nonlocal back
        back = await _back_to(session, scope)
        return await session.keep_margin(scope, **said)

    return await screen.act(
        f"margin of {scope_text(scope)}",
        keep,
        undo=lambda _: Undo(f"undo: margin of {scope_text(scope)}", back),
    )


async def _back_to(session: ControlSession, scope: MarketScope) -> Callable[[], Any]:
    """Return what brings back what the desk keeps for a scope now."""
    for one in (await session.margins()).margins:
        if one.scope == scope:
            return lambda: session.keep_margin(scope, margin=one.margin, skew=one.skew)
    return lambda: session.release_margin(scope)


def scope_text(scope: MarketScope) -> str:
    """Return what a scope names, for people."""
    named = {
        name: getattr(scope, name)
        for name in ("market", "fixture", "competition", "sport", "type")
        if getattr(scope, name) is not UNSET
    }
    return ", ".join(f"{name} {value}" for name, value in named.items()) or "the house"
