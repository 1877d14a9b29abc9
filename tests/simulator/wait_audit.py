"""Judge what a run did with the bets that waited: by journals, shells, and what clients were told.

Owns the comparison of the three. Which bet waits, and how it may end, is the waiting model's.
"""

from collections.abc import Callable, Iterable
from typing import Any

from engine.common.rows import FLAG_PERMITTED
from tests.simulator.clients import Record
from tests.simulator.market_model import ShellModel
from tests.simulator.waiting_model import OFFERED

_LEGS_MAX = 64


class WaitAudit:
    """The audit of the bets that waited.

    Parameters
    ----------
    models : iterable of ShellModel
        What the journals say.
    shells : mapping
        The shells themselves, by name.
    record : Record
        What clients were told.
    stops : iterable of str
        The reasons of the stops and blocks that every shell has answered.
    fault : callable
        Called with each fault.
    """

    def __init__(
        self,
        models: Iterable[ShellModel],
        shells: dict[str, Any],
        record: Record,
        stops: Iterable[str],
        fault: Callable[[str], None],
    ) -> None:
        self._models = list(models)
        self._shells = shells
        self._record = record
        self._stops = set(stops)
        self._fault = fault

    def run(self) -> None:
        for model in self._models:
            for bet_id in model.waiting.bets:
                self._fault(f"bet {bet_id} waits at the end, by the journal of {model.name}")
            for why in sorted(self._stops - model.waiting.stops):
                self._fault(f"{why} was answered, and is not in the journal of {model.name}")
            self._check_permits(model)
        self._check_notices()

    def _check_permits(self, model: ShellModel) -> None:
        """Check that bets past a limit are flagged, and no others are."""
        machine = self._shells[model.name]._durable.machine
        flagged: set[int] = set()
        for number in machine.market_nos():
            rows = machine.accepted_bets(number)
            flagged |= set(rows["bet_id"][(rows["flags"] & FLAG_PERMITTED) != 0].tolist())
        due = model.waiting.permitted & set(model.accepted)
        if flagged != due:
            self._fault(f"{model.name}: bets {flagged ^ due} are flagged as permitted, or are not")

    def _check_notices(self) -> None:
        waited: dict[int, int] = {}
        offers: dict[int, int] = {}
        for model in self._models:
            waited |= model.waiting.waited
            offers |= {
                bet_id: odds
                for bet_id, (reason, odds, _) in model.decisions.items()
                if reason == OFFERED
            }
        for notice in self._record.waited:
            legs = range(notice.bet_id, notice.bet_id + _LEGS_MAX)
            if waited.get(notice.bet_id) == notice.reason:
                continue
            if not any(waited.get(bet_id) == notice.reason for bet_id in legs):
                self._fault(f"account {notice.account} was told that {notice}, which did not wait")
        for answer in self._record.received:
            if answer.kind != "bet" or answer.reason != OFFERED:
                continue
            if answer.odds not in (0, offers.get(answer.bet_id)):
                self._fault(f"account {answer.account} was offered {answer}, and not by a trader")
