"""The stop of the house in one account shard: set, taken back, and what reservations get meanwhile.

Owns these three. A reference that is known is answered as before the stop: what it names was
reserved already.
"""

import numpy as np

from engine.common.events import HouseStarted, HouseStopped, LedgerEvent
from engine.common.house import HouseCommand, HouseStop, StopHouse
from engine.common.reasons import Reason
from engine.common.rows import Rows, SlipState
from engine.common.units import Nanos
from engine.ledger.tables import LedgerTables


def command_house(tables: LedgerTables, command: HouseCommand, at_ns: Nanos) -> LedgerEvent:
    """Stop or start the house; the same again changes nothing."""
    before = tables.house_stop
    if isinstance(command, StopHouse):
        stop = before or HouseStop(by=command.by, why=command.why, at_ns=at_ns)
        tables.house_stop = stop
        return HouseStopped(by=stop.by, why=stop.why, at_ns=stop.at_ns, known=before is not None)
    tables.house_stop = None
    return HouseStarted(known=before is None)


def refuse_stopped(answers: Rows) -> None:
    """Give the reservations that a stop left no room for its reason.

    It stands for CAPACITY: an exchange has room for as many slips as there are, so that a known
    reference is answered and no other gets a slip.
    """
    fresh = (answers["state"] == SlipState.NONE) & (answers["reason"] == Reason.CAPACITY)
    answers["reason"][fresh] = np.uint16(Reason.HOUSE_STOPPED)
