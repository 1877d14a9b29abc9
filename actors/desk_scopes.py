"""What the desk keeps by scope: margins, skews, limits and delays, as gateways ask for them.

Owns the requests and their answers. Which scope holds for a market are engine.desk.scopes' rules;
desk_quotes.py reprices by margins, and desk_limits.py gives markets their limits.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from msgspec.structs import replace

from actors.desk_journal import DeskJournal
from actors.desk_limits import DeskLimits
from actors.desk_messages import (
    SCOPES_PAGE_MAX,
    AskLimits,
    AskMargins,
    AskPricing,
    KeepLimits,
    KeepMargin,
    LimitsPage,
    MarginPage,
    NotDone,
    PricingPage,
    ReleaseLimits,
    ReleaseMargin,
    encode,
)
from actors.desk_quotes import DeskQuotes
from actors.desk_watch import DeskWatch
from engine.common.events import Refused
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import Nanos
from engine.desk.kept_limits import LimitsDocument
from engine.desk.kept_margins import MarginDocument
from engine.desk.scopes import Scope, fixture_scopes, most_specific_first, wide_scopes

T = TypeVar("T")


class DeskScopes:
    """What one desk keeps by scope.

    Parameters
    ----------
    journal : callable
        Returns what is kept.
    write : callable
        Writes documents and applies them; False: nothing has changed.
    watch : DeskWatch
        Knows where markets belong.
    quotes : DeskQuotes
        Reprices what changed margins touch.
    limits : DeskLimits
        Gives the markets that changed limits touch what they are due.
    """

    def __init__(
        self,
        *,
        journal: Callable[[], DeskJournal],
        write: Callable[..., bool],
        watch: DeskWatch,
        quotes: DeskQuotes,
        limits: DeskLimits,
    ) -> None:
        self._journal = journal
        self._write = write
        self._watch = watch
        self._quotes = quotes
        self._limits = limits

    def change(
        self, request: KeepMargin | ReleaseMargin | KeepLimits | ReleaseLimits, at_ns: Nanos
    ) -> bytes:
        """Keep or release what is asked for, and have markets follow."""
        margins, limits = self._journal().margins, self._journal().limits
        document: MarginDocument | LimitsDocument | Refused
        match request:
            case KeepMargin(kept=margin):
                scope, document = margin.scope, margins.keep(replace(margin, at_ns=at_ns))
            case ReleaseMargin(scope=scope):
                document = margins.release(scope, by=request.by, at_ns=at_ns)
            case KeepLimits(kept=limit):
                scope, document = limit.scope, limits.keep(replace(limit, at_ns=at_ns))
            case ReleaseLimits(scope=scope):
                document = limits.release(scope, by=request.by, at_ns=at_ns)
        if isinstance(document, Refused):
            return encode(NotDone(refused=document))
        if not self._write(document):
            return _refused(Reason.DISK_FULL)
        if isinstance(request, KeepMargin | ReleaseMargin):
            return encode(
                MarginPage(
                    margins=_one(margins.kept, scope),
                    total=len(margins.kept),
                    fixtures=self._quotes.reprice_touched(scope),
                )
            )
        return encode(
            LimitsPage(
                limits=_one(limits.kept, scope),
                total=len(limits.kept),
                markets=self._limits.changed(scope),
            )
        )

    def answer(self, request: AskMargins | AskLimits | AskPricing) -> bytes:
        """Return what is kept, or by what a fixture's markets are to be priced."""
        margins, limits = self._journal().margins, self._journal().limits
        if isinstance(request, AskPricing):
            return encode(PricingPage(margins=margins.of_fixture(request.places, request.own)))
        if request.market_no and request.market_no not in self._watch.routes.markets:
            return _refused(Reason.MARKET_UNKNOWN)
        if isinstance(request, AskMargins):
            margins_page, total = self._page(margins.kept, request)
            return encode(MarginPage(margins=margins_page, total=total))
        limits_page, total = self._page(limits.kept, request)
        return encode(LimitsPage(limits=limits_page, total=total))

    def _page(
        self, kept: Mapping[Scope, T], request: AskMargins | AskLimits
    ) -> tuple[tuple[T, ...], int]:
        """Return a page of what is kept, the most specific first, and how much there is."""
        scopes = sorted(kept, key=most_specific_first)
        if request.market_no:
            place = self._watch.place_of(request.market_no)
            within = {*fixture_scopes(place), *wide_scopes(place)}
            scopes = [scope for scope in scopes if scope in within]
        page = scopes[request.skip : request.skip + min(request.limit, SCOPES_PAGE_MAX)]
        return tuple(map(kept.__getitem__, page)), len(scopes)


def _one(kept: Mapping[Scope, T], scope: Scope) -> tuple[T, ...]:
    return (kept[scope],) if scope in kept else ()


def _refused(reason: Reason) -> bytes:
    return encode(NotDone(refused=Refused(reason=reason, message=MESSAGES[reason])))
